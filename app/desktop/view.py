"""Everything the desktop shows, as one value without pygame: equal views are equal pictures, so only others are drawn.

Colours, numbers and sentences arrive here ready made; drawing knows no rule, no network and no relevance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from othello.rules.board import Board

HeatMode = Literal["off", "value", "move"]
HEAT_MODES: tuple[HeatMode, ...] = ("off", "value", "move")


@dataclass(frozen=True)
class Seated:
    """One side of the table."""

    name: str
    discs: int
    to_move: bool


@dataclass(frozen=True)
class Turning:
    """Discs on their way to their new colour; `phase` runs from 0 (the old colour) to 1 (the new one)."""

    squares: tuple[int, ...]
    phase: float


@dataclass(frozen=True)
class Ghost:
    """What a legal move under the mouse would do: its square and the discs it turns."""

    square: int
    turns: tuple[int, ...]


@dataclass(frozen=True)
class Heat:
    """A map as colours and signed texts of the N² squares; `scale` is the |R| of full colour."""

    fills: tuple[str, ...]
    numbers: tuple[str, ...]
    scale: float


@dataclass(frozen=True)
class LedgerRow:
    """One part of target = squares + bias + stabilizer."""

    name: str
    value: float
    text: str


@dataclass(frozen=True)
class Ledger:
    """The account under a map: parts that add up to the total, and a sentence on them."""

    title: str
    shown: str  # what the map shows
    rows: tuple[LedgerRow, ...]
    total: LedgerRow
    sentence: str


@dataclass(frozen=True)
class Candidate:
    """A move the search looked at; `share` of the visits and `prior` in [0, 1], `q` in [−1, 1] or None if unvisited."""

    name: str
    share: float
    prior: float
    q: float | None
    played: bool


@dataclass(frozen=True)
class Button:
    """Something to press: its command, its words, its key and whether it is on."""

    command: str
    label: str
    key: str = ""
    on: bool = False
    enabled: bool = True
    weight: float = 1.0  # width beside the others of its row


@dataclass(frozen=True)
class Prompt:
    """A line of text being typed."""

    label: str
    text: str


@dataclass(frozen=True)
class View:
    """A moment of the game, as it is drawn."""

    board: Board
    players: tuple[Seated, Seated]
    status: str = ""
    notice: str = ""  # an answer to the last command, or what was wrong with it
    progress: float | None = None  # of the agent's search, in [0, 1]
    last: int | None = None
    dots: tuple[int, ...] = ()
    cursor: int | None = None
    ghost: Ghost | None = None
    turning: Turning | None = None
    neutral: bool = False  # the board of the heatmaps, with or without a map yet
    heat: Heat | None = None
    with_numbers: bool = False
    marks: tuple[str, ...] = ()  # a text a square, such as the visits of a hint
    best: int | None = None  # the square of a hint
    value_words: str = ""
    values: tuple[float | None, ...] = ()  # of every ply, in [−1, 1] for black
    ply: int = 0
    plies: int = 60  # the graph's width
    ledger: Ledger | None = None
    candidates: tuple[Candidate, ...] = ()
    candidates_title: str = ""
    opening: str = ""
    moves: str = ""  # the transcript, for people
    buttons: tuple[tuple[Button, ...], ...] = ()
    prompt: Prompt | None = None
    help: tuple[tuple[str, str], ...] = ()
    dark: bool = False
