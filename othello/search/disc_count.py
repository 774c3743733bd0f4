"""An evaluator without a network: even policy, value from the disc count; for examples, tests and timing the search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel, popcount


@kernel
def _difference(
    own: NDArray[np.uint64], opp: NDArray[np.uint64], values: NDArray[np.float32]
) -> None:
    for i in range(len(own)):
        values[i] = np.float32(popcount(own[i]) - popcount(opp[i]))


class DiscCount:
    """Logits 0 for every action; value = (own − opponent's discs) / N², for the side to move."""

    def __init__(self, size: int = 8) -> None:
        self.size = size

    def __call__(
        self, own: NDArray[np.uint64], opp: NDArray[np.uint64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        values = np.empty(len(own), np.float32)
        _difference(own, opp, values)
        return np.zeros((len(own), self.size**2 + 1), np.float32), values / np.float32(self.size**2)
