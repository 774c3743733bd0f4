"""Ways to say how much each square matters, as maps [T, P, 64]: LRP's composites, their rivals, controls.

Targets T: the value, the best move's logit, best minus second.  Every method here is linear in the target, so the
third map is a difference of two.  Sources: gradient × input (Shrikumar et al. 2016), integrated gradients
(Sundararajan et al. 2017), occlusion (Zeiler and Fergus 2014), FullGrad (Srinivas and Fleuret 2019; its complete,
signed form, without the blurring of the published picture).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from app.experiments.positions import Words, states_of, words_of
from app.explain.composites import explainer_of
from app.explain.explanation import on_squares
from app.explain.network import POLICY, VALUE
from app.explain.rivals import on_the_way
from app.models import Model, encode_words
from lrp import LRP
from lrp.baselines import GradientTimesInput

Maps = NDArray[np.float64]
TARGETS: Final = ("value", "best move", "best − second")
COMPOSITES: Final = {
    "EpsilonPlus": "EpsilonPlus",
    "EpsilonPlusFlat": "EpsilonPlusFlat",
    "EpsilonGammaBox": "EpsilonGammaBox",
    "EpsilonAlpha2Beta1": "EpsilonAlpha2Beta1",
    "LRP-0": "LRPZero",
    "architecture prior": "ArchitecturePrior",
}
METHODS: Final = (
    "EpsilonPlus",
    "EpsilonPlusFlat",
    "EpsilonGammaBox",
    "EpsilonAlpha2Beta1",
    "LRP-0",
    "gradient × input",
    "integrated gradients",
    "occlusion",
    "FullGrad",
    "random",
    "occupancy",
    "architecture prior",
    "owner swap",
)
CHANGES: Final = {"occlusion": 0, "owner swap": -1}  # what a disc's state is multiplied by
BATCH: Final = 64
IG_STEPS: Final = 16
_EVALUATED: Final = 1024  # positions the evaluator gets at once


def relevance_maps(
    model: Model, method: str, own: Words, opp: Words, moves: NDArray[np.int64], seed: int = 0
) -> Maps:
    """Maps [3, P, 64] of positions [P] for TARGETS; moves [P, 2] are the best and the second move."""
    if method == "random":
        value, best, second = np.random.default_rng((seed, 11)).standard_normal((3, len(own), 64))
        return np.stack([value, best, best - second])
    if method == "occupancy":
        return np.broadcast_to(states_of(own, opp).astype(np.float64), (3, len(own), 64)).copy()
    if method in CHANGES:
        return _one_by_one(model, own, opp, moves, CHANGES[method])
    find = _by_gradient if method in ("gradient × input", "integrated gradients") else _by_relevance
    found = [find(model, method, own[c], opp[c], moves[c]) for c in batches(len(own))]
    return np.concatenate(found, axis=1)


def batches(count: int, size: int = BATCH) -> list[slice]:
    """The rows of `count` positions, so many at a time."""
    return [slice(start, start + size) for start in range(0, count, size)]


def asked(
    method: LRP | GradientTimesInput, planes: torch.Tensor, moves: NDArray[np.int64]
) -> list[Any]:
    """What the method says of the value and of a logit for each column of moves [P, M]."""
    value = method.attribute(planes, None, output=VALUE)
    columns = torch.from_numpy(moves).unbind(1)
    return [value, *(method.attribute(planes, column, output=POLICY) for column in columns)]


def summed(relevance: Any, with_bias: bool = False) -> Maps:
    """[P, 64]: the planes' relevance summed, with the biases that lie on squares if wanted."""
    total = relevance.input.double().sum(1)
    for tensor in relevance.bias.values() if with_bias else ():
        if on_squares(tensor, total.shape[-1]):
            total = total + tensor.double().sum(1)
    maps: Maps = total.flatten(1).numpy()
    return maps


def readings(model: Model, own: Words, opp: Words, moves: NDArray[np.int64]) -> Maps:
    """What the network says of positions [P] about TARGETS: the value in [−1, 1] and two logits; [3, P]."""
    found = np.empty((3, len(own)))
    for chosen in batches(len(own), _EVALUATED):
        logits, values = model.evaluator(own[chosen], opp[chosen])
        pair = np.take_along_axis(logits.astype(np.float64), moves[chosen], 1)
        found[:, chosen] = values, pair[:, 0], pair[:, 0] - pair[:, 1]
    return found


def _by_relevance(
    model: Model, method: str, own: Words, opp: Words, moves: NDArray[np.int64]
) -> Maps:
    explainer = explainer_of(
        model, "LRPZero" if method == "FullGrad" else COMPOSITES[method], "sink"
    )
    found = asked(explainer, encode_words(model, own, opp), moves)
    maps = [summed(relevance, method == "FullGrad") for relevance in found]
    value, best, second = map(_even, maps) if method == "architecture prior" else maps
    return np.stack([value, best, best - second])


def _even(maps: Maps) -> Maps:
    """Maps [P, 64] to 6 digits of each largest |R|: rounding must not put squares that are equal in an order."""
    largest: Maps = np.maximum(np.abs(maps).max(1, keepdims=True), 1e-12)
    return np.round(maps / largest, 6) * largest


def _by_gradient(
    model: Model, method: str, own: Words, opp: Words, moves: NDArray[np.int64]
) -> Maps:
    """Gradient × input, or its mean along the line from the planes of nothing."""
    planes = encode_words(model, own, opp)
    gradient = GradientTimesInput(model.network, planes[:2])

    def found(x: torch.Tensor) -> list[torch.Tensor]:
        return [scores.input for scores in asked(gradient, x, moves)]

    steps = IG_STEPS if method == "integrated gradients" else 0
    scores = on_the_way(found, planes, steps) if steps else found(planes)
    value, best, second = (each.double().sum(1).flatten(1).numpy() for each in scores)
    return np.stack([value, best, best - second])


def _one_by_one(
    model: Model, own: Words, opp: Words, moves: NDArray[np.int64], becomes: int
) -> Maps:
    """f(board) − f(board with one disc multiplied by `becomes`), 0 on empty squares.

    The value is the evaluator's, after tanh; `app.explain.rivals` swaps owners for the value before tanh, whose account
    closes.  Of logits the two say the same.
    """
    states = states_of(own, opp)
    rows, squares = np.nonzero(states)
    without = states[rows]
    without[np.arange(len(rows)), squares] *= becomes
    found = np.zeros((3, len(own), 64))
    whole = readings(model, own, opp, moves)
    found[:, rows, squares] = whole[:, rows] - readings(model, *words_of(without), moves[rows])
    return found
