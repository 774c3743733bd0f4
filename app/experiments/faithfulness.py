"""The faithfulness study: twelve methods, three targets, four corruptions, with bootstrap intervals.

The measures are in `corruption` (SRG) and `checks` (sensitivity-n, randomised weights, similarity of maps).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments import checks, plots
from app.experiments.attributions import CONTROLS, METHODS, TARGETS, Maps, readings, relevance_maps
from app.experiments.corruption import CORRUPTIONS, corrupted, frequencies, relevance_gain
from app.experiments.positions import Words, best_two, legal_table, one_a_game, self_play, states_of
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings, Table, part
from app.experiments.statistics import bootstrap, bootstrap_means
from app.explain.composites import DEFAULT_COMPOSITE

if TYPE_CHECKING:
    from app.models import Model

RANKED: Final = ("EpsilonPlus", "EpsilonPlusFlat", "EpsilonGammaBox", "EpsilonAlpha2Beta1", "LRP-0")  # the app's
Gains = NDArray[np.float64]


def gains_of(
    model: Model, maps: dict[str, Maps], own: Words, opp: Words, moves: NDArray[np.int64], shares: Maps,
    points: int, seed: int, progress: Progress,
) -> tuple[Gains, dict[str, Maps]]:  # fmt: skip
    """SRG [methods, T, corruptions, P], and each method's mean value curves [2, points − 1] where discs are emptied."""
    states = states_of(own, opp)
    found = np.zeros((len(maps), len(TARGETS), len(CORRUPTIONS), len(own)))
    curves: dict[str, Maps] = {}

    def read(mine: Words, theirs: Words, rows: NDArray[np.int64]) -> Maps:
        return readings(model, mine, theirs, moves[rows])

    for c, kind in enumerate(CORRUPTIONS):
        change = corrupted(kind, own, opp, shares, moves, seed)
        for m, (name, scores) in enumerate(maps.items()):
            progress((c + m / len(maps)) / len(CORRUPTIONS), f"{kind}: {name}")
            for t in range(len(TARGETS)):
                srg, most, least = relevance_gain(states, change, scores[t], read, points, seed)
                found[m, t, c] = srg[t]
                if kind == "empty" and t == 0:
                    curves[name] = np.stack([most[:, 0].mean(1), least[:, 0].mean(1)])
    return found, curves


def ranking(gains: Gains, names: list[str], seed: int) -> dict[str, Any]:
    """Each ranked method's mean share of the best SRG of its column, and how often a resample puts it first.

    Columns are targets × the three corruptions of occupied squares.
    """
    rows = [names.index(name) for name in RANKED]
    columns = gains[rows][:, :, :3].reshape(len(rows), -1, gains.shape[-1])  # [R, 9, P]
    best = np.maximum(np.abs(gains[:, :, :3].mean(-1)).reshape(len(names), -1).max(0), 1e-12)
    scores = (columns / best[None, :, None]).mean(1).T  # [P, R]
    drawn = bootstrap_means(scores, seed)
    wins = np.bincount(drawn.argmax(1), minlength=len(rows)) / len(drawn)
    return {
        name: {"score": bootstrap(scores[:, place], seed), "wins": float(wins[place])}
        for place, name in enumerate(RANKED)
    }


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """The whole study on held-out self-play positions, one a game."""
    seed = settings.seed
    games = self_play(model, settings, part(progress, 0.0, 0.15))
    own, opp = one_a_game(games, settings.positions, seed)
    logits, _ = model.evaluator(own, opp)
    moves, shares = best_two(logits, legal_table(own, opp)), frequencies(games)
    maps: dict[str, Maps] = {}
    for place, name in enumerate(METHODS):
        progress(0.15 + 0.25 * place / len(METHODS), f"maps: {name}")
        maps[name] = relevance_maps(model, name, own, opp, moves, seed)
    points = 8 if settings.quick else 16
    gains, curves = gains_of(model, maps, own, opp, moves, shares, points, seed, part(progress, 0.4, 0.8))
    names = list(maps)
    table = {
        name: {kind: {target: bootstrap(gains[m, t, c], seed) for t, target in enumerate(TARGETS)}
               for c, kind in enumerate(CORRUPTIONS)}
        for m, name in enumerate(names)
    }  # fmt: skip
    standing = ranking(gains, names, seed)
    winner = max(standing, key=lambda name: standing[name]["score"].mean)
    progress(0.8, "sensitivity-n")
    sensitivity = checks.sensitivity(model, maps, own, opp, moves, seed, subsets=24 if settings.quick else 100)
    progress(0.87, "similarities")
    alike = checks.similarities(maps, own, opp, seed)
    progress(0.9, "randomised weights")
    few = slice(0, 12 if settings.quick else 64)
    randomised = checks.randomised(model, maps, own[few], opp[few], moves[few], seed)
    progress(0.96, "one-square changes")
    stability = checks.max_sensitivity(model, own[few], opp[few], moves[few], seed, changes=4 if settings.quick else 10)
    standing = {name: standing[name] for name in sorted(standing, key=lambda n: -standing[n]["score"].mean)}
    numbers = {
        "positions": len(own), "points": points, "srg": table, "ranking": standing, "winner": winner,
        "app_default": DEFAULT_COMPOSITE, "sensitivity_n": sensitivity, "similarity": alike,
        "randomised_weights": randomised, "max_sensitivity": stability, "value_curves": curves,
    }  # fmt: skip
    reading = _reading(len(own), table, standing, winner, alike)
    figures = (_figure(table, len(own)), _curves(curves, points))
    tables = (*_tables(table, standing), *checks.tables(sensitivity, alike, randomised, stability))
    return Findings(numbers, reading, figures, tables)


def _reading(
    count: int, table: dict[str, Any], standing: dict[str, Any], winner: str, alike: dict[str, Any]
) -> str:
    words = []
    for kind in CORRUPTIONS:
        for target in TARGETS:
            column = {name: table[name][kind][target] for name in METHODS}
            best = max(column, key=lambda name, column=column: column[name].mean)
            real = [name for name in METHODS if name not in CONTROLS and column[name].low > 0]
            if not real:
                words.append(f"for the {target} under “{kind}” no method beats a random order")
            elif best in CONTROLS:
                words.append(f"for the {target} under “{kind}” the control {best} is ahead ({column[best]})")
    share = f"{100 * standing[winner]['wins']:.0f} %"
    name = "LRPZero" if winner == "LRP-0" else winner
    default = (
        "It is also the app's default." if name == DEFAULT_COMPOSITE
        else f"The app's default is still {DEFAULT_COMPOSITE}, which this study does not support."
    )  # fmt: skip
    failures = "; ".join(words)
    cells = [table["random"][kind][target] for kind in CORRUPTIONS for target in TARGETS]
    strays = sum(found.low > 0 or found.high < 0 for found in cells)
    return (
        f"On {count} held-out self-play positions (one a game) the best LRP composite over targets and corruptions of "
        f"discs is {winner}: on average {standing[winner]['score']} of the best SRG in each column, first in {share} "
        f"of the resamples. {default} "
        + (f"Honestly: {failures}. " if failures else "In every column some method beats a random order. ")
        + f"The random order's own interval misses 0 in {strays} of {len(cells)} columns, by chance. "
        + f"Value and policy maps of EpsilonPlus have |cosine| {alike['EpsilonPlus']['value_policy']}. Occlusion "
        "removes single squares, which is close to what the curves measure, so a high place of it is no surprise. "
        "Corrupted boards leave the training distribution. LRP-0 and gradient × input are the same map in a network "
        "of ReLUs and agree here to rounding. The check with randomised weights tests that a map depends on what was "
        "learned; it does not rank methods."
    )


def _tables(table: dict[str, Any], standing: dict[str, Any]) -> list[Table]:
    first = Table("LRP composites: mean share of the best SRG over targets and corruptions of discs",
                  ("composite", "score", "first in resamples"),
                  tuple((n, str(f["score"]), f"{100 * f['wins']:.0f} %") for n, f in standing.items()))  # fmt: skip
    return [first, *(
        Table(f"SRG, corruption “{kind}” (mean [95 % interval]; 0 is a random order)", ("method", *TARGETS),
              tuple((name, *(str(table[name][kind][target]) for target in TARGETS)) for name in table))
        for kind in CORRUPTIONS
    )]  # fmt: skip


def _figure(table: dict[str, Any], count: int) -> Figure:
    canvas, axes = plots.canvas(len(TARGETS), len(CORRUPTIONS), width=4.0, height=2.9)
    for place, drawing in enumerate(axes):
        kind, target = CORRUPTIONS[place // len(TARGETS)], TARGETS[place % len(TARGETS)]
        unit = "SRG, value in [−1, 1]" if target == "value" else "SRG, logit"
        plots.bars(drawing, {name: table[name][kind][target] for name in table}, f"{target}: {kind}", unit)
    return Figure("", f"SRG of twelve methods on {count} positions with 95 % bootstrap intervals; 0 is a random order.",
                  canvas)  # fmt: skip


def _curves(curves: dict[str, Maps], points: int) -> Figure:
    canvas, axes = plots.canvas(2, width=4.6, height=3.4)
    x = [100 * step / points for step in range(1, points)]
    for name, colour in zip(curves, plots.COLOURS):
        for drawing, curve in zip(axes, curves[name]):
            drawing.plot(x, curve, color=colour, linewidth=1.4, label=name)
    plots.lines(axes[0], "Most relevant first", "% of discs emptied", "mean value", legend=False)
    plots.lines(axes[1], "Least relevant first", "% of discs emptied", "mean value", legend=False)
    axes[1].legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Figure("curves", "The network's mean value while discs are emptied in each method's order.", canvas)


EXPERIMENT = Experiment(
    "faithfulness", 12, "Faithfulness study",
    "Which explanations point at squares that the network really uses, against random order and two other controls.",
    run, positions=(64, 512),
)  # fmt: skip
