"""Relevance through a search: Q(s, a) explained as the exact mean over the positions its value was averaged over.

Q(s, a) = 1/N Σ w·σ·v over the nodes below the move: v the network's value of the node's own board, σ = ±1 by whose
turn it is there, w = 1 for a position that was evaluated and its visits for a finished or solved one.  Relevance is
linear in what it starts from, so the relevance of Q is the same mean of the nodes' relevances (Poupart's draft of
2024 sketches it).  A node starts from v = tanh(z) at z: activations pass relevance on unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from app.explain.composites import method_of
from app.explain.explanation import Explanation
from app.explain.network import VALUE, labels
from app.explain.targets import Target
from app.models import Model, encode_words
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.search import Search, TreeView
from othello.search.tree import EXACT, EXPANDED, ROOT

Weights = NDArray[np.float64]
BATCH = 64


def explain_search(
    model: Model,
    board: Board,
    target: Target,
    simulations: int = 100,
    *,
    composite: str,
    bias: str,
    search: Search | None = None,
) -> Explanation:
    """Search `board` (or go on with `search`, whose root it is) and explain the Q that `target` names.

    Raises ParseError where a move of the target got no visit.
    """
    if search is None:
        search = Search(model.evaluator, seed=0)
    search.run(board, simulations=simulations)
    return explain_tree(model, board, target, search.tree(), composite=composite, bias=bias)


def explain_tree(
    model: Model,
    board: Board,
    target: Target,
    tree: TreeView,
    *,
    composite: str,
    bias: str,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Explanation:
    """Explain Q of one move at the root of `tree`, or the difference of two moves' Q.

    `tell` hears before each batch how many of the tree's positions are done, and of how many.
    """
    weights, value = np.zeros(len(tree.own)), 0.0
    for sign, action in zip((1.0, -1.0), target.actions):
        share, q = move_weights(tree, action, target.size)
        weights += sign * share
        value += sign * q
    nodes = np.flatnonzero((tree.state == EXPANDED) & (weights != 0))
    about = labels(model, board, target, composite, bias)
    turned, found = _turned(tree), Explanation.zero(**about)
    for start in range(0, len(nodes), BATCH):
        tell(start, len(nodes))
        chosen = nodes[start : start + BATCH]
        planes = encode_words(model, tree.own[chosen], tree.opp[chosen])
        relevance = method_of(model, composite, bias).attribute(
            planes, None, output=VALUE, layers=True
        )
        z = relevance.target.double()
        slope = torch.where(z.abs() > 1e-6, torch.tanh(z) / z, 1.0)  # from z to the value
        scale, other = torch.from_numpy(weights[chosen]) * slope, torch.from_numpy(turned[chosen])
        found += Explanation.of(relevance, scale[~other], rows=~other, **about)
        found += Explanation.of(relevance, -scale[other], rows=other, **about).mirrored()
    solved = float((weights * tree.value)[tree.state == EXACT].sum())
    leaves = int(np.count_nonzero(weights))
    return replace(found, value=value, given=found.given | {"solved": solved}, leaves=leaves)


def move_weights(tree: TreeView, action: int, size: int) -> tuple[Weights, float]:
    """What each node's value [M] counts in the root's Q of `action`, and that Q.

    Raises ParseError for a move without a visit.
    """
    weights = np.zeros(len(tree.own))
    edge = root_edge(tree, action)
    if edge is None or tree.visits[edge] == 0:
        raise ParseError(
            f"q:{square_name(action, size)}: the search has not visited that move; give more simulations"
        )
    count = int(tree.visits[edge])
    below = [(edge, float(tree.sign[edge]))]
    while below:
        via, sign = below.pop()
        node = int(tree.child[via])
        weights[node] += sign * (int(tree.visits[via]) if tree.state[node] == EXACT else 1) / count
        for e in range(int(tree.first[node]), int(tree.first[node] + tree.count[node])):
            if tree.visits[e]:
                below.append((e, sign * float(tree.sign[e])))
    return weights, float(tree.total[edge]) / count


def root_edge(tree: TreeView, action: int) -> int | None:
    """The edge of the root that `action` is; None for a move that the root does not have."""
    first = int(tree.first[ROOT])
    squares = tree.square[first : first + int(tree.count[ROOT])].tolist()
    return first + squares.index(action) if action in squares else None


def _turned(tree: TreeView) -> NDArray[np.bool_]:
    """[M]: whether the other side than the root's is to move at a node."""
    turned = np.zeros(len(tree.own), bool)
    for node in range(len(tree.own)):  # children come after their parents
        for e in range(int(tree.first[node]), int(tree.first[node] + tree.count[node])):
            if tree.child[e] > 0:
                turned[tree.child[e]] = turned[node] ^ (tree.sign[e] < 0)
    return turned
