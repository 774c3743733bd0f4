"""The last few empty squares of an exact search, where nearly all of its nodes are.

All scores are exact discs of the finished game for `own`, which is to move, empties to the winner; windows are
fail-soft: a result ≤ alpha is an upper bound, one ≥ beta a lower bound.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from othello.jit import kernel, lowest_bit_index, popcount
from othello.rules.bitboard import Integer, final_score, flip_mask, legal_mask
from othello.solver.workspace import BOARD, FEW, LEFT, NODES, TOP, call, count_node, load, store

NONE: Final = -100  # below every score: no move tried yet
_ZERO = np.uint64(0)
_ONE = np.uint64(1)


def _neighbours(bit: int) -> int:
    row, column = divmod(bit, 8)
    near = [
        (row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right
    ]
    return sum(1 << (8 * r + c) for r, c in near if 0 <= r < 8 and 0 <= c < 8)


_NEIGHBOURS = np.array([_neighbours(bit) for bit in range(64)], np.uint64)


@kernel
def _bit(x: Integer) -> np.uint64:
    return _ONE << np.uint64(x)


@kernel
def odd_quadrants(empties: np.uint64, memory: Integer) -> np.uint64:
    """The quadrants with an odd number of empty squares: who moves there may well move last."""
    left, top = load(memory, LEFT), load(memory, TOP)
    odd = _ZERO
    if popcount(empties & left & top) & 1:
        odd |= left & top
    if popcount(empties & left & ~top) & 1:
        odd |= left & ~top
    if popcount(empties & ~left & top) & 1:
        odd |= ~left & top
    if popcount(empties & ~left & ~top) & 1:
        odd |= ~left & ~top
    return odd


@kernel
def _next(odd: np.uint64, even: np.uint64) -> tuple[Integer, np.uint64, np.uint64]:
    """The next square to try and what is left: squares of odd quadrants before those of even ones."""
    if odd:
        return lowest_bit_index(odd), odd & (odd - _ONE), even
    return lowest_bit_index(even), odd, even & (even - _ONE)


@kernel
def _one(own: np.uint64, opp: np.uint64, x: Integer, memory: Integer) -> Integer:
    """One empty square, x."""
    difference = popcount(own) - popcount(opp)
    flips = flip_mask(own, opp, x)
    if flips:
        return difference + 2 * popcount(flips) + 1
    flips = flip_mask(opp, own, x)
    if flips:
        return difference - 2 * popcount(flips) - 1
    return difference + 1 if difference > 0 else difference - 1


@kernel
def _two(
    own: np.uint64,
    opp: np.uint64,
    alpha: Integer,
    beta: Integer,
    x: Integer,
    y: Integer,
    memory: Integer,
) -> Integer:
    """Two empty squares."""
    store(memory, NODES, load(memory, NODES) + _ONE)
    best: Integer = NONE
    if _NEIGHBOURS[np.uint64(x)] & opp:
        flips = flip_mask(own, opp, x)
        if flips:
            best = -_one(opp ^ flips, own | flips | _bit(x), y, memory)
            if best >= beta:
                return best
    if _NEIGHBOURS[np.uint64(y)] & opp:
        flips = flip_mask(own, opp, y)
        if flips:
            best = max(best, -_one(opp ^ flips, own | flips | _bit(y), x, memory))
    if best > NONE:
        return best
    worst: Integer = -NONE
    flips = flip_mask(opp, own, x)
    if flips:
        worst = _one(own ^ flips, opp | flips | _bit(x), y, memory)
        if worst <= alpha:
            return worst
    flips = flip_mask(opp, own, y)
    if flips:
        worst = min(worst, _one(own ^ flips, opp | flips | _bit(y), x, memory))
    return worst if worst < -NONE else final_score(own, opp, load(memory, BOARD))


@kernel
def _quadrant(x: Integer, memory: Integer) -> Integer:
    bit = _bit(x)
    return np.int64(load(memory, LEFT) & bit != _ZERO) + 2 * np.int64(
        load(memory, TOP) & bit != _ZERO
    )


@kernel
def _three_moves(
    own: np.uint64,
    opp: np.uint64,
    alpha: Integer,
    beta: Integer,
    x: Integer,
    y: Integer,
    z: Integer,
    memory: Integer,
) -> Integer:
    """Three empty squares in the order to try them; NONE if `own` cannot move."""
    best: Integer = NONE
    if _NEIGHBOURS[np.uint64(x)] & opp:
        flips = flip_mask(own, opp, x)
        if flips:
            best = -_two(opp ^ flips, own | flips | _bit(x), -beta, -alpha, y, z, memory)
            if best >= beta:
                return best
            alpha = max(alpha, best)
    if _NEIGHBOURS[np.uint64(y)] & opp:
        flips = flip_mask(own, opp, y)
        if flips:
            best = max(best, -_two(opp ^ flips, own | flips | _bit(y), -beta, -alpha, x, z, memory))
            if best >= beta:
                return best
            alpha = max(alpha, best)
    if _NEIGHBOURS[np.uint64(z)] & opp:
        flips = flip_mask(own, opp, z)
        if flips:
            best = max(best, -_two(opp ^ flips, own | flips | _bit(z), -beta, -alpha, x, y, memory))
    return best


@kernel
def _three(
    own: np.uint64,
    opp: np.uint64,
    alpha: Integer,
    beta: Integer,
    x: Integer,
    y: Integer,
    z: Integer,
    memory: Integer,
) -> Integer:
    """Three empty squares; one that is alone in its quadrant goes first."""
    store(memory, NODES, load(memory, NODES) + _ONE)
    a, b, c = _quadrant(x, memory), _quadrant(y, memory), _quadrant(z, memory)
    if a == b and b != c:
        x, z = z, x
    elif a == c and a != b:
        x, y = y, x
    best = _three_moves(own, opp, alpha, beta, x, y, z, memory)
    if best > NONE:
        return best
    best = _three_moves(opp, own, -beta, -alpha, x, y, z, memory)
    return -best if best > NONE else final_score(own, opp, load(memory, BOARD))


@kernel
def _four(
    own: np.uint64,
    opp: np.uint64,
    alpha: Integer,
    beta: Integer,
    empties: np.uint64,
    memory: Integer,
) -> Integer:
    """Four empty squares, those in odd quadrants first; NONE if `own` cannot move."""
    store(memory, NODES, load(memory, NODES) + _ONE)
    odd = odd_quadrants(empties, memory)
    best: Integer = NONE
    first, second = empties & odd, empties & ~odd
    while first | second:
        x, first, second = _next(first, second)
        if _NEIGHBOURS[np.uint64(x)] & opp:
            flips = flip_mask(own, opp, x)
            if flips:
                rest = empties ^ _bit(x)
                y = lowest_bit_index(rest)
                rest &= rest - _ONE
                z = lowest_bit_index(rest)
                rest &= rest - _ONE
                w = lowest_bit_index(rest)
                best = max(
                    best,
                    -_three(opp ^ flips, own | flips | _bit(x), -beta, -alpha, y, z, w, memory),
                )
                if best >= beta:
                    return best
                alpha = max(alpha, best)
    return best


@kernel
def solve_four(
    own: np.uint64,
    opp: np.uint64,
    alpha: Integer,
    beta: Integer,
    empties: np.uint64,
    memory: Integer,
) -> Integer:
    """A position with four empty squares."""
    best = _four(own, opp, alpha, beta, empties, memory)
    if best > NONE:
        return best
    best = _four(opp, own, -beta, -alpha, empties, memory)
    return -best if best > NONE else final_score(own, opp, load(memory, BOARD))


@kernel
def solve_few(
    own: np.uint64, opp: np.uint64, alpha: Integer, beta: Integer, memory: Integer
) -> Integer:
    """A position with few empty squares: parity decides the order, nothing is remembered."""
    board = load(memory, BOARD)
    empties = board & ~(own | opp)
    if popcount(empties) == 4:
        return solve_four(own, opp, alpha, beta, empties, memory)
    if not count_node(memory):
        return np.int64(0)
    moves = legal_mask(own, opp, board)
    if moves == _ZERO:
        if legal_mask(opp, own, board) == _ZERO:
            return final_score(own, opp, board)
        return -call(memory, FEW, opp, own, -beta, -alpha, 0)
    odd = odd_quadrants(empties, memory)
    best: Integer = NONE
    first, second = moves & odd, moves & ~odd
    while first | second:
        x, first, second = _next(first, second)
        flips = flip_mask(own, opp, x)
        best = max(best, -call(memory, FEW, opp ^ flips, own | flips | _bit(x), -beta, -alpha, 0))
        if best >= beta:
            return best
        alpha = max(alpha, best)
    return best
