"""Relevance of the exploration bonus: U(s, a) = c·P(a)·√ΣN / (1 + N), explained through the prior P.

P = softmax(z) over the legal moves' logits z.  Along the path softmax(t·z) from t = 0, where every move has 1/L, to
t = 1 the chain rule gives P(a) = 1/L + Σ_b g_b z_b exactly, with g_b = ∫ P_a(t)(δ_ab − P_b(t)) dt (integrated gradients
of the softmax, Sundararajan et al. 2017).  That is linear in the logits, unmoved by adding a constant to all of them,
and divides by nothing; each logit's relevance is then LRP's.  The share k/L that no position can change is the uniform
prior's: U = squares + bias + stabilizer + uniform.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.explain.composites import method_of
from app.explain.explanation import Explanation
from app.explain.network import ONE, POLICY, labels
from app.explain.search import root_edge
from app.explain.targets import Target
from app.models import Model, encode_words
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.search import C_PUCT, TreeView
from othello.search.tree import ROOT

Vector = NDArray[np.float64]
# exact to rounding for logits a few tens apart
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def explain_bonus(
    model: Model,
    board: Board,
    action: int,
    tree: TreeView,
    *,
    composite: str,
    bias: str,
    c_puct: float = C_PUCT,
) -> Explanation:
    """Explain U of one legal move at the root of `tree`, a search of `board` with that `c_puct`.

    The uniform prior's share, which any move would get, is `given`.  Root noise, if there was any, is not part of it.
    Raises ParseError for a move that the root does not have.
    """
    edge = root_edge(tree, action)
    if edge is None:
        raise ParseError(f"{square_name(action, board.size)} is no move of the searched position")
    first, count = int(tree.first[ROOT]), int(tree.count[ROOT])
    squares, visits = (part[first : first + count] for part in (tree.square, tree.visits))
    scale = c_puct * float(np.sqrt(visits.sum())) / (1 + int(tree.visits[edge]))
    planes = encode_words(model, np.array([board.own], np.uint64), np.array([board.opp], np.uint64))
    legal = torch.from_numpy(squares.astype(np.int64))
    with torch.no_grad():
        logits = model.network(planes)[POLICY][0, legal].double().numpy()
    gains = torch.zeros(1, board.size**2 + 1)
    gains[0, legal] = torch.from_numpy(scale * prior_gains(logits, edge - first)).float()

    def share(outputs: Tensor) -> Tensor:
        return (outputs * gains.to(outputs.dtype)).sum(1)

    relevance = method_of(model, composite, bias).attribute(
        planes, share, output=POLICY, layers=True
    )
    about = labels(model, board, Target("u", action, size=board.size), composite, bias)
    found, even = Explanation.of(relevance, ONE, **about), scale / count
    return replace(found, value=even + found.value, given=found.given | {"even prior": even})


def prior_gains(logits: Vector, place: int) -> Vector:
    """g [L] with softmax(logits)[place] = 1/L + g·logits; the entries of g add up to 0.

    >>> z = np.array([2.0, -1.0, 0.5])
    >>> g = prior_gains(z, 0)
    >>> bool(np.isclose(1 / 3 + g @ z, np.exp(2.0) / np.exp(z).sum(), atol=1e-14))
    True
    """
    scaled = np.outer((_NODES + 1) / 2, logits - logits.max())
    path = np.exp(scaled)
    path /= path.sum(1, keepdims=True)
    slope = -path[:, [place]] * path
    slope[:, place] += path[:, place]
    gains: Vector = (_WEIGHTS / 2) @ slope
    return gains
