"""Channels of the last block: how much of the value each carries, and the positions that show what it looks for.

Concept relevance after Achtibat et al., "From attribution maps to human-understandable explanations through concept
relevance propagation" (2023), by `lrp.concepts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from app.experiments.attributions import batches
from app.experiments.positions import Words
from app.experiments.record import Table
from app.experiments.statistics import Array, number, pearson
from app.experiments.studies.inside.concept_values import CONCEPTS
from app.explain.composites import DEFAULT_BIAS, DEFAULT_COMPOSITE, explainer_of
from app.explain.network import VALUE
from app.models import encode_words
from lrp import concepts

if TYPE_CHECKING:
    from app.models import Model

SHOWN: Final = 4  # channels, and reference positions of each


@dataclass(frozen=True)
class Seen:
    """The last block's channels over positions [P]: their relevance [P, C] beside what `lrp.concepts` adds up."""

    own: Words
    opp: Words
    planes: Tensor
    found: concepts.Channels
    each: Array

    def ledger(self) -> dict[str, Any]:
        """Means over positions: value = parts + bias + rest, and by how much the sum misses."""
        count = self.found.count
        parts = float(self.found.relevance.sum()) / count
        sums = parts, self.found.bias / count, self.found.rest / count
        value = self.found.target / count
        names = ("parts", "bias", "rest")
        difference = abs(value - sum(sums))
        return {
            "positions": count,
            "value": value,
            **dict(zip(names, sums)),
            "difference": difference,
        }

    def heaviest(self) -> list[int]:
        """Channels with the most relevance in either direction."""
        order = np.argsort(-np.abs(self.each).mean(0), kind="stable")
        return [int(channel) for channel in order[:SHOWN]]

    def references(self, channel: int) -> list[int]:
        """The positions where the channel has the most relevance of its usual sign."""
        sign = 1.0 if self.each[:, channel].sum() >= 0 else -1.0
        order = np.argsort(-sign * self.each[:, channel], kind="stable")
        return [int(row) for row in order[:SHOWN]]

    def maps(self, channel: int, rows: list[int]) -> Array:
        """Where the relevance that passes through the channel comes from, on positions [R]; [R, 8, 8]."""
        found: Array = self.found.map(self.planes[rows], channel).inputs[0].double().sum(1).numpy()
        return found


def channels_of(model: Model, own: Words, opp: Words) -> Seen:
    """The channels of the last block under the app's default composite, for the value."""
    explainer = explainer_of(model, DEFAULT_COMPOSITE, DEFAULT_BIAS)
    planes = encode_words(model, own, opp)
    first = explainer.attribute(planes[:1], None, output=VALUE)
    layer = [name for name in first.layers if name.endswith("relu#1")][-1]
    found = concepts.channels(explainer, planes, layer, None, output=VALUE, top=SHOWN)
    each = []
    for rows in batches(len(own)):
        relevance = explainer.attribute(planes[rows], None, output=VALUE, layers=True).layers[layer]
        each.append(relevance.double().sum((2, 3)).numpy())
    return Seen(own, opp, planes, found, np.concatenate(each))


def sought_by(seen: Seen, values: Array, seed: int) -> list[dict[str, Any]]:
    """The heaviest channels, each with the concept [P, K] that its relevance follows most.

    Control: the highest |r| of any concept when positions are shuffled, the 95th percentile of 200.
    """
    random = np.random.default_rng((seed, 25))
    found = []
    for channel in seen.heaviest():
        relevance = seen.each[:, channel]
        r = _correlations(relevance, values)
        chance = [
            float(np.abs(_correlations(random.permutation(relevance), values)).max())
            for _ in range(200)
        ]
        best = int(np.argmax(np.abs(r)))
        found.append(
            {
                "channel": channel,
                "mean": float(relevance.mean()),
                "size": float(np.abs(relevance).mean()),
                "concept": CONCEPTS[best].name,
                "r": float(r[best]),
                "chance": float(np.quantile(chance, 0.95)),
            }
        )
    return found


def _correlations(relevance: Array, values: Array) -> NDArray[np.float64]:
    found = [pearson(relevance, column) for column in values.T]
    return np.nan_to_num(np.array(found, np.float64))


def channel_table(named: list[dict[str, Any]]) -> Table:
    """One row a channel."""
    rows = []
    for entry in named:
        name, *cells = (
            str(entry["channel"]),
            entry["mean"],
            entry["size"],
            entry["r"],
            entry["chance"],
        )
        mean, size, r, chance = map(number, cells)
        rows.append((name, mean, size, entry["concept"], r, chance))
    header = ("channel", "mean R", "mean |R|", "concept", "correlation", "largest by chance")
    return Table(
        "Heaviest channels of the last block, and the concept each follows", header, tuple(rows)
    )
