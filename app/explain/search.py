"""Relevance through a search: Q(s, a) explained as the exact mean over the positions its value was averaged over.

Q(s, a) = 1/N Σ w·σ·v over the nodes below the move: v the network's value of the node's own board, σ = ±1 by whose
turn it is there, w = 1 for a position that was evaluated and its visits for a finished or solved one.  Relevance is
linear in what it starts from, so the relevance of Q is the same mean of the nodes' relevances (Poupart's draft of
2024 sketches it).  A node starts from v = tanh(z) at z: activations pass relevance on unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from app.explain.network import (
    OTHER_SIDE,
    VALUE,
    Explanation,
    encode_words,
    on_squares,
    plane_names,
)
from app.explain.targets import Target
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.search import Search, TreeView
from othello.search.tree import EXACT, EXPANDED, ROOT

if TYPE_CHECKING:
    from app.models import Model

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
    model: Model, board: Board, target: Target, tree: TreeView, *, composite: str, bias: str
) -> Explanation:
    """Explain Q of one move at the root of `tree`, or the difference of two moves' Q."""
    weights, value = np.zeros(len(tree.own)), 0.0
    for sign, action in zip((1.0, -1.0), target.actions):
        share, q = move_weights(tree, action, target.size)
        weights += sign * share
        value += sign * q
    exact = float((weights * tree.value)[tree.state == EXACT].sum())
    nodes = np.flatnonzero((tree.state == EXPANDED) & (weights != 0))
    names = plane_names(model)
    shape = (len(names), board.size, board.size)
    received, stabilizer = np.zeros(shape), 0.0
    kept: dict[str, float] = {}
    maps: dict[str, NDArray[np.float64]] = {}
    turned = _turned(tree)
    swapped = [
        names.index(other) if (other := OTHER_SIDE.get(name)) in names else i
        for i, name in enumerate(names)
    ]
    for start in range(0, len(nodes), BATCH):
        chosen = nodes[start : start + BATCH]
        planes = encode_words(model, tree.own[chosen], tree.opp[chosen])
        relevance = model.explainer(composite, bias).attribute(planes, None, output=VALUE)
        z = relevance.target.double()
        slope = torch.where(
            z.abs() > 1e-6, torch.tanh(z) / z, 1.0
        )  # from the value before tanh to the value
        scale = torch.from_numpy(weights[chosen]) * slope
        maps_in = relevance.inputs[0].double() * scale[:, None, None, None]
        other = torch.from_numpy(turned[chosen])
        received += maps_in[~other].sum(0).numpy() + maps_in[other].sum(0).numpy()[swapped]
        for name, tensor in relevance.bias.items():
            scaled = tensor.double() * scale.reshape(-1, *([1] * (tensor.dim() - 1)))
            kept[name] = kept.get(name, 0.0) + float(scaled.sum())
            if on_squares(tensor, board.size):
                maps[name] = maps.get(name, 0.0) + scaled.sum((0, 1)).numpy()
        stabilizer += float(
            sum((tensor.double() * scale).sum() for tensor in relevance.stabilizer.values())
        )
    return Explanation(
        board=board,
        target=target,
        value=value,
        squares=received.sum(0),
        planes={name: received[index] for index, name in enumerate(names)},
        bias=kept,
        bias_maps=maps,
        stabilizer=stabilizer,
        composite=composite,
        bias_mode=bias,
        checkpoint=model.sha256,
        exact=exact,
        leaves=int(np.count_nonzero(weights)),
    )


def move_weights(tree: TreeView, action: int, size: int) -> tuple[Weights, float]:
    """What each node's value [M] counts in the root's Q of `action`, and that Q.

    Raises ParseError for a move without a visit.
    """
    weights = np.zeros(len(tree.own))
    edges = range(int(tree.first[ROOT]), int(tree.first[ROOT] + tree.count[ROOT]))
    edge = next((e for e in edges if tree.square[e] == action), None)
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


def _turned(tree: TreeView) -> NDArray[np.bool_]:
    """[M]: whether the other side than the root's is to move at a node."""
    turned = np.zeros(len(tree.own), bool)
    for node in range(len(tree.own)):  # children come after their parents
        for e in range(int(tree.first[node]), int(tree.first[node] + tree.count[node])):
            if tree.child[e] > 0:
                turned[tree.child[e]] = turned[node] ^ (tree.sign[e] < 0)
    return turned
