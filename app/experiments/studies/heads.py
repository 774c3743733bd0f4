"""How alike the maps of the value and of the policy are, layer by layer: only the heads differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from app.experiments import alt, plots
from app.experiments.attributions import BATCH
from app.experiments.positions import best_two, legal_table, one_a_game, self_play, states_of
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings, part
from app.experiments.statistics import Interval, bootstrap, cosine, spearman
from app.explain.composites import explainer_of
from app.explain.network import POLICY, VALUE, encode_words

if TYPE_CHECKING:
    from app.models import Model
    from lrp import Relevance

Maps = NDArray[np.float64]
COMPOSITE = "EpsilonPlus"


def at_layers(relevance: Relevance, shared: list[str]) -> dict[str, Maps]:
    """Relevance [P, units] at the input and at the layers that both heads share."""
    found = {"input": relevance.inputs[0].double().flatten(1).numpy()}
    return found | {name: relevance.layers[name].double().flatten(1).numpy() for name in shared}


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Cosines of value and policy relevance over many positions, with maps of different positions as the control."""
    games = self_play(model, settings, part(progress, 0.0, 0.5))
    own, opp = one_a_game(games, settings.positions, settings.seed)
    moves = best_two(model.evaluator(own, opp)[0], legal_table(own, opp))
    explainer = explainer_of(model, COMPOSITE, "sink")
    cosines: dict[str, list[float]] = {}
    maps: list[tuple[Maps, Maps]] = []
    for start in range(0, len(own), BATCH):
        progress(0.5 + 0.5 * start / len(own), f"maps from {start}")
        chosen = slice(start, start + BATCH)
        planes = encode_words(model, own[chosen], opp[chosen])
        value = explainer.attribute(planes, None, output=VALUE)
        policy = explainer.attribute(planes, torch.from_numpy(moves[chosen, 0]), output=POLICY)
        shared = [name for name in value.layers if name in policy.layers and _is_stage(name)]
        left, right = at_layers(value, shared), at_layers(policy, shared)
        for name in left:
            cosines.setdefault(name, []).extend(
                cosine(x, y) for x, y in zip(left[name], right[name])
            )
        maps.append(
            (
                value.inputs[0].double().sum(1).flatten(1).numpy(),
                policy.inputs[0].double().sum(1).flatten(1).numpy(),
            )
        )
    values, policies = (np.concatenate([pair[i] for pair in maps]) for i in (0, 1))
    by_layer = {
        name: bootstrap(np.abs(np.array(found)), settings.seed) for name, found in cosines.items()
    }
    square = bootstrap(
        np.array([abs(cosine(x, y)) for x, y in zip(values, policies)]), settings.seed
    )
    held = [
        spearman(abs(x[s != 0]), abs(y[s != 0]))
        for x, y, s in zip(values, policies, states_of(own, opp))
    ]
    rank = bootstrap(np.array(held), settings.seed)
    strangers = bootstrap(
        np.array([abs(cosine(x, y)) for x, y in zip(values, np.roll(policies, 1, 0))]),
        settings.seed,
    )
    same_kind = bootstrap(
        np.array([abs(cosine(x, y)) for x, y in zip(values, np.roll(values, 1, 0))]), settings.seed
    )
    numbers = {
        "positions": len(own),
        "composite": COMPOSITE,
        "square_maps": square,
        "rank_on_discs": rank,
        "other_positions": strangers,
        "value_maps_of_other_positions": same_kind,
        "layers": by_layer,
    }
    bars: dict[str, Interval] = {
        "value and policy": square,
        "… of other positions": strangers,
        "value and other value": same_kind,
        "ranks on discs": rank,
    }
    canvas, axes = plots.canvas(2, width=4.6, height=3.4)
    names = list(by_layer)
    plots.band(
        axes[0], list(range(len(names))), [by_layer[n] for n in names], "|cosine|", plots.COLOURS[0]
    )
    axes[0].set_xticks(range(len(names)), [_short(n) for n in names], rotation=45, ha="right")
    axes[0].set_ylim(0, 1.02)
    plots.lines(axes[0], "Value and policy relevance at each stage", "", "|cosine|", legend=False)
    plots.bars(axes[1], bars, "Maps of squares", "|cosine| or rank correlation")
    reading = (
        f"Over {len(own)} held-out positions the maps of the value and of the best move's logit have |cosine| {square} "
        f"({COMPOSITE}; signs aside, since the value's sign flips its map). Maps of two different positions have "
        f"{strangers}: {_judge(square, strangers)} On occupied squares the ranks of |R| correlate with {rank}. "
        f"{_layers(by_layer)} {_warning(square)}"
    )
    caption = (
        "How alike value and policy relevance are, from the input to the top of the shared tower."
    )
    curve = alt.of_curve(
        range(len(names)), [by_layer[n].mean for n in names], "|cosine| from the input up the tower"
    )
    words = alt.sentence(curve, *(f"{name}: {found}" for name, found in bars.items()))
    return Findings(numbers, reading, (Figure("", caption, canvas, words),))


def _is_stage(name: str) -> bool:
    """The stem's and the blocks' last activations; for other networks every activation."""
    return (
        name == "relu" or name.endswith("relu#1") or (name.startswith("relu") and "." not in name)
    )


def _short(name: str) -> str:
    return (
        name.replace("blocks.", "block ").replace(".relu#1", "").replace("relu", "stem")
        if name != "input"
        else name
    )


def _judge(pair: Interval, strangers: Interval) -> str:
    if pair.low > strangers.high:
        return "the two heads agree more than two positions do."
    if pair.high < strangers.low:
        return "the two heads agree less than two positions do."
    return "the two heads are not shown to agree more than two positions do."


def _warning(square: Interval) -> str:
    if square.low > 0.7:
        return "The post's warning stands: two similar pictures are not two witnesses, only the heads differ."
    if square.high > 0.7:
        return "Whether the post's warning holds on this network is open: the interval is wide."
    return (
        "The post warns that the two pictures are close because only the last layers differ; on this network they are "
        "much less close than that: the heads decide which parts of the shared tower are asked."
    )


def _layers(by_layer: dict[str, Interval]) -> str:
    names = list(by_layer)
    first, last = by_layer[names[0]], by_layer[names[-1]]
    return f"Unit by unit the |cosine| is {last} at the last shared layer and {first} at the input planes."


EXPERIMENT = Experiment(
    "heads",
    7,
    "How close value and policy maps are",
    "Only the last layers differ between the two explanations.",
    run,
    positions=(64, 512),
    source="the post's warning",
    games=True,
)
