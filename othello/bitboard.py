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

SIZES: Final = (4, 6, 8)


def _square_mask(size: int) -> np.uint64:
    return np.uint64(sum(1 << (8 * row + column) for row in range(size) for column in range(size)))


BOARD_MASK: Final = {size: _square_mask(size) for size in SIZES}
_INNER = np.uint64(0x7E7E7E7E7E7E7E7E)  # columns b..g: a run of flipped discs cannot pass over the a or h file
_ZERO = np.uint64(0)
_ONE = np.uint64(1)


def start_bits(size: int) -> tuple[int, int]:
    """The first position of an N×N game as (black, white) words; black is to move."""
    middle = size // 2
    black = 1 << (8 * (middle - 1) + middle) | 1 << (8 * middle + middle - 1)
    white = 1 << (8 * (middle - 1) + middle - 1) | 1 << (8 * middle + middle)
    return black, white


@kernel
def _up(own: np.uint64, through: np.uint64, shift: np.uint64) -> np.uint64:
    """The squares one step past an unbroken run of `through` discs that starts next to `own`, towards higher bits."""
    double = shift + shift
    run = through & (own << shift)
    run |= through & (run << shift)
    pair = through & (through << shift)
    run |= pair & (run << double)
    run |= pair & (run << double)
    return run << shift


@kernel
def _down(own: np.uint64, through: np.uint64, shift: np.uint64) -> np.uint64:
    """As `_up`, towards lower bits."""
    double = shift + shift
    run = through & (own >> shift)
    run |= through & (run >> shift)
    pair = through & (through >> shift)
    run |= pair & (run >> double)
    run |= pair & (run >> double)
    return run >> shift


@kernel
def legal_mask(own: np.uint64, opp: np.uint64, board: np.uint64) -> np.uint64:
    """The legal moves of the side that owns `own`, as a mask; `board` is `BOARD_MASK[size]`."""
    inner = opp & _INNER
    reached = _up(own, inner, np.uint64(1)) | _down(own, inner, np.uint64(1))
    reached |= _up(own, opp, np.uint64(8)) | _down(own, opp, np.uint64(8))
    reached |= _up(own, inner, np.uint64(7)) | _down(own, inner, np.uint64(7))
    reached |= _up(own, inner, np.uint64(9)) | _down(own, inner, np.uint64(9))
    return reached & ~(own | opp) & board


@kernel
def _flips_up(own: np.uint64, through: np.uint64, move: np.uint64, shift: np.uint64) -> np.uint64:
    run = through & (move << shift)
    run |= through & (run << shift)
    pair = through & (through << shift)
    double = shift + shift
    run |= pair & (run << double)
    run |= pair & (run << double)
    return run if (run << shift) & own else _ZERO


@kernel
def _flips_down(own: np.uint64, through: np.uint64, move: np.uint64, shift: np.uint64) -> np.uint64:
    run = through & (move >> shift)
    run |= through & (run >> shift)
    pair = through & (through >> shift)
    double = shift + shift
    run |= pair & (run >> double)
    run |= pair & (run >> double)
    return run if (run >> shift) & own else _ZERO


@kernel
def flip_mask(own: np.uint64, opp: np.uint64, bit: np.int64) -> np.uint64:
    """The opponent discs that a move on `bit` turns over; zero if the move flips nothing (it is then illegal)."""
    inner = opp & _INNER
    move = _ONE << np.uint64(bit)
    flips = _flips_up(own, inner, move, np.uint64(1)) | _flips_down(own, inner, move, np.uint64(1))
    flips |= _flips_up(own, opp, move, np.uint64(8)) | _flips_down(own, opp, move, np.uint64(8))
    flips |= _flips_up(own, inner, move, np.uint64(7)) | _flips_down(own, inner, move, np.uint64(7))
    flips |= _flips_up(own, inner, move, np.uint64(9)) | _flips_down(own, inner, move, np.uint64(9))
    return flips


@kernel
def final_score(own: np.uint64, opp: np.uint64, board: np.uint64) -> np.int64:
    """Discs of a finished game from the view of `own`, empties counted for the winner."""
    mine = popcount(own)
    theirs = popcount(opp)
    empties = popcount(board) - mine - theirs
    if mine > theirs:
        return mine - theirs + empties
    if mine < theirs:
        return mine - theirs - empties
    return np.int64(0)


__all__ = [
    "BOARD_MASK", "SIZES", "final_score", "flip_mask", "legal_mask", "lowest_bit_index", "popcount", "start_bits",
]
