"""What an exact search knows without searching: discs that can never be flipped, and which moves look good.

The estimate is only used to order moves; it never changes a result.
"""

from __future__ import annotations

import numpy as np

from othello.jit import kernel, lowest_bit_index, popcount
from othello.rules.bitboard import Integer, flip_mask, legal_mask
from othello.solver.workspace import BOARD, LOOK_AHEAD, call, count_node, load

_U = np.uint64
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_NOT_A = np.uint64(0xFEFEFEFEFEFEFEFE)
_NOT_H = np.uint64(0x7F7F7F7F7F7F7F7F)


@kernel
def around(discs: np.uint64) -> np.uint64:
    """`discs` and all their neighbours."""
    wide = discs | discs << _ONE & _NOT_A | discs >> _ONE & _NOT_H
    return wide | wide << _U(8) | wide >> _U(8)


@kernel
def edges_of(board: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The first and last column, and the first and last row, of the N×N board."""
    columns = board & _U(0x0101010101010101) | board & ~(board >> _ONE & _NOT_H)
    return columns, board & _U(0xFF) | board & ~(board >> _U(8))


@kernel
def corners_of(board: np.uint64) -> np.uint64:
    """The corner squares of the N×N board."""
    columns, rows = edges_of(board)
    return columns & rows


@kernel
def _smear(
    empties: np.uint64, step: np.uint64, not_low: np.uint64, not_high: np.uint64
) -> np.uint64:
    """The squares that share a line with an empty square, for one of the four lines."""
    up = down = empties
    open_up, open_down = not_low, not_high
    for _ in range(3):
        up |= open_up & up << step
        down |= open_down & down >> step
        open_up &= open_up << step
        open_down &= open_down >> step
        step += step
    return up | down


@kernel
def stable_discs(own: np.uint64, opp: np.uint64, board: np.uint64) -> np.uint64:
    """Discs of `own` that no sequence of moves can flip (not all of them, but never a wrong one).

    A disc is stable if along each of its four lines the line is full, or it touches the edge or a stable disc of its
    colour.
    """
    empties = board & ~(own | opp)
    columns, rows = edges_of(board)
    border = columns | rows
    across = ~_smear(empties, _ONE, _NOT_A, _NOT_H) | columns
    along = ~_smear(empties, _U(8), ~_ZERO, ~_ZERO) | rows
    falling = ~_smear(empties, _U(9), _NOT_A, _NOT_H) | border
    rising = ~_smear(empties, _U(7), _NOT_H, _NOT_A) | border
    stable = own & across & along & falling & rising
    if stable == _ZERO:
        return stable
    while True:
        # A stable neighbour's shift may wrap round an edge, but only to squares that are on the border themselves.
        grown = (
            own
            & (across | stable << _ONE | stable >> _ONE)
            & (along | stable << _U(8) | stable >> _U(8))
        )
        grown &= (falling | stable << _U(9) | stable >> _U(9)) & (
            rising | stable << _U(7) | stable >> _U(7)
        )
        grown |= stable
        if grown == stable:
            return stable
        stable = grown


@kernel
def estimate(own: np.uint64, opp: np.uint64, board: np.uint64) -> Integer:
    """A guess, in sixteenths of a disc, at the final score for `own`, which is to move.

    The weights are a least-squares fit to exact scores of 26,000 positions with 11 to 16 empty squares, of which they
    explain three quarters of the variance.
    """
    empties = board & ~(own | opp)
    columns, rows = edges_of(board)
    corners, edge = columns & rows, columns | rows
    risky = around(corners & empties) & edge  # the edge squares beside an empty corner
    safe, frontier = edge & ~risky & ~corners, around(empties)
    moves, replies = legal_mask(own, opp, board), legal_mask(opp, own, board)
    value = 17 * (popcount(moves) - popcount(replies)) + 100 * (
        popcount(moves & corners) - popcount(replies & corners)
    )
    value += 11 * (popcount(own) - popcount(opp)) - 34 * (
        popcount(own & frontier) - popcount(opp & frontier)
    )
    value += 16 * (popcount(own & safe) - popcount(opp & safe)) - 12 * (
        popcount(own & risky) - popcount(opp & risky)
    )
    return value + 91 * (popcount(own & corners) - popcount(opp & corners))


@kernel
def look_ahead(
    own: np.uint64, opp: np.uint64, alpha: Integer, beta: Integer, depth: Integer, memory: Integer
) -> Integer:
    """The estimate after `depth` plies of alpha-beta, for `own`, which is to move."""
    board = load(memory, BOARD)
    if depth <= 0:
        return estimate(own, opp, board)
    if not count_node(memory):
        return np.int64(0)
    moves = legal_mask(own, opp, board)
    if moves == _ZERO:
        if legal_mask(opp, own, board) == _ZERO:
            return 1000 * (popcount(own) - popcount(opp))
        return -call(memory, LOOK_AHEAD, opp, own, -beta, -alpha, depth)
    best: Integer = -1_000_000
    corners = corners_of(board)
    first, second = moves & corners, moves & ~corners
    while first | second:
        if first:
            x = lowest_bit_index(first)
            first &= first - _ONE
        else:
            x = lowest_bit_index(second)
            second &= second - _ONE
        flips = flip_mask(own, opp, x)
        child = own | flips | _ONE << np.uint64(x)
        best = max(best, -call(memory, LOOK_AHEAD, opp ^ flips, child, -beta, -alpha, depth - 1))
        if best >= beta:
            return best
        alpha = max(alpha, best)
    return best
