"""Strength from results: Elo with intervals for one match or many players, and a sequential test.

A player rated d Elo above another is expected to score p = 1 / (1 + 10^(−d/400)) points a game (Elo 1978; for many
players Bradley and Terry, "Rank analysis of incomplete block designs", Biometrika 1952).  A draw counts as half a win
and half a loss.  Intervals are profile likelihood intervals: the ratings d that a likelihood ratio test at the given
level does not refuse.  They take games as independent, so draws make them a little wider than they need be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

LIMIT = 4000.0  # Elo; ratings further apart than this are called unbounded
_SCALE = math.log(10) / 400


@dataclass(frozen=True)
class Rating:
    """An Elo difference with its interval; None where the results set no bound (a side that won or lost all)."""

    elo: float | None
    low: float | None
    high: float | None
    games: int = 0
    points: float = 0.0

    def __str__(self) -> str:
        bounds = ["none" if bound is None else f"{bound:+.0f}" for bound in (self.low, self.high)]
        return (
            f"{'unbounded' if self.elo is None else f'{self.elo:+.0f}'} [{bounds[0]}, {bounds[1]}]"
        )


def expected_score(difference: float) -> float:
    """Points a game, in [0, 1], of a player `difference` Elo above the other.

    >>> expected_score(0), round(expected_score(200), 3)
    (0.5, 0.76)
    """
    return 1 / (1 + 10 ** (-difference / 400))


def match_rating(wins: float, draws: float, losses: float, confidence: float = 0.95) -> Rating:
    """Elo of the first player above the second, from the games between the two.

    >>> print(match_rating(30, 0, 10))
    +191 [+73, +324]
    >>> print(match_rating(10, 0, 0))
    unbounded [+270, none]
    """
    games, points = wins + draws + losses, wins + draws / 2
    if min(wins, draws, losses) < 0 or games <= 0:
        raise ValueError(
            f"{wins} wins, {draws} draws, {losses} losses: at least one game is needed, none negative"
        )

    def log_likelihood(elo: float) -> float:
        return points * math.log(expected_score(elo)) + (games - points) * math.log(
            expected_score(-elo)
        )

    share = points / games
    elo = 400 * math.log10(share / (1 - share)) if 0 < share < 1 else None
    best = log_likelihood(elo) if elo is not None else 0.0
    floor = best - _drop(confidence)
    low = (
        None
        if share == 0
        else _crossing(log_likelihood, floor, LIMIT if elo is None else elo, -LIMIT)
    )
    high = (
        None
        if share == 1
        else _crossing(log_likelihood, floor, -LIMIT if elo is None else elo, LIMIT)
    )
    return Rating(elo, low, high, int(games), points)


@dataclass(frozen=True)
class Score:
    """What `first` scored against `second`."""

    first: str
    second: str
    wins: int
    draws: int
    losses: int


def fit(
    scores: Sequence[Score],
    anchor: str,
    *,
    anchor_elo: float = 0.0,
    prior: float = 0.5,
    confidence: float = 0.95,
) -> dict[str, Rating]:
    """Maximum likelihood ratings of everybody in `scores` on one scale where `anchor` has `anchor_elo`.

    Every pair that met gets `prior` drawn games on top (0: none), so that a clean sweep has a finite rating; with
    prior 0 a rating beyond ±4000 is None.  Raises `ValueError` if the anchor played nobody or somebody has no chain
    of games to it.

    >>> table = fit([Score("b", "a", 3, 0, 1), Score("c", "b", 3, 0, 1)], "a", prior=0)
    >>> [round(table[name].elo) for name in "abc"]
    [0, 191, 382]
    """
    names = sorted({name for score in scores for name in (score.first, score.second)})
    number = {name: i for i, name in enumerate(names)}
    real = _points(scores, number)
    met = (real + real.T) > 0
    points = real + met * (prior / 2)
    if anchor not in number or not _connected(met).all():
        raise ValueError(
            f"not everybody can be compared with {anchor!r}: a chain of games between them is missing"
        )
    origin = number[anchor]
    best = _maximum(points, {origin: 0.0})
    floor = _log_likelihood(points, best) - _drop(confidence)
    ratings = {}
    for name, i in number.items():
        elo: float | None = 0.0
        low, high = elo, elo
        if i != origin:
            elo = None if abs(best[i]) >= LIMIT - 1 else float(best[i])
            low, high = _profile_interval(points, origin, i, best, floor)
        elo, low, high = (None if x is None else x + anchor_elo for x in (elo, low, high))
        games = round(float(real[i].sum() + real[:, i].sum()))
        ratings[name] = Rating(elo, low, high, games, float(real[i].sum()))
    return ratings


def _profile_interval(
    points: NDArray[np.float64], origin: int, i: int, best: NDArray[np.float64], floor: float
) -> tuple[float | None, float | None]:
    """Where player i's rating makes the likelihood, at its best for all others, fall to `floor`."""

    def profile(elo: float) -> float:
        return _log_likelihood(points, _maximum(points, {origin: 0.0, i: elo}, best))

    middle = float(best[i])
    return _crossing(profile, floor, middle, -LIMIT), _crossing(profile, floor, middle, LIMIT)


def _points(scores: Sequence[Score], number: Mapping[str, int]) -> NDArray[np.float64]:
    """[i, j]: what player i scored against player j."""
    points = np.zeros((len(number), len(number)))
    for score in scores:
        i, j = number[score.first], number[score.second]
        if i == j:
            raise ValueError(f"{score.first} cannot be rated by games against itself")
        points[i, j] += score.wins + score.draws / 2
        points[j, i] += score.losses + score.draws / 2
    return points


def _drop(confidence: float) -> float:
    """Half the χ² quantile with one degree of freedom, by bisection on erf."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}: accepted are numbers between 0 and 1")
    low, high = 0.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if math.erf(middle / math.sqrt(2)) < confidence else (low, middle)
        )
    return low * low / 2


def _crossing(
    function: Callable[[float], float], floor: float, inside: float, outside: float
) -> float | None:
    """Where `function` falls to `floor` between `inside` (above it) and `outside`; None if it does not get there."""
    if function(outside) > floor:
        return None
    while abs(outside - inside) > 0.01:
        middle = (inside + outside) / 2
        if function(middle) > floor:
            inside = middle
        else:
            outside = middle
    return inside


def _log_likelihood(points: NDArray[np.float64], elo: NDArray[np.float64]) -> float:
    difference = (elo[:, None] - elo[None, :]) * _SCALE
    return float(-(points * np.logaddexp(0, -difference)).sum())


def _maximum(
    points: NDArray[np.float64],
    fixed: Mapping[int, float],
    start: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Ratings that maximise the likelihood with some held `fixed`: Newton's method, damped, within ±LIMIT."""
    elo = np.zeros(len(points)) if start is None else start.copy()
    for i, value in fixed.items():
        elo[i] = value
    free = np.array([i for i in range(len(points)) if i not in fixed], int)
    games = points + points.T
    for _ in range(200):
        if not len(free):
            break
        p = 1 / (1 + np.exp(-np.clip((elo[:, None] - elo[None, :]) * _SCALE, -60, 60)))
        gradient = (points - games * p).sum(1)[free] * _SCALE
        weight = games * p * (1 - p) * _SCALE**2
        hessian = np.diag(weight.sum(1)) - weight
        step = np.linalg.solve(hessian[np.ix_(free, free)] + 1e-12 * np.eye(len(free)), gradient)
        step = np.clip(step, -200, 200)
        moved = np.clip(elo[free] + step, -LIMIT, LIMIT)
        change = float(np.abs(moved - elo[free]).max())
        elo[free] = moved
        if change < 1e-6:
            break
    return elo


def _connected(met: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each player has a chain of games to the first."""
    reached = np.zeros(len(met), bool)
    reached[:1] = True
    for _ in range(len(met)):
        reached |= (met & reached[None, :]).any(1)
    return reached


class Decision(Enum):
    """What a sequential test says so far."""

    CONTINUE = "continue"
    STRONGER = "stronger"  # elo1 is accepted
    NOT_STRONGER = "not stronger"  # elo0 is accepted


@dataclass(frozen=True)
class SequentialTest:
    """Wald's sequential probability ratio test that a player is `elo1` rather than `elo0` stronger than another.

    The likelihoods are those of the multinomial distribution of the points of a *pair* of games (the same opening,
    both colours: 0, ½, 1, 1½ or 2), each maximised under the expected score of its hypothesis, so that neither draws
    nor the opening's lopsidedness distort it (Van den Bergh, "The generalized SPRT for trinomial and pentanomial
    data"; Wald, "Sequential tests of statistical hypotheses", 1945).  `alpha` and `beta` are the error rates.
    """

    elo0: float = 0.0
    elo1: float = 20.0
    alpha: float = 0.05
    beta: float = 0.05

    @property
    def bounds(self) -> tuple[float, float]:
        """The log likelihood ratios at which elo0 and elo1 are accepted."""
        return math.log(self.beta / (1 - self.alpha)), math.log((1 - self.beta) / self.alpha)

    def ratio(self, pairs: Sequence[float]) -> float:
        """The log likelihood ratio of elo1 against elo0 after pairs of these points, each in [0, 2]."""
        if not pairs:
            return 0.0
        counts = np.full(5, 1e-3)
        for points in pairs:
            counts[round(2 * points)] += 1
        share = counts / counts.sum()
        outcomes = np.arange(5) / 4
        likelihoods = [
            _constrained(share, outcomes, expected_score(elo)) for elo in (self.elo0, self.elo1)
        ]
        return float((counts * (np.log(likelihoods[1]) - np.log(likelihoods[0]))).sum())

    def decide(self, pairs: Sequence[float]) -> Decision:
        """The decision after pairs of these points."""
        low, high = self.bounds
        ratio = self.ratio(pairs)
        return (
            Decision.STRONGER
            if ratio >= high
            else Decision.NOT_STRONGER
            if ratio <= low
            else Decision.CONTINUE
        )


def _constrained(
    share: NDArray[np.float64], outcomes: NDArray[np.float64], mean: float
) -> NDArray[np.float64]:
    """The most likely distribution over `outcomes` with the given mean: share / (1 + t·(outcome − mean))."""
    away = outcomes - mean
    low, high = -1 / away.max(), -1 / away.min()
    for _ in range(100):
        t = (low + high) / 2
        low, high = (t, high) if float((share * away / (1 + t * away)).sum()) > 0 else (low, t)
    result: NDArray[np.float64] = share / (1 + t * away)
    return result


__all__ = ["Decision", "Rating", "Score", "SequentialTest", "expected_score", "fit", "match_rating"]
