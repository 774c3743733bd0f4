"""The reading, the tables and the figure of experiment 13, from its numbers alone."""

from __future__ import annotations

from typing import Any, Final

from app.experiments import alt, plots
from app.experiments.attributions import METHODS
from app.experiments.disc_worth import STATIC, SWAP
from app.experiments.nearness import CONTROLS as NEARNESS
from app.experiments.record import Figure, Table
from app.experiments.statistics import highest
from app.experiments.studies.rules_truth import PLACES, SETS
from app.explain.default import DEFAULT_COMPOSITE

PLACE_WORDS: Final = {"corner": "a corner", "edge": "an edge"}
NAMED: Final = tuple(name for name in METHODS if name != "random")
SOLVER_COLUMNS: Final = (
    "rank_correlation",
    "rank_correlation_where_right",
    "signed_rank_correlation",
)


def reading(
    count: int, rule: dict[str, Any], solved: dict[str, Any], proved: dict[str, Any]
) -> str:
    """What the numbers say and what they do not."""
    sentence = (
        f"The best move's logit, {count} positions. {_rule_words(rule)} {_solver_words(solved)} "
    )
    for place, found in proved.items():
        if not found["positions"]:
            sentence += f"No move to {PLACE_WORDS[place]} was proved to be the only best one in these games. "
            continue
        entries = {
            name: found["methods"][name]["flipped"]["detection"] for name in (*NAMED, NEARNESS[0])
        }
        top = highest(entries, NAMED)
        sentence += (
            f"Endgames whose only best move is proved to lie on {PLACE_WORDS[place]}: {found['positions']}; the "
            f"network prefers it to the best move elsewhere in {found['network_prefers_it']} of them, and the discs it "
            f"turns are found at best with probability {entries[top]} ({top}), by nearness alone with "
            f"{entries[NEARNESS[0]]}. "
        )
    return sentence + (
        "Low numbers can be the network's fault as well as the method's: the rules say what matters for a move's "
        "legality, not what the network looks at."
    )


def _rule_words(rule: dict[str, Any]) -> str:
    """How well relevance finds the sets, beside nearness to the move and among discs that are equally far from it."""
    best = {}
    for kind in SETS:
        best[kind] = highest({name: rule[name][kind]["detection"] for name in NAMED})
    words = ", ".join(
        f"{kind} {rule[best[kind]][kind]['detection']} ({best[kind]})" for kind in SETS
    )
    near = {name: rule[name]["flipped"]["detection"] for name in NEARNESS}
    ahead = [name for name in NAMED if rule[name]["flipped"]["over_nearness"].low > 0]
    gap = rule[best["flipped"]]["flipped"]["over_nearness"]
    even = {name: rule[name]["flipped"]["equal_distance"] for name in NAMED}
    above, top = [name for name in NAMED if even[name].low > 0.5], highest(even)
    return (
        f"A disc of the set has more relevance than one outside it with probability {words}; picking the best of "
        f"{len(NAMED)} methods flatters it. The control is nearness to the move, not one half: 1 / distance alone "
        f"finds the turned discs with {near[NEARNESS[0]]}, and on the move's eight lines with {near[NEARNESS[1]]}. "
        + (
            f"Ahead of nearness: {', '.join(ahead)}. "
            if ahead
            else "No method is ahead of nearness; "
        )
        + f"{best['flipped']} less nearness, position by position, is {gap}. Among discs that are equally far from the "
        f"move, where one half is chance, {DEFAULT_COMPOSITE} has {even[DEFAULT_COMPOSITE]} and the highest is "
        f"{even[top]} ({top}); the interval lies above one half for {', '.join(above) or 'no method'}."
        + (
            ""
            if ahead
            else " Most of what looks like knowledge of the turned discs is knowledge of where the move is."
        )
    )


def _solver_words(solved: dict[str, Any]) -> str:
    """How well relevance orders the discs by their worth, beside a static table and the network asked disc by disc."""
    found = solved["methods"]
    top = highest({name: found[name]["rank_correlation"] for name in NAMED})
    signed = highest({name: found[name]["signed_rank_correlation"] for name in NAMED})
    ahead = [name for name in NAMED if found[name]["over_table"].low > 0]
    clear = [name for name in NAMED if found[name]["signed_over_table"].low > 0]
    return (
        f"Against the solver ({solved['positions']} endgames, {solved['decided']} of them no draw; the network names "
        f"the winner in {solved['network_has_the_winner']}): ranks of |R| for the value correlate with what a disc's "
        f"owner is worth in final discs at best by {found[top]['rank_correlation']} ({top}), and a table that knows "
        f"nothing of the position (corner 3, edge 2, inside 1) by {found[STATIC]['rank_correlation']}: "
        f"{', '.join(ahead) or 'no method'} ahead of it. With signs, which say whose disc it is, the best has "
        f"{found[signed]['signed_rank_correlation']} ({signed}) and the table with the discs' owners "
        f"{found[STATIC]['signed_rank_correlation']}, a paired difference of {found[signed]['signed_over_table']}; "
        f"ahead of the table: {', '.join(clear) or 'no method'}. The network's value, asked once a disc with that "
        f"disc's owner swapped, has {found[SWAP]['rank_correlation']}, with signs "
        f"{found[SWAP]['signed_rank_correlation']}."
    )


def tables(rule: dict[str, Any], solved: dict[str, Any], proved: dict[str, Any]) -> list[Table]:
    """Both kinds of truth, each beside its control."""
    found_tables = [
        _found_table("Best move's logit against the rules (shares among discs)", rule),
        _control_table(
            "The same less nearness to the move, and at equal distance (0.5 is chance)", rule
        ),
        Table(
            "Value against the exact solver, near the end",
            ("method", "ranks of |R|", "where the network is right", "signed ranks", *PLACES),
            tuple(
                (name, *_cells(entry, SOLVER_COLUMNS), *map(str, entry["mass"].values()))
                for name, entry in solved["methods"].items()
            ),
        ),
        Table(
            "Rank correlations with the exact worth less those of the static table, position by position",
            ("method", "ranks of |R|", "signed ranks"),
            tuple(
                (name, *_cells(entry, ("over_table", "signed_over_table")))
                for name, entry in solved["methods"].items()
                if name != STATIC
            ),
        ),
    ]
    for place, found in proved.items():
        if found["positions"]:
            title = (
                f"Why {PLACE_WORDS[place]} that is proved best rather than the best move elsewhere"
            )
            title += f" ({found['positions']} positions)"
            found_tables.append(_found_table(title, found["methods"]))
            found_tables.append(
                _control_table(f"{title}, beside nearness and at equal distance", found["methods"])
            )
    return found_tables


def _cells(entry: dict[str, Any], columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(entry[column]) for column in columns)


def _found_table(title: str, found: dict[str, Any]) -> Table:
    header = [f"{kind}: {what}" for kind in SETS for what in ("share of |R|", "detection")]
    return _table_of(title, header, found, ("mass", "detection"))


def _control_table(title: str, found: dict[str, Any]) -> Table:
    header = [f"{kind}: {what}" for kind in SETS for what in ("less nearness", "equal distance")]
    return _table_of(title, header, found, ("over_nearness", "equal_distance"))


def _table_of(
    title: str, header: list[str], found: dict[str, Any], columns: tuple[str, ...]
) -> Table:
    rows = []
    for name, entry in found.items():
        rows.append((name, *(cell for kind in SETS for cell in _cells(entry[kind], columns))))
    return Table(title, ("method", *header), tuple(rows))


def figure(rule: dict[str, Any], solved: dict[str, Any]) -> Figure:
    """Detection of each set, of turned discs at equal distance, and the agreement with the solver."""
    canvas, axes = plots.canvas(5, width=3.5, height=3.6)
    names, seen = (*METHODS, *NEARNESS), []
    for drawing, kind in zip(axes, SETS):
        entries = {name: rule[name][kind]["detection"] for name in names}
        plots.bars(drawing, entries, f"{kind} discs", "detection (0.5: an even order)", chance=0.5)
        seen.append(
            alt.of_bars(
                entries, f"detection of {kind} discs, nearness to the move among the methods", 0.5
            )
        )
    matched = {name: rule[name]["flipped"]["equal_distance"] for name in METHODS}
    plots.bars(
        axes[3], matched, "flipped discs, equal distance", "detection (0.5 is chance)", chance=0.5
    )
    seen.append(
        alt.of_bars(
            matched, "detection of flipped discs among those equally far from the move", 0.5
        )
    )
    entries = {
        name: solved["methods"][name]["rank_correlation"] for name in (*METHODS, STATIC, SWAP)
    }
    plots.bars(axes[4], entries, "exact worth of a disc", "rank correlation")
    words = alt.sentence(
        *seen, alt.of_bars(entries, "rank correlation with the exact worth of a disc")
    )
    caption = "Relevance against what the rules and the solver say, with 95 % bootstrap intervals."
    return Figure("", caption, canvas, words)
