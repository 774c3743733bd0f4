"""Rules compared layer by layer through faithfulness: which rule first, which in the tower, against random order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from app.experiments import alt, plots
from app.experiments.attributions import BATCH, TARGETS, Maps, readings
from app.experiments.corruption import corrupted, frequencies, relevance_gain
from app.experiments.positions import Words, best_two, legal_table, one_a_game, self_play, states_of
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings, Table, part
from app.experiments.statistics import bootstrap
from app.explain.network import POLICY, VALUE, encode_words
from lrp import LRP, Composite
from lrp.composites import everything, first
from lrp.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, WSquare, ZBox, Zero, ZPlus

if TYPE_CHECKING:
    from app.models import Model

FIRST: Final[dict[str, Rule]] = {
    "z⁺": ZPlus(),
    "LRP-0": Zero(),
    "zᴮ": ZBox(0.0, 1.0),
    "flat": Flat(),
    "w²": WSquare(),
}
TOWER: Final[dict[str, Rule]] = {
    "z⁺": ZPlus(),
    "γ = 0.25": Gamma(0.25),
    "α2β1": AlphaBeta(2.0, 1.0),
    "ε": Epsilon(epsilon=1e-6),
}
CONTROL: Final = "minus occupancy"  # the opponent's discs first, one's own last
SHOWN: Final = (0, 1)  # the value and the best move


def grid_maps(model: Model, low: Rule, tower: Rule, own: Words, opp: Words, best: Any) -> Maps:
    """Maps [2, P, 64] of the value and of the best move's logit under one composite."""
    planes = encode_words(model, own, opp)
    composite = Composite(
        (first, low), ("conv", tower), (everything, Epsilon(epsilon=1e-6)), name="grid"
    )
    explainer = LRP(model.network, composite, planes[:2])
    found = []
    for start in range(0, len(own), BATCH):
        chosen = slice(start, start + BATCH)
        pair = (
            explainer.attribute(planes[chosen], None, output=VALUE),
            explainer.attribute(planes[chosen], torch.from_numpy(best[chosen]), output=POLICY),
        )
        found.append(np.stack([r.inputs[0].double().sum(1).flatten(1).numpy() for r in pair]))
    return np.concatenate(found, axis=1)


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """SRG of every pair of rules, squares emptied one by one, for the value and for the best move."""
    games = self_play(model, settings, part(progress, 0.0, 0.3))
    own, opp = one_a_game(games, settings.positions, settings.seed)
    moves = best_two(model.evaluator(own, opp)[0], legal_table(own, opp))
    states, points = states_of(own, opp), 10 if settings.quick else 20
    change = corrupted("empty", own, opp, frequencies(games), moves, settings.seed)
    samples: dict[str, Maps] = {}
    curve: dict[str, Maps] = {}

    def read(mine: Words, theirs: Words, rows: Any) -> Maps:
        return readings(model, mine, theirs, moves[rows])

    def measure(name: str, maps: Maps) -> None:
        srg = [relevance_gain(states, change, maps[t], read, points, settings.seed) for t in SHOWN]
        samples[name] = np.stack([srg[t][0][t] for t in SHOWN])
        curve[name] = np.stack([srg[0][1][:, 0].mean(1), srg[0][2][:, 0].mean(1)])

    pairs = [(low, tower) for low in FIRST for tower in TOWER]
    for place, (low, tower) in enumerate(pairs):
        progress(0.3 + 0.7 * place / len(pairs), f"{low} first, {tower} in the tower")
        measure(
            f"{low} / {tower}", grid_maps(model, FIRST[low], TOWER[tower], own, opp, moves[:, 0])
        )
    random = np.random.default_rng((settings.seed, 9)).standard_normal((2, *states.shape))
    measure("random", random)
    measure(CONTROL, -np.broadcast_to(states.astype(np.float64), random.shape))
    gains = {
        name: [bootstrap(found[t], settings.seed) for t in SHOWN] for name, found in samples.items()
    }
    names = [f"{low} / {tower}" for low, tower in pairs]
    best = [max(names, key=lambda name, t=t: gains[name][t].mean) for t in SHOWN]
    over = {
        name: [bootstrap(samples[name][t] - samples[CONTROL][t], settings.seed) for t in SHOWN]
        for name in names
    }
    ahead = [sum(over[name][t].low > 0 for name in names) for t in SHOWN]
    beaten = [sum(gains[name][t].low > 0 for name in names) for t in SHOWN]
    table = Table(
        "SRG, squares emptied: rule of the first layer / rule of the tower (95 % bootstrap intervals)",
        ("rules", *(TARGETS[t] for t in SHOWN)),
        tuple((name, *map(str, found)) for name, found in gains.items()),
    )
    canvas, axes = plots.canvas(2, width=4.4, height=3.2)
    for drawing, t in zip(axes, SHOWN):
        means = np.array([[gains[f"{low} / {tower}"][t].mean for tower in TOWER] for low in FIRST])
        plots.heat_table(drawing, means, list(FIRST), list(TOWER), f"SRG, {TARGETS[t]}")
        drawing.set_ylabel("first layer")
    reading = (
        f"Discs of {len(own)} held-out positions were taken away in the order of relevance. The rule pairs whose "
        f"interval lies above the random order's 0: {beaten[0]} of {len(names)} for the value and {beaten[1]} of "
        f"{len(names)} for the best move. Best: {best[0]} ({gains[best[0]][0]}) and {best[1]} ({gains[best[1]][1]}); "
        f"the random order itself measures {gains['random'][0]} and {gains['random'][1]}. "
        + f"The baseline to beat is not a random order but the discs' owners alone, the opponent's discs before one's "
        f"own ({CONTROL}): {gains[CONTROL][0]} and {gains[CONTROL][1]}; position by position {ahead[0]} and {ahead[1]} "
        f"of {len(names)} pairs lie above it. "
        + ("" if all(beaten) else "Where no pair lies above 0, nothing here beats a random order. ")
        + "The winner of twenty is partly luck: see the overlap of the intervals. Boards with erased discs leave "
        "what the network was trained on."
    )
    caption = "Faithfulness of rules: first layer (rows) and tower (columns); 0 is a random order."
    numbers = {
        "positions": len(own),
        "points": points,
        "srg": gains,
        "value_curves": curve,
        "best": best,
        "over_minus_occupancy": over,
    }
    words = alt.sentence(
        *(
            alt.of_bars(
                {name: gains[name][t] for name in names},
                f"table of SRG by pair of rules, {TARGETS[t]}",
            )
            for t in SHOWN
        )
    )
    return Findings(numbers, reading, (Figure("", caption, canvas, words),), (table,))


EXPERIMENT = Experiment(
    "rules",
    9,
    "Rules compared by corrupting squares",
    "The post's unfinished evaluation: corrupt squares in order of relevance, rule by rule.",
    run,
    positions=(48, 512),
    source="the post's evaluation",
    games=True,
)
