"""Spectral clustering of relevance maps, as in spectral relevance analysis.

SpRAy: Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what machines really learn" (2019): a graph of
nearest neighbours, the normalised Laplacian's smallest eigenvalues, their largest gap for the number of clusters.
Clustering after Ng, Jordan and Weiss (2002); starts of k-means after Arthur and Vassilvitskii (2007); agreement after
Hubert and Arabie (1985).  Letters: `P` maps, `N` board side, `K` clusters, `D` dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.experiments.statistics import Array
from othello.rules.symmetry import SYMMETRIES, transform_planes

Labels = NDArray[np.int64]
MOST: Final = 12  # clusters that an eigengap may mean
STARTS: Final = 10  # of k-means; the best one counts
ROUNDS: Final = 100
DRAWS: Final = 5  # of four fifths of the games, clustered anew


@dataclass(frozen=True)
class Clustering:
    """Labels [P] from 0 on, the larger clusters first; the smallest eigenvalues and their vectors [P, D]."""

    labels: Labels
    eigenvalues: Array
    vectors: Array

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return int(self.labels.max()) + 1


def distances(maps: Array, symmetric: bool) -> Array:
    """[P, P] between maps [P, N, N] of length 1; symmetric: turn and mirror each to where it is nearest."""
    flat = _unit(maps)
    likeness = np.full((len(maps), len(maps)), -np.inf)
    for symmetry in SYMMETRIES if symmetric else SYMMETRIES[:1]:
        turned = _unit(transform_planes(maps, symmetry))
        np.maximum(likeness, flat @ turned.T, out=likeness)
    found: Array = np.sqrt(np.maximum(2 - 2 * likeness, 0))
    return found


def _unit(maps: Array) -> Array:
    flat = maps.reshape(len(maps), -1)
    found: Array = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    return found


def affinity(distance: Array, neighbours: int) -> Array:
    """[P, P] of 0 and 1: whether one of the two is among the other's nearest neighbours."""
    apart = distance.copy()
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :neighbours]
    linked = np.zeros(distance.shape)
    np.put_along_axis(linked, nearest, 1.0, axis=1)
    return np.maximum(linked, linked.T)


def spectrum(linked: Array, count: int) -> tuple[Array, Array]:
    """The smallest eigenvalues [D] of the normalised Laplacian I − D^−½ A D^−½, and their vectors [P, D]."""
    root = 1 / np.sqrt(np.maximum(linked.sum(1), 1e-12))
    laplacian = np.eye(len(linked)) - root[:, None] * linked * root
    values, vectors = np.linalg.eigh(laplacian)
    return values[:count], vectors[:, :count]


def gap(values: Array) -> int:
    """How many clusters the largest gap between neighbouring eigenvalues means, 2 at least.

    >>> gap(np.array([0.0, 0.01, 0.02, 0.5, 0.55]))
    3
    """
    return int(np.argmax(np.diff(values)[1:])) + 2


def clusters(distance: Array, seed: int, count: int | None = None) -> Clustering:
    """Clusters of what is so far apart [P, P]; as many as the eigengap says unless `count` is given."""
    neighbours = max(3, round(np.log(len(distance))))
    values, vectors = spectrum(affinity(distance, neighbours), min(MOST + 1, len(distance)))
    wanted = gap(values) if count is None else count
    rows = vectors[:, :wanted]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    labels = k_means(rows, wanted, seed)
    order = np.argsort(-np.bincount(labels, minlength=wanted), kind="stable")
    return Clustering(np.argsort(order)[labels], values, vectors)


def k_means(points: Array, count: int, seed: int) -> Labels:
    """Labels [P] of points [P, D]: the best of several starts."""
    random = np.random.default_rng((seed, 31))
    best, least = np.zeros(len(points), np.int64), np.inf
    for _ in range(STARTS):
        centres = _spread_out(points, count, random)
        labels = np.zeros(len(points), np.int64)
        for _ in range(ROUNDS):
            square = ((points[:, None] - centres) ** 2).sum(2)
            new = square.argmin(1)
            if (new == labels).all():
                break
            labels = new
            for k in np.unique(labels):
                centres[k] = points[labels == k].mean(0)
        loss = float(((points - centres[labels]) ** 2).sum())
        if loss < least:
            best, least = labels, loss
    return best


def _spread_out(points: Array, count: int, random: np.random.Generator) -> Array:
    """Starts [K, D] that are points, each drawn by its squared distance to those before it."""
    chosen = [int(random.integers(len(points)))]
    for _ in range(count - 1):
        square = ((points[:, None] - points[chosen]) ** 2).sum(2).min(1)
        total = square.sum()
        share = square / total if total > 0 else None
        chosen.append(int(random.choice(len(points), p=share)))
    return points[chosen].copy()


def adjusted_rand(some: Labels, others: Labels) -> float:
    """The adjusted Rand index of two clusterings [P]: 1 for equal ones, 0 on average for unrelated ones.

    >>> adjusted_rand(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """
    table = np.zeros((int(some.max()) + 1, int(others.max()) + 1))
    np.add.at(table, (some, others), 1)
    together, rows, columns = (_pairs(part) for part in (table, table.sum(1), table.sum(0)))
    expected = rows * columns / _pairs(np.array([len(some)]))
    largest = (rows + columns) / 2
    return float((together - expected) / (largest - expected)) if largest > expected else 1.0


def _pairs(counts: Array | Labels) -> float:
    return float((counts * (counts - 1) / 2).sum())


def prototypes(distance: Array, found: Clustering, cluster: int, count: int = 4) -> list[int]:
    """At most `count` maps of a cluster, those that are nearest to all others of it first."""
    rows = np.flatnonzero(found.labels == cluster)
    order = np.argsort(distance[np.ix_(rows, rows)].mean(1), kind="stable")
    return [int(row) for row in rows[order[:count]]]


def agreement(distance: Array, whole: Clustering, game: Labels, seed: int) -> list[float]:
    """How alike clusters of four fifths of the games are to those of all, on what they share: adjusted Rand indices."""
    found = []
    for draw in range(DRAWS):
        random = np.random.default_rng((seed, draw, 32))
        order = random.permutation(int(game.max()) + 1)
        rows = np.flatnonzero((order % 5 != 0)[game])
        part_ = clusters(distance[np.ix_(rows, rows)], seed + 1 + draw, whole.count)
        found.append(adjusted_rand(part_.labels, whole.labels[rows]))
    return found


def without_order(maps: Array, seed: int) -> Array:
    """The control: each map's numbers on squares in an order of its own."""
    random = np.random.default_rng((seed, 33))
    mixed = random.permuted(maps.reshape(len(maps), -1), axis=1)
    return mixed.reshape(maps.shape)
