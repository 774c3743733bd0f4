"""Lists of positions as solvers' tests have them: a board and a side on each line, perhaps with a remark; or pictures.

The endgame tests of the French Othello Federation (.scr) are such lists.  `%` and `#` start a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from othello.errors import OthelloError, ParseError
from othello.records.game import GameRecord
from othello.rules.bitboard import SIZES
from othello.rules.board import Board
from othello.rules.notation import excerpt, looks_like_board, parse_picture, parse_placement, plain

_SIDES = {"black": "X", "white": "O", "0": "O"}
_LABEL = re.compile(r"(?:[A-Za-z]{0,12}\s?[0-9]{1,5}[.:)]?)\s+(?=[Xx*BbOoWw.-]{8})")
_GAP = re.compile(r"\n[ \t\r]*\n")


def scan_positions(text: str) -> Iterator[GameRecord | OthelloError]:
    """The positions of a text as games of no moves; a line that is wrong comes as the error that says so.

    >>> game, = scan_positions("-----OX--XO----- X  % the start of 4x4")
    >>> game.start == Board.initial(4)
    True
    """
    if looks_like_picture(text):
        yield from _pictures(text)
        return
    for number, line in enumerate(plain(text).split("\n"), 1):
        line = line.partition("%")[0].partition("#")[0].strip()
        if line:
            try:
                yield GameRecord(start=_read_line(line))
            except OthelloError as error:
                yield type(error)(f"positions, line {number}: {error}")


def looks_like_line(text: str) -> bool:
    """Whether a line begins with a board, perhaps behind a number or with slashes between its rows."""
    return looks_like_board(_LABEL.sub("", text, count=1).replace("/", "")[:16])


def looks_like_picture(text: str) -> bool:
    """Whether the first part of a text, up to an empty line, is a board drawn on several lines."""
    first = _GAP.split(text.strip()[:4096], maxsplit=1)[0]
    row = "".join(first.split("\n")[0].split())
    drawn = len(row) in SIZES and looks_like_board(first)
    return "\n" in first and (drawn or parse_picture(first) is not None)


def _pictures(text: str) -> Iterator[GameRecord | OthelloError]:
    for number, part in enumerate(_GAP.split(text.strip()), 1):
        try:
            yield GameRecord(start=Board.parse(part))
        except OthelloError as error:
            yield type(error)(f"positions, picture {number}: {error}")


def _read_line(line: str) -> Board:
    """The board whose squares the first words of a line write, and the side that the next word names.

    A number may stand before them, and a slash between the rows.
    """
    line = _LABEL.sub("", line, count=1)
    placement = parse_placement(line) if looks_like_board(line) else None
    if placement is None:
        line = line.replace("/", "")
        squares, side = [*line[:4096].replace(";", " ").split(), "", ""][:2]
        placement = parse_placement(f"{squares} {_SIDES.get(side.lower(), side)}")
    if placement.side is None:
        raise ParseError(f"{excerpt(line)}: a board, then the side to move, X or O, is accepted")
    return Board(placement.black, placement.white, placement.side, placement.size)


def write_positions(games: Iterable[GameRecord]) -> str:
    """The last position of each game, one a line."""
    return "".join(f"{game.final}\n" for game in games)
