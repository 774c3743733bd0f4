"""How alike the agent and its twin are, position by position: what they say, and their maps under five composites."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from app.experiments.attributions import Maps, asked, batches, summed
from app.experiments.positions import Positions, legal_table
from app.experiments.record import Progress
from app.experiments.statistics import cosine
from app.experiments.studies.inside.distillation import legal_policy
from app.explain.composites import explainer_of
from app.models import Model, encode_words

Each = dict[str, NDArray[np.float64]]
"""What was measured on each position, {column: values [P]}."""
COMPOSITES: Final = (
    "LRPZero",
    "EpsilonPlus",
    "EpsilonPlusFlat",
    "EpsilonGammaBox",
    "EpsilonAlpha2Beta1",
)


def likeness(model: Model, twin: Model, at: Positions) -> Each:
    """How far the twin says what the agent says: the same best move (1) or not, the policy, the value."""
    legal = legal_table(at.own, at.opp)
    (logits, value), (others, guess) = (one.evaluator(at.own, at.opp) for one in (model, twin))
    policy, copied = (legal_policy(each, legal).astype(np.float64) for each in (logits, others))
    same = policy.argmax(1) == copied.argmax(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        divergence = np.where(policy > 0, policy * np.log(policy / copied), 0.0).sum(1)
    return {
        "same_move": same.astype(np.float64),
        "divergence": divergence,
        "value_error": np.abs(value - guess).astype(np.float64),
    }


def value_maps(model: Model, composite: str, at: Positions) -> tuple[Maps, NDArray[np.float64]]:
    """The value's maps [P, 64], and the share of |relevance| that biases keep, unit by unit [P]."""
    explainer = explainer_of(model, composite, "sink")
    maps, shares = [], []
    for rows in batches(len(at.own)):
        planes = encode_words(model, at.own[rows], at.opp[rows])
        (found,) = asked(explainer, planes, np.empty((len(planes), 0), np.int64))
        kept = [tensor.double().flatten(1).abs().sum(1) for tensor in found.bias.values()]
        biases = torch.stack(kept).sum(0) if kept else torch.zeros(len(planes), dtype=torch.float64)
        squares = found.inputs[0].double().flatten(1).abs().sum(1)
        maps.append(summed(found))
        shares.append((biases / (biases + squares)).numpy())
    return np.concatenate(maps), np.concatenate(shares)


def compared(model: Model, twin: Model, at: Positions, tell: Progress) -> dict[str, Each]:
    """Under each composite how alike the two networks' maps are, and what biases keep of both."""
    found = {}
    for place, composite in enumerate(COMPOSITES):
        tell(place / len(COMPOSITES), f"maps by {composite}")
        (ours, kept), (copied, left) = (value_maps(one, composite, at) for one in (model, twin))
        alike = np.array([cosine(x, y) for x, y in zip(ours, copied)])
        others = np.array([cosine(x, y) for x, y in zip(ours, np.roll(copied, 1, 0))])
        found[composite] = {
            "cosine": alike,
            "other_positions": others,
            "beyond": alike - others,
            "agent_bias": kept,
            "twin_bias": left,
        }
    return found
