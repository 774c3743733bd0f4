"""Names of Othello openings, recognised under the symmetries of the board and whatever the order of the moves."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

from othello.rules.board import Board
from othello.rules.notation import parse_moves
from othello.rules.symmetry import canonical

_TABLE: Final = """
c4c3 Diagonal
c4c5 Parallel
c4e3 Perpendicular
c4c3d3c5b2 X-square
c4c3d3c5b3 Snake
c4c3d3c5b4 Heath
c4c3d3c5b4d2d6 Heath-Bat
c4c3d3c5b4d2e2 Iwasaki
c4c3d3c5b4e3 Heath-Chimney
c4c3d3c5b5 Raccoon Dog
c4c3d3c5b6 Rocket
c4c3d3c5b6c6b5 Hamilton
c4c3d3c5b6e3 Lollipop
c4c3d3c5d6 Cow
c4c3d3c5d6e3 Chimney
c4c3d3c5d6f4b4 Cow Bat
c4c3d3c5d6f4f5 Rose-v-Toth
c4c3d3c5d6f4f5d2 Tanida
c4c3d3c5d6f4f5d2b5 Aircraft
c4c3d3c5d6f4f5d2g4d7 Sailboat
c4c3d3c5d6f4f5e6c6d7 Maruoka
c4c3d3c5d6f4f5e6f6 Landau
c4c3d3c5f6 Buffalo
c4c3d3c5f6e2c6 Maruoka Buffalo
c4c3d3c5f6f5 Hokuriku Buffalo
c4c3d3e3c2c6 Lysons
c4c3e6c5 Wing
c4c3f5c5 Semi-Wing
c4e3f4c5d6f3c6 Shaman
c4e3f4c5d6f3d3 Inoue
c4e3f4c5d6f3d3c3 Iago
c4e3f4c5d6f3e2 Bhagat
c4e3f4c5d6f3e6c3d3e2 Rose
c4e3f4c5d6f3e6c3d3e2b5 Flat
c4e3f4c5d6f3e6c3d3e2b5f5 Rotating Flat
c4e3f4c5d6f3e6c3d3e2b6f5 Rose-Birth
c4e3f4c5d6f3e6c3d3e2b6f5b4f6g5d7 Brightstein
c4e3f4c5d6f3e6c3d3e2d2 Greenberg
c4e3f4c5d6f3e6c6 Ralle
c4e3f4c5e6 Horse
c4e3f5b4 No-Cat
c4e3f5b4f3 Swallow
c4e3f5e6d3 Italian
c4e3f5e6f4 Cat
c4e3f5e6f4c5d6c6f7f3 Sakaguchi
c4e3f5e6f4c5d6c6f7g5g6 Berner
c4e3f6b4 Bent Ganglion
c4e3f6e6f5 Tiger
c4e3f6e6f5c5c3 Stephenson
c4e3f6e6f5c5c3b4 No-Kung
c4e3f6e6f5c5c3c6 Comp'Oth
c4e3f6e6f5c5c3c6d6 Lightning Bolt
c4e3f6e6f5c5c3g5 Kung
c4e3f6e6f5c5d3 Leader's Tiger
c4e3f6e6f5c5d6 Brightwell
c4e3f6e6f5c5f4g5g4f3c6d3d6 Ishii
c4e3f6e6f5c5f4g6f7 Rose-Bill
c4e3f6e6f5c5f4g6f7d3 Tamenori
c4e3f6e6f5g6 Aubrey
c4e3f6e6f5g6e7c5 Aubrey (Feldborg)
"""


class Opening(NamedTuple):
    """A named opening, its moves as they are usually written, and their number."""

    name: str
    transcript: str
    plies: int


OPENINGS: Final = tuple(
    Opening(name, transcript, len(transcript) // 2)
    for transcript, _, name in (line.partition(" ") for line in _TABLE.strip().split("\n"))
)


@cache
def _by_position() -> dict[Board, Opening]:
    """The openings by the canonical form of the position they lead to; of two at one position the first stays."""
    named: dict[Board, Opening] = {}
    for opening in OPENINGS:
        *_, board = Board.initial().replay(parse_moves(opening.transcript))
        named.setdefault(canonical(board)[0], opening)
    return named


def opening_at(board: Board) -> Opening | None:
    """The opening that leads to exactly this position or one of its mirror images."""
    return _by_position().get(canonical(board)[0]) if board.size == 8 else None


def opening_of(actions: Iterable[int]) -> Opening | None:
    """The most specific opening that a game from the usual 8×8 position went through.

    >>> opening_of(parse_moves("f5d6c3d3c4f4f6"))
    Opening(name='Stephenson', transcript='c4e3f6e6f5c5c3', plies=7)
    """
    found, longest = None, max(opening.plies for opening in OPENINGS)
    for ply, board in enumerate(Board.initial().replay(actions)):
        if ply > longest:
            break
        found = opening_at(board) or found
    return found
