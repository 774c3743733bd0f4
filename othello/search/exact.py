"""Exact outcomes and best moves of nearly finished positions, for search leaves and training labels."""

from __future__ import annotations

import numpy as np

from othello.bitboard import final_score, flip_mask, legal_mask, lowest_bit_index
from othello.jit import kernel


@kernel
def _negamax(own: np.uint64, opp: np.uint64, board: np.uint64, alpha: int, beta: int, passed: int) -> int:
    moves = legal_mask(own, opp, board)
    if moves == np.uint64(0):
        if passed > 0:
            return np.int64(np.sign(final_score(own, opp, board)))
        return -_negamax(opp, own, board, -beta, -alpha, np.int64(1))
    best = np.int64(-1)
    while moves:
        bit = lowest_bit_index(moves)
        moves &= moves - np.uint64(1)
        flips = flip_mask(own, opp, bit)
        score = -_negamax(opp & ~flips, own | flips | (np.uint64(1) << np.uint64(bit)), board, -beta, -alpha, np.int64(0))
        if score > best:
            best = score
            if best > alpha:
                alpha = best
                if alpha >= beta:
                    break
    return best


@kernel
def solve_outcome(own: np.uint64, opp: np.uint64, board: np.uint64) -> int:
    """The outcome of perfect play for the side to move: 1 a win, 0 a draw, −1 a loss."""
    return _negamax(own, opp, board, np.int64(-1), np.int64(1), np.int64(0))


@kernel
def _negamax_score(own: np.uint64, opp: np.uint64, board: np.uint64, alpha: int, beta: int, passed: int) -> int:
    moves = legal_mask(own, opp, board)
    if moves == np.uint64(0):
        if passed > 0:
            return np.int64(final_score(own, opp, board))
        return -_negamax_score(opp, own, board, -beta, -alpha, np.int64(1))
    best = np.int64(-65)
    while moves:
        bit = lowest_bit_index(moves)
        moves &= moves - np.uint64(1)
        flips = flip_mask(own, opp, bit)
        mine = own | flips | (np.uint64(1) << np.uint64(bit))
        score = -_negamax_score(opp & ~flips, mine, board, -beta, -alpha, np.int64(0))
        if score > best:
            best = score
            if best > alpha:
                alpha = best
                if alpha >= beta:
                    break
    return best


@kernel
def best_moves(own: np.uint64, opp: np.uint64, board: np.uint64) -> tuple[int, np.uint64]:
    """The exact score in discs for the side to move, which has a move, and the mask of all moves that reach it."""
    score = _negamax_score(own, opp, board, np.int64(-64), np.int64(64), np.int64(0))
    best = np.uint64(0)
    moves = legal_mask(own, opp, board)
    while moves:
        bit = lowest_bit_index(moves)
        moves &= moves - np.uint64(1)
        flips = flip_mask(own, opp, bit)
        mine = own | flips | (np.uint64(1) << np.uint64(bit))
        if -_negamax_score(opp & ~flips, mine, board, -score, -(score - 1), np.int64(0)) >= score:
            best |= np.uint64(1) << np.uint64(bit)
    return score, best
