"""Means with intervals, correlations and orders, in NumPy alone; every random draw comes from a given seed.

Letters: `P` positions (the unit that is resampled), `K` quantities measured on each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % bootstrap interval over `count` units.

    One unit has no interval (NaN at both ends), and where nothing was measured the mean is NaN too.
    """

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        if not self.count:
            return "–"
        if np.isnan(self.low):
            return f"{number(self.mean)} [one unit, no interval]"
        return f"{number(self.mean)} [{number(self.low)}, {number(self.high)}]"

    def to_dict(self) -> dict[str, Any]:
        """As JSON wants it."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "count": self.count}


def number(value: float) -> str:
    """A number for a table: a sign where it is negative, three digits or so.

    >>> number(0.12345), number(-3.2), number(123.4)
    ('0.123', '−3.20', '123')
    """
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{size:.{digits}f}"
    return ("−" if value < 0 and float(text) != 0 else "") + text


def bootstrap(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """The mean of values [P] and its percentile interval (Efron 1979); values that are NaN are left out."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(np.nan, np.nan, np.nan, 0)
    if len(known) == 1:
        return Interval(float(known[0]), np.nan, np.nan, 1)
    means = known[_draws(len(known), seed, resamples)].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(known.mean()), float(low), float(high), len(known))


def highest(entries: Mapping[str, Interval], among: Iterable[str] | None = None) -> str:
    """The name with the highest mean of those measured at all; the first one where none was."""
    names = list(entries if among is None else among)
    return max(names, key=lambda name: entries[name].mean if entries[name].count else -np.inf)


def above(entries: Iterable[Interval], line: float = 0.0) -> int:
    """How many intervals lie above a line."""
    return sum(entry.low > line for entry in entries)


def strongest(samples: Mapping[str, Array], controls: Iterable[str]) -> str:
    """The control with the highest mean; of an order that may be reversed, give the samples of both ways."""
    known = [name for name in controls if name in samples and np.isfinite(samples[name]).any()]
    return max(known, key=lambda name: float(np.nanmean(samples[name])))


def bootstrap_means(values: Array, seed: int = 0, resamples: int = RESAMPLES) -> Array:
    """The means [resamples, K] of rows [P, K] that are resampled together, for comparing columns."""
    counts = np.stack(
        [np.bincount(draw, minlength=len(values)) for draw in _draws(len(values), seed, resamples)]
    )
    return counts @ values / len(values)


def _draws(count: int, seed: int, resamples: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, count, 95)).integers(0, count, (resamples, count))


def ranks(values: Array) -> Array:
    """Ranks [..., n] along the last axis; equal values share their mean rank."""
    ordered = np.sort(values, axis=-1)
    flat, sorts = values.reshape(-1, values.shape[-1]), ordered.reshape(-1, values.shape[-1])
    found = [
        (np.searchsorted(s, v, "left") + np.searchsorted(s, v, "right") - 1) / 2
        for v, s in zip(flat, sorts)
    ]
    return np.array(found).reshape(values.shape)


def pearson(x: Array, y: Array) -> float:
    """The correlation of two vectors; NaN where one of them is constant."""
    x, y = x - x.mean(), y - y.mean()
    size = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / size) if size > 1e-30 else float("nan")


def spearman(x: Array, y: Array) -> float:
    """The correlation of the ranks of two vectors; NaN where one of them is constant."""
    return pearson(ranks(x), ranks(y))


def cosine(x: Array, y: Array) -> float:
    """The cosine of two vectors; NaN where one of them is 0."""
    size = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / size) if size > 1e-30 else float("nan")


def area_under_roc(scores: Array, members: NDArray[np.bool_]) -> float:
    """How often a member scores above a non-member (ties count half); 0.5 is chance, NaN where a side is empty."""
    inside, outside = int(members.sum()), int((~members).sum())
    if not inside or not outside:
        return float("nan")
    return float((ranks(scores)[members].sum() - inside * (inside - 1) / 2) / (inside * outside))


def shuffled_order(scores: Array, random: np.random.Generator) -> NDArray[np.int64]:
    """Indices [..., n] from the highest score to the lowest; ties are broken by chance."""
    return np.lexsort((random.random(scores.shape), -scores), axis=-1)


def proportion(successes: float, count: int) -> Interval:
    """A proportion with Wilson's 95 % interval (1927), which one unit has too; half successes are allowed."""
    if count == 0:
        return Interval(np.nan, 0.0, 1.0, 0)
    z, share = 1.959964, successes / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = (
        z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    )
    return Interval(share, float(max(0.0, centre - half)), float(min(1.0, centre + half)), count)


class Ranking(NamedTuple):
    """Units by a score within their kind: each unit's place [U], which equal ones share, and each place's kind [P]."""

    place: NDArray[np.int64]
    kind: NDArray[np.int64]


def ranking(scores: NDArray[Any], kind: NDArray[np.int64]) -> Ranking:
    """Units with these scores [U] and kinds [U] (0, 1, …), lowest kind and score first."""
    _, rank = np.unique(scores, return_inverse=True)
    top = int(rank.max()) + 1
    places, place = np.unique(kind * top + rank, return_inverse=True)
    return Ranking(place, places // top)


def weighted_area(ranked: Ranking, happen: NDArray[np.bool_], weight: NDArray[np.int64]) -> float:
    """The area under the ROC curve of units that count `weight` [U] times, over pairs of the same kind alone.

    Ties count half; NaN where there is no pair.
    """
    place, kind = ranked
    inside, outside = (np.bincount(place, weight * side, len(kind)) for side in (happen, ~happen))
    ins, outs = (np.bincount(kind, each) for each in (inside, outside))
    earlier = np.cumsum(outs) - outs  # of other kinds
    below = np.cumsum(outside) - outside / 2 - earlier[kind]
    pairs = float(ins @ outs)
    return float(inside @ below / pairs) if pairs else float("nan")
