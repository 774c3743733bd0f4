"""`GameRecord`: one game as all the file formats see it, always legal from its first position on."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from othello.errors import IllegalMove, OthelloError, ParseError
from othello.rules.board import Board
from othello.rules.notation import excerpt, format_moves, parse_moves, split_score


class Ending(enum.Enum):
    """Why a game stopped before its end."""

    RESIGNED = "r"
    TIME = "t"
    MUTUAL = "s"  # by agreement
    LEFT = "l"  # a player left the server


class Ply(NamedTuple):
    """An action with what its player noted: an evaluation in discs from that player's view, and seconds used."""

    action: int
    value: float | None = None
    seconds: float | None = None


class Theory(NamedTuple):
    """What best play would have made of a game from some point on: discs, black minus white, and that point."""

    score: float
    empties: int  # empty squares where best play begins; 0 if the file does not say


def clean(text: str, limit: int = 200) -> str:
    """A name fit for every format: printable, single blanks, at most `limit` characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())[
        :limit
    ].strip()


@dataclass(frozen=True, slots=True)
class GameRecord:
    """A game: its first position, its plies, and who played it when.

    Forced passes that `plies` leave out are put in, so that two records of one game are equal; a move the rules forbid
    is an IllegalMove that says its number.  `result` is in discs, black minus white, as the file or the board says;
    None if unknown.  `theory` is what a WTHOR base knows of best play; `scores` what an OBF file says of moves in the
    last position, in discs from the view of its side to move; `komi` the discs of a GGF game that black is short of;
    `further` what else a GGF file says, under its own keys.

    >>> record = GameRecord.from_transcript("f5 d6 c3", black="Ada", white="Alan")
    >>> record.transcript, record.final.side
    ('f5d6c3', 'O')
    """

    plies: tuple[Ply, ...] = ()
    start: Board = field(default_factory=Board.initial)
    black: str = ""
    white: str = ""
    result: float | None = None
    ending: Ending | None = None
    date: str = ""
    place: str = ""
    black_rating: float | None = None
    white_rating: float | None = None
    clock: str = ""
    theory: Theory | None = None
    scores: tuple[tuple[int, float], ...] = ()
    komi: float | None = None
    further: tuple[tuple[str, str], ...] = ()
    final: Board = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        skip = self.start.size * self.start.size
        plies: list[Ply] = []
        board = self.start
        for number, ply in enumerate(self.plies, 1):
            if board.must_pass and ply.action != skip:
                plies.append(Ply(skip))
                board = board.pass_turn()
            try:
                board = board.play(ply.action)
            except IllegalMove as error:
                raise IllegalMove(f"move {number}: {error}") from None
            plies.append(ply)
        object.__setattr__(self, "plies", tuple(plies))
        object.__setattr__(self, "final", board)
        for name in ("black", "white", "date", "place", "clock"):
            object.__setattr__(self, name, clean(getattr(self, name)))
        further = ((key, clean(text)) for key, text in self.further)
        object.__setattr__(self, "further", tuple(fact for fact in further if fact[1]))
        for name in ("result", "black_rating", "white_rating", "komi"):
            number_or_none = getattr(self, name)
            if number_or_none is not None and not math.isfinite(number_or_none):
                raise ParseError(f"{name} {number_or_none}: a finite number is accepted")
        if self.result is None and board.is_over:
            object.__setattr__(self, "result", float(board.score()))

    @classmethod
    def from_transcript(
        cls, text: str, size: int = 8, black: str = "", white: str = ""
    ) -> GameRecord:
        """The game that a transcript from the usual first position writes.

        A score at the end of the text is the result of a game that was not played out.
        """
        moves, score = split_score(text, size)
        game = cls.from_actions(parse_moves(moves, size), Board.initial(size), black, white)
        return game if score is None or game.result is not None else replace(game, result=score)

    @classmethod
    def from_actions(
        cls, actions: Iterable[int], start: Board | None = None, black: str = "", white: str = ""
    ) -> GameRecord:
        """The game of these actions."""
        start = Board.initial() if start is None else start
        return cls(tuple(Ply(action) for action in actions), start, black, white)

    @property
    def actions(self) -> tuple[int, ...]:
        """The actions, forced passes included."""
        return tuple(ply.action for ply in self.plies)

    @property
    def transcript(self) -> str:
        """The moves without passes, such as `f5d6c3`."""
        return format_moves(self.actions, self.start.size)

    @property
    def boards(self) -> tuple[Board, ...]:
        """Every position of the game: one more than there are plies."""
        return tuple(self.start.replay(self.actions))


_Read = TypeVar("_Read")


def strict(found: Iterable[_Read | OthelloError]) -> list[_Read]:
    """What a reader found, all of it; the first thing that is wrong is raised."""
    good: list[_Read] = []
    for each in found:
        if isinstance(each, OthelloError):
            raise each
        good.append(each)
    return good


_NUMBER = re.compile(
    r"[+-]?([0-9]{1,20}([.,][0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?", re.ASCII
)


def parse_number(text: str, what: str) -> float | None:
    """A finite decimal number, perhaps with an exponent or a decimal comma as Java and C write it; None for empty text.

    >>> parse_number("+12.5", "score"), parse_number("2.7680000000000002", "time"), parse_number("9.0E-4", "time")
    (12.5, 2.7680000000000002, 0.0009)
    """
    text = text.strip()
    if not text:
        return None
    number = float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise ParseError(
            f"{what} {excerpt(text)}: a decimal number such as +12.5 or 9.0E-4 is accepted"
        )
    return number


def format_number(number: float | None, sign: bool = False) -> str:
    """The shortest text that `parse_number` reads as `number`; empty for None.

    >>> format_number(12.0, sign=True), format_number(-2.5), format_number(9.0e-4), format_number(None)
    ('+12', '-2.5', '0.0009', '')
    """
    if number is None:
        return ""
    text = f"{float(number):+}" if sign else f"{float(number)}"
    return text.removesuffix(".0")
