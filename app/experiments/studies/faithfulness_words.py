"""The reading, the tables and the figures of experiment 12, from its numbers alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from app.experiments import alt, plots
from app.experiments.attributions import METHODS, TARGETS, Maps
from app.experiments.corruption import CORRUPTIONS
from app.experiments.disc_worth import CONTROLS, FITTED
from app.experiments.record import Figure, Table
from app.experiments.statistics import Interval, above
from app.experiments.studies.composite_choice import COLUMNS, DISCS
from app.experiments.tables import bars, column, table
from app.explain.default import sentence


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


def reading(numbers: dict[str, Any]) -> str:
    """What the numbers say and what they do not."""
    srg, over, choice = numbers["srg"], numbers["over_strongest_control"], numbers["choice"]
    explained = [name for name in METHODS if name not in CONTROLS]
    none, behind = [], []
    for kind, target in product(CORRUPTIONS, TARGETS):
        where = f"the {target} under “{kind}”"
        if not above(column(column(srg, kind), target, explained).values()):
            none.append(where)
        elif not above(column(column(over, kind), target, explained).values()):
            behind.append(f"{where} ({numbers['strongest_control'][kind][target]})")
    random = list(_cells(srg["random"]))
    strays = sum(found.low > 0 or found.high < 0 for found in random)
    alike = numbers["similarity"]["EpsilonPlus"]["value_policy"]
    return (
        f"{numbers['positions']} held-out self-play positions, one a game. {sentence(choice)} "
        + _beyond_words(choice, numbers["beyond_composites"])
        + _control_words(numbers)
        + (
            f"No method beats a random order for {'; '.join(none)}. "
            if none
            else "In every column some method beats a random order. "
        )
        + (
            f"No explanation is clearly ahead of the strongest control for {'; '.join(behind)}. "
            if behind
            else "In every column some explanation is ahead of the strongest control. "
        )
        + f"The random order's own interval misses 0 in {strays} of {len(random)} columns, as chance would have it in "
        f"{0.05 * len(random):.1f}. Occupancy orders own discs before the opponent's; where its SRG is far below 0, "
        "the opposite order is as far above it, and that is knowledge of the game's rules, not of the network. "
        f"Value and policy maps of EpsilonPlus have |cosine| {alike}. Occlusion and the owner swap ask the network "
        "about single discs, which is close to what the curves measure, so a high place of them is no surprise. "
        "Corrupted boards leave the training distribution, and the planes of legal moves follow the corrupted discs. "
        "LRP-0 and gradient × input are the same map in a network of ReLUs. The check with randomised weights tests "
        "that a map depends on what was learned; it does not rank methods."
    )


def _cells(of_one: dict[str, dict[str, Interval]]) -> Iterator[Interval]:
    """Every corruption's and target's interval of one method."""
    for cells in of_one.values():
        yield from cells.values()


def _control_words(numbers: dict[str, Any]) -> str:
    """The chosen composite beside the table fitted to the network and beside each column's strongest control."""
    chosen, srg = numbers["choice"]["method"], numbers["srg"]
    discs = CORRUPTIONS[:DISCS]
    table = " / ".join(str(srg[FITTED][kind]["value"]) for kind in discs)
    gain = " / ".join(str(numbers["choice_over_fitted_table"][kind]["value"]) for kind in discs)
    over = numbers["over_strongest_control"][chosen]
    return (
        f"A table of 20 weights a stage of the game, fitted to the network on other positions, knows the square and "
        f"the owner of a disc and nothing else; its order has {table} for the value ({' / '.join(discs)}), and "
        f"{chosen}, position by position, {gain} more. Beside the strongest of the controls, which need no explanation "
        f"({', '.join(CONTROLS)}, in either order), {chosen} is ahead in "
        f"{above(over[kind][target] for kind, target in COLUMNS)} of {len(COLUMNS)} columns of discs. "
    )


def tables(numbers: dict[str, Any]) -> list[Table]:
    """How the composites stand, and every method's SRG with what it has over the strongest control."""
    headings = {
        "score": "score",
        "squares": "squares keep",
        "bias": "biases keep",
        "stabilizer": "stabilizers keep",
    }
    title = (
        "LRP composites: mean share of the best SRG over targets and corruptions of discs; gross shares of Σ|R|, "
        "summed unit by unit without signs"
    )
    standing = {name: numbers["ledgers"][name] | e for name, e in numbers["ranking"].items()}
    found = [table(title, standing, headings, "composite")]
    for kind in CORRUPTIONS:
        controls = numbers["strongest_control"][kind]
        rows: dict[str, dict[str, Interval]] = {}
        for name, cells in column(numbers["srg"], kind).items():
            row = rows[name] = {}
            for target, cell in cells.items():
                row[target] = cell
                beyond = numbers["over_strongest_control"][name][kind][target]
                row[f"{target} less {controls[target]}"] = beyond
        title = (
            f"SRG, corruption “{kind}”, and position by position less that of the strongest control "
            "(mean [95 % interval]; 0 is a random order)"
        )
        found.append(table(title, rows, list(rows["random"])))
    return found


def figure(srg: dict[str, Any], count: int) -> Figure:
    """A panel of intervals a corruption and target."""
    canvas, axes = plots.canvas(len(TARGETS), len(CORRUPTIONS), width=2.7, height=3.3)
    seen = ["twelve panels of intervals by method"]
    for panel, (kind, target) in zip(axes, product(CORRUPTIONS, TARGETS)):
        unit = "SRG, value in [−1, 1]" if target == "value" else "SRG, logit"
        cells = column(column(srg, kind), target)
        seen.append(bars(panel, cells, f"{target}:\n{kind}", unit, f"{target} under {kind}"))
    caption = (
        f"SRG of {len(srg)} methods and controls on {count} positions with 95 % bootstrap intervals; 0 is a random "
        "order."
    )
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
