"""PUCT: which move a simulation of AlphaZero takes, with virtual losses for the simulations under way.

Silver et al., "A general reinforcement learning algorithm that masters chess, shogi, and Go through self-play",
Science 362 (2018): a = argmax Q(s,a) + c_puct · P(s,a) · sqrt(ΣN) / (1 + N(s,a)).  A move never tried counts with its
parent's mean value less `first_play` · sqrt(prior mass tried so far), not with a fixed number.
"""

from __future__ import annotations

import numpy as np

from othello.jit import kernel
from othello.search.tree import Forest


@kernel
def first_play_value(forest: Forest, g: int, node: int, first_play: float) -> float:
    """The value that an unvisited move of `node` is given, for the side to move there."""
    visits, total, tried = 0, np.float32(0.0), np.float32(0.0)
    for edge in range(forest.first[g, node], forest.first[g, node] + forest.count[g, node]):
        if forest.visits[g, edge] > 0:
            visits += forest.visits[g, edge]
            total += forest.total[g, edge]
            tried += forest.prior[g, edge]
    mean = (forest.value[g, node] + total) / np.float32(visits + 1)
    return max(np.float32(-1.0), mean - np.float32(first_play) * np.sqrt(tried))


@kernel
def best_edge(forest: Forest, g: int, node: int, c_puct: float, first_play: float) -> int:
    """The edge of `node` with the highest Q + U; each simulation under way counts as a lost one."""
    first, count = forest.first[g, node], forest.count[g, node]
    taken = 0
    for edge in range(first, first + count):
        taken += forest.visits[g, edge] + forest.pending[g, edge]
    unvisited = first_play_value(forest, g, node, first_play)
    scale = np.float32(c_puct) * np.sqrt(np.float32(max(taken, 1)))
    best, best_score = first, np.float32(-np.inf)
    for edge in range(first, first + count):
        n = forest.visits[g, edge] + forest.pending[g, edge]
        q = unvisited
        if n > 0:
            q = (forest.total[g, edge] - np.float32(forest.pending[g, edge])) / np.float32(n)
        score = q + scale * forest.prior[g, edge] / np.float32(1 + n)
        if score > best_score:
            best, best_score = edge, score
    return best
