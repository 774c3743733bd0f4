"""Gumbel search: sequential halving at the root, deterministic improved-policy selection below.

Danihelka, Guez, Schrittwieser, Silver, "Policy improvement by planning with Gumbel" (ICLR 2022): algorithm 2 (root),
equation 8 (σ), equations 10–11 (completed Q and improved policy), equation 14 (selection below the root), equation 33
(mixed value).  Q is kept in [−1, 1], not rescaled to the values seen.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.search.tree import MAX_MOVES, ROOT, Forest


@cache
def halving_schedule(simulations: int) -> NDArray[np.int32]:
    """[MAX_MOVES + 1, simulations]: row m, entry i is the visit count that the action of simulation i must have.

    Sequential halving over m considered actions: every action still in the race has the same number of visits, and
    the race is halved log2(m) times.

    >>> halving_schedule(8)[4].tolist()       # four actions once, then the best two of them two more times
    [0, 0, 0, 0, 1, 1, 2, 2]
    """
    table = np.zeros((MAX_MOVES + 1, simulations), np.int32)
    for considered in range(MAX_MOVES + 1):
        if considered <= 1:
            table[considered] = np.arange(simulations)
            continue
        rounds = int(np.ceil(np.log2(considered)))
        sequence: list[int] = []
        visits = [0] * considered
        racing = considered
        while len(sequence) < simulations:
            for _ in range(max(1, simulations // (rounds * racing))):
                sequence.extend(visits[:racing])
                for i in range(racing):
                    visits[i] += 1
            racing = max(2, racing // 2)
        table[considered] = sequence[:simulations]
    table.setflags(write=False)
    return table


@kernel
def complete_q(forest: Forest, g: int, node: int, q: NDArray[np.float32]) -> float:
    """Fill `q` with each edge's Q, unvisited ones with the mixed value (equation 33), and return that value."""
    first, count = forest.first[g, node], forest.count[g, node]
    visits = 0
    weighted = np.float32(0.0)
    mass = np.float32(0.0)
    for i in range(count):
        n = forest.visits[g, first + i]
        if n > 0:
            q[i] = forest.total[g, first + i] / np.float32(n)
            visits += n
            weighted += forest.prior[g, first + i] * q[i]
            mass += forest.prior[g, first + i]
    mixed = forest.value[g, node]
    if visits > 0 and mass > 0:
        mixed = (mixed + np.float32(visits) * weighted / mass) / np.float32(visits + 1)
    for i in range(count):
        if forest.visits[g, first + i] == 0:
            q[i] = mixed
    return mixed


@kernel
def improved_policy(
    forest: Forest, g: int, node: int, c_visit: float, c_scale: float, policy: NDArray[np.float32]
) -> float:
    """Fill `policy` with softmax(logits + σ(completed Q)) over the edges (equation 11); return the mixed value."""
    first, count = forest.first[g, node], forest.count[g, node]
    mixed = complete_q(forest, g, node, policy)
    most = 0
    for i in range(count):
        most = max(most, forest.visits[g, first + i])
    scale = np.float32((c_visit + most) * c_scale)
    highest = np.float32(-np.inf)
    for i in range(count):
        policy[i] = forest.logit[g, first + i] + scale * policy[i]
        highest = max(highest, policy[i])
    mass = np.float32(0.0)
    for i in range(count):
        policy[i] = np.exp(policy[i] - highest)
        mass += policy[i]
    for i in range(count):
        policy[i] /= mass
    return mixed


@kernel
def root_choice(
    forest: Forest,
    g: int,
    wanted: int,
    gumbel: NDArray[np.float32],
    c_visit: float,
    c_scale: float,
    q: NDArray[np.float32],
) -> int:
    """The root edge with the highest gumbel + logit + σ(Q) among those with `wanted` visits (algorithm 2)."""
    first, count = forest.first[g, ROOT], forest.count[g, ROOT]
    complete_q(forest, g, ROOT, q)
    most = 0
    for i in range(count):
        most = max(most, forest.visits[g, first + i])
    scale = np.float32((c_visit + most) * c_scale)
    best, best_score = -1, np.float32(-np.inf)
    for i in range(count):
        if forest.visits[g, first + i] == wanted:
            score = gumbel[i] + forest.logit[g, first + i] + scale * q[i]
            if best < 0 or score > best_score:
                best, best_score = i, score
    return best


@kernel
def most_visits(forest: Forest, g: int) -> int:
    """The highest visit count at the root."""
    first, count = forest.first[g, ROOT], forest.count[g, ROOT]
    most = 0
    for i in range(count):
        most = max(most, forest.visits[g, first + i])
    return most


@kernel
def inner_choice(
    forest: Forest, g: int, node: int, c_visit: float, c_scale: float, policy: NDArray[np.float32]
) -> int:
    """The edge that brings the visit distribution closest to the improved policy: argmax π' − N / (1 + ΣN) (eq. 14)."""
    first, count = forest.first[g, node], forest.count[g, node]
    improved_policy(forest, g, node, c_visit, c_scale, policy)
    visits = 1
    for i in range(count):
        visits += forest.visits[g, first + i] + forest.pending[g, first + i]
    best, best_score = 0, np.float32(-np.inf)
    for i in range(count):
        taken = forest.visits[g, first + i] + forest.pending[g, first + i]
        score = policy[i] - np.float32(taken) / np.float32(visits)
        if score > best_score:
            best, best_score = i, score
    return best
