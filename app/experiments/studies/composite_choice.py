"""Which composite the study chooses for the app, and how it stands beside methods that are no composites."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from app.experiments.attributions import TARGETS, Maps
from app.experiments.corruption import CORRUPTIONS
from app.experiments.disc_worth import CONTROLS
from app.experiments.statistics import bootstrap, bootstrap_means, highest
from app.experiments.tables import column, intervals

RANKED: Final = (
    "EpsilonPlus",
    "EpsilonPlusFlat",
    "EpsilonGammaBox",
    "EpsilonAlpha2Beta1",
    "LRP-0",
)  # the app's
APP_NAME: Final = {"LRP-0": "LRPZero"}
DISCS: Final = 3  # the first corruptions change discs, the last one empty squares
COLUMNS: Final = [(kind, target) for kind in CORRUPTIONS[:DISCS] for target in TARGETS]
RIVALS: Final = (
    "integrated gradients",
    "occlusion",
    "FullGrad",
)  # no composites; gradient × input is LRP-0
KEPT: Final = 0.05  # of all relevance: what a composite's stabilizers may hold and still be chosen
RULE: Final = (
    f"highest mean share of the best SRG over targets and corruptions of discs, among {', '.join(RANKED)} "
    f"with stabilizers at most {KEPT:g} of all relevance and a ledger closed to 1e-4; of those that a "
    "paired bootstrap does not tell from the highest, the one whose squares keep most relevance"
)


def ranking(gains: Maps, names: list[str], seed: int) -> tuple[dict[str, Any], Maps]:
    """Each ranked method's mean share of the best SRG of its column, with the shares [P, R] of every position.

    Columns are targets × the three corruptions of occupied squares.
    """
    scores = shares_of_best(gains, names, RANKED)
    return {name: {"score": bootstrap(s, seed)} for name, s in zip(RANKED, scores.T)}, scores


def shares_of_best(gains: Maps, names: list[str], wanted: tuple[str, ...]) -> Maps:
    """[P, wanted]: a position's mean share of the best SRG of each column, controls left out."""
    rows = [names.index(name) for name in wanted]
    columns = gains[rows][:, :, :DISCS].reshape(len(rows), -1, gains.shape[-1])  # [R, 9, P]
    explained = [place for place, name in enumerate(names) if name not in CONTROLS]
    means = np.abs(gains[explained][:, :, :DISCS].mean(-1)).reshape(len(explained), -1)
    best = np.maximum(means.max(0), 1e-12)
    found: Maps = (columns / best[None, :, None]).mean(1).T
    return found


def beyond(
    gains: Maps, names: list[str], table: dict[str, Any], winner: str, seed: int
) -> dict[str, Any]:
    """How the winner stands against the best method that is no composite, and among composites on empty squares.

    rival: its name; score, winner_score, difference: means over positions, the last one paired; ahead_in: columns of
    discs in which its mean is higher.  empty_squares: columns of empty squares in which the winner is the highest.
    """
    scores = shares_of_best(gains, names, RIVALS)
    place = int(scores.mean(0).argmax())
    rival, theirs = RIVALS[place], scores[:, place]
    ours = shares_of_best(gains, names, (winner,))[:, 0]
    empty = CORRUPTIONS[DISCS]
    best = [highest(column(column(table, empty), target, RANKED)) for target in TARGETS]
    return {
        "rival": rival,
        "score": bootstrap(theirs, seed),
        "winner_score": bootstrap(ours, seed),
        "difference": bootstrap(theirs - ours, seed),
        "ahead_in": sum(table[rival][k][t].mean > table[winner][k][t].mean for k, t in COLUMNS),
        "columns": len(COLUMNS),
        "empty_squares": best.count(winner),
    }


def choose(
    standing: dict[str, Any],
    scores: Maps,
    kept: dict[str, dict[str, Any]],
    table: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """The app's default composite: the highest mean score among those that keep relevance, ties broken by the squares.

    A composite keeps relevance whose stabilizers hold at most KEPT of Σ|R| and whose ledger closes to 1e-4; if none
    does, all stand for election.  Tied with the highest are those whose paired difference to it has an interval that
    contains 0; of tied ones the squares' share of Σ|R| decides, because squares are what a map shows.
    """
    fit = [name for name in RANKED if keeps_relevance(kept[name])] or list(RANKED)
    top = highest(column(standing, "score"), fit)
    places = [RANKED.index(name) for name in fit]
    behind = {
        name: scores[:, RANKED.index(top)] - scores[:, place]
        for name, place in zip(fit, places)
        if name != top
    }
    gaps = intervals(behind, seed)
    equal = [top, *(name for name, gap in gaps.items() if not gap.low > 0)]
    winner = max(equal, key=lambda name: kept[name]["squares"].mean)
    first = bootstrap_means(scores[:, places], seed).argmax(1)
    app = {name: APP_NAME.get(name, name) for name in RANKED}
    return {
        "composite": app[winner],
        "method": winner,
        "highest": app[top],
        "tied": [app[name] for name in equal if name != winner],
        "scores": {app[name]: standing[name]["score"].to_dict() for name in equal},
        "squares_share": kept[winner]["squares"].mean,
        "left_out": {app[n]: kept[n]["stabilizer"].mean for n in RANKED if n not in fit},
        "beats_random": sum(table[winner][kind][target].low > 0 for kind, target in COLUMNS),
        "columns": len(COLUMNS),
        "positions": len(scores),
        "behind_the_highest": {app[name]: gap.to_dict() for name, gap in gaps.items()},
        "first_in_resamples": {app[n]: float((first == i).mean()) for i, n in enumerate(fit)},
        "rule": RULE,
    }


def keeps_relevance(kept: dict[str, Any]) -> bool:
    """Whether a composite's stabilizers hold little enough and its ledger closes."""
    return bool(kept["stabilizer"].mean <= KEPT and kept["closure"] <= 1e-4)
