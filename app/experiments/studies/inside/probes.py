"""Linear probes: how well a layer tells a number of the position, and what moving along a probe does to the value.

Probes after Alain and Bengio, "Understanding intermediate layers using linear classifier probes" (2016), and McGrath et
al., "Acquisition of chess knowledge in AlphaZero" (2022); the move along a direction after Kim et al., "TCAV" (2018).
Letters: `P` positions, `D` numbers of a layer, `K` concepts, `G` games.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from app.experiments.statistics import Array, Interval
from othello.network.architecture import Network

PENALTIES: Final = (0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0)
RESAMPLES: Final = 2000
_CHUNK: Final = 512  # positions that pass through a layer at once


@dataclass(frozen=True)
class Split:
    """Which positions are learned from, which choose penalty and layer, and which are measured; by game."""

    fit: NDArray[np.bool_]
    choose: NDArray[np.bool_]
    test: NDArray[np.bool_]

    @classmethod
    def by_game(cls, game: NDArray[np.int64], seed: int) -> Split:
        """About 3 games in 5 to learn from, one to choose, one to measure; game [P] is 0..G−1."""
        order = np.random.default_rng((seed, 21)).permutation(int(game.max()) + 1)
        part = (order % 5)[game]
        return cls(part < 3, part == 3, part == 4)


@dataclass(frozen=True)
class Probe:
    """For each concept the weights [D, K], their constants [K] and the penalty [K] that the choosing games liked."""

    weights: Array
    constant: Array
    penalty: Array
    chosen_by: Array  # R² [K] on the games that choose

    def predict(self, features: NDArray[np.float32]) -> Array:
        """[P, K]."""
        found: Array = features @ self.weights + self.constant
        return found


def fit(features: NDArray[np.float32], concepts: Array, split: Split) -> Probe:
    """Ridge regression of every concept [P, K] on features [P, D]; each takes the penalty that tells it best.

    The penalty is in units of the features' mean square, so that layers of any scale are treated alike.
    """
    x, y = features[split.fit].astype(np.float64), concepts[split.fit]
    middle, level = x.mean(0), y.mean(0)
    x -= middle
    held, wanted = features[split.choose].astype(np.float64) - middle, concepts[split.choose]
    scale = float((x * x).sum() / len(x)) + 1e-12
    best = np.full(y.shape[1], -np.inf)
    weights = np.zeros((x.shape[1], y.shape[1]))
    penalty = np.zeros(y.shape[1])
    ridge = _ridge(x, y - level)
    for candidate in PENALTIES:
        found = ridge(candidate * scale)
        score = r_squared(wanted, held @ found + level)
        better = score > best
        weights[:, better], penalty[better] = found[:, better], candidate
        best[better] = score[better]
    return Probe(weights, level - middle @ weights, penalty, best)


def _ridge(x: Array, y: Array) -> Callable[[float], Array]:
    """argmin |xw − y|² + penalty · |w|² for any penalty, by the smaller of its two normal equations."""
    wide = x.shape[0] < x.shape[1]
    products, wanted = (x @ x.T, y) if wide else (x.T @ x, x.T @ y)

    def solved(penalty: float) -> Array:
        found = np.linalg.solve(products + penalty * np.eye(len(products)), wanted)
        return np.asarray(x.T @ found if wide else found, np.float64)

    return solved


def r_squared(wanted: Array, told: Array) -> Array:
    """The share of each concept's variance [K] that is told, on [P, K]; −inf where it does not vary."""
    spread = ((wanted - wanted.mean(0)) ** 2).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 1 - ((wanted - told) ** 2).sum(0) / spread
    return np.where(spread > 0, share, -np.inf)


def by_game(
    wanted: Array, told: dict[str, Array], game: NDArray[np.int64], seed: int
) -> dict[str, Array]:
    """R² of one concept [P] for predictors [P] by name: [1 + RESAMPLES], the whole first, then games drawn anew.

    All predictors are measured on the same drawn games, so that differences of the rows are paired.
    """
    _, place = np.unique(game, return_inverse=True)
    games = int(place.max()) + 1
    draws = np.random.default_rng((seed, games, 22)).integers(0, games, (RESAMPLES, games))
    times = np.ones((1 + RESAMPLES, games))
    for row, draw in enumerate(draws, 1):
        times[row] = np.bincount(draw, minlength=games)

    def total(values: Array) -> Array:
        found: Array = times @ np.bincount(place, values, games)
        return found

    count, first, second = (total(wanted**power) for power in (0, 1, 2))
    spread = np.maximum(second - first**2 / count, 1e-12)
    return {name: 1 - total((wanted - guess) ** 2) / spread for name, guess in told.items()}


def interval(samples: Array, games: int) -> Interval:
    """The first of [1 + RESAMPLES] numbers with the interval of the rest."""
    low, high = np.quantile(samples[1:], (0.025, 0.975))
    return Interval(float(samples[0]), float(low), float(high), games)


def stages(network: Network, planes: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Every stage's output [P, C, N, N] from the input to the last block, one in memory at a time."""
    x = planes
    yield "planes", x
    x = through(lambda part: F.relu(network.stem_norm(network.stem(part))), x)
    yield "stem", x
    for number, block in enumerate(network.blocks, 1):
        x = through(block, x)
        yield f"block {number}", x


@torch.no_grad()
def through(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A layer's output on [P, …], some positions at a time."""
    return torch.cat([layer(part) for part in torch.split(x, _CHUNK)])


def rest(network: Network, stage: str) -> Callable[[Tensor], Tensor]:
    """What follows a stage's output [P, C, N, N], up to the value before its tanh [P]."""
    done = 0 if stage == "stem" else int(stage.removeprefix("block "))
    blocks = list(network.blocks)[done:]

    def follow(x: Tensor) -> Tensor:
        for block in blocks:
            x = block(x)
        x = F.relu(network.value_norm(network.value_conv(x))).flatten(1)
        value: Tensor = network.value_out(F.relu(network.value_hidden(x)))
        return value.flatten()

    return follow


def effects(
    follow: Callable[[Tensor], Tensor], x: Tensor, directions: NDArray[np.float64]
) -> Array:
    """[R, P]: how much the value before its tanh changes on positions [P, C, N, N] moved by directions [R, D]."""
    before = through(follow, x)
    moves = torch.from_numpy(directions).to(x.dtype).reshape(-1, *x.shape[1:])
    changes = [through(follow, x + move) - before for move in moves]
    found: Array = torch.stack(changes).double().numpy()
    return found


def random_network(network: Network, planes: Tensor, seed: int) -> Network:
    """A network of the same shape that learned nothing; its BatchNorms know the statistics of planes [P, C, N, N].

    Its blocks do something: a fresh block of ours is the identity, here its last scale is 1 as everywhere else.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = Network(network.architecture)
    for part in fresh.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            part.momentum = None  # the mean of what it is shown
    fresh.train()
    with torch.no_grad():
        for shown in torch.split(planes, _CHUNK):
            fresh(shown)
    return fresh.eval()
