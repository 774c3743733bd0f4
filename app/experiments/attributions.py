"""Twelve ways to say how much each square matters, as maps [T, P, 64]: LRP's composites, their rivals, controls.

Targets T: the value, the best move's logit, best minus second.  Every method here is linear in the target, so the
third map is a difference of two.  Sources: gradient × input (Shrikumar et al. 2016), integrated gradients
(Sundararajan et al. 2017), occlusion (Zeiler and Fergus 2014), FullGrad (Srinivas and Fleuret 2019; its complete,
signed form, without the blurring of the published picture).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray

from app.experiments.positions import Words, states_of, words_of
from app.explain.composites import explainer_of
from app.explain.explanation import on_squares
from app.explain.network import POLICY, VALUE, encode_words
from lrp.baselines import GradientTimesInput

if TYPE_CHECKING:
    from app.models import Model
    from lrp import Relevance

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
)
CONTROLS: Final = ("random", "occupancy", "architecture prior")
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
    if method == "occlusion":
        return _occlusion(model, own, opp, moves)
    chunks = [slice(start, start + BATCH) for start in range(0, len(own), BATCH)]
    find = _by_gradient if method in ("gradient × input", "integrated gradients") else _by_relevance
    return np.concatenate([find(model, method, own[c], opp[c], moves[c]) for c in chunks], axis=1)


def readings(model: Model, own: Words, opp: Words, moves: NDArray[np.int64]) -> Maps:
    """What the network says of positions [P] about TARGETS: the value in [−1, 1] and two logits; [3, P]."""
    found = np.empty((3, len(own)))
    for start in range(0, len(own), _EVALUATED):
        chosen = slice(start, start + _EVALUATED)
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
    planes, pairs = encode_words(model, own, opp), torch.from_numpy(moves)
    found = [
        explainer.attribute(planes, None, output=VALUE),
        *(explainer.attribute(planes, pairs[:, place], output=POLICY) for place in (0, 1)),
    ]
    value, best, second = (_squares(relevance, method == "FullGrad") for relevance in found)
    if (
        method == "architecture prior"
    ):  # symmetric squares are equal; rounding must not put them in an order
        value, best, second = (
            np.round(m / s, 6) * s for m in (value, best, second) for s in [_size(m)]
        )
    return np.stack([value, best, best - second])


def _size(maps: Maps) -> Maps:
    """The largest |R| of each position, [P, 1], at least 1e-12."""
    largest: Maps = np.maximum(np.abs(maps).max(1, keepdims=True), 1e-12)
    return largest


def _squares(relevance: Relevance, with_bias: bool) -> Maps:
    """[P, 64]: the planes' relevance summed, with the biases that lie on squares if wanted."""
    total = relevance.inputs[0].double().sum(1)
    if with_bias:
        for tensor in relevance.bias.values():
            if on_squares(tensor, total.shape[-1]):
                total = total + tensor.double().sum(1)
    maps: Maps = total.flatten(1).numpy()
    return maps


def _by_gradient(
    model: Model, method: str, own: Words, opp: Words, moves: NDArray[np.int64]
) -> Maps:
    """Gradient × input, or its mean along the line from the planes of nothing: with x·∇f(t·x) = (t·x·∇f(t·x)) / t."""
    planes, pairs = encode_words(model, own, opp), torch.from_numpy(moves)
    method_of = GradientTimesInput(model.network, planes[:2])
    points = (
        [(k + 0.5) / IG_STEPS for k in range(IG_STEPS)]
        if method == "integrated gradients"
        else [1.0]
    )
    targets: tuple[tuple[torch.Tensor | None, int], ...] = (
        (None, VALUE),
        (pairs[:, 0], POLICY),
        (pairs[:, 1], POLICY),
    )
    value, best, second = (
        sum(
            method_of.attribute(planes * t, target, output=output)
            .input.double()
            .sum(1)
            .flatten(1)
            .numpy()
            / t
            for t in points
        )
        / len(points)
        for target, output in targets
    )
    return np.stack([value, best, best - second])


def _occlusion(model: Model, own: Words, opp: Words, moves: NDArray[np.int64]) -> Maps:
    """f(board) − f(board without the disc), 0 on empty squares; the value as the network says it, after tanh."""
    states = states_of(own, opp)
    rows, squares = np.nonzero(states)
    without = states[rows]
    without[np.arange(len(rows)), squares] = 0
    found = np.zeros((3, len(own), 64))
    whole = readings(model, own, opp, moves)
    found[:, rows, squares] = whole[:, rows] - readings(model, *words_of(without), moves[rows])
    return found
