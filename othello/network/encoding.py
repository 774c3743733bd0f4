"""Boards to network input: planes of 0 and 1, always from the side to move.

Plane 0: its own discs.  1: the opponent's discs.  2: the squares where it may move.  3: the squares where the opponent
could move if it were the opponent's turn.  A network uses the first `C` of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.rules.bitboard import BOARD_MASK, legal_mask

PLANE_NAMES: Final = ("own", "opponent", "legal", "opponent_legal")


@kernel
def _fill_planes(
    own: NDArray[np.uint64], opp: NDArray[np.uint64], board: np.uint64, out: NDArray[np.float32]
) -> None:
    """Write `out` [B, N, N, C] (channels last) for B positions."""
    batch, size, _, count = out.shape
    for i in range(batch):
        words = (own[i], opp[i], np.uint64(0), np.uint64(0))
        if count > 3:
            words = (
                own[i],
                opp[i],
                legal_mask(own[i], opp[i], board),
                legal_mask(opp[i], own[i], board),
            )
        elif count > 2:
            words = (own[i], opp[i], legal_mask(own[i], opp[i], board), np.uint64(0))
        for row in range(size):
            for column in range(size):
                bit = np.uint64(8 * row + column)
                for plane in range(count):
                    out[i, row, column, plane] = np.float32((words[plane] >> bit) & np.uint64(1))


def encode(
    own: NDArray[np.uint64], opp: NDArray[np.uint64], size: int = 8, planes: int = len(PLANE_NAMES)
) -> NDArray[np.float32]:
    """Planes [B, C, N, N] (channels-last in memory) of the positions whose side to move owns the discs `own`.

    >>> import numpy as np
    >>> from othello.rules.bitboard import start_bits
    >>> black, white = (np.array([word], np.uint64) for word in start_bits(8))
    >>> encode(black, white).sum(axis=(2, 3)).tolist()      # discs, discs, moves, the opponent's moves
    [[2.0, 2.0, 4.0, 4.0]]
    """
    out = np.empty((len(own), size, size, planes), np.float32)
    _fill_planes(own, opp, BOARD_MASK[size], out)
    return out.transpose(0, 3, 1, 2)
