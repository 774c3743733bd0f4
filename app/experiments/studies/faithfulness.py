"""The faithfulness study: twelve methods, three targets, four corruptions, with bootstrap intervals.

The measures are in `corruption` (SRG) and `checks` (sensitivity-n, randomised weights, similarity of maps).
Its winner is the app's default composite, by the rule of `choose`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from app.experiments import alt, checks, plots
from app.experiments.attributions import (
    BATCH,
    COMPOSITES,
    CONTROLS,
    METHODS,
    TARGETS,
    Maps,
    readings,
    relevance_maps,
)
from app.experiments.corruption import CORRUPTIONS, corrupted, frequencies, relevance_gain
from app.experiments.positions import Words, best_two, legal_table, one_a_game, self_play, states_of
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings, Table, part
from app.experiments.statistics import Interval, bootstrap, bootstrap_means
from app.explain.composites import explainer_of
from app.explain.default import sentence
from app.explain.network import POLICY, VALUE, encode_words
from app.models import Model

RANKED: Final = (
    "EpsilonPlus",
    "EpsilonPlusFlat",
    "EpsilonGammaBox",
    "EpsilonAlpha2Beta1",
    "LRP-0",
)  # the app's
APP_NAME: Final = {"LRP-0": "LRPZero"}
DISCS: Final = 3  # the first corruptions change discs, the last one empty squares
RIVALS: Final = (
    "integrated gradients",
    "occlusion",
    "FullGrad",
)  # no composites; gradient × input is LRP-0
KEPT: Final = 0.05  # of all relevance: what a composite's stabilizers may hold and still be chosen
Gains = NDArray[np.float64]


def gains_of(
    model: Model,
    maps: dict[str, Maps],
    own: Words,
    opp: Words,
    moves: NDArray[np.int64],
    shares: Maps,
    points: int,
    seed: int,
    progress: Progress,
) -> tuple[Gains, dict[str, Maps]]:
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


def ledgers(
    model: Model, own: Words, opp: Words, best: NDArray[np.int64], seed: int
) -> dict[str, dict[str, Any]]:
    """Who keeps relevance, by composite, as shares of Σ|R|: means over the value and the best move's logit.

    Σ|R| counts every input, every unit's bias and every stabilizer; closure is the largest over the positions.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in RANKED:
        explainer = explainer_of(model, COMPOSITES[name], "sink")
        parts: list[NDArray[np.float64]] = []
        for start in range(0, len(own), BATCH):
            rows = slice(start, start + BATCH)
            planes = encode_words(model, own[rows], opp[rows])
            pair: list[torch.Tensor] = []
            for target, output in ((None, VALUE), (torch.from_numpy(best[rows]), POLICY)):
                r = explainer.attribute(planes, target, output=output)
                sizes = [
                    sum(
                        (t.double().abs().flatten(1).sum(1) for t in tensors),
                        torch.zeros(len(planes)).double(),
                    )
                    for tensors in (
                        r.inputs,
                        r.bias.values(),
                        [s[:, None] for s in r.stabilizer.values()],
                    )
                ]
                total = torch.stack(sizes).sum(0).clamp(min=1e-12)
                pair.append(
                    torch.stack(
                        [*(size / total for size in sizes), r.closure.double().abs() / total]
                    )
                )
            parts.append((sum(pair, torch.zeros_like(pair[0])) / len(pair)).numpy())
        squares, bias, stabilizer, closure = np.concatenate(parts, axis=1)
        found[name] = {
            "squares": bootstrap(squares, seed),
            "bias": bootstrap(bias, seed),
            "stabilizer": bootstrap(stabilizer, seed),
            "closure": float(closure.max()),
        }
    return found


def ranking(gains: Gains, names: list[str], seed: int) -> tuple[dict[str, Any], Gains]:
    """Each ranked method's mean share of the best SRG of its column, with the shares [P, R] of every position.

    Columns are targets × the three corruptions of occupied squares.
    """
    scores = shares_of_best(gains, names, RANKED)
    return {
        name: {"score": bootstrap(scores[:, place], seed)} for place, name in enumerate(RANKED)
    }, scores


def shares_of_best(gains: Gains, names: list[str], wanted: tuple[str, ...]) -> Gains:
    """[P, wanted]: a position's mean share of the best SRG of each column."""
    rows = [names.index(name) for name in wanted]
    columns = gains[rows][:, :, :DISCS].reshape(len(rows), -1, gains.shape[-1])  # [R, 9, P]
    best = np.maximum(np.abs(gains[:, :, :DISCS].mean(-1)).reshape(len(names), -1).max(0), 1e-12)
    found: Gains = (columns / best[None, :, None]).mean(1).T
    return found


def beyond(
    gains: Gains, names: list[str], table: dict[str, Any], winner: str, seed: int
) -> dict[str, Any]:
    """How the winner stands against the best method that is no composite, and among composites on empty squares.

    rival: its name; score, winner_score, difference: means over positions, the last one paired; ahead_in: columns of
    discs in which its mean is higher.  empty_squares: columns of empty squares in which the winner is the highest.
    """
    scores = shares_of_best(gains, names, RIVALS)
    place = int(scores.mean(0).argmax())
    rival, theirs = RIVALS[place], scores[:, place]
    ours = shares_of_best(gains, names, (winner,))[:, 0]
    cells = [(kind, target) for kind in CORRUPTIONS[:DISCS] for target in TARGETS]
    highest = [
        max(RANKED, key=lambda n, t=t: table[n][CORRUPTIONS[DISCS]][t].mean) for t in TARGETS
    ]
    return {
        "rival": rival,
        "score": bootstrap(theirs, seed),
        "winner_score": bootstrap(ours, seed),
        "difference": bootstrap(theirs - ours, seed),
        "ahead_in": sum(table[rival][k][t].mean > table[winner][k][t].mean for k, t in cells),
        "columns": len(cells),
        "empty_squares": highest.count(winner),
    }


def choose(
    standing: dict[str, Any],
    scores: Gains,
    kept: dict[str, dict[str, Any]],
    table: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """The app's default composite: the highest mean score among those that keep relevance, ties broken by the squares.

    A composite keeps relevance whose stabilizers hold at most KEPT of Σ|R| and whose ledger closes to 1e-4; if none
    does, all stand for election.  Tied with the highest are those whose paired difference to it has an interval that
    contains 0; of tied ones the squares' share of Σ|R| decides, because squares are what a map shows.
    """
    fit = [
        n for n in RANKED if kept[n]["stabilizer"].mean <= KEPT and kept[n]["closure"] <= 1e-4
    ] or list(RANKED)
    highest = max(fit, key=lambda name: standing[name]["score"].mean)
    places = [RANKED.index(name) for name in fit]
    behind = scores[:, [RANKED.index(highest)]] - scores[:, places]
    gaps = {
        name: bootstrap(behind[:, place], seed) for place, name in enumerate(fit) if name != highest
    }
    equal = [highest, *(name for name, gap in gaps.items() if not gap.low > 0)]
    winner = max(equal, key=lambda name: kept[name]["squares"].mean)
    first = bootstrap_means(scores[:, places], seed).argmax(1)
    cells = [table[winner][kind][target] for kind in CORRUPTIONS[:DISCS] for target in TARGETS]
    app = {name: APP_NAME.get(name, name) for name in RANKED}
    return {
        "composite": app[winner],
        "method": winner,
        "highest": app[highest],
        "tied": [app[name] for name in equal if name != winner],
        "scores": {app[name]: standing[name]["score"].to_dict() for name in equal},
        "squares_share": kept[winner]["squares"].mean,
        "left_out": {app[n]: kept[n]["stabilizer"].mean for n in RANKED if n not in fit},
        "beats_random": sum(cell.low > 0 for cell in cells),
        "columns": len(cells),
        "positions": len(scores),
        "behind_the_highest": {app[name]: gap.to_dict() for name, gap in gaps.items()},
        "first_in_resamples": {
            app[name]: float((first == place).mean()) for place, name in enumerate(fit)
        },
        "rule": f"highest mean share of the best SRG over targets and corruptions of discs, among {', '.join(RANKED)} "
        f"with stabilizers at most {KEPT:g} of all relevance and a ledger closed to 1e-4; of those that a "
        "paired bootstrap does not tell from the highest, the one whose squares keep most relevance",
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
    gains, curves = gains_of(
        model, maps, own, opp, moves, shares, points, seed, part(progress, 0.4, 0.8)
    )
    names = list(maps)
    table = {
        name: {
            kind: {target: bootstrap(gains[m, t, c], seed) for t, target in enumerate(TARGETS)}
            for c, kind in enumerate(CORRUPTIONS)
        }
        for m, name in enumerate(names)
    }
    progress(0.8, "ledgers")
    kept = ledgers(model, own, opp, moves[:, 0], seed)
    standing, scores = ranking(gains, names, seed)
    choice = choose(standing, scores, kept, table, seed)
    against = beyond(gains, names, table, choice["method"], seed)
    progress(0.82, "sensitivity-n")
    sensitivity = checks.sensitivity(
        model, maps, own, opp, moves, seed, subsets=24 if settings.quick else 100
    )
    progress(0.87, "similarities")
    alike = checks.similarities(maps, own, opp, seed)
    progress(0.9, "randomised weights")
    few = slice(0, 12 if settings.quick else 64)
    shuffles = 2 if settings.quick else 5
    randomised = checks.randomised(model, maps, own[few], opp[few], moves[few], seed, shuffles)
    progress(0.96, "one-square changes")
    stability = checks.max_sensitivity(
        model, own[few], opp[few], moves[few], seed, changes=4 if settings.quick else 10
    )
    standing = {
        name: standing[name] for name in sorted(standing, key=lambda n: -standing[n]["score"].mean)
    }
    numbers = {
        "positions": len(own),
        "points": points,
        "srg": table,
        "ranking": standing,
        "winner": choice["method"],
        "choice": choice,
        "beyond_composites": against,
        "ledgers": kept,
        "sensitivity_n": sensitivity,
        "similarity": alike,
        "randomised_weights": {
            "positions": len(own[few]),
            "shuffles": shuffles,
            "methods": randomised,
        },
        "max_sensitivity": {"positions": len(own[few]), "methods": stability},
        "value_curves": curves,
    }
    reading = _reading(len(own), table, choice, against, alike)
    figures = (_figure(table, len(own)), _curves(curves, points))
    tables = (
        *_tables(table, standing, kept),
        *checks.tables(sensitivity, alike, randomised, stability),
    )
    return Findings(numbers, reading, figures, tables)


def controls_strength(column: dict[str, Interval]) -> tuple[str, float]:
    """The control that orders squares best, forwards or backwards (its order reversed has the opposite SRG)."""
    sizes = {name: abs(column[name].mean) for name in CONTROLS if column[name].count}
    name = max(sizes, key=lambda n: sizes[n]) if sizes else CONTROLS[0]
    interval = column[name]
    return name, max(abs(interval.low), abs(interval.high))


def _beyond_words(choice: dict[str, Any], against: dict[str, Any]) -> str:
    """What the choice is worth beside methods that are no composites, and what its tie-break is worth."""
    words = ""
    if against["difference"].mean > 0:
        words = (
            f"The choice is one of composites, not of all methods: {against['rival']} scores {against['score']} "
            f"against {against['winner_score']}, position by position {against['difference']} more, and is ahead in "
            f"{against['ahead_in']} of {against['columns']} columns; but it keeps no account of the biases. "
        )
    if choice["tied"]:
        words += (
            "Relevance on the squares is a weak tie-break, for it says nothing of faithfulness; that the choice is the "
            f"highest composite in {against['empty_squares']} of {len(TARGETS)} columns where empty squares are "
            "corrupted is a better one. "
        )
    return words


def _reading(
    count: int,
    table: dict[str, Any],
    choice: dict[str, Any],
    against: dict[str, Any],
    alike: dict[str, Any],
) -> str:
    none, behind = [], []
    for kind in CORRUPTIONS:
        for target in TARGETS:
            column = {name: table[name][kind][target] for name in METHODS}
            real = [name for name in METHODS if name not in CONTROLS]
            where = f"the {target} under “{kind}”"
            control, strength = controls_strength(column)
            if not any(column[name].low > 0 for name in real):
                none.append(where)
            elif not any(column[name].low > strength for name in real):
                behind.append(f"{where} ({control}: {column[control]})")
    cells = [table["random"][kind][target] for kind in CORRUPTIONS for target in TARGETS]
    strays = sum(found.low > 0 or found.high < 0 for found in cells)
    return (
        f"{count} held-out self-play positions, one a game. {sentence(choice)} "
        + _beyond_words(choice, against)
        + (
            f"No method beats a random order for {'; '.join(none)}. "
            if none
            else "In every column some method beats a random order. "
        )
        + (
            f"No method is clearly ahead of the strongest control, forwards or backwards, for {'; '.join(behind)}. "
            if behind
            else ""
        )
        + f"The random order's own interval misses 0 in {strays} of {len(cells)} columns, as chance would have it in "
        f"{0.05 * len(cells):.1f}. Occupancy orders own discs before the opponent's; where its SRG is far below 0, the "
        "opposite order is as far above it, and that is knowledge of the game's rules, not of the network. "
        f"Value and policy maps of EpsilonPlus have |cosine| {alike['EpsilonPlus']['value_policy']}. Occlusion "
        "removes single squares, which is close to what the curves measure, so a high place of it is no surprise. "
        "Corrupted boards leave the training distribution, and the planes of legal moves follow the corrupted discs. "
        "LRP-0 and gradient × input are the same map in a network of ReLUs. The check with randomised weights tests "
        "that a map depends on what was learned; it does not rank methods."
    )


def _tables(
    table: dict[str, Any], standing: dict[str, Any], kept: dict[str, dict[str, Any]]
) -> list[Table]:
    first = Table(
        "LRP composites: mean share of the best SRG over targets and corruptions of discs; shares of Σ|R|",
        ("composite", "score", "squares keep", "biases keep", "stabilizers keep"),
        tuple(
            (n, str(f["score"]), *(str(kept[n][k]) for k in ("squares", "bias", "stabilizer")))
            for n, f in standing.items()
        ),
    )
    return [
        first,
        *(
            Table(
                f"SRG, corruption “{kind}” (mean [95 % interval]; 0 is a random order)",
                ("method", *TARGETS),
                tuple(
                    (name, *(str(table[name][kind][target]) for target in TARGETS))
                    for name in table
                ),
            )
            for kind in CORRUPTIONS
        ),
    ]


def _figure(table: dict[str, Any], count: int) -> Figure:
    canvas, axes = plots.canvas(len(TARGETS), len(CORRUPTIONS), width=4.0, height=2.9)
    for place, drawing in enumerate(axes):
        kind, target = CORRUPTIONS[place // len(TARGETS)], TARGETS[place % len(TARGETS)]
        unit = "SRG, value in [−1, 1]" if target == "value" else "SRG, logit"
        plots.bars(
            drawing, {name: table[name][kind][target] for name in table}, f"{target}: {kind}", unit
        )
    seen = [
        alt.of_bars({name: table[name][kind][target] for name in table}, f"{target} under {kind}")
        for kind in CORRUPTIONS
        for target in TARGETS
    ]
    return Figure(
        "",
        f"SRG of twelve methods on {count} positions with 95 % bootstrap intervals; 0 is a random order.",
        canvas,
        alt.sentence("twelve panels of intervals by method", *seen),
    )


def _curves(curves: dict[str, Maps], points: int) -> Figure:
    canvas, axes = plots.canvas(2, width=4.6, height=3.4)
    x = [100 * step / points for step in range(1, points)]
    for name, colour in zip(curves, plots.COLOURS):
        for drawing, curve in zip(axes, curves[name]):
            drawing.plot(x, curve, color=colour, linewidth=1.4, label=name)
    plots.lines(axes[0], "Most relevant first", "% of discs emptied", "mean value", legend=False)
    plots.lines(axes[1], "Least relevant first", "% of discs emptied", "mean value", legend=False)
    axes[1].legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    seen = [
        alt.of_curve(x, list(curves[name][i]), f"{name}, {order} relevant first")
        for i, order in enumerate(("most", "least"))
        for name in ("EpsilonPlus", "random")
    ]
    words = alt.sentence(
        "curves of the mean value against the share of discs emptied, one a method", *seen
    )
    return Figure(
        "curves",
        "The network's mean value while discs are emptied in each method's order.",
        canvas,
        words,
    )


EXPERIMENT = Experiment(
    "faithfulness",
    12,
    "Faithfulness study",
    "Which explanations point at squares that the network really uses, against random order and two other controls.",
    run,
    positions=(64, 512),
    games=True,
)
