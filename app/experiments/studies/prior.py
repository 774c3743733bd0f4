"""The architecture prior: flat in every layer depends on no weight and no board, only on the network's geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.experiments import alt, plots
from app.experiments.positions import BOARD_31
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings
from app.explain.ask import explain
from app.explain.network import VALUE
from lrp import LRP
from lrp.composites import ArchitecturePrior
from othello.network.alpha_zero_general import AlphaZeroGeneralArchitecture, AlphaZeroGeneralNetwork

if TYPE_CHECKING:
    from app.models import Model

Map = NDArray[np.float64]


def through_convolution(mass: Map, padding: int) -> Map:
    """Mass [N′, N′] on a 3×3 convolution's outputs, each unit's shared evenly by its unpadded inputs: [N, N]."""
    n = mass.shape[0] + 2 - 2 * padding
    found = np.zeros((n, n))
    for row in range(mass.shape[0]):
        for column in range(mass.shape[1]):
            top, left = row - padding, column - padding
            window = found[max(0, top) : min(n, top + 3), max(0, left) : min(n, left + 3)]
            window += mass[row, column] / window.size
    return found


def residual_prior(blocks: int, size: int = 8) -> Map:
    """The prior [N, N] of a residual tower under 1×1 head convolutions, from its geometry alone; its sum is 1.

    A linear layer shares evenly; a sum of two branches gives half to each, and the second goes through two 3×3
    convolutions.
    """
    mass = np.full((size, size), 1 / size**2)
    for _ in range(blocks):
        mass = mass / 2 + through_convolution(through_convolution(mass / 2, 1), 1)
    return through_convolution(mass, 1)


def plain_prior(size: int = 8) -> Map:
    """The prior [N, N] of alpha-zero-general's shape: two padded and two unpadded 3×3 convolutions; its sum is 1."""
    mass = np.full((size - 4, size - 4), 1 / (size - 4) ** 2)
    for padding in (0, 0, 1, 1):
        mass = through_convolution(mass, padding)
    return mass


def landmarks(prior: Map) -> dict[str, float]:
    """Corner, middle of an edge, X-square and centre, the centre being 1."""
    half = prior.shape[0] // 2
    centre = prior[half, half]
    return {
        "corner": prior[0, 0] / centre,
        "edge": prior[0, half] / centre,
        "x_square": prior[1, 1] / centre,
        "centre": 1.0,
    }


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """The prior through the module and without any weight, on our network and on the post's shape."""
    found = explain(model, BOARD_31, "value", composite="ArchitecturePrior", symmetric=False)
    shown = found.squares / found.value
    foreign = hasattr(model.network, "encode")
    expected = (
        plain_prior(model.size)
        if foreign
        else residual_prior(model.network.architecture.blocks, model.size)
    )
    theirs = _alpha_zero_general(settings.seed)
    distance = float(np.abs(shown - expected).max())
    numbers: dict[str, Any] = {
        "prior": shown,
        "weight_free": expected,
        "difference": distance,
        "landmarks": landmarks(expected),
        "alpha_zero_general": {
            "prior": theirs,
            "weight_free": plain_prior(),
            "landmarks": landmarks(theirs),
            "difference": float(np.abs(theirs - plain_prior()).max()),
        },
    }
    mine, other = numbers["landmarks"], numbers["alpha_zero_general"]["landmarks"]
    reading = (
        "Computed by counting windows, with no weight and no board, the prior is the map that the module gives "
        f"(largest difference {distance:.0e}). Corner, edge and centre have {mine['corner']:.3f} / {mine['edge']:.3f} "
        f"/ 1 here and {other['corner']:.3f} / {other['edge']:.3f} / 1 on alpha-zero-general's shape, whose unpadded "
        "convolutions look at the rim less often. "
        f"{_x_squares(mine['x_square'])}The draft calls this picture bias relevance; it says nothing about "
        "a position, and any method that merely resembles it says little more. Exact: no interval is needed."
    )
    canvas, axes = plots.canvas(2, width=3.1)
    plots.board_map(axes[0], None, shown, "our network" if not foreign else "this network")
    plots.board_map(axes[1], None, theirs, "alpha-zero-general's shape")
    words = alt.sentence(
        f"two empty boards, palest in the corners, darkest {darkest(shown)} and {darkest(theirs)}",
        alt.of_map(shown, "our network's prior"),
        alt.of_map(theirs, "alpha-zero-general's prior"),
    )
    caption = "The architecture prior as shares of the target: flat in every layer."
    return Findings(numbers, reading, (Figure("", caption, canvas, words),))


def _x_squares(share: float) -> str:
    """What the geometry alone does to b2 and its like."""
    if share <= 1:
        return ""
    return (
        f"Here the largest share lies on the X-squares, b2 and its like, {100 * (share - 1):.0f} % above the centre: "
        "units at the rim have fewer inputs to share with. So a map made with flat rules that has b2 first shows the "
        "network's geometry, not that b2 matters. "
    )


def darkest(prior: Map) -> str:
    """Where the largest entry of a map lies."""
    row, column = divmod(int(prior.argmax()), prior.shape[1])
    rim = min(row, column, prior.shape[0] - 1 - row, prior.shape[1] - 1 - column)
    return {0: "on the rim", 1: "on the X-squares" if row == column else "beside the rim"}.get(
        rim, "in the centre"
    )


def _alpha_zero_general(seed: int) -> Map:
    """The prior by the module on a small network of that shape; its width and weights do not matter."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(8, 4, 8, 8)).double().eval()
        board = torch.randint(-1, 2, (1, 1, 8, 8)).double()
    relevance = LRP(network, ArchitecturePrior(), board).attribute(board, None, output=VALUE)
    received: Map = relevance.inputs[0][0].sum(0).numpy() / float(relevance.target[0])
    return received


EXPERIMENT = Experiment(
    "prior",
    6,
    "The architecture prior",
    "The draft's bias picture depends on no weight and no board.",
    run,
    source="the draft's bias relevance",
)
