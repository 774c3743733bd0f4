"""The faithfulness study: methods beside controls, three targets, four corruptions, with bootstrap intervals.

The measures are in `corruption` (SRG) and `checks` (sensitivity-n, randomised weights, similarity of maps).
Its winner is the app's default composite, by the rule of `composite_choice`.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.experiments import checks
from app.experiments.attributions import (
    COMPOSITES,
    METHODS,
    TARGETS,
    Maps,
    asked,
    batches,
    readings,
    relevance_maps,
)
from app.experiments.corruption import CORRUPTIONS, corrupted, frequencies, relevance_gain
from app.experiments.disc_worth import CONTROLS, FITTED, STATIC, fitted_table, static_table
from app.experiments.positions import Games, Positions, Words, held_out
from app.experiments.record import Experiment, Findings, PerPosition, Progress, Settings, part
from app.experiments.statistics import strongest
from app.experiments.studies import faithfulness_words as words
from app.experiments.studies.composite_choice import RANKED, beyond, choose, ranking
from app.experiments.tables import column, flat, intervals, less
from app.explain.composites import explainer_of
from app.models import Model, encode_words
from lrp import Relevance

Gains = NDArray[np.float64]


def gains_of(
    model: Model,
    maps: dict[str, Maps],
    at: Positions,
    games: Games,
    settings: Settings,
    progress: Progress,
) -> tuple[Gains, dict[str, Maps]]:
    """SRG [methods, T, corruptions, P], and each method's mean value curves [2, points − 1] where discs are emptied."""
    seed, points = settings.seed, points_of(settings)
    found = np.zeros((len(maps), len(TARGETS), len(CORRUPTIONS), len(at.own)))
    curves: dict[str, Maps] = {}

    def read(mine: Words, theirs: Words, rows: NDArray[np.int64]) -> Maps:
        return readings(model, mine, theirs, at.moves[rows])

    for c, kind in enumerate(CORRUPTIONS):
        change = corrupted(kind, at.own, at.opp, frequencies(games), at.moves, seed)
        for m, (name, scores) in enumerate(maps.items()):
            progress((c + m / len(maps)) / len(CORRUPTIONS), f"{kind}: {name}")
            for t in range(len(TARGETS)):
                srg, most, least = relevance_gain(at.states, change, scores[t], read, points, seed)
                found[m, t, c] = srg[t]
                if kind == "empty" and t == 0:
                    curves[name] = np.stack([most[:, 0].mean(1), least[:, 0].mean(1)])
    return found, curves


def points_of(settings: Settings) -> int:
    """In how many steps squares are corrupted."""
    return 8 if settings.quick else 16


def ledgers(model: Model, at: Positions, seed: int) -> dict[str, dict[str, Any]]:
    """Who keeps relevance, by composite, as shares of Σ|R|: means over the value and the best move's logit.

    Σ|R| counts every input, every unit's bias and every stabilizer; closure is the largest over the positions.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in RANKED:
        explainer = explainer_of(model, COMPOSITES[name], "sink")
        parts = []
        for rows in batches(len(at.own)):
            planes = encode_words(model, at.own[rows], at.opp[rows])
            pair = asked(explainer, planes, at.moves[rows, :1])
            parts.append(np.mean([account(relevance) for relevance in pair], axis=0))
        *shares, closure = np.concatenate(parts, axis=1)
        kept = intervals(dict(zip(("squares", "bias", "stabilizer"), shares)), seed)
        found[name] = {**kept, "closure": float(closure.max())}
    return found


def account(relevance: Relevance) -> Gains:
    """[4, P]: what squares, biases and stabilizers hold and what is left over, as shares of Σ|R| of the first three."""
    stabilizers = [tensor[:, None] for tensor in relevance.stabilizer.values()]
    sizes = []
    for tensors in (relevance.inputs, relevance.bias.values(), stabilizers):
        size = torch.zeros(len(relevance.closure), dtype=torch.float64)
        for tensor in tensors:
            size = size + tensor.double().abs().flatten(1).sum(1)
        sizes.append(size)
    total = torch.stack(sizes).sum(0).clamp(min=1e-12)
    shares: Gains = (torch.stack([*sizes, relevance.closure.double().abs()]) / total).numpy()
    return shares


def all_maps(
    model: Model, games: Games, at: Positions, seed: int, progress: Progress
) -> dict[str, Maps]:
    """Every method's maps, and those of the tables."""
    maps: dict[str, Maps] = {}
    for place, name in enumerate(METHODS):
        progress(place / len(METHODS), f"maps: {name}")
        maps[name] = relevance_maps(model, name, *at, seed)
    maps[STATIC] = np.broadcast_to(static_table(at.own, at.opp), maps["random"].shape)
    maps[FITTED] = fitted_table(model, games, at)
    return maps


def against_controls(samples: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """{kind: {target: the strongest control}}, a control's order reversed among them; {method: samples less it}."""
    hardest: dict[str, Any] = {}
    control: dict[str, Any] = {}
    for kind, target in product(CORRUPTIONS, TARGETS):
        cells = column(column(samples, kind), target, CONTROLS)
        cells |= {f"{name}, reversed": -values for name, values in cells.items()}
        name = strongest(cells, cells)
        hardest.setdefault(kind, {})[target] = name
        control.setdefault(kind, {})[target] = cells[name]
    return hardest, {name: less(found, control) for name, found in samples.items()}


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """The whole study on held-out self-play positions, one a game."""
    seed = settings.seed
    games, at = held_out(model, settings, part(progress, 0.0, 0.15))
    maps = all_maps(model, games, at, seed, part(progress, 0.15, 0.4))
    gains, curves = gains_of(model, maps, at, games, settings, part(progress, 0.4, 0.8))
    samples: dict[str, Any] = {}
    for name, found in zip(maps, gains):
        cells = samples[name] = {}
        for c, kind in enumerate(CORRUPTIONS):
            cells[kind] = dict(zip(TARGETS, found[:, c]))
    srg = intervals(samples, seed)
    hardest, over = against_controls(samples)
    progress(0.8, "ledgers")
    kept = ledgers(model, at, seed)
    standing, scores = ranking(gains, list(maps), seed)
    choice = choose(standing, scores, kept, srg, seed)
    chosen = choice["method"]
    checked = checks.all_checks(model, maps, at, settings, part(progress, 0.82, 1.0))
    order = sorted(standing, key=lambda name: -standing[name]["score"].mean)
    beside_table = less(samples[chosen], samples[FITTED])
    numbers = {
        "positions": len(at.own),
        "points": points_of(settings),
        "srg": srg,
        "strongest_control": hardest,
        "over_strongest_control": intervals(over, seed),
        "choice_over_fitted_table": intervals(beside_table, seed),
        "ranking": {name: standing[name] for name in order},
        "winner": chosen,
        "choice": choice,
        "beyond_composites": beyond(gains, list(maps), srg, chosen, seed),
        "ledgers": kept,
        "value_curves": curves,
        **checked,
    }
    figures = words.figure(srg, len(at.own)), words.curves_figure(curves, points_of(settings))
    tables = *words.tables(numbers), *checks.tables(checked)
    each = PerPosition("positions", at.own, at.opp, flat(samples))
    return Findings(numbers, words.reading(numbers), figures, tables, (each,))


EXPERIMENT = Experiment(
    "faithfulness",
    12,
    "Faithfulness study",
    "Which explanations point at squares that the network really uses, against controls that need no explanation.",
    run,
    positions=(64, 512),
    games=True,
    version=2,
)
