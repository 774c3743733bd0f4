"""PUCT: the search of AlphaZero, with virtual losses so that many leaves of one tree share a network batch.

Silver et al., "A general reinforcement learning algorithm that masters chess, shogi, and Go through self-play",
Science 362 (2018): a = argmax Q(s,a) + c_puct · P(s,a) · sqrt(ΣN) / (1 + N(s,a)).  A move never tried counts with its
parent's mean value less `first_play` · sqrt(prior mass tried so far), not with a fixed number.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.search.tree import (
    EXACT,
    FRESH,
    MAX_DEPTH,
    ROOT,
    Forest,
    Paths,
    add_edges,
    add_node,
    back_up,
    follow,
    node_visits,
)

LEAF: Final = 1  # the walk ended at a position that needs an evaluation
SETTLED: Final = 0  # it ended at an exact value, which is backed up already
COLLISION: Final = -1  # it met a leaf that waits for its evaluation; nothing was changed
SETTLED_AT_ONCE: Final = (
    1024  # walks to exact values in one call, so that its caller can look at the clock
)


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


@kernel
def walk(
    forest: Forest,
    g: int,
    paths: Paths,
    slot: int,
    board: np.uint64,
    c_puct: float,
    first_play: float,
    solve_empties: int,
) -> int:
    """One selection from the root down to a leaf; its way is path `slot`.  Returns LEAF, SETTLED or COLLISION."""
    node = ROOT
    for depth in range(MAX_DEPTH):
        edge = best_edge(forest, g, node, c_puct, first_play)
        paths.edge[slot, depth] = edge
        forest.pending[g, edge] += 1
        paths.length[slot] = depth + 1
        node = follow(forest, g, node, edge, board, solve_empties)
        if forest.state[g, node] == EXACT:
            back_up(forest, g, paths, slot, forest.value[g, node])
            return SETTLED
        if forest.state[g, node] == FRESH:
            if forest.pending[g, edge] == 1:
                paths.leaf[slot] = node
                return LEAF
            for step in range(depth + 1):
                forest.pending[g, paths.edge[slot, step]] -= 1
            return COLLISION
    raise RuntimeError("a path deeper than a game")


@kernel
def collect(
    forest: Forest,
    trees: NDArray[np.int32],
    wanted: NDArray[np.int32],
    paths: Paths,
    per_tree: int,
    leaf_tree: NDArray[np.int32],
    leaf_words: NDArray[np.uint64],
    board: np.uint64,
    c_puct: float,
    first_play: float,
    solve_empties: int,
) -> int:
    """Find up to `per_tree` leaves of each tree until it has `wanted` root visits; returns how many wait in all.

    Leaf k belongs to tree `leaf_tree[k]`, its own and opp words are `leaf_words[:, k]` and its way is path k.  An
    unexpanded root is its own only leaf.
    """
    leaves = 0
    for t in range(len(trees)):
        g = trees[t]
        if forest.state[g, ROOT] == FRESH:
            paths.length[leaves] = 0
            paths.leaf[leaves] = ROOT
            leaf_tree[leaves] = g
            leaf_words[0, leaves], leaf_words[1, leaves] = forest.own[g, ROOT], forest.opp[g, ROOT]
            leaves += 1
            continue
        done = node_visits(forest, g, ROOT)
        found = 0
        while found < per_tree and done + found < wanted[t]:
            ending = walk(forest, g, paths, leaves, board, c_puct, first_play, solve_empties)
            if ending == COLLISION:
                break
            if ending == SETTLED:
                done += 1
                if done % SETTLED_AT_ONCE == 0:
                    break
                continue
            leaf = paths.leaf[leaves]
            leaf_tree[leaves] = g
            leaf_words[0, leaves], leaf_words[1, leaves] = forest.own[g, leaf], forest.opp[g, leaf]
            leaves += 1
            found += 1
    return leaves


@kernel
def absorb(
    forest: Forest,
    paths: Paths,
    leaves: int,
    leaf_tree: NDArray[np.int32],
    logits: NDArray[np.float32],
    values: NDArray[np.float32],
    board: np.uint64,
    size: int,
) -> None:
    """Expand the first `leaves` leaves with their evaluations and back the values up."""
    for k in range(leaves):
        g = leaf_tree[k]
        add_edges(forest, g, paths.leaf[k], board, size, logits[k], values[k])
        back_up(forest, g, paths, k, values[k])


@kernel
def hold(forest: Forest, paths: Paths, leaves: int, leaf_tree: NDArray[np.int32]) -> None:
    """Put the virtual losses of the first `leaves` paths on again, after they were all taken off."""
    for k in range(leaves):
        for step in range(paths.length[k]):
            forest.pending[leaf_tree[k], paths.edge[k, step]] += 1


@kernel
def copy_subtree(source: Forest, g: int, root: int, target: Forest, h: int) -> None:
    """Make the subtree of `source`'s tree g below `root` the whole of `target`'s tree h (breadth first)."""
    queue = np.empty(source.nodes[g], np.int32)
    queue[0] = root
    target.nodes[h] = 0
    target.edges[h] = 0
    add_node(target, h, source.own[g, root], source.opp[g, root], np.uint64(0), -1)
    head = 0
    while head < target.nodes[h]:
        old = queue[head]
        target.state[h, head] = source.state[g, old]
        target.value[h, head] = source.value[g, old]
        target.count[h, head] = source.count[g, old]
        first = target.edges[h]
        target.first[h, head] = first
        for i in range(source.count[g, old]):
            a, b = source.first[g, old] + i, first + i
            target.bit[h, b] = source.bit[g, a]
            target.logit[h, b] = source.logit[g, a]
            target.prior[h, b] = source.prior[g, a]
            target.visits[h, b] = source.visits[g, a]
            target.total[h, b] = source.total[g, a]
            target.pending[h, b] = source.pending[g, a]
            target.sign[h, b] = source.sign[g, a]
            child = source.child[g, a]
            target.child[h, b] = child
            if child >= 0:
                node = target.nodes[h]
                queue[node] = child
                target.nodes[h] = node + 1
                target.own[h, node] = source.own[g, child]
                target.opp[h, node] = source.opp[g, child]
                target.child[h, b] = node
        target.edges[h] = first + source.count[g, old]
        head += 1
