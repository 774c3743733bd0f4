"""Rules compared layer by layer through faithfulness: which rule first, which in the tower, against random order."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.experiments import alt, plots
from app.experiments.attributions import TARGETS, Maps, asked, batches, readings
from app.experiments.corruption import Corrupted, corrupted, frequencies, relevance_gain
from app.experiments.positions import Positions, Words, one_a_game, self_play, with_best_two
from app.experiments.record import Experiment, Figure, Findings, Progress, Settings, part
from app.experiments.statistics import Interval, above, highest
from app.experiments.tables import column, intervals, table
from app.models import Model, encode_words
from lrp import LRP, Composite
from lrp.composites import everything, first
from lrp.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, WSquare, ZBox, Zero, ZPlus

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
SHOWN: Final = TARGETS[:2]  # the value and the best move
PAIRS: Final = {f"{low} / {tower}": (low, tower) for low in FIRST for tower in TOWER}


def grid_maps(model: Model, low: Rule, tower: Rule, at: Positions) -> Maps:
    """Maps [2, P, 64] of the value and of the best move's logit under one composite."""
    planes = encode_words(model, at.own, at.opp)
    composite = Composite(
        (first, low), ("conv", tower), (everything, Epsilon(epsilon=1e-6)), name="grid"
    )
    explainer = LRP(model.network, composite, planes[:2])
    found = []
    for chosen in batches(len(planes)):
        pair = []
        for target, output in asked(at.moves[chosen, :1]):
            relevance = explainer.attribute(planes[chosen], target, output=output)
            pair.append(relevance.inputs[0].double().sum(1).flatten(1).numpy())
        found.append(np.stack(pair))
    return np.concatenate(found, axis=1)


def measured(
    model: Model, change: Corrupted, at: Positions, maps: Maps, points: int, seed: int
) -> tuple[dict[str, NDArray[np.float64]], Maps]:
    """SRG [P] of both targets by maps [2, P, 64], and the value's mean curves (MoRF, LeRF) [2, points − 1]."""

    def read(mine: Words, theirs: Words, rows: NDArray[np.int64]) -> Maps:
        return readings(model, mine, theirs, at.moves[rows])

    samples: dict[str, NDArray[np.float64]] = {}
    curves = []
    for t, target in enumerate(SHOWN):
        gain, most, least = relevance_gain(at.states, change, maps[t], read, points, seed)
        samples[target] = gain[t]
        curves.append(np.stack([most[:, 0].mean(1), least[:, 0].mean(1)]))
    return samples, curves[0]


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """SRG of every pair of rules, squares emptied one by one, for the value and for the best move."""
    seed, points = settings.seed, 10 if settings.quick else 20
    games = self_play(model, settings, part(progress, 0.0, 0.3))
    at = with_best_two(model, *one_a_game(games, settings.positions, seed))
    change = corrupted("empty", at.own, at.opp, frequencies(games), at.moves, seed)
    samples, curves = {}, {}
    for place, (name, (low, tower)) in enumerate(PAIRS.items()):
        progress(0.3 + 0.7 * place / len(PAIRS), f"{low} first, {tower} in the tower")
        maps = grid_maps(model, FIRST[low], TOWER[tower], at)
        samples[name], curves[name] = measured(model, change, at, maps, points, seed)
    random = np.random.default_rng((seed, 9)).standard_normal((2, *at.states.shape))
    owners = -np.broadcast_to(at.states.astype(np.float64), random.shape)
    for name, maps in (("random", random), (CONTROL, owners)):
        samples[name], curves[name] = measured(model, change, at, maps, points, seed)
    gains = {name: intervals(found, seed) for name, found in samples.items()}
    over = {}
    for name in PAIRS:
        beyond = {t: samples[name][t] - samples[CONTROL][t] for t in SHOWN}
        over[name] = intervals(beyond, seed)
    best = [highest(column(gains, t, PAIRS)) for t in SHOWN]
    numbers = {
        "positions": len(at.own),
        "points": points,
        "srg": {name: list(found.values()) for name, found in gains.items()},
        "value_curves": curves,
        "best": best,
        "over_minus_occupancy": {name: list(found.values()) for name, found in over.items()},
    }
    title = "SRG, squares emptied: rule of the first layer / rule of the tower (95 % bootstrap intervals)"
    reading = _reading(len(at.own), gains, over, best)
    return Findings(numbers, reading, (_figure(gains),), (table(title, gains, SHOWN, "rules"),))


Gains = dict[str, dict[str, Interval]]


def _reading(count: int, gains: Gains, over: Gains, best: list[str]) -> str:
    beaten = [above(column(gains, t, PAIRS).values()) for t in SHOWN]
    ahead = [above(column(over, t).values()) for t in SHOWN]
    tops = [gains[name][t] for name, t in zip(best, SHOWN)]
    random, control = list(gains["random"].values()), list(gains[CONTROL].values())
    return (
        f"Discs of {count} held-out positions were taken away in the order of relevance. The rule pairs whose "
        f"interval lies above the random order's 0: {beaten[0]} of {len(PAIRS)} for the value and {beaten[1]} of "
        f"{len(PAIRS)} for the best move. Best: {best[0]} ({tops[0]}) and {best[1]} ({tops[1]}); "
        f"the random order itself measures {random[0]} and {random[1]}. "
        + f"The baseline to beat is not a random order but the discs' owners alone, the opponent's discs before one's "
        f"own ({CONTROL}): {control[0]} and {control[1]}; position by position {ahead[0]} and {ahead[1]} "
        f"of {len(PAIRS)} pairs lie above it. "
        + ("" if all(beaten) else "Where no pair lies above 0, nothing here beats a random order. ")
        + "The winner of twenty is partly luck: see the overlap of the intervals. Boards with erased discs leave "
        "what the network was trained on."
    )


def _figure(gains: Gains) -> Figure:
    canvas, axes = plots.canvas(2, width=4.4, height=3.2)
    words = []
    for drawing, target in zip(axes, SHOWN):
        cells = column(gains, target, PAIRS)
        means = np.array([found.mean for found in cells.values()]).reshape(len(FIRST), len(TOWER))
        plots.heat_table(drawing, means, list(FIRST), list(TOWER), f"SRG, {target}")
        drawing.set_ylabel("first layer")
        words.append(alt.of_bars(cells, f"table of SRG by pair of rules, {target}"))
    caption = "Faithfulness of rules: first layer (rows) and tower (columns); 0 is a random order."
    return Figure("", caption, canvas, alt.sentence(*words))


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
