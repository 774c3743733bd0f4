"""Further tests of maps: sensitivity-n, similarity of maps, randomised weights, stability under one-square changes.

Sensitivity-n: Ancona et al. 2018.  Randomised weights: Adebayo et al. 2018; random logits: Sixt et al. 2020.
Max-sensitivity: Yeh et al. 2019, over boards that differ in one disc's owner.
"""

from __future__ import annotations

import copy
from typing import Any, Final

import numpy as np
import torch

from app.experiments.attributions import METHODS, TARGETS, Maps, readings, relevance_maps
from app.experiments.positions import Positions, States, words_of
from app.experiments.record import Progress, Settings, Table
from app.experiments.statistics import Array, bootstrap, cosine, pearson, spearman
from app.experiments.tables import table
from app.models import Model

SIZES: Final = (1, 2, 4, 8, 16)
STAGES: Final = ("heads", "heads and upper half", "everything")
TESTED: Final = tuple(name for name in METHODS if name not in ("random", "occupancy"))


def sensitivity(
    model: Model, maps: dict[str, Maps], at: Positions, seed: int, subsets: int
) -> dict[str, dict[str, Any]]:
    """For each n: the correlation, over random sets of n discs, of their summed relevance with what removing them does.

    {method: {target: {n: mean and interval over positions}}}.
    """
    random = np.random.default_rng((seed, 14))
    whole = readings(model, *at)
    rows = np.repeat(np.arange(len(at.own)), subsets)
    states = at.states[rows]
    found: dict[str, dict[str, Any]] = {name: {} for name in maps}
    for size in SIZES:
        keys = np.where(states != 0, random.random(states.shape), np.inf)
        chosen = np.zeros(states.shape, bool)
        np.put_along_axis(chosen, keys.argsort(1)[:, :size], True, axis=1)
        chosen &= states != 0
        without = words_of(np.where(chosen, np.int8(0), states))
        dropped = whole[:, rows] - readings(model, *without, at.moves[rows])
        for name, scores in maps.items():
            for target, squares, drop in zip(TARGETS, scores, dropped):
                summed = (squares[rows] * chosen).sum(1).reshape(-1, subsets)
                per = [pearson(x, y) for x, y in zip(summed, drop.reshape(-1, subsets))]
                found[name].setdefault(target, {})[str(size)] = bootstrap(np.array(per), seed)
    return found


def similarities(maps: dict[str, Maps], seed: int) -> dict[str, dict[str, Any]]:
    """|cosine| of the value's and the best move's map, and cosine of the best and the second move's map."""
    found = {}
    for name, (value, best, difference) in maps.items():
        pair = [abs(cosine(x, y)) for x, y in zip(value, best)]
        moves = [cosine(x, x - y) for x, y in zip(best, difference)]
        found[name] = {
            "value_policy": bootstrap(np.array(pair), seed),
            "best_second": bootstrap(np.array(moves), seed),
        }
    return found


def shuffled(model: Model, stage: str, seed: int) -> Model:
    """A private copy of the model in which each weight tensor of the stage is permuted within itself."""
    network = copy.deepcopy(model.network)
    names = [name for name, _ in network.named_parameters()]
    blocks = sorted({name.split(".")[1] for name in names if name.startswith("blocks.")}, key=int)
    upper = tuple(f"blocks.{number}." for number in blocks[len(blocks) // 2 :])
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            chosen = name.startswith(("policy", "value", "fc")) or stage == "everything"
            if chosen or (stage == "heads and upper half" and name.startswith(upper or ("conv4",))):
                order = torch.randperm(tensor.numel(), generator=generator)
                tensor.copy_(tensor.flatten()[order].reshape(tensor.shape))
    return Model(model.path, f"{model.sha256}-{stage}", model.meta, network)


def randomised(
    model: Model, maps: dict[str, Maps], at: Positions, seed: int, shuffles: int
) -> dict[str, dict[str, Any]]:
    """Rank correlation, over discs, of |R| for the value before and after weights are shuffled, stage by stage.

    {method: {stage: mean and interval over positions of the mean over shuffles; the mean of each shuffle}}.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in TESTED}
    for stage in STAGES:
        others = [shuffled(model, stage, seed + 1000 * draw) for draw in range(shuffles)]
        for name in TESTED:
            drawn = np.empty((shuffles, len(at.own)))
            for row, other in zip(drawn, others):
                after = relevance_maps(other, name, *at, seed)[0]
                row[:] = disc_ranks(maps[name][0][: len(row)], after, at.states)
            known = np.isfinite(drawn)
            counts = known.sum(0)
            mean = np.where(known, drawn, 0).sum(0) / np.maximum(counts, 1)
            found[name][stage] = {
                "correlation": bootstrap(np.where(counts > 0, mean, np.nan), seed),
                "by_shuffle": [bootstrap(row, seed, 1).mean for row in drawn],
            }
    return found


def disc_ranks(some: Maps, others: Maps, states: States) -> Array:
    """[P]: the rank correlation of |R| on the discs between two sets of maps [P, 64]."""
    pairs = zip(abs(some), abs(others), states != 0)
    return np.array([spearman(x[discs], y[discs]) for x, y, discs in pairs])


def max_sensitivity(model: Model, at: Positions, seed: int, changes: int) -> dict[str, Any]:
    """The largest ‖R′ − R‖ / ‖R‖ of the value's map, over the other squares, when one disc changes sides."""
    random = np.random.default_rng((seed, 15))
    rows = np.repeat(np.arange(len(at.own)), changes)
    swapped = at.states[rows]
    square = np.where(swapped != 0, random.random(swapped.shape), -1.0).argmax(1)
    swapped[np.arange(len(rows)), square] *= -1
    others = np.ones(swapped.shape, bool)
    others[np.arange(len(rows)), square] = False
    found = {}
    for name in TESTED:
        before = relevance_maps(model, name, *at, seed)[0][rows] * others
        after = relevance_maps(model, name, *words_of(swapped), at.moves[rows], seed)[0] * others
        size = np.maximum(np.linalg.norm(before, axis=1), 1e-12)
        ratio = (np.linalg.norm(after - before, axis=1) / size).reshape(-1, changes).max(1)
        found[name] = {"mean": bootstrap(ratio, seed), "worst": float(ratio.max())}
    return found


def all_checks(
    model: Model, maps: dict[str, Maps], at: Positions, settings: Settings, progress: Progress
) -> dict[str, Any]:
    """Every check by name: the cheap ones on all positions, the others on the first of them."""
    seed, few = settings.seed, at.first(12 if settings.quick else 64)
    shuffles = 2 if settings.quick else 5
    progress(0.0, "sensitivity-n")
    by_size = sensitivity(model, maps, at, seed, subsets=24 if settings.quick else 100)
    progress(0.4, "similarities")
    alike = similarities(maps, seed)
    progress(0.5, "randomised weights")
    shuffled = randomised(model, maps, few, seed, shuffles)
    progress(0.8, "one-square changes")
    stability = max_sensitivity(model, few, seed, changes=4 if settings.quick else 10)
    count = {"positions": len(few.own)}
    return {
        "sensitivity_n": by_size,
        "similarity": alike,
        "randomised_weights": {**count, "shuffles": shuffles, "methods": shuffled},
        "max_sensitivity": {**count, "methods": stability},
    }


def tables(checked: dict[str, Any]) -> list[Table]:
    """The checks as tables."""
    stability = checked["max_sensitivity"]["methods"]
    by_size = {name: found["value"] for name, found in checked["sensitivity_n"].items()}
    by_stage = {}
    for name, found in checked["randomised_weights"]["methods"].items():
        by_stage[name] = {stage: found[stage]["correlation"] for stage in STAGES}
    return [
        table(
            "Sensitivity-n for the value (read after tanh): correlation over random sets of n discs",
            by_size,
            {str(n): f"n = {n}" for n in SIZES},
        ),
        table(
            "Similarity of maps",
            checked["similarity"],
            {
                "value_policy": "|cosine| value and policy",
                "best_second": "cosine best and second move",
            },
        ),
        table(
            "Rank correlation with the map after weights are shuffled (a check; it does not rank methods)",
            by_stage,
            STAGES,
        ),
        table(
            "Largest relative change of the value's map when one disc changes sides",
            {name: entry | {"worst": f"{entry['worst']:.2f}"} for name, entry in stability.items()},
            {"mean": "mean over positions", "worst": "worst"},
        ),
    ]
