"""Rules compared layer by layer through faithfulness: which rule first, which in the tower, against random order."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments import alt, plots
from app.experiments.attributions import (
    TARGETS,
    Maps,
    asked,
    batches,
    readings,
    relevance_maps,
    summed,
)
from app.experiments.corruption import Corrupted, corrupted, frequencies, relevance_gain
from app.experiments.disc_worth import FITTED, SWAP, fitted_table
from app.experiments.positions import Positions, Words, held_out
from app.experiments.record import (
    Experiment,
    Figure,
    Findings,
    PerPosition,
    Progress,
    Settings,
    Table,
    part,
)
from app.experiments.statistics import Array, Interval, above, highest, strongest
from app.experiments.tables import column, flat, intervals, less, table
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
CONTROLS: Final = ("random", CONTROL, FITTED, SWAP)  # what needs no explanation
SHOWN: Final = TARGETS[:2]  # the value and the best move
Gains = dict[str, dict[str, Interval]]
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
        pair = asked(explainer, planes[chosen], at.moves[chosen, :1])
        found.append(np.stack([summed(relevance) for relevance in pair]))
    return np.concatenate(found, axis=1)


def measured(
    model: Model, change: Corrupted, at: Positions, maps: Maps, points: int, seed: int
) -> tuple[dict[str, Array], Maps]:
    """SRG [P] of both targets by maps [2, P, 64], and the value's mean curves (MoRF, LeRF) [2, points − 1]."""

    def read(mine: Words, theirs: Words, rows: NDArray[np.int64]) -> Maps:
        return readings(model, mine, theirs, at.moves[rows])

    samples: dict[str, Array] = {}
    curves = []
    for t, target in enumerate(SHOWN):
        gain, most, least = relevance_gain(at.states, change, maps[t], read, points, seed)
        samples[target] = gain[t]
        curves.append(np.stack([most[:, 0].mean(1), least[:, 0].mean(1)]))
    return samples, curves[0]


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """SRG of every pair of rules, squares emptied one by one, for the value and for the best move."""
    seed, points = settings.seed, 10 if settings.quick else 20
    games, at = held_out(model, settings, part(progress, 0.0, 0.3))
    change = corrupted("empty", at.own, at.opp, frequencies(games), at.moves, seed)
    samples, curves = {}, {}
    for place, (name, (low, tower)) in enumerate(PAIRS.items()):
        progress(0.3 + 0.7 * place / len(PAIRS), f"{low} first, {tower} in the tower")
        maps = grid_maps(model, FIRST[low], TOWER[tower], at)
        samples[name], curves[name] = measured(model, change, at, maps, points, seed)
    random = np.random.default_rng((seed, 9)).standard_normal((2, *at.states.shape))
    owners = -np.broadcast_to(at.states.astype(np.float64), random.shape)
    tables = fitted_table(model, games, at), relevance_maps(model, SWAP, *at, seed)
    for name, maps in zip(CONTROLS, (random, owners, *tables)):
        samples[name], curves[name] = measured(model, change, at, maps, points, seed)
    gains = intervals(samples, seed)
    hardest = {t: strongest(column(samples, t), CONTROLS) for t in SHOWN}
    control = {t: samples[name][t] for t, name in hardest.items()}
    over, beyond = {}, {}
    for name, cells in samples.items():
        over[name] = intervals(less(cells, samples[CONTROL]), seed)
        beyond[name] = intervals(less(cells, control), seed)
    numbers = {
        "positions": len(at.own),
        "points": points,
        "srg": {name: list(found.values()) for name, found in gains.items()},
        "value_curves": curves,
        "best": [highest(column(gains, t, PAIRS)) for t in SHOWN],
        "over_minus_occupancy": {name: list(over[name].values()) for name in PAIRS},
        "strongest_control": hardest,
        "over_strongest_control": beyond,
    }
    reading = _reading(numbers, gains, over, beyond)
    each = PerPosition("positions", at.own, at.opp, flat(samples))
    return Findings(
        numbers, reading, (_figure(gains),), (_table(gains, over, beyond, hardest),), (each,)
    )


def _table(gains: Gains, over: Gains, beyond: Gains, hardest: dict[str, str]) -> Table:
    title = (
        "SRG, squares emptied: rule of the first layer / rule of the tower, and the same position by position less "
        "controls (95 % bootstrap intervals)"
    )
    cells: dict[str, dict[str, Interval]] = {}
    for name, found in gains.items():
        row = cells[name] = {}
        for target in SHOWN:
            row[target] = found[target]
            row[f"{target} less {CONTROL}"] = over[name][target]
            row[f"{target} less {hardest[target]}"] = beyond[name][target]
    return table(title, cells, list(cells["random"]), "rules")


def _reading(numbers: dict[str, Any], gains: Gains, over: Gains, beyond: Gains) -> str:
    best, hardest = numbers["best"], list(numbers["strongest_control"].values())
    beaten, ahead, clear = (_above(grid) for grid in (gains, over, beyond))
    tops = [gains[name][t] for name, t in zip(best, SHOWN)]
    random, control = list(gains["random"].values()), list(gains[CONTROL].values())
    strong = [gains[name][t] for name, t in zip(hardest, SHOWN)]
    return (
        f"Discs of {numbers['positions']} held-out positions were taken away in the order of relevance. The rule "
        f"pairs whose interval lies above the random order's 0: {beaten[0]} of {len(PAIRS)} for the value and "
        f"{beaten[1]} of {len(PAIRS)} for the best move. Best: {best[0]} ({tops[0]}) and {best[1]} ({tops[1]}); "
        f"the random order itself measures {random[0]} and {random[1]}. "
        f"The baseline to beat is not a random order but the discs' owners alone, the opponent's discs before one's "
        f"own ({CONTROL}): {control[0]} and {control[1]}; position by position {ahead[0]} and {ahead[1]} "
        f"of {len(PAIRS)} pairs lie above it. The strongest of the orders that need no explanation "
        f"({', '.join(CONTROLS)}) are {hardest[0]} for the value, {strong[0]}, and {hardest[1]} for the best move, "
        f"{strong[1]}: {clear[0]} and {clear[1]} of {len(PAIRS)} pairs lie above them. "
        + ("" if all(beaten) else "Where no pair lies above 0, nothing here beats a random order. ")
        + "The winner of twenty is partly luck: see the overlap of the intervals. Boards with erased discs leave "
        "what the network was trained on."
    )


def _above(grid: Gains) -> list[int]:
    """How many pairs of rules lie above 0, by target."""
    return [above(column(grid, target, PAIRS).values()) for target in SHOWN]


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
    version=2,
    games=True,
)
