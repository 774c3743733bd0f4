"""The reading, the tables and the figures of experiment 12, from its numbers alone."""

from __future__ import annotations

from typing import Any

from app.experiments import alt, plots
from app.experiments.attributions import CONTROLS, METHODS, TARGETS, Maps
from app.experiments.corruption import CORRUPTIONS
from app.experiments.record import Figure, Table
from app.experiments.statistics import Interval
from app.experiments.tables import bars, column, table
from app.explain.default import sentence


def controls_strength(cells: dict[str, Interval]) -> tuple[str, float]:
    """The control that orders squares best, forwards or backwards (its order reversed has the opposite SRG)."""
    sizes = {name: abs(cells[name].mean) for name in CONTROLS if cells[name].count}
    name = max(sizes, key=lambda n: sizes[n]) if sizes else CONTROLS[0]
    interval = cells[name]
    return name, max(abs(interval.low), abs(interval.high))


def _beyond_words(choice: dict[str, Any], against: dict[str, Any]) -> str:
    """What the choice is worth beside methods that are no composites, and what its tie-break is worth."""
    words = ""
    if against["difference"].mean > 0:
        words = (
            f"The choice is one of composites, not of all methods: {against['rival']} scores {against['score']} "
            f"against {against['winner_score']}, position by position {against['difference']} more, and is ahead in "
            f"{against['ahead_in']} of {against['columns']} columns; but it keeps no account of the biases. "
        )
    if choice["tied"]:
        words += (
            "Relevance on the squares is a weak tie-break, for it says nothing of faithfulness; that the choice is the "
            f"highest composite in {against['empty_squares']} of {len(TARGETS)} columns where empty squares are "
            "corrupted is a better one. "
        )
    return words


def reading(
    count: int,
    srg: dict[str, Any],
    choice: dict[str, Any],
    against: dict[str, Any],
    alike: dict[str, Any],
) -> str:
    """What the numbers say and what they do not."""
    none, behind = [], []
    real = [name for name in METHODS if name not in CONTROLS]
    for kind in CORRUPTIONS:
        for target in TARGETS:
            cells = column(column(srg, kind), target)
            where = f"the {target} under “{kind}”"
            control, strength = controls_strength(cells)
            if not any(cells[name].low > 0 for name in real):
                none.append(where)
            elif not any(cells[name].low > strength for name in real):
                behind.append(f"{where} ({control}: {cells[control]})")
    random = [srg["random"][kind][target] for kind in CORRUPTIONS for target in TARGETS]
    strays = sum(found.low > 0 or found.high < 0 for found in random)
    return (
        f"{count} held-out self-play positions, one a game. {sentence(choice)} "
        + _beyond_words(choice, against)
        + (
            f"No method beats a random order for {'; '.join(none)}. "
            if none
            else "In every column some method beats a random order. "
        )
        + (
            f"No method is clearly ahead of the strongest control, forwards or backwards, for {'; '.join(behind)}. "
            if behind
            else ""
        )
        + f"The random order's own interval misses 0 in {strays} of {len(random)} columns, as chance would have it in "
        f"{0.05 * len(random):.1f}. Occupancy orders own discs before the opponent's; where its SRG is far below 0, "
        "the opposite order is as far above it, and that is knowledge of the game's rules, not of the network. "
        f"Value and policy maps of EpsilonPlus have |cosine| {alike['EpsilonPlus']['value_policy']}. Occlusion "
        "removes single squares, which is close to what the curves measure, so a high place of it is no surprise. "
        "Corrupted boards leave the training distribution, and the planes of legal moves follow the corrupted discs. "
        "LRP-0 and gradient × input are the same map in a network of ReLUs. The check with randomised weights tests "
        "that a map depends on what was learned; it does not rank methods."
    )


def tables(
    srg: dict[str, Any], standing: dict[str, Any], kept: dict[str, dict[str, Any]]
) -> list[Table]:
    """How the composites stand, and every method's SRG, a table a corruption."""
    headings = {
        "score": "score",
        "squares": "squares keep",
        "bias": "biases keep",
        "stabilizer": "stabilizers keep",
    }
    title = "LRP composites: mean share of the best SRG over targets and corruptions of discs; shares of Σ|R|"
    found = [
        table(title, {n: kept[n] | entry for n, entry in standing.items()}, headings, "composite")
    ]
    for kind in CORRUPTIONS:
        title = f"SRG, corruption “{kind}” (mean [95 % interval]; 0 is a random order)"
        found.append(table(title, column(srg, kind), TARGETS))
    return found


def figure(srg: dict[str, Any], count: int) -> Figure:
    """A panel of intervals a corruption and target."""
    canvas, axes = plots.canvas(len(TARGETS), len(CORRUPTIONS), width=4.0, height=2.9)
    panels, seen = iter(axes), ["twelve panels of intervals by method"]
    for kind in CORRUPTIONS:
        for target in TARGETS:
            unit = "SRG, value in [−1, 1]" if target == "value" else "SRG, logit"
            cells = column(column(srg, kind), target)
            seen.append(
                bars(next(panels), cells, f"{target}: {kind}", unit, f"{target} under {kind}")
            )
    caption = f"SRG of twelve methods on {count} positions with 95 % bootstrap intervals; 0 is a random order."
    return Figure("", caption, canvas, alt.sentence(*seen))


def curves_figure(curves: dict[str, Maps], points: int) -> Figure:
    """The mean value along both orders of each method; curves [2, points − 1]."""
    canvas, axes = plots.canvas(2, width=4.6, height=3.4)
    x = [100 * step / points for step in range(1, points)]
    for name, colour in zip(curves, plots.COLOURS):
        for drawing, curve in zip(axes, curves[name]):
            drawing.plot(x, curve, color=colour, linewidth=1.4, label=name)
    seen = ["curves of the mean value against the share of discs emptied, one a method"]
    for i, order in enumerate(("most", "least")):
        title = f"{order.capitalize()} relevant first"
        plots.lines(axes[i], title, "% of discs emptied", "mean value", legend=False)
        for name in ("EpsilonPlus", "random"):
            seen.append(alt.of_curve(x, list(curves[name][i]), f"{name}, {order} relevant first"))
    axes[1].legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    caption = "The network's mean value while discs are emptied in each method's order."
    return Figure("curves", caption, canvas, alt.sentence(*seen))
