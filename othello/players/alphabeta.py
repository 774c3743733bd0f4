"""A fixed opponent: alpha-beta over a table of square values (Norvig, "Paradigms of AI Programming", 1992, ch. 18).

It never learns, so its strength is a mark on the ladder: depth 1 is some 400 Elo above random moves, depth 3 some 520,
depth 5 some 800, about gtp-rhino's level 1.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.rules.bitboard import (
    BOARD_MASK,
    final_score,
    flip_mask,
    legal_mask,
    lowest_bit_index,
    popcount,
)
from othello.rules.board import Board, squares_of

MAX_DEPTH = 20
_FINISHED = 10_000  # points a disc of a finished game; no table sum comes near one disc of it
# own values; inner squares cost a little, because few discs in the middle leave the opponent few moves
_QUADRANT = ((100, -12, 10, 5), (-12, -25, -3, -3), (10, -3, -2, -2), (5, -3, -2, -2))


class SquareValues(NamedTuple):
    """Squares of equal value as masks, best first: masks uint64 [K], points int64 [K]."""

    masks: NDArray[np.uint64]
    points: NDArray[np.int64]


@cache
def table(size: int) -> SquareValues:
    """The square values of an N×N board: a smaller board keeps the corner region of the 8×8 table."""
    masks: dict[int, int] = {}
    for row in range(size):
        for column in range(size):
            points = _QUADRANT[min(row, size - 1 - row)][min(column, size - 1 - column)]
            masks[points] = masks.get(points, 0) | 1 << (8 * row + column)
    ordered = sorted(masks, reverse=True)
    return SquareValues(
        np.array([masks[points] for points in ordered], np.uint64), np.array(ordered, np.int64)
    )


@kernel
def evaluate(
    own: np.uint64, opp: np.uint64, masks: NDArray[np.uint64], points: NDArray[np.int64]
) -> np.int64:
    """Sum of the square values of own discs minus that of the opponent's."""
    total = np.int64(0)
    for k in range(len(masks)):
        total += points[k] * (popcount(own & masks[k]) - popcount(opp & masks[k]))
    return total


@kernel
def _search(
    own: np.uint64,
    opp: np.uint64,
    board: np.uint64,
    masks: NDArray[np.uint64],
    points: NDArray[np.int64],
    depth: np.int64,
    alpha: np.int64,
    beta: np.int64,
) -> np.int64:
    moves = legal_mask(own, opp, board)
    if moves == np.uint64(0):
        if legal_mask(opp, own, board) == np.uint64(0):
            return np.int64(_FINISHED) * final_score(own, opp, board)
        return -_search(opp, own, board, masks, points, depth, -beta, -alpha)
    if depth <= 0:
        return evaluate(own, opp, masks, points)
    best = np.int64(-(2**62))
    for k in range(len(masks)):
        candidates = moves & masks[k]
        while candidates:
            bit = lowest_bit_index(candidates)
            candidates &= candidates - np.uint64(1)
            flips = flip_mask(own, opp, bit)
            mine = own | flips | (np.uint64(1) << np.uint64(bit))
            value = -_search(
                opp & ~flips, mine, board, masks, points, depth - 1, -beta, -max(alpha, best)
            )
            if value > best:
                best = value
                if best >= beta:
                    return best
    return best


@kernel
def _best(
    own: np.uint64,
    opp: np.uint64,
    board: np.uint64,
    masks: NDArray[np.uint64],
    points: NDArray[np.int64],
    depth: np.int64,
) -> tuple[np.int64, np.uint64]:
    best = np.int64(-(2**62))
    chosen = np.uint64(0)
    moves = legal_mask(own, opp, board)
    for k in range(len(masks)):
        candidates = moves & masks[k]
        while candidates:
            bit = lowest_bit_index(candidates)
            candidates &= candidates - np.uint64(1)
            flips = flip_mask(own, opp, bit)
            move = np.uint64(1) << np.uint64(bit)
            floor = best - np.int64(1)  # so that a move as good as the best gets its true value
            mine = own | flips | move
            value = -_search(
                opp & ~flips, mine, board, masks, points, depth - 1, -np.int64(2**62), -floor
            )
            if value > best:
                best, chosen = value, move
            elif value == best:
                chosen |= move
    return best, chosen


def best_moves(board: Board, depth: int) -> tuple[int, tuple[int, ...]]:
    """The value in points for the side to move and all moves that reach it, looking `depth` >= 1 plies ahead.

    A pass costs no depth.  The side to move must have a move.

    >>> value, moves = best_moves(Board.parse("f5d6c3d3c4f4f6f3e6e7"), depth=2)
    >>> len(moves)
    1
    """
    if not board.legal_bits:
        raise ValueError(f"{board}: the side to move has no move")
    words = np.uint64(board.own), np.uint64(board.opp), BOARD_MASK[board.size]
    value, chosen = _best(*words, *table(board.size), np.int64(depth))
    return int(value), squares_of(int(chosen), board.size)
