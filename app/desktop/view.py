"""Everything the desktop shows, as one value without pygame: equal views are equal pictures, so only others are drawn.

Colours, numbers and sentences arrive here ready made; drawing knows no rule, no network and no relevance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.present.colormap import Heat
from app.present.game_view import Candidate, Ledger, Seated
from othello.rules.board import Board, squares_of

HeatMode = Literal["off", "value", "move"]
HEAT_MODES: tuple[HeatMode, ...] = ("off", "value", "move")


def turned(before: Board, after: Board) -> tuple[int, ...]:
    """The squares whose discs have changed their colour from one position to the next."""
    changed = (before.black & after.white) | (before.white & after.black)
    return squares_of(changed, after.size)


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
    sentence: str = ""  # why the agent's last move; under a ledger in place of its words
    candidates: tuple[Candidate, ...] = ()
    candidates_title: str = ""
    opening: str = ""
    moves: str = ""  # the transcript, for people
    buttons: tuple[tuple[Button, ...], ...] = ()
    prompt: Prompt | None = None
    help: tuple[tuple[str, str], ...] = ()
    dark: bool = False
