"""OBF: one position a line, with the scores of its moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from othello.errors import OthelloError, ParseError
from othello.records.game import GameRecord, format_number, parse_number, strict
from othello.rules.board import Board
from othello.rules.notation import excerpt, parse_placement, parse_square, plain, square_name


@dataclass(frozen=True, slots=True)
class ScoredPosition:
    """A position and scores of some of its actions, in discs from the view of the side to move."""

    board: Board
    scores: tuple[tuple[int, float], ...] = ()

    def as_game(self) -> GameRecord:
        """The game of no moves that stands here and keeps the scores."""
        return GameRecord(start=self.board, scores=self.scores)


def read_obf(text: str) -> list[ScoredPosition]:
    """The positions of an OBF text; `%` starts a comment, the last `;` of a line may lack.  Errors say the line.

    >>> position, = read_obf("---------------------------OX------XO--------------------------- X; d3:+0; % start")
    >>> position.scores
    ((19, 0.0),)
    """
    return strict(scan_obf(text))


def scan_obf(text: str) -> Iterator[ScoredPosition | OthelloError]:
    """As `read_obf`, line by line; one that is wrong comes as the error that says so."""
    for number, line in enumerate(text.split("\n"), 1):
        line = plain(line).partition("%")[0].strip()
        if line and not line.startswith("#"):
            try:
                yield _read_line(line)
            except OthelloError as error:
                yield type(error)(f"OBF, line {number}: {error}")


def _read_line(line: str) -> ScoredPosition:
    squares, _, rest = line.partition(";")
    placed = parse_placement(squares)
    if placed.side is None:
        raise ParseError(
            f"{excerpt(squares[-8:])}: the side to move, X or O, is accepted behind the squares"
        )
    board = Board(placed.black, placed.white, placed.side, placed.size)
    scores = []
    for entry in rest.split(";"):
        if not entry.strip():
            continue
        move, colon, score = entry.partition(":")
        value = parse_number(score, "score")
        if not colon or value is None:
            raise ParseError(
                f"field {excerpt(entry.strip())}: move:score is accepted, such as d3:+2"
            )
        action = parse_square(move, board.size)
        if action not in board.legal_actions():
            board.play(action)  # says why not
        scores.append((action, value))
    return ScoredPosition(board, tuple(scores))


def write_obf(positions: Iterable[ScoredPosition]) -> str:
    """The positions as OBF, one a line; `read_obf` gives them back."""
    lines = []
    for position in positions:
        size = position.board.size
        scores = (
            f" {square_name(a, size).upper()}:{format_number(v, sign=True)};"
            for a, v in position.scores
        )
        lines.append(f"{position.board};{''.join(scores)}\n")
    return "".join(lines)
