"""Othello's rules on pairs of 64-bit words: legal moves and flips, compiled.

A position is (own, opp): the discs of the side to move and of the other side.  Every board size lives in the top left
corner of an 8×8 grid: the square in row r and column c is bit 8·r + c, whatever the size, so one set of shifts serves
4×4, 6×6 and 8×8.  `BOARD_MASK[N]` has the bits of the N×N board.  *Bit* below means such a number 0..63; *square* and
*action* elsewhere mean r·N + c (the two agree on 8×8).

The two inner loops are written as LLVM vectors of four words, the lanes, one for each line through a square (row,
column, two diagonals); LLVM makes AVX2, NEON or plain scalar code of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from othello.jit import kernel, lowest_bit_index, popcount

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


_WORD = ir.IntType(64)
_LANES = ir.VectorType(_WORD, 4)
_INDEX = ir.IntType(32)
_ALL = 2**64 - 1
_INNER = 0x7E7E7E7E7E7E7E7E  # columns b..g: a run of discs along a row or diagonal cannot pass over the a or h file
_STEPS = (
    (0, 1),
    (1, 0),
    (1, -1),
    (1, 1),
)  # (rows, columns) of one step towards higher bits, one for each lane


def _lanes(*words: int) -> Any:
    return ir.Constant(_LANES, [ir.Constant(_WORD, word & _ALL) for word in words])


def _constant(word: int) -> Any:
    return _lanes(word, word, word, word)


def _shifts(steps: int) -> Any:
    """Bits to shift by for so many steps, one number for each lane."""
    return _lanes(*(steps * (8 * down + right) for down, right in _STEPS))


_STEP, _STEP2, _STEP4 = _shifts(1), _shifts(2), _shifts(4)


def _ray(bit: int, down: int, right: int) -> int:
    """The squares strictly beyond `bit` in one direction, to the edge of the 8×8 grid."""
    row, column, ray = bit // 8 + down, bit % 8 + right, 0
    while 0 <= row < 8 and 0 <= column < 8:
        ray |= 1 << (8 * row + column)
        row, column = row + down, column + right
    return ray


def _rays(bit: int, sign: int) -> Any:
    """The four rays from `bit` to higher bits (sign 1) or to lower ones (sign −1)."""
    return _lanes(*(_ray(bit, sign * down, sign * right) for down, right in _STEPS))


def _ray_table(module: Any) -> Any:
    """The module's constant table: entries 2·bit and 2·bit + 1 hold the four rays to higher and to lower bits."""
    name = "othello_rays"
    if name not in module.globals:
        rays = []
        for bit in range(64):
            rays += [_rays(bit, 1), _rays(bit, -1)]
        table = ir.GlobalVariable(module, ir.ArrayType(_LANES, 128), name)
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.Constant(ir.ArrayType(_LANES, 128), rays)
    return module.globals[name]


def _spread(builder: Any, word: Any) -> Any:
    """`word` in all four lanes."""
    undefined = ir.Constant(_LANES, ir.Undefined)
    first = builder.insert_element(undefined, word, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(
        first, undefined, ir.Constant(ir.VectorType(_INDEX, 4), [0, 0, 0, 0])
    )


def _union(builder: Any, lanes: Any) -> Any:
    """The bitwise or of the four lanes, as one word."""
    undefined = ir.Constant(_LANES, ir.Undefined)
    for order in ([2, 3, 0, 1], [1, 0, 3, 2]):
        other = builder.shuffle_vector(
            lanes, undefined, ir.Constant(ir.VectorType(_INDEX, 4), order)
        )
        lanes = builder.or_(lanes, other)
    return builder.extract_element(lanes, ir.Constant(_INDEX, 0))


@intrinsic
def _reached(typingctx: Any, own: Any, opp: Any) -> Any:
    """The squares one step past a run of opp discs that starts beside an own disc, discs included."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        own = _spread(b, arguments[0])
        through = b.and_(_spread(b, arguments[1]), _lanes(_INNER, _ALL, _INNER, _INNER))
        up = b.and_(through, b.shl(own, _STEP))
        down = b.and_(through, b.lshr(own, _STEP))
        up = b.or_(up, b.and_(through, b.shl(up, _STEP)))
        down = b.or_(down, b.and_(through, b.lshr(down, _STEP)))
        pair_up = b.and_(
            through, b.shl(through, _STEP)
        )  # squares that lie, with the one before them, on opp discs
        pair_down = b.lshr(pair_up, _STEP)
        for _ in range(2):
            up = b.or_(up, b.and_(pair_up, b.shl(up, _STEP2)))
            down = b.or_(down, b.and_(pair_down, b.lshr(down, _STEP2)))
        return _union(b, b.or_(b.shl(up, _STEP), b.lshr(down, _STEP)))

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def _turned(typingctx: Any, own: Any, opp: Any, bit: Any) -> Any:
    """The opp discs between an own disc on square `bit` and the own discs it sees past them."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        table, zero, ones = _ray_table(b.module), ir.Constant(_WORD, 0), _constant(_ALL)
        entry = b.shl(arguments[2], ir.Constant(_WORD, 1))
        ray_up = b.load(b.gep(table, [zero, entry]))
        ray_down = b.load(b.gep(table, [zero, b.add(entry, ir.Constant(_WORD, 1))]))
        own, opp = _spread(b, arguments[0]), _spread(b, arguments[1])
        # Towards higher bits, adding 1 carries through the run of opp discs to the first square of the ray that is not
        # one; if own stands there, the ray's squares below it are turned.
        carried = b.add(b.or_(opp, b.xor(ray_up, ones)), _constant(1))
        end = b.and_(b.and_(carried, ray_up), own)
        found = b.sext(
            b.icmp_unsigned("!=", end, _constant(0)), _LANES
        )  # -1 where an end was found
        up = b.and_(b.add(end, found), ray_up)
        # Towards lower bits, the first square that is not opp's is the highest bit of `rest`.
        rest = b.and_(ray_down, b.xor(opp, ones))
        for step in (_STEP, _STEP2, _STEP4):
            rest = b.or_(rest, b.lshr(rest, step))
        end = b.and_(b.and_(b.and_(rest, b.xor(b.lshr(rest, _STEP), ones)), ray_down), own)
        down = b.and_(b.sub(_constant(0), b.add(end, end)), ray_down)
        return _union(b, b.or_(up, down))

    return types.uint64(types.uint64, types.uint64, types.int64), generate


_squares_reached = cast(Callable[[np.uint64, np.uint64], np.uint64], _reached)
_discs_turned = cast(Callable[[np.uint64, np.uint64, np.int64], np.uint64], _turned)


@kernel
def legal_mask(own: np.uint64, opp: np.uint64, board: np.uint64) -> np.uint64:
    """The legal moves of the side that owns `own`, as a mask; `board` is `BOARD_MASK[size]`."""
    return _squares_reached(own, opp) & ~(own | opp) & board


@kernel
def flip_mask(own: np.uint64, opp: np.uint64, bit: int | np.int64) -> np.uint64:
    """The opponent discs that a move on `bit` turns over; zero if the move flips nothing (it is then illegal).

    The square itself must be empty.
    """
    return _discs_turned(own, opp, np.int64(bit))


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
