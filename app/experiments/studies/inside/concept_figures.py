"""Drawings of the study of concepts: what each stage tells, what the value hears, what channels look for."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.experiments import alt, plots
from app.experiments.positions import board_of
from app.experiments.record import Figure
from app.experiments.statistics import number
from app.experiments.studies.inside.channels import SHOWN, Seen

CURVES = 6  # concepts in one drawing of curves


def by_stage(told: dict[str, Any]) -> Figure:
    """R² of every concept at every stage, as a table of colours."""
    stages = list(next(iter(told.values()))["r2"])
    names = sorted(told, key=lambda name: -told[name]["over_planes"].mean)
    values = np.array([[told[name]["r2"][stage].mean for stage in stages] for name in names])
    canvas, (axes,) = plots.canvas(1, width=5.4, height=0.3 * len(names) + 1.0)
    plots.heat_table(axes, np.clip(values, -1, 1), names, stages, "R² on held-out games")
    top = names[0]
    words = (
        f"table of R² by concept and stage; the largest gain over the planes is {top} with "
        f"{number(told[top]['over_planes'].mean)}, at {told[top]['best']}"
    )
    caption = (
        "What a linear probe tells of each concept, by stage; on the right a network of the same shape that learned "
        "nothing, at its best stage. The concepts are ordered by what the best stage gains over the planes."
    )
    return Figure("", caption, canvas, alt.sentence(words))


def effect_bars(heard: dict[str, Any]) -> Figure:
    """How far the value moves along each probe, in standard deviations of random directions."""
    names = sorted(heard, key=lambda name: heard[name]["sizes"])
    sizes = [heard[name]["sizes"] for name in names]
    canvas, (axes,) = plots.canvas(1, width=5.4, height=0.26 * len(names) + 1.2)
    colours = {1: plots.COLOURS[1], -1: plots.COLOURS[0], 0: "#888888"}
    shades = [colours[heard[name]["theory"]] for name in names]
    axes.barh(range(len(names)), sizes, color=shades, height=0.65)
    for line in (-4, 4):
        axes.axvline(line, color=plots.INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    title = "The value's change along the probe"
    plots.lines(axes, title, "standard deviations of random directions", "", legend=False)
    words = (
        f"bars from {number(sizes[0])} for {names[0]} to {number(sizes[-1])} for {names[-1]}; "
        f"{sum(abs(size) >= 4 for size in sizes)} of {len(sizes)} reach 4 in either direction"
    )
    caption = (
        "Moving the best stage by one standard deviation of the concept along its probe; dashed: the bar of ±4. "
        "Red: theory likes more of it, blue: less, grey: it does not say."
    )
    return Figure("effects", caption, canvas, alt.sentence(words))


def references(seen: Seen, named: list[dict[str, Any]]) -> Figure:
    """For the heaviest channels the positions that make them relevant, with what passes through the channel."""
    canvas, axes = plots.canvas(SHOWN, len(named), width=2.6, height=3.1)
    cells, words = iter(axes), []
    for entry in named:
        channel = entry["channel"]
        rows = seen.references(channel)
        maps = seen.maps(channel, rows)
        for place, (row, relevance) in enumerate(zip(rows, maps)):
            title = f"channel {channel}: {number(seen.each[row, channel])}"
            plots.board_map(next(cells), board_of(seen.own[row], seen.opp[row]), relevance, title)
            if place == 0:
                words.append(alt.of_map(relevance, f"channel {channel}'s first position", 3))
    caption = (
        "Reference positions: where the heaviest channels of the last block have the most relevance, and where that "
        "comes from. The side to move is black."
    )
    return Figure("channels", caption, canvas, alt.sentence(*words))


def gaining(generations: dict[str, Any]) -> list[str]:
    """The concepts whose R² gains most from the first generation to the last."""
    first, *_, last = generations.values()
    gain = {name: last[name]["r2"] - first[name]["r2"] for name in last}
    return sorted(gain, key=lambda name: -gain[name])[:CURVES]


def over_time(generations: dict[str, Any], told: dict[str, Any]) -> tuple[Figure, ...]:
    """R² over the generations of a run, for the concepts that gain most, and the planes' own; nothing without a run."""
    if not generations:
        return ()
    order, names = list(generations), gaining(generations)
    canvas, axes = plots.canvas(2, width=4.8, height=3.6)
    x = [int(name) for name in order]
    words = []
    for drawing, key, label in zip(axes, ("r2", "sizes"), ("R²", "effect in sd of random")):
        for name, colour in zip(names, plots.COLOURS):
            values = [generations[number_][name][key] for number_ in order]
            drawing.plot(x, values, color=colour, linewidth=1.6, label=name)
            if key == "r2":
                planes = told[name]["r2"]["planes"].mean
                drawing.axhline(planes, color=colour, linewidth=0.8, linestyle=(0, (2, 3)))
            words.append(alt.of_curve(x, values, f"{name}, {label}"))
        plots.lines(drawing, label, "generation", label, legend=False)
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize="small")
    caption = (
        "The last block over a training run: what gains most in R²; dotted: a probe of the planes."
    )
    return (Figure("generations", caption, canvas, alt.sentence(*words)),)
