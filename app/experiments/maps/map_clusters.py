"""Which kinds of maps a set of positions has: spectral clusters up to the board's symmetries, beside their control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from app.experiments.maps.spectral import (
    DRAWS,
    Clustering,
    Labels,
    agreement,
    clusters,
    distances,
    prototypes,
    without_order,
)
from app.experiments.statistics import Array
from othello.rules.board import Board

LEAST: Final = 12  # maps that may have kinds
MOST: Final = 1000  # maps whose distances are held at once


@dataclass(frozen=True)
class MapClusters:
    """Clusters of P maps: labels [P], the larger clusters first, and the most typical position of each.

    firm: how alike clusters of four fifths of the positions are to these, a mean adjusted Rand index; control: the same
    for maps whose numbers stand on squares in an order of their own.
    """

    labels: Labels
    typical: tuple[int, ...]
    firm: float
    control: float

    @property
    def sizes(self) -> list[int]:
        """How many positions each cluster has."""
        return [int(count) for count in np.bincount(self.labels)]

    @property
    def words(self) -> str:
        """The clusters in a sentence, with their control."""
        sizes = [str(size) for size in self.sizes]
        return (
            f"{len(sizes)} clusters of {', '.join(sizes[:-1])} and {sizes[-1]} positions. Those of four fifths of the "
            f"positions agree with them to {self.firm:.2f} (adjusted Rand index, 0 is chance); where each map's "
            f"squares are put in an order of their own, to {self.control:.2f}."
        )

    def as_json(self, boards: Sequence[Board], values: Array) -> dict[str, Any]:
        """Each cluster with its size, its mean target and its most typical position."""
        each = []
        for number, (size, place) in enumerate(zip(self.sizes, self.typical)):
            mean = float(values[self.labels == number].mean())
            each.append({"positions": size, "value": mean, "typical": str(boards[place])})
        return {"firm": self.firm, "control": self.control, "each": each}


def map_clusters(maps: Array, seed: int = 0) -> MapClusters | None:
    """The clusters of maps [P, N, N]; None for fewer than 12 or more than 1,000."""
    if not LEAST <= len(maps) <= MOST:
        return None
    distance = distances(maps, symmetric=True)
    found = clusters(distance, seed)
    mixed = distances(without_order(maps, seed), symmetric=True)
    noise = clusters(mixed, seed, found.count)
    typical = [prototypes(distance, found, number, 1)[0] for number in range(found.count)]
    return MapClusters(
        found.labels, tuple(typical), _firm(distance, found, seed), _firm(mixed, noise, seed)
    )


def _firm(distance: Array, found: Clustering, seed: int) -> float:
    each = agreement(distance, found, np.arange(len(distance)), seed)
    return sum(each) / DRAWS
