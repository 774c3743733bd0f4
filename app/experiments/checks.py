"""Further tests of maps: sensitivity-n, similarity of maps, randomised weights, stability under one-square changes.

Sensitivity-n: Ancona et al. 2018.  Randomised weights: Adebayo et al. 2018; random logits: Sixt et al. 2020.
Max-sensitivity: Yeh et al. 2019, over boards that differ in one disc's owner.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from app.experiments.attributions import METHODS, TARGETS, Maps, readings, relevance_maps
from app.experiments.positions import Words, states_of, words_of
from app.experiments.record import Table
from app.experiments.statistics import bootstrap, cosine, pearson, spearman

if TYPE_CHECKING:
    from app.models import Model

SIZES: Final = (1, 2, 4, 8, 16)
STAGES: Final = ("heads", "heads and upper half", "everything")
TESTED: Final = tuple(name for name in METHODS if name not in ("random", "occupancy"))
Moves = NDArray[np.int64]


def sensitivity(
    model: Model,
    maps: dict[str, Maps],
    own: Words,
    opp: Words,
    moves: Moves,
    seed: int,
    subsets: int,
) -> dict[str, dict[str, Any]]:
    """For each n: the correlation, over random sets of n discs, of their summed relevance with what removing them does.

    {method: {target: {n: mean and interval over positions}}}.
    """
    random = np.random.default_rng((seed, 14))
    states, whole = states_of(own, opp), readings(model, own, opp, moves)
    rows = np.repeat(np.arange(len(states)), subsets)
    found: dict[str, dict[str, Any]] = {name: {target: {} for target in TARGETS} for name in maps}
    for size in SIZES:
        keys = np.where(states[rows] != 0, random.random((len(rows), 64)), np.inf)
        order = keys.argsort(1)[:, :size]
        chosen = np.zeros((len(rows), 64), bool)
        np.put_along_axis(chosen, order, True, axis=1)
        chosen &= states[rows] != 0
        dropped = whole[:, rows] - readings(
            model, *words_of(np.where(chosen, np.int8(0), states[rows])), moves[rows]
        )
        for name, scores in maps.items():
            for t, target in enumerate(TARGETS):
                summed = (scores[t][rows] * chosen).sum(1).reshape(-1, subsets)
                per = [pearson(x, y) for x, y in zip(summed, dropped[t].reshape(-1, subsets))]
                found[name][target][str(size)] = bootstrap(np.array(per), seed)
    return found


def similarities(
    maps: dict[str, Maps], own: Words, opp: Words, seed: int
) -> dict[str, dict[str, Any]]:
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
    from app.models import Model as Loaded

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
    return Loaded(model.path, f"{model.sha256}-{stage}", model.meta, network)


def randomised(
    model: Model,
    maps: dict[str, Maps],
    own: Words,
    opp: Words,
    moves: Moves,
    seed: int,
    shuffles: int,
) -> dict[str, dict[str, Any]]:
    """Rank correlation, over discs, of |R| for the value before and after weights are shuffled, stage by stage.

    {method: {stage: mean and interval over positions of the mean over shuffles; the mean of each shuffle}}.
    """
    states = states_of(own, opp)
    ranks: dict[tuple[str, str], list[list[float]]] = {}
    for stage in STAGES:
        for draw in range(shuffles):
            other = shuffled(model, stage, seed + 1000 * draw)
            for name in TESTED:
                before, after = (
                    maps[name][0][: len(own)],
                    relevance_maps(other, name, own, opp, moves, seed)[0],
                )
                ranks.setdefault((name, stage), []).append(
                    [
                        spearman(abs(x[s != 0]), abs(y[s != 0]))
                        for x, y, s in zip(before, after, states)
                    ]
                )
    found: dict[str, dict[str, Any]] = {name: {} for name in TESTED}
    for (name, stage), drawn in ranks.items():
        table = np.array(drawn)
        known = np.isfinite(table)
        counts = known.sum(0)
        each = np.where(
            counts > 0, np.where(known, table, 0).sum(0) / np.maximum(counts, 1), np.nan
        )
        found[name][stage] = {
            "correlation": bootstrap(each, seed),
            "by_shuffle": [bootstrap(row, seed, 1).mean for row in table],
        }
    return found


def max_sensitivity(
    model: Model, own: Words, opp: Words, moves: Moves, seed: int, changes: int
) -> dict[str, Any]:
    """The largest ‖R′ − R‖ / ‖R‖ of the value's map, over the other squares, when one disc changes sides."""
    random = np.random.default_rng((seed, 15))
    states = states_of(own, opp)
    rows = np.repeat(np.arange(len(states)), changes)
    square = np.where(states[rows] != 0, random.random((len(rows), 64)), -1.0).argmax(1)
    swapped = states[rows]
    swapped[np.arange(len(rows)), square] *= -1
    others = np.ones((len(rows), 64), bool)
    others[np.arange(len(rows)), square] = False
    found = {}
    for name in TESTED:
        before = relevance_maps(model, name, own, opp, moves, seed)[0][rows] * others
        after = relevance_maps(model, name, *words_of(swapped), moves[rows], seed)[0] * others
        size = np.maximum(np.linalg.norm(before, axis=1), 1e-12)
        ratio = (np.linalg.norm(after - before, axis=1) / size).reshape(-1, changes).max(1)
        found[name] = {"mean": bootstrap(ratio, seed), "worst": float(ratio.max())}
    return found


def tables(
    sensitivity: dict[str, Any],
    alike: dict[str, Any],
    randomised: dict[str, Any],
    stability: dict[str, Any],
) -> list[Table]:
    """The checks as tables."""
    return [
        Table(
            "Sensitivity-n for the value (read after tanh): correlation over random sets of n discs",
            ("method", *(f"n = {n}" for n in SIZES)),
            tuple(
                (name, *(str(found["value"][str(n)]) for n in SIZES))
                for name, found in sensitivity.items()
            ),
        ),
        Table(
            "Similarity of maps",
            ("method", "|cosine| value and policy", "cosine best and second move"),
            tuple(
                (name, str(f["value_policy"]), str(f["best_second"])) for name, f in alike.items()
            ),
        ),
        Table(
            "Rank correlation with the map after weights are shuffled (a check; it does not rank methods)",
            ("method", *STAGES),
            tuple(
                (name, *(str(f[s]["correlation"]) for s in STAGES))
                for name, f in randomised.items()
            ),
        ),
        Table(
            "Largest relative change of the value's map when one disc changes sides",
            ("method", "mean over positions", "worst"),
            tuple((name, str(f["mean"]), f"{f['worst']:.2f}") for name, f in stability.items()),
        ),
    ]
