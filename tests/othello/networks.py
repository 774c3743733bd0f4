"""Networks for the tests: weights and BatchNorm statistics as lively as a trained network's."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from othello.network.architecture import Architecture, Network
from othello.rules.bitboard import BOARD_MASK
from othello.search.disc_count import DiscCount

Words = NDArray[np.uint64]


def enliven(network: nn.Module, seed: int) -> None:
    """Give every BatchNorm and head weights that a fresh network lacks (its blocks are the identity)."""
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor: torch.Tensor, low: float, high: float) -> None:
        tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                draw(module.weight, 0.3, 1.2)
                draw(module.bias, -0.3, 0.5)
                draw(module.running_mean, -0.6, 0.6)
                draw(module.running_var, 0.3, 2.0)
            elif isinstance(module, (nn.Linear, nn.Conv2d)):
                limit = (3 / module.weight[0].numel()) ** 0.5
                draw(module.weight, -limit, limit)
                if module.bias is not None:
                    draw(module.bias, -0.3, 0.3)


def lively_network(seed: int = 0, **architecture: int) -> Network:
    """A network in evaluation mode in which every parameter matters."""
    network = Network(Architecture(**architecture))
    enliven(network, seed)
    return network.eval()


def random_words(count: int, size: int, seed: int = 0) -> tuple[Words, Words]:
    """Any discs at all, at most one on a square."""
    random = np.random.default_rng(seed)
    own, opp = random.integers(0, 2**64, (2, count), dtype=np.uint64) & BOARD_MASK[size]
    return own, opp & ~own


class Uneven:
    """An evaluator with a lively policy: logits from the words of the position, value from the discs."""

    def __init__(self, size: int) -> None:
        self.size, self._values = size, DiscCount(size)

    def __call__(self, own: Words, opp: Words) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        actions = np.arange(1, self.size**2 + 2, dtype=np.uint64)
        words = _scrambled(own) ^ _scrambled(opp + np.uint64(1))
        mixed = _scrambled(words[:, None] + actions * np.uint64(0x9E3779B97F4A7C15))
        even = mixed.astype(np.float64) / 2**64  # in [0, 1): the logits have mean 0 and variance 1
        return (np.sqrt(12) * (even - 0.5)).astype(np.float32), self._values(own, opp)[1]


def _scrambled(words: Words) -> Words:
    """Every word mixed so that each of its bits depends on all (Steele, Lea, Flood, OOPSLA 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
