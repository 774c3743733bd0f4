"""The faithfulness study: twelve methods, three targets, four corruptions, with bootstrap intervals.

The measures are in `corruption` (SRG) and `checks` (sensitivity-n, randomised weights, similarity of maps).
Its winner is the app's default composite, by the rule of `composite_choice`.
"""

from __future__ import annotations

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
from app.experiments.positions import Games, Positions, Words, one_a_game, self_play, with_best_two
from app.experiments.record import Experiment, Findings, Progress, Settings, part
from app.experiments.studies import faithfulness_words as words
from app.experiments.studies.composite_choice import RANKED, beyond, choose, ranking
from app.experiments.tables import intervals
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
            pair = []
            for target, output in asked(at.moves[rows, :1]):
                pair.append(account(explainer.attribute(planes, target, output=output)))
            parts.append(np.mean(pair, axis=0))
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


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """The whole study on held-out self-play positions, one a game."""
    seed = settings.seed
    games = self_play(model, settings, part(progress, 0.0, 0.15))
    at = with_best_two(model, *one_a_game(games, settings.positions, seed))
    maps: dict[str, Maps] = {}
    for place, name in enumerate(METHODS):
        progress(0.15 + 0.25 * place / len(METHODS), f"maps: {name}")
        maps[name] = relevance_maps(model, name, *at, seed)
    gains, curves = gains_of(model, maps, at, games, settings, part(progress, 0.4, 0.8))
    srg: dict[str, Any] = {}
    for name, found in zip(maps, gains):
        cells = srg[name] = {}
        for c, kind in enumerate(CORRUPTIONS):
            cells[kind] = intervals(dict(zip(TARGETS, found[:, c])), seed)
    progress(0.8, "ledgers")
    kept = ledgers(model, at, seed)
    standing, scores = ranking(gains, list(maps), seed)
    choice = choose(standing, scores, kept, srg, seed)
    against = beyond(gains, list(maps), srg, choice["method"], seed)
    checked = checks.all_checks(model, maps, at, settings, part(progress, 0.82, 1.0))
    order = sorted(standing, key=lambda name: -standing[name]["score"].mean)
    standing = {name: standing[name] for name in order}
    numbers = {
        "positions": len(at.own),
        "points": points_of(settings),
        "srg": srg,
        "ranking": standing,
        "winner": choice["method"],
        "choice": choice,
        "beyond_composites": against,
        "ledgers": kept,
        "value_curves": curves,
        **checked,
    }
    reading = words.reading(len(at.own), srg, choice, against, checked["similarity"])
    figures = words.figure(srg, len(at.own)), words.curves_figure(curves, points_of(settings))
    tables = *words.tables(srg, standing, kept), *checks.tables(checked)
    return Findings(numbers, reading, figures, tables)


EXPERIMENT = Experiment(
    "faithfulness",
    12,
    "Faithfulness study",
    "Which explanations point at squares that the network really uses, against random order and two other controls.",
    run,
    positions=(64, 512),
    games=True,
)
