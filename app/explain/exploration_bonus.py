"""Relevance of the exploration bonus: U(s, a) = c·P(a)·√ΣN / (1 + N), explained through the prior P.

P = softmax(z) over the legal moves' logits z.  Along the path softmax(t·z) from t = 0, where every move has 1/L, to
t = 1 the chain rule gives P(a) = 1/L + Σ_b g_b z_b exactly, with g_b = ∫ P_a(t)(δ_ab − P_b(t)) dt (integrated gradients
of the softmax, Sundararajan et al. 2017).  That is linear in the logits, unmoved by adding a constant to all of them,
and divides by nothing; each logit's relevance is then LRP's.  The share k/L that no position can change is the uniform
prior's: U = squares + bias + stabilizer + uniform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.explain.network import POLICY, Explanation, encode_words, on_squares, plane_names
from app.explain.targets import Target
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.search import C_PUCT, TreeView
from othello.search.tree import ROOT

if TYPE_CHECKING:
    from app.models import Model

Vector = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(
    48
)  # exact to rounding for logits a few tens apart


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

    The result's `exact` is the uniform prior's share.  Root noise, if the search had any, is not part of it.
    Raises ParseError for a move that the root does not have.
    """
    first, count = int(tree.first[ROOT]), int(tree.count[ROOT])
    squares, visits = (
        tree.square[first : first + count].tolist(),
        tree.visits[first : first + count],
    )
    if action not in squares:
        raise ParseError(f"{square_name(action, board.size)} is no move of the searched position")
    place = squares.index(action)
    scale = c_puct * float(np.sqrt(visits.sum())) / (1 + int(visits[place]))
    planes = encode_words(model, np.array([board.own], np.uint64), np.array([board.opp], np.uint64))
    with torch.no_grad():
        logits = model.network(planes)[POLICY][0, squares].double().numpy()
    gains = torch.zeros(1, board.size**2 + 1)
    gains[0, squares] = torch.from_numpy(scale * prior_gains(logits, place)).float()

    def share(outputs: Tensor) -> Tensor:
        return (outputs * gains.to(outputs.dtype)).sum(1)

    found = model.explainer(composite, bias).attribute(planes, share, output=POLICY)
    received, n = found.inputs[0][0].double().numpy(), board.size
    kept = {name: tensor[0].double() for name, tensor in found.bias.items()}
    return Explanation(
        board=board,
        target=Target("u", action, size=n),
        value=scale / count + float(found.target[0]),
        squares=received.sum(0),
        planes={name: received[i] for i, name in enumerate(plane_names(model))},
        bias={name: float(tensor.sum()) for name, tensor in kept.items()},
        bias_maps={
            name: kept[name].sum(0).numpy() for name, t in found.bias.items() if on_squares(t, n)
        },
        stabilizer=float(sum(tensor[0].double() for tensor in found.stabilizer.values())),
        composite=composite,
        bias_mode=bias,
        checkpoint=model.sha256,
        exact=scale / count,
    )


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
