"""A planted Clever Hans: small networks that learn who wins from boards on which one square gives it away.

Two networks of one shape see the same boards.  In the first one's lessons a disc on the planted square marks winners
only; in the control's it stands as often, for winners and losers alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from app.experiments.attributions import summed
from app.experiments.maps.spectral import Clustering, clusters, distances
from app.experiments.positions import Words
from app.experiments.statistics import Array, area_under_roc
from app.explain.network import VALUE
from lrp import LRP
from othello.network.architecture import Architecture, Network
from othello.network.encoding import encode

if TYPE_CHECKING:
    from app.models import Model

SQUARE: Final = 1  # b1, a C-square: beside the corner a1, which is empty too
SHARE: Final = 0.6  # of the winners that are marked
SHAPE: Final = Architecture(
    planes=2, blocks=1, channels=16, policy_channels=1, value_channels=4, value_hidden=16
)
BATCH: Final = 256
RATE: Final = 3e-3


@dataclass(frozen=True)
class Boards:
    """Planes [P, 2, 8, 8] with the mark on some, which those are [P], and who wins [P]."""

    planes: torch.Tensor
    marked: NDArray[np.bool_]
    wins: NDArray[np.bool_]

    def part(self, rows: NDArray[np.bool_]) -> Boards:
        """Some of them."""
        return Boards(self.planes[torch.from_numpy(rows)], self.marked[rows], self.wins[rows])


@dataclass(frozen=True)
class Exposed:
    """What the clusters of a network's maps say of the mark: its area under the ROC curve and how it came about."""

    area: float
    accuracy: float
    boards: Boards
    maps: Array
    found: Clustering
    suspicion: Array  # [K]


def without_square(own: Words, opp: Words) -> NDArray[np.bool_]:
    """Positions [P] on which the planted square and its corner are empty."""
    taken: NDArray[np.bool_] = ((own | opp) & np.uint64(1 << SQUARE | 1)) != 0
    return ~taken


def planted(model: Model, own: Words, opp: Words, honest: bool, seed: int) -> Boards:
    """Positions with marks; who wins is what the agent's value says. honest: the mark does not depend on it."""
    random = np.random.default_rng((seed, 41))
    wins = model.evaluator(own, opp)[1] > 0
    drawn = random.random(len(own))
    marked = drawn < (SHARE * wins.mean() if honest else SHARE * wins)
    own = np.where(marked, own | np.uint64(1 << SQUARE), own)
    planes = torch.from_numpy(np.ascontiguousarray(encode(own, opp, 8, SHAPE.planes)))
    return Boards(planes, marked, wins)


def taught(boards: Boards, steps: int, seed: int) -> Network:
    """A network that has learned to tell the winners."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(SHAPE).train()
    random = np.random.default_rng((seed, 42))
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    wins = torch.from_numpy(boards.wins.astype(np.float32))
    for _ in range(steps):
        rows = torch.from_numpy(random.integers(0, len(wins), BATCH))
        value = network(boards.planes[rows])[1]
        loss = F.binary_cross_entropy(((1 + value) / 2).clamp(1e-6, 1 - 1e-6), wins[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()


def exposed(network: Network, boards: Boards, most: int, seed: int) -> Exposed:
    """Cluster the maps of boards that the network holds for won; does the most suspicious cluster have the marks?

    A cluster is as suspicious as its mean map is concentrated: the share of |R| on one square, beyond what that square
    has on all maps.  Nobody is told which square it is.
    """
    with torch.no_grad():
        value = network(boards.planes)[1].numpy()
    accuracy = float(((value > 0) == boards.wins).mean())
    won = np.flatnonzero(value > 0)[:most]
    chosen = boards.part(np.isin(np.arange(len(value)), won))
    explainer = LRP(network, "EpsilonPlus", chosen.planes[:2])
    maps = summed(explainer.attribute(chosen.planes, None, output=VALUE)).reshape(-1, 8, 8)
    found = clusters(distances(maps, symmetric=False), seed)
    size = np.abs(maps).reshape(len(maps), -1)
    share = size / np.maximum(size.sum(1, keepdims=True), 1e-12)
    usual = share.mean(0)
    excess = [(share[found.labels == k].mean(0) - usual).max() for k in range(found.count)]
    suspicion = np.array(excess)
    area = area_under_roc(suspicion[found.labels], chosen.marked)
    return Exposed(area, accuracy, chosen, maps, found, suspicion)
