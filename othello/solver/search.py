"""Exact endgame search: principal variation search with a hash table, compiled, for use inside other kernels.

    solve_exact(own, opp, alpha, beta, workspace, node_limit) -> score
        own, opp: uint64 words of the side to move and of the other;  alpha < beta: the window in discs, int64
        workspace: uint64[:] from `new_workspace(size, table_bits)`, kept between calls, one per thread and board size
        score: int64 discs of the finished game for the side to move, empties to the winner: exact inside the window,
        else a bound (fail-soft); UNSOLVED if `node_limit` nodes did not suffice or the workspace was told to stop
    solve_best(own, opp, alpha, beta, workspace, node_limit, every) -> (score, bits)
        the same with a best move as a word of one bit, or all best moves if `every`; no bits for a pass or an end

The techniques are the usual ones: fail-soft PVS, best-first ordering by the opponent's mobility and an estimate,
parity of the quadrants near the end, stable discs as a bound, enhanced transposition cut-offs.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numba
import numpy as np

from othello.jit import kernel, lowest_bit_index, popcount
from othello.rules.bitboard import Integer, final_score, flip_mask, legal_mask
from othello.solver.last_squares import NONE, odd_quadrants, solve_few
from othello.solver.move_ordering import around, corners_of, look_ahead, stable_discs
from othello.solver.workspace import (
    BOARD,
    FEW,
    GENERATION,
    LIMIT,
    LIST,
    LOOK_AHEAD,
    MARK,
    MARK_WORD,
    MOVES,
    NODES,
    SEARCH,
    SIGNATURE,
    STOP,
    TABLE,
    Workspace,
    allocate,
    bounds,
    bucket_of,
    call,
    count_node,
    find,
    load,
    lower_of,
    remember,
    square_of,
    store,
    upper_of,
)

UNSOLVED: Final = 127
FEWEST: Final = (
    6  # up to so many empty squares parity alone orders the moves and nothing is remembered
)
PROBE: Final = 9  # from so many empty squares on, children are looked up before any is searched
LOOK: Final = 11  # from so many empty squares on, moves are ordered by the estimate, then by looking further ahead
_U = np.uint64
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_LONG_AGO = -(10**9)


@kernel
def _list_moves(
    own: np.uint64,
    opp: np.uint64,
    moves: np.uint64,
    favourite: Integer,
    depth: Integer,
    memory: Integer,
) -> Integer:
    """Write the moves with their flips and scores (greater is tried sooner) to the list for this many empties.

    `favourite` is the square that was best before; `depth` -1 orders by mobility, 0 and more by looking ahead.
    """
    board = load(memory, BOARD)
    empties = board & ~(own | opp)
    place = MOVES + popcount(empties) * (4 * LIST)
    odd = odd_quadrants(empties, memory)
    corners = corners_of(board)
    count = np.int64(0)
    while moves:
        x = lowest_bit_index(moves)
        move = _ONE << _U(x)
        moves &= moves - _ONE
        flips = flip_mask(own, opp, x)
        mine, theirs = own | flips | move, opp ^ flips
        if theirs == _ZERO:
            score: Integer = 10**8
        elif x == favourite:
            score = 10**7
        else:
            replies = legal_mask(theirs, mine, board)
            score = -64 * (popcount(replies) + popcount(replies & corners))
            score -= 16 * popcount(around(mine) & empties)
            if move & corners:
                score += 96
            if move & odd:
                score += 24
            if depth >= 0:
                score -= 2 * call(
                    memory,
                    LOOK_AHEAD,
                    theirs,
                    mine,
                    np.int64(-1_000_000),
                    np.int64(1_000_000),
                    depth,
                )
        store(memory, place, _U(x))
        store(memory, place + 1, flips)
        store(memory, place + 2, _U(score))
        place += 4
        count += 1
    return count


@kernel
def _bring_best(first: Integer, count: Integer, memory: Integer) -> None:
    """Swap the entry with the greatest score among `count` entries to the place `first`."""
    best, top = first, np.int64(load(memory, first + 2))
    for k in range(1, count):
        score = np.int64(load(memory, first + 4 * k + 2))
        if score > top:
            best, top = first + 4 * k, score
    if best != first:
        for k in range(3):
            word = load(memory, first + k)
            store(memory, first + k, load(memory, best + k))
            store(memory, best + k, word)


@kernel
def _known_cut(
    own: np.uint64, opp: np.uint64, beta: Integer, count: Integer, place: Integer, memory: Integer
) -> Integer:
    """A score ≥ beta that a child's stored upper bound proves, or NONE."""
    for k in range(count):
        x, flips = load(memory, place + 4 * k), load(memory, place + 4 * k + 1)
        mine, theirs = own | flips | _ONE << x, opp ^ flips
        word = find(theirs, mine, bucket_of(theirs, mine, memory), memory)
        if word and -upper_of(word) >= beta:
            return -upper_of(word)
    return np.int64(NONE)


@kernel
def _order_depth(empties: Integer) -> Integer:
    """How far to look ahead when ordering the moves of a position with so many empty squares; -1: mobility only."""
    if empties < LOOK:
        return np.int64(-1)
    return min((empties - LOOK) // 3, np.int64(4))


@kernel
def search(
    own: np.uint64, opp: np.uint64, alpha: Integer, beta: Integer, memory: Integer
) -> Integer:
    """The score for `own`, exact inside the window (alpha, beta), else a bound; without meaning once STOP is set."""
    board = load(memory, BOARD)
    empties = popcount(board & ~(own | opp))
    if empties <= FEWEST:
        return call(memory, FEW, own, opp, alpha, beta, 0)
    if not count_node(memory):
        return np.int64(0)
    moves = legal_mask(own, opp, board)
    if moves == _ZERO:
        if legal_mask(opp, own, board) == _ZERO:
            return final_score(own, opp, board)
        return -call(memory, SEARCH, opp, own, -beta, -alpha, 0)
    squares = popcount(board)
    lower: Integer = -squares
    upper: Integer = squares
    if alpha + (64 - squares) >= 2 * empties - 4:
        upper -= 2 * popcount(stable_discs(opp, own, board))
        if upper <= alpha:
            return upper
    favourite: Integer = 64
    bucket = bucket_of(own, opp, memory)
    word = find(own, opp, bucket, memory)
    if word:
        lower, upper = max(lower, lower_of(word)), min(upper, upper_of(word))
        if lower >= beta or lower == upper:
            return lower
        if upper <= alpha:
            return upper
        favourite = square_of(word)
    alpha, beta = max(alpha, lower), min(beta, upper)
    place = MOVES + empties * (4 * LIST)
    count = _list_moves(own, opp, moves, favourite, _order_depth(empties), memory)
    if empties >= PROBE:
        known = _known_cut(own, opp, beta, count, place, memory)
        if known > NONE:
            return known
    best: Integer = NONE
    best_square: Integer = 64
    low = alpha
    for k in range(count):
        _bring_best(place + 4 * k, count - k, memory)
        x, flips = load(memory, place + 4 * k), load(memory, place + 4 * k + 1)
        mine, theirs = own | flips | _ONE << x, opp ^ flips
        if k == 0:
            score = -call(memory, SEARCH, theirs, mine, -beta, -low, 0)
        else:
            score = -call(memory, SEARCH, theirs, mine, -low - 1, -low, 0)
            if low < score < beta:
                score = -call(memory, SEARCH, theirs, mine, -beta, -score + 1, 0)
        if load(memory, STOP):
            return np.int64(0)
        if score > best:
            best, best_square = score, np.int64(x)
            if score >= beta:
                break
            low = max(low, score)
    if best <= alpha:
        upper = min(upper, best)
    elif best >= beta:
        lower = max(lower, best)
    else:
        lower = upper = best
    remember(own, opp, bucket, bounds(lower, upper, best_square, empties, memory), memory)
    return best


def _search_entry(own: Any, opp: Any, alpha: Any, beta: Any, extra: Any, memory: Any) -> Any:
    return search(own, opp, alpha, beta, memory)


def _few_entry(own: Any, opp: Any, alpha: Any, beta: Any, extra: Any, memory: Any) -> Any:
    return solve_few(own, opp, alpha, beta, memory)


def _look_ahead_entry(own: Any, opp: Any, alpha: Any, beta: Any, extra: Any, memory: Any) -> Any:
    return look_ahead(own, opp, alpha, beta, extra, memory)


@cache
def _compiled() -> dict[int, Any]:
    """The C functions that a workspace points to; they live as long as the process."""
    entries = {SEARCH: _search_entry, FEW: _few_entry, LOOK_AHEAD: _look_ahead_entry}
    return {word: numba.cfunc(SIGNATURE, cache=True)(entry) for word, entry in entries.items()}


def new_workspace(size: int = 8, table_bits: int = 16) -> Workspace:
    """A workspace for N×N boards with a table of 2**table_bits buckets of 64 bytes (16: 4 MiB).

    It holds addresses of this process's machine code: make one in every process, never pickle or share it.
    """
    workspace = allocate(size, table_bits)
    for word, function in _compiled().items():
        workspace[word] = function.address
    return workspace


@kernel
def _begin(workspace: Workspace, node_limit: Integer) -> Integer:
    """Clear counter and stop flag, set the limit, start a generation; the workspace's address."""
    if workspace.size <= TABLE or workspace[MARK] != _U(MARK_WORD):
        raise ValueError("not a solver workspace: make one by new_workspace(size, table_bits)")
    workspace[NODES] = _ZERO
    workspace[STOP] = _ZERO
    workspace[LIMIT] = _U(node_limit)
    workspace[GENERATION] = (workspace[GENERATION] + _ONE) & _U(0xFFFF)
    return np.int64(workspace.ctypes.data)


@kernel
def solve_exact(
    own: np.uint64,
    opp: np.uint64,
    alpha: Integer,
    beta: Integer,
    workspace: Workspace,
    node_limit: Integer,
) -> Integer:
    """The score for the side that owns `own`; see the head of this file."""
    memory = _begin(workspace, node_limit)
    score = call(memory, SEARCH, own, opp, alpha, beta, 0)
    return np.int64(UNSOLVED) if workspace[STOP] else score


@kernel
def solve_best(
    own: np.uint64,
    opp: np.uint64,
    alpha: Integer,
    beta: Integer,
    workspace: Workspace,
    node_limit: Integer,
    every: bool,
) -> tuple[Integer, np.uint64]:
    """The score and the best moves as a word; see the head of this file.

    If the score is ≤ alpha nothing tells which move is best, and the word has the move that looked best.
    """
    memory = _begin(workspace, node_limit)
    board = workspace[BOARD]
    moves = legal_mask(own, opp, board)
    if moves == _ZERO:
        score = call(memory, SEARCH, own, opp, alpha, beta, 0)
        return (np.int64(UNSOLVED) if workspace[STOP] else score), _ZERO
    empties = popcount(board & ~(own | opp))
    place = MOVES + empties * (4 * LIST)
    count = _list_moves(own, opp, moves, np.int64(64), min(max(empties - 11, -1), 6), memory)
    best: Integer = NONE
    best_bits, low = _ZERO, alpha
    for k in range(count):
        _bring_best(place + 4 * k, count - k, memory)
        x, flips = load(memory, place + 4 * k), load(memory, place + 4 * k + 1)
        mine, theirs = own | flips | _ONE << x, opp ^ flips
        if best_bits == _ZERO or best <= alpha:
            score = -call(memory, SEARCH, theirs, mine, -beta, -alpha, 0)
        else:
            # A move that ties with the best is worth telling apart from a worse one only if all of them are wanted.
            probe = low - 1 if every else low
            score = -call(memory, SEARCH, theirs, mine, -probe - 1, -probe, 0)
            if every and score == low:
                score = -call(memory, SEARCH, theirs, mine, -low - 1, -low, 0)
            if score > low:
                score = -call(memory, SEARCH, theirs, mine, -beta, -score + 1, 0)
        if workspace[STOP]:
            return np.int64(UNSOLVED), _ZERO
        if score > best:
            best, best_bits, low = score, _ONE << x, max(alpha, score)
            if score >= beta:
                break
        elif every and score == best and best > alpha:
            best_bits |= _ONE << x
    return best, best_bits
