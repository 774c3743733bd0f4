"""Perft: the number of leaves of the game tree, the usual check and speed test of a move generator.

A pass is a ply; a game that is over counts once at every deeper depth.
"""

from __future__ import annotations

import numpy as np

from othello.errors import ConfigError
from othello.jit import kernel
from othello.rules.bitboard import (
    BOARD_MASK,
    Integer,
    flip_mask,
    legal_mask,
    lowest_bit_index,
    popcount,
)
from othello.rules.board import Board

MAX_DEPTH = 40  # beyond this the count could not be finished, nor trusted to fit 63 bits
_UNINTERRUPTED = 10  # plies counted in one call of compiled code, during which Ctrl-C waits


@kernel
def _leaves(own: np.uint64, opp: np.uint64, board: np.uint64, depth: Integer) -> Integer:
    """Leaves `depth` ≥ 1 plies below a position; the last ply is counted, not played."""
    moves = legal_mask(own, opp, board)
    if moves == np.uint64(0):
        if depth == 1 or legal_mask(opp, own, board) == np.uint64(0):
            return np.int64(1)
        return _leaves(opp, own, board, depth - np.int64(1))
    if depth == 1:
        return popcount(moves)
    total = np.int64(0)
    while moves:
        bit = lowest_bit_index(moves)
        flips = flip_mask(own, opp, bit)
        total += _leaves(opp ^ flips, own | flips | moves & -moves, board, depth - np.int64(1))
        moves &= moves - np.uint64(1)
    return total


def perft(depth: int, board: Board | None = None, size: int = 8) -> int:
    """The number of leaves `depth` plies below `board`, or below the first position of an N×N game.

    >>> perft(5), perft(5, size=4)
    (1396, 424)
    """
    if not 0 <= depth <= MAX_DEPTH:
        raise ConfigError(f"perft depth {depth}: accepted are 0..{MAX_DEPTH}")
    board = Board.initial(size) if board is None else board
    if depth == 0:
        return 1
    if depth > _UNINTERRUPTED and not board.is_over:
        return sum(divide(depth, board).values())
    return int(
        _leaves(np.uint64(board.own), np.uint64(board.opp), BOARD_MASK[board.size], np.int64(depth))
    )


def divide(depth: int, board: Board) -> dict[int, int]:
    """The leaves below each action of `board`, which add up to `perft(depth, board)`; for finding a generator's bug."""
    if depth < 1:
        raise ConfigError(f"divide depth {depth}: accepted are 1..{MAX_DEPTH}")
    return {action: perft(depth - 1, board.play(action)) for action in board.legal_actions()}
