"""Concepts over a training run: what the probes tell of the last block, generation by generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from app.experiments.positions import Words
from app.experiments.statistics import Array, number
from app.experiments.studies.inside import concept_figures
from app.experiments.studies.inside.concept_values import CONCEPTS
from app.experiments.studies.inside.generations import generations_of
from app.experiments.studies.inside.probes import Split, effects, fit, r_squared, rest, stages
from app.models import Model, encode_words, load_model

DIRECTIONS: Final = 32
POSITIONS: Final = 128


def over_generations(
    run: Path, own: Words, opp: Words, concepts: Array, split: Split
) -> dict[str, dict[str, dict[str, float]]]:
    """{generation: {concept: {r2, sizes}}}: R² at the last block on the measured games, and the effect there.

    sizes: the effect of +1 standard deviation along the probe in standard deviations of random directions.
    """
    found = {}
    for folder in generations_of(run):
        model = load_model(folder)
        planes = encode_words(model, own, opp)
        *_, (stage, x) = stages(model.network, planes)
        features = x.flatten(1).numpy()
        probe = fit(features, concepts, split)
        told = r_squared(concepts[split.test], probe.predict(features[split.test]))
        sizes = _sizes(model, stage, x, probe.weights, concepts, split)
        found[folder.name] = {
            concept.name: {"r2": float(told[k]), "sizes": float(sizes[k])}
            for k, concept in enumerate(CONCEPTS)
        }
    return found


def _sizes(
    model: Model, stage: str, x: Tensor, weights: Array, concepts: Array, split: Split
) -> Array:
    """The effects [K] of all concepts: random directions of length 1 serve all, the value being nearly linear there."""
    rows = np.flatnonzero(split.test)[:POSITIONS]
    lengths = concepts[split.fit].std(0) / np.maximum(np.linalg.norm(weights, axis=0), 1e-12)
    along = (weights / np.maximum(np.linalg.norm(weights, axis=0), 1e-12) * lengths).T
    random = np.random.default_rng(26).standard_normal((DIRECTIONS, len(weights)))
    random *= lengths.mean() / np.linalg.norm(random, axis=1, keepdims=True)
    chosen = x[torch.from_numpy(rows)]
    follow = rest(model.network, stage)
    spread = effects(follow, chosen, random).mean(1).std() / max(float(lengths.mean()), 1e-12)
    found: Array = effects(follow, chosen, along).mean(1) / np.maximum(spread * lengths, 1e-12)
    return found


def grown(numbers: dict[str, Any], told: dict[str, Any]) -> str:
    """What the curves over generations say of the concepts that gain most, beside the input planes."""
    over = numbers["generations"]
    if not over:
        return ""
    order = list(over)
    first, last = over[order[0]], over[order[-1]]
    names = concept_figures.gaining(over)
    curves = [
        f"{name} from {number(first[name]['r2'])} to {number(last[name]['r2'])} (planes "
        f"{number(told[name]['r2']['planes'].mean)})"
        for name in names
    ]
    rising = sum(last[name]["r2"] > first[name]["r2"] for name in last)
    return (
        f" Over {len(order)} generations of the run {numbers['run']['name']}, {int(order[0])} to {int(order[-1])}, on "
        f"the same positions, the last block's R² rises for {rising} of {len(last)} concepts, most for "
        f"{', '.join(curves)}."
        + (f" Generation {int(order[0])} has seen no game." if numbers["run"]["untrained"] else "")
    )
