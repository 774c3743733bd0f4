"""The empty board's heatmap: it is the first layer's bias relevance spread by the flat rule, not evidence."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.experiments import alt, plots
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings
from app.explain.network import VALUE
from app.models import Model, encode_words
from lrp import LRP, Composite
from lrp.composites import EpsilonPlus, everything, first
from lrp.rules import Flat, Zero

Map = NDArray[np.float64]


def spread(bias: Map, kernel: int = 3) -> Map:
    """Relevance [K, N, N] of a same-padded convolution's outputs, shared evenly by the squares it looks at: [N, N].

    >>> spread(np.ones((1, 3, 3))).round(3).tolist()    # a corner is one of 4, 6, 6 and 9 squares of its neighbours
    [[0.694, 1.111, 0.694], [1.111, 1.778, 1.111], [0.694, 1.111, 0.694]]
    """
    n, reach = bias.shape[-1], kernel // 2
    total, found = bias.sum(0), np.zeros((n, n))
    for row in range(n):
        for column in range(n):
            rows = slice(max(0, row - reach), min(n, row + reach + 1))
            columns = slice(max(0, column - reach), min(n, column + reach + 1))
            window = found[rows, columns]
            window += total[row, column] / window.size
    return found


def identity(model: Model) -> dict[str, Any]:
    """Both sides of the identity on the empty board in float64, for the value: two maps [N, N] and their distance."""
    network = copy.deepcopy(model.network).double()
    empty = torch.zeros_like(encode_words(model, *np.zeros((2, 1), np.uint64))).double()
    upper = EpsilonPlus()
    flat = LRP(network, Composite((first, Flat()), (everything, upper), name="flat first"), empty)
    sink = LRP(network, Composite((first, Zero()), (everything, upper), name="bias kept"), empty)
    shown = flat.attribute(empty, None, output=VALUE)
    kept = sink.attribute(empty, None, output=VALUE, layers=True)
    stem = sink.layers[0]
    map_, bias = shown.inputs[0][0].sum(0).numpy(), kept.bias[stem][0].numpy()
    other = spread(bias)
    return {
        "map": map_,
        "spread_bias": other,
        "first_layer_bias": bias.sum(0),
        "layer": stem,
        "difference": float(np.abs(map_ - other).max()),
        "target": float(shown.target[0]),
        "input_relevance_without_flat": float(kept.inputs[0].abs().max()),
    }


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """The post's third figure next to what it is made of."""
    found = identity(model)
    difference, target = found["difference"], found["target"]
    total, scale = float(found["map"].sum()), float(np.abs(found["map"]).max())
    equal = difference <= 1e-10 * max(1.0, abs(target))
    reading = (
        f"Nothing stands on this board, yet the flat rule paints a map whose sum is {total:+.3f} of the value's "
        f"{target:+.3f}. It {'is' if equal else 'should be, and is not to rounding,'} "
        f"the first layer's bias relevance, unit by unit, spread evenly over the 3×3 squares "
        f"each unit looks at: the two maps differ by at most {difference:.1e} where the largest entry is {scale:.1e} "
        "(float64). A rule that looks at its input gives an empty square "
        f"{found['input_relevance_without_flat']:.0f}. So the picture is the network's habit, not evidence, and the "
        "same habit is mixed into every map made with a flat first layer."
    )
    canvas, axes = plots.canvas(3, width=2.9)
    plots.board_map(axes[0], None, found["map"], "flat rule, empty board", scale=scale)
    plots.board_map(axes[1], None, found["spread_bias"], "bias kept, then spread 3×3", scale=scale)
    plots.board_map(axes[2], None, found["first_layer_bias"], "bias kept at its own units")
    words = alt.sentence(
        "three empty boards",
        alt.of_map(found["map"], "the flat rule's map"),
        alt.of_map(found["spread_bias"], "the spread bias, which looks the same"),
        alt.of_map(found["first_layer_bias"], "the bias at its own units"),
    )
    caption = f"The empty board: the flat map is spread bias relevance (largest difference {difference:.1e})."
    return Findings(found | {"map_total": total}, reading, (Figure("", caption, canvas, words),))


EXPERIMENT = Experiment(
    "empty-board",
    3,
    "The empty board's heatmap is bias",
    "A flat first layer shows bias relevance spread over squares, not evidence.",
    run,
    source="figure 3",
)
