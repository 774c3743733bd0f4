"""Games as rows of keys: a position and its seven mirror images have one key, for the side to move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.rules.bitboard import BOARD_MASK, flip_mask, legal_mask, start_bits

_BOARD = BOARD_MASK[8]
_BLACK, _WHITE = (np.uint64(word) for word in start_bits(8))
_COLUMNS = (
    np.uint64(0x5555555555555555),
    np.uint64(0x3333333333333333),
    np.uint64(0x0F0F0F0F0F0F0F0F),
)
_TURNS = (
    np.uint64(0x5500550055005500),
    np.uint64(0x3333000033330000),
    np.uint64(0x0F0F0F0F00000000),
)
_FACTORS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_POSITIVE = np.uint64(2**63 - 1)


@kernel
def _mirrored(word: np.uint64) -> np.uint64:
    word = ((word >> np.uint64(1)) & _COLUMNS[0]) | ((word & _COLUMNS[0]) << np.uint64(1))
    word = ((word >> np.uint64(2)) & _COLUMNS[1]) | ((word & _COLUMNS[1]) << np.uint64(2))
    return ((word >> np.uint64(4)) & _COLUMNS[2]) | ((word & _COLUMNS[2]) << np.uint64(4))


@kernel
def _transposed(word: np.uint64) -> np.uint64:
    turn = _TURNS[2] & (word ^ (word << np.uint64(28)))
    word ^= turn ^ (turn >> np.uint64(28))
    turn = _TURNS[1] & (word ^ (word << np.uint64(14)))
    word ^= turn ^ (turn >> np.uint64(14))
    turn = _TURNS[0] & (word ^ (word << np.uint64(7)))
    return word ^ turn ^ (turn >> np.uint64(7))


@kernel
def _mixed(own: np.uint64, opp: np.uint64) -> np.int64:
    word = own * _FACTORS[0] ^ (opp + _FACTORS[1])
    word = (word ^ (word >> np.uint64(31))) * _FACTORS[1]
    word = (word ^ (word >> np.uint64(29)) ^ opp) * _FACTORS[0]
    return np.int64((word ^ (word >> np.uint64(32))) & _POSITIVE)


@kernel
def key_of(own: np.uint64, opp: np.uint64) -> np.int64:
    """The key in 0..2⁶³−1 of a position on 8×8 whose side to move owns `own`: the same for all eight images."""
    best_own, best_opp = own, opp
    for image in range(8):
        if image & 1:
            own, opp = _transposed(own), _transposed(opp)
        elif image:
            own, opp = _mirrored(own), _mirrored(opp)
        if own < best_own or (own == best_own and opp < best_opp):
            best_own, best_opp = own, opp
    return _mixed(best_own, best_opp)


@kernel
def walk(moves: NDArray[np.int8], keys: NDArray[np.int64], black: NDArray[np.bool_]) -> None:
    """Play games [G, P] of bits 0..63 (64: no square), −1 behind the last move, from the usual position.

    keys [G, P + 1]: the position before each move and after the last, forced passes made; −1 behind it.  Of a game with
    an illegal move all are −1.  black [G, P]: whether black made the move.
    """
    for game in range(moves.shape[0]):
        own, opp, blacks = _BLACK, _WHITE, True
        keys[game, 0] = key_of(own, opp)
        for ply in range(moves.shape[1]):
            bit = moves[game, ply]
            if bit < 0:
                break
            square = np.uint64(1) << np.uint64(bit) if bit < 64 else own
            turned = flip_mask(own, opp, bit) if bit < 64 else np.uint64(0)
            if turned == 0 or (own | opp) & square:
                keys[game, :] = -1
                break
            black[game, ply] = blacks
            own, opp, blacks = opp ^ turned, own | turned | square, not blacks
            if legal_mask(own, opp, _BOARD) == 0 and legal_mask(opp, own, _BOARD) != 0:
                own, opp, blacks = opp, own, not blacks
            keys[game, ply + 1] = key_of(own, opp)


def keys_of(moves: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """What `walk` writes for games [G, P]."""
    games, plies = moves.shape
    keys = np.full((games, plies + 1), -1, np.int64)
    black = np.zeros((games, plies), np.bool_)
    walk(moves, keys, black)
    return keys, black
