"""Simulations of either root: from the root down to a leaf, out for its evaluation, back up; and moving into a subtree.

The two roots differ in how a move is chosen at the root and below it (`othello.search.puct`, `othello.search.gumbel`);
everything else is here, once.  Letters as in `othello.search.tree`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.search.gumbel import inner_choice, root_choice
from othello.search.policy import Policy, Race
from othello.search.puct import best_edge
from othello.search.tree import (
    EXACT,
    FRESH,
    MAX_DEPTH,
    MAX_MOVES,
    ROOT,
    Forest,
    Paths,
    add_edges,
    add_node,
    back_up,
    follow,
    node_visits,
)

LEAF: Final = 1  # the simulation ended at a position that needs an evaluation
SETTLED: Final = 0  # it ended at an exact value, which is backed up already
COLLISION: Final = -1  # it met a leaf that waits for its evaluation; nothing was changed
SETTLED_AT_ONCE: Final = (
    1024  # simulations to exact values in one call, so that its caller can look at the clock
)


@kernel
def simulate(
    forest: Forest,
    g: int,
    wanted: int,
    gumbel: NDArray[np.float32],
    paths: Paths,
    slot: int,
    policy: Policy,
    scratch: NDArray[np.float32],
) -> int:
    """One simulation of tree `g` down to a leaf; its way is path `slot`.  Returns LEAF, SETTLED or COLLISION.

    A Gumbel root takes its best move of `wanted` visits under the noise `gumbel` [MAX_MOVES]; PUCT reads neither.
    `scratch` has room for MAX_MOVES numbers.
    """
    if policy.gumbel:
        choice = root_choice(forest, g, wanted, gumbel, policy.c_visit, policy.c_scale, scratch)
        edge = forest.first[g, ROOT] + choice
    else:
        edge = best_edge(forest, g, ROOT, policy.c_puct, policy.first_play)
    node = ROOT
    for depth in range(MAX_DEPTH):
        paths.edge[slot, depth] = edge
        forest.pending[g, edge] += 1
        paths.length[slot] = depth + 1
        node = follow(forest, g, node, edge, policy.board, policy.leaf_empties)
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
        if policy.gumbel:
            choice = inner_choice(forest, g, node, policy.c_visit, policy.c_scale, scratch)
            edge = forest.first[g, node] + choice
        else:
            edge = best_edge(forest, g, node, policy.c_puct, policy.first_play)
    raise RuntimeError("a path deeper than a game")


@kernel
def await_evaluation(forest: Forest, g: int, paths: Paths, slot: int) -> None:
    """Write into path `slot` whose leaf it is and what is on it."""
    leaf = paths.leaf[slot]
    paths.tree[slot] = g
    paths.own[slot], paths.opp[slot] = forest.own[g, leaf], forest.opp[g, leaf]


@kernel
def collect(
    forest: Forest, paths: Paths, wanted: int, per_tree: int, race: Race, policy: Policy
) -> int:
    """Find up to `per_tree` leaves of each tree until it has `wanted` root visits; returns how many wait in all.

    An unexpanded root is its own only leaf.  A race has one leaf at a time: a move's turn depends on the visits of all.
    """
    scratch = np.empty(MAX_MOVES, np.float32)
    leaves = 0
    for g in range(len(forest.nodes)):
        if forest.state[g, ROOT] == FRESH:
            paths.length[leaves] = 0
            paths.leaf[leaves] = ROOT
            await_evaluation(forest, g, paths, leaves)
            leaves += 1
            continue
        entered = min(policy.considered, forest.count[g, ROOT])
        done = node_visits(forest, g, ROOT)
        found = 0
        while found < per_tree and done + found < wanted:
            visits = race.schedule[entered, done] if policy.gumbel else 0
            ending = simulate(forest, g, visits, race.gumbel[g], paths, leaves, policy, scratch)
            if ending == COLLISION:
                break
            if ending == SETTLED:
                done += 1
                if done % SETTLED_AT_ONCE == 0:
                    break
                continue
            await_evaluation(forest, g, paths, leaves)
            leaves += 1
            found += 1
    return leaves


@kernel
def absorb(
    forest: Forest,
    paths: Paths,
    leaves: int,
    logits: NDArray[np.float32],
    values: NDArray[np.float32],
    policy: Policy,
) -> None:
    """Expand the first `leaves` leaves with their evaluations and back the values up."""
    for k in range(leaves):
        g = paths.tree[k]
        add_edges(forest, g, paths.leaf[k], policy.board, policy.size, logits[k], values[k])
        back_up(forest, g, paths, k, values[k])


@kernel
def hold(forest: Forest, paths: Paths, leaves: int) -> None:
    """Put the virtual losses of the first `leaves` paths on again, after they were all taken off."""
    for k in range(leaves):
        for step in range(paths.length[k]):
            forest.pending[paths.tree[k], paths.edge[k, step]] += 1


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
