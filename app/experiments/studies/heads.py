"""How alike the maps of the value and of the policy are, layer by layer: only the heads differ."""

from __future__ import annotations

import numpy as np

from app.experiments import alt, plots
from app.experiments.attributions import Maps, asked, batches, summed
from app.experiments.checks import disc_ranks
from app.experiments.positions import Positions, held_out
from app.experiments.record import (
    Experiment,
    Figure,
    Findings,
    PerPosition,
    Progress,
    Settings,
    part,
)
from app.experiments.statistics import Array, Interval, cosine
from app.experiments.tables import intervals
from app.explain.composites import explainer_of
from app.models import Model, encode_words
from lrp import Relevance

COMPOSITE = "EpsilonPlus"


def at_layers(relevance: Relevance, shared: list[str]) -> dict[str, Maps]:
    """Relevance [P, units] at the input and at the layers that both heads share."""
    found = {"input": relevance.inputs[0].double().flatten(1).numpy()}
    return found | {name: relevance.layers[name].double().flatten(1).numpy() for name in shared}


def cosines(some: Maps, others: Maps) -> Array:
    """[P]: |cosine| of two sets of maps [P, units]."""
    return np.abs([cosine(x, y) for x, y in zip(some, others)])


def both_heads(
    model: Model, at: Positions, progress: Progress
) -> tuple[Maps, Maps, dict[str, Array]]:
    """The value's and the best move's maps of squares [P, 64], and the |cosine| [P] of the two at each layer."""
    explainer = explainer_of(model, COMPOSITE, "sink")
    maps: list[list[Maps]] = []
    alike: dict[str, list[Array]] = {}
    for chosen in batches(len(at.own)):
        progress(chosen.start / len(at.own), f"maps from {chosen.start}")
        planes = encode_words(model, at.own[chosen], at.opp[chosen])
        value, policy = asked(explainer, planes, at.moves[chosen, :1])
        shared = [name for name in value.layers if name in policy.layers and _is_stage(name)]
        left, right = at_layers(value, shared), at_layers(policy, shared)
        for name in left:
            alike.setdefault(name, []).append(cosines(left[name], right[name]))
        maps.append([summed(value), summed(policy)])
    values, policies = map(np.concatenate, zip(*maps))
    return values, policies, {name: np.concatenate(found) for name, found in alike.items()}


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Cosines of value and policy relevance over many positions, with maps of different positions as the control."""
    _, at = held_out(model, settings, part(progress, 0.0, 0.5))
    values, policies, layers = both_heads(model, at, part(progress, 0.5, 1.0))
    by_layer = intervals(layers, settings.seed)
    samples = {
        "value and policy": cosines(values, policies),
        "… of other positions": cosines(values, np.roll(policies, 1, 0)),
        "value and other value": cosines(values, np.roll(values, 1, 0)),
        "ranks on discs": disc_ranks(values, policies, at.states),
    }
    bars = intervals(samples, settings.seed)
    square, strangers, same_kind, rank = bars.values()
    numbers = {
        "positions": len(at.own),
        "composite": COMPOSITE,
        "square_maps": square,
        "rank_on_discs": rank,
        "other_positions": strangers,
        "value_maps_of_other_positions": same_kind,
        "layers": by_layer,
    }
    reading = (
        f"Over {len(at.own)} held-out positions the maps of the value and of the best move's logit have |cosine| "
        f"{square} ({COMPOSITE}; signs aside, since the value's sign flips its map). Maps of two different positions "
        f"have {strangers}: {_judge(square, strangers)} On occupied squares the ranks of |R| correlate with {rank}. "
        f"{_layers(by_layer)} {_warning(square)}"
    )
    each = PerPosition("positions", at.own, at.opp, samples | layers)
    return Findings(numbers, reading, (_figure(by_layer, bars),), each=(each,))


def _figure(by_layer: dict[str, Interval], bars: dict[str, Interval]) -> Figure:
    canvas, (left, right) = plots.canvas(2, width=4.6, height=3.4)
    stages = range(len(by_layer))
    plots.band(left, stages, list(by_layer.values()), "|cosine|", plots.COLOURS[0])
    left.set_xticks(stages, [_short(name) for name in by_layer], rotation=45, ha="right")
    left.set_ylim(0, 1.02)
    plots.lines(left, "Value and policy relevance at each stage", "", "|cosine|", legend=False)
    plots.bars(right, bars, "Maps of squares", "|cosine| or rank correlation")
    caption = (
        "How alike value and policy relevance are, from the input to the top of the shared tower."
    )
    means = [found.mean for found in by_layer.values()]
    curve = alt.of_curve(stages, means, "|cosine| from the input up the tower")
    words = alt.sentence(curve, *[f"{name}: {found}" for name, found in bars.items()])
    return Figure("", caption, canvas, words)


def _is_stage(name: str) -> bool:
    """The stem's and the blocks' last activations; for other networks every activation."""
    return (
        name == "relu" or name.endswith("relu#1") or (name.startswith("relu") and "." not in name)
    )


def _short(name: str) -> str:
    return name.replace("blocks.", "block ").replace(".relu#1", "").replace("relu", "stem")


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
    first, *_, last = by_layer.values()
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
