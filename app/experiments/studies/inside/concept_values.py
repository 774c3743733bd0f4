"""Named concepts of Othello as numbers of a position, counted by the rules for the side to move.

Strategy after Rose, "Othello: A Minute to Learn… A Lifetime to Master" (2005): mobility, frontier discs, stable discs,
corners and the squares beside them, wedges, parity.  Every concept says whether theory likes more of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.explain.reasons.facts import (
    corners,
    empty_region,
    nearest_corner,
    neighbours,
    region_kind,
    seen_by_other,
    stable_discs,
)
from othello.rules.bitboard import BOARD_MASK, flip_mask, legal_mask
from othello.rules.board import Board, squares_of

ALL: Final = BOARD_MASK[8]


def _word(squares: tuple[int, ...]) -> int:
    return sum(1 << square for square in squares)


CORNERS: Final = _word(corners(8))
AROUND: Final = tuple(_word(neighbours(square, 8)) for square in range(64))
EDGE: Final = _word(tuple(s for s in range(64) if region_kind(s, 8) in ("corner", "C", "edge")))
BESIDE: Final = {  # corner -> the X-square and the two C-squares beside it
    corner: _word(tuple(s for s in neighbours(corner, 8) if nearest_corner(s, 8) == corner))
    for corner in corners(8)
}
X_SQUARE: Final = {0: 9, 7: 14, 56: 49, 63: 54}  # corner -> the square diagonal to it


@dataclass(frozen=True)
class Position:
    """A position as the concepts see it, with what several of them need worked out once."""

    own: int
    opp: int

    @cached_property
    def moves(self) -> int:
        """Where the side to move may play."""
        return int(legal_mask(np.uint64(self.own), np.uint64(self.opp), ALL))

    @cached_property
    def replies(self) -> int:
        """Where the opponent could play if it were its turn."""
        return int(legal_mask(np.uint64(self.opp), np.uint64(self.own), ALL))

    @property
    def empty(self) -> int:
        """The empty squares."""
        return ~(self.own | self.opp) & (2**64 - 1)

    @cached_property
    def stable(self) -> tuple[int, int]:
        """Own discs and the opponent's that no line of play can turn, by the usual lower bound."""
        board = Board(self.own, self.opp, "X", 8)
        return _word(stable_discs(board)), _word(stable_discs(seen_by_other(board)))

    @cached_property
    def after(self) -> tuple[tuple[int, int], ...]:
        """Discs of the side to move and of its opponent after each of its moves."""
        found = []
        for move in squares_of(self.moves, 8):
            turned = int(flip_mask(np.uint64(self.own), np.uint64(self.opp), move))
            found.append((self.own | turned | 1 << move, self.opp & ~turned))
        return tuple(found)

    @cached_property
    def after_moves(self) -> tuple[int, ...]:
        """Where the opponent may play after each of the moves."""
        return tuple(int(legal_mask(np.uint64(o), np.uint64(s), ALL)) for s, o in self.after)

    def swapped(self) -> Position:
        """The same discs seen by the opponent, as if it were to move."""
        return Position(self.opp, self.own)


def frontier(at: Position) -> int:
    """Own discs with an empty square beside them."""
    return sum(bool(AROUND[disc] & at.empty) for disc in squares_of(at.own, 8))


def anchored(at: Position) -> int:
    """Own stable discs on edges."""
    return (at.stable[0] & EDGE).bit_count()


def beside_empty_corners(at: Position) -> int:
    """Own discs on the X- and C-squares of empty corners."""
    return sum(
        (at.own & beside).bit_count() for corner, beside in BESIDE.items() if at.empty >> corner & 1
    )


def x_square_danger(at: Position) -> int:
    """Own discs diagonal to an empty corner."""
    open_corners = [corner for corner in X_SQUARE if at.empty >> corner & 1]
    return sum(at.own >> X_SQUARE[corner] & 1 for corner in open_corners)


def giving_moves(at: Position) -> int:
    """Own moves after which the opponent may take a corner."""
    return sum(bool(replies & CORNERS) for replies in at.after_moves)


def safe_moves(at: Position) -> int:
    """Own moves after which the opponent may take no corner."""
    return len(at.after_moves) - giving_moves(at)


def quiet_moves(at: Position) -> int:
    """Own moves that turn interior discs only: none of the turned discs had an empty square beside it."""
    count = 0
    for own, _ in at.after:
        turned = squares_of(own & at.opp, 8)
        count += not any(AROUND[disc] & at.empty & ~own for disc in turned)
    return count


def fewest_replies(at: Position) -> int:
    """The fewest moves that one of the own moves leaves the opponent."""
    return min((replies.bit_count() for replies in at.after_moves), default=0)


def wedges(at: Position) -> int:
    """Own moves on an edge between two discs of the opponent on that edge."""
    count = 0
    for move in squares_of(at.moves & EDGE & ~CORNERS, 8):
        step = 1 if move // 8 in (0, 7) else 8
        pair = 1 << move - step | 1 << move + step
        count += at.opp & pair == pair
    return count


def odd_regions(at: Position) -> int:
    """Regions of empty squares, connected in 8 directions, that have an odd size."""
    board, todo, count = Board(at.own, at.opp, "X", 8), set(squares_of(at.empty, 8)), 0
    while todo:
        region = empty_region(board, min(todo))
        count += len(region) % 2
        todo -= set(region)
    return count


@dataclass(frozen=True)
class Concept:
    """A number that the rules give a position; `theory` is +1 if the side to move should like more of it, −1 if less.

    Where theory knows no sign, or not for the whole game, it is 0.
    """

    name: str
    theory: int
    count: Callable[[Position], int]


def _other(count: Callable[[Position], int]) -> Callable[[Position], int]:
    """The same of the opponent."""
    return lambda at: count(at.swapped())


def _difference(count: Callable[[Position], int]) -> Callable[[Position], int]:
    """The own count less the opponent's."""
    return lambda at: count(at) - count(at.swapped())


CONCEPTS: Final = tuple(
    Concept(*row)
    for row in (
        ("own moves", 1, lambda at: at.moves.bit_count()),
        ("opponent's moves", -1, lambda at: at.replies.bit_count()),
        ("own frontier", -1, frontier),
        ("opponent's frontier", 1, _other(frontier)),
        ("frontier difference", -1, _difference(frontier)),
        ("own stable discs", 1, lambda at: at.stable[0].bit_count()),
        ("opponent's stable discs", -1, lambda at: at.stable[1].bit_count()),
        ("own anchored edge discs", 1, anchored),
        ("opponent's anchored edge discs", -1, _other(anchored)),
        ("corners", 1, _difference(lambda at: (at.own & CORNERS).bit_count())),
        ("own discs beside empty corners", -1, beside_empty_corners),
        ("opponent's discs beside empty corners", 1, _other(beside_empty_corners)),
        ("own X-square danger", -1, x_square_danger),
        ("opponent's X-square danger", 1, _other(x_square_danger)),
        ("corners to take", 1, lambda at: (at.moves & CORNERS).bit_count()),
        ("corners the opponent could take", -1, lambda at: (at.replies & CORNERS).bit_count()),
        ("moves that give a corner", -1, giving_moves),
        ("opponent's moves that give a corner", 1, _other(giving_moves)),
        ("own safe moves", 1, safe_moves),
        ("opponent's safe moves", -1, _other(safe_moves)),
        ("own quiet moves", 1, quiet_moves),
        ("opponent's quiet moves", -1, _other(quiet_moves)),
        ("fewest replies left", -1, fewest_replies),
        ("own wedges", 1, wedges),
        ("opponent's wedges", -1, _other(wedges)),
        ("odd regions", 0, odd_regions),
        ("disc difference", 0, lambda at: at.own.bit_count() - at.opp.bit_count()),
    )
)


def concept_table(own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The concepts [P, K] of positions [P].

    >>> from othello.rules.board import Board
    >>> start = Board.initial()
    >>> table = concept_table(np.array([start.own], np.uint64), np.array([start.opp], np.uint64))
    >>> names = [concept.name for concept in CONCEPTS]
    >>> [int(table[0, names.index(name)]) for name in ("own moves", "own frontier", "fewest replies left")]
    [4, 2, 3]
    """
    places = [Position(int(o), int(p)) for o, p in zip(own, opp)]
    columns = [[concept.count(at) for at in places] for concept in CONCEPTS]
    return np.array(columns, np.float64).T.reshape(len(places), len(CONCEPTS))
