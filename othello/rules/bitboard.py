"""Othello's rules on pairs of 64-bit words: legal moves and flips, compiled.

A position is (own, opp): the discs of the side to move and of the other side.  Every board size lives in the top left
corner of an 8×8 grid: the square in row r and column c is bit 8·r + c, whatever the size, so one set of shifts serves
4×4, 6×6 and 8×8.  `BOARD_MASK[N]` has the bits of the N×N board.  *Bit* below means such a number 0..63; *square* and
*action* elsewhere mean r·N + c (the two agree on 8×8).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from othello.jit import kernel, lowest_bit_index, popcount
from othello.rules.lanes import reached, turned

SIZES: Final = (4, 6, 8)
Integer = int | np.int64
"""What kernels take and return for an int64: a plain int will do."""


def _square_mask(size: int) -> np.uint64:
    return np.uint64(sum(1 << (8 * row + column) for row in range(size) for column in range(size)))


BOARD_MASK: Final = {size: _square_mask(size) for size in SIZES}


def start_bits(size: int) -> tuple[int, int]:
    """The first position of an N×N game as (black, white) words; black is to move."""
    middle = size // 2
    black = 1 << (8 * (middle - 1) + middle) | 1 << (8 * middle + middle - 1)
    white = 1 << (8 * (middle - 1) + middle - 1) | 1 << (8 * middle + middle)
    return black, white


@kernel
def legal_mask(own: np.uint64, opp: np.uint64, board: np.uint64) -> np.uint64:
    """The legal moves of the side that owns `own`, as a mask; `board` is `BOARD_MASK[size]`."""
    return reached(own, opp) & ~(own | opp) & board


@kernel
def flip_mask(own: np.uint64, opp: np.uint64, bit: int | np.int64) -> np.uint64:
    """The opponent discs that a move on `bit` turns over; zero if the move flips nothing (it is then illegal).

    The square itself must be empty.
    """
    return turned(own, opp, np.int64(bit))


@kernel
def final_score(own: np.uint64, opp: np.uint64, board: np.uint64) -> int:
    """Discs of a finished game from the view of `own`, empties counted for the winner."""
    mine = popcount(own)
    theirs = popcount(opp)
    empties = popcount(board) - mine - theirs
    if mine > theirs:
        return mine - theirs + empties
    if mine < theirs:
        return mine - theirs - empties
    return 0


__all__ = [
    "BOARD_MASK",
    "SIZES",
    "Integer",
    "final_score",
    "flip_mask",
    "legal_mask",
    "lowest_bit_index",
    "popcount",
    "start_bits",
]
