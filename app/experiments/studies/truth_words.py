"""The reading, the tables and the figure of experiment 13, from its numbers alone."""

from __future__ import annotations

from typing import Any, Final

from app.experiments import alt, plots
from app.experiments.attributions import METHODS
from app.experiments.disc_worth import FITTED, STATIC, SWAP
from app.experiments.nearness import CONTROLS as NEARNESS
from app.experiments.record import Figure, Table
from app.experiments.rules_truth import PLACES, SETS
from app.experiments.statistics import above, highest
from app.experiments.tables import bars, column, table
from app.explain.default import DEFAULT_COMPOSITE

PLACE_WORDS: Final = {"corner": "a corner", "edge": "an edge"}
NAMED: Final = tuple(name for name in METHODS if name not in ("random", SWAP))
SOLVER_COLUMNS: Final = {
    "rank_correlation": "ranks of |R|",
    "rank_correlation_where_right": "where the network is right",
    "signed_rank_correlation": "signed ranks",
    **{place: place for place in PLACES},
}
FOUND: Final = {"mass": "share of |R|", "detection": "detection"}
AGAINST: Final = {
    "over_nearness": "less nearness",
    "over_control": "less the control",
    "equal_distance": "equal distance",
}


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
        control = found["strongest_control"]["flipped"]
        sentence += (
            f"Endgames whose only best move is proved to lie on {PLACE_WORDS[place]}: {found['positions']}; the "
            f"network prefers it to the best move elsewhere in {found['network_prefers_it']} of them, and the discs it "
            f"turns are found at best with probability {entries[top]} ({top}), by nearness alone with "
            f"{entries[NEARNESS[0]]} and by the strongest control, {control}, with "
            f"{found['methods'][control]['flipped']['detection']}. "
        )
    return sentence + (
        "Low numbers can be the network's fault as well as the method's: the rules say what matters for a move's "
        "legality, not what the network looks at."
    )


def _rule_words(found: dict[str, Any]) -> str:
    """How well relevance finds the sets, beside nearness to the move and among discs that are equally far from it."""
    rule, hardest = found["methods"], found["strongest_control"]
    best = {kind: highest(column(column(rule, kind), "detection"), NAMED) for kind in SETS}
    words = ", ".join(
        f"{kind} {rule[best[kind]][kind]['detection']} ({best[kind]})" for kind in SETS
    )
    controls = ", ".join(
        f"{hardest[kind]} for {kind} {rule[hardest[kind]][kind]['detection']}" for kind in SETS
    )
    clear = ", ".join(
        f"{above(column(column(rule, kind, NAMED), 'over_control').values())} for {kind}"
        for kind in SETS
    )
    flipped = column(rule, "flipped")
    near = column(flipped, "detection", NEARNESS)
    ahead = [name for name in NAMED if flipped[name]["over_nearness"].low > 0]
    gap = flipped[best["flipped"]]
    even = column(flipped, "equal_distance", NAMED)
    over = [name for name in NAMED if even[name].low > 0.5]
    top = highest(even)
    return (
        f"A disc of the set has more relevance than one outside it with probability {words}; picking the best of "
        f"{len(NAMED)} methods flatters it. The control is nearness to the move, not one half: 1 / distance alone "
        f"finds the turned discs with {near[NEARNESS[0]]}, and on the move's eight lines with {near[NEARNESS[1]]}. "
        + (
            f"Ahead of nearness: {', '.join(ahead)}. "
            if ahead
            else "No method is ahead of nearness; "
        )
        + f"{best['flipped']} less nearness, position by position, is {gap['over_nearness']}. The strongest controls "
        f"are {controls}; of {len(NAMED)} methods ahead of them are {clear}. Among discs that are equally far from the "
        f"move, where one half is chance, {DEFAULT_COMPOSITE} has {even[DEFAULT_COMPOSITE]} and the highest is "
        f"{even[top]} ({top}), but being on one of the move's eight lines is enough for "
        f"{flipped[NEARNESS[1]]['equal_distance']}; the interval lies above one half for "
        f"{', '.join(over) or 'no method'}."
        + (
            ""
            if ahead
            else " Most of what looks like knowledge of the turned discs is knowledge of where the move is."
        )
    )


def _solver_words(solved: dict[str, Any]) -> str:
    """How well relevance orders the discs by their worth, beside tables and the network asked disc by disc."""
    found, hardest = solved["methods"], solved["strongest_control"]
    unsigned, sign = column(found, "rank_correlation"), column(found, "signed_rank_correlation")
    top, signed = highest(unsigned, NAMED), highest(sign, NAMED)
    ahead = [name for name in NAMED if found[name]["over_table"].low > 0]
    clear = [name for name in NAMED if found[name]["signed_over_table"].low > 0]
    beyond = [name for name in NAMED if found[name]["signed_over_control"].low > 0]
    control = hardest["signed_rank_correlation"]
    return (
        f"Against the solver ({solved['positions']} endgames, {solved['decided']} of them no draw; the network names "
        f"the winner in {solved['network_has_the_winner']}): ranks of |R| for the value correlate with what a disc's "
        f"owner is worth in final discs at best by {unsigned[top]} ({top}), and a table that knows "
        f"nothing of the position (corner 3, edge 2, inside 1) by {unsigned[STATIC]}: "
        f"{', '.join(ahead) or 'no method'} ahead of it. With signs, which say whose disc it is, the best has "
        f"{sign[signed]} ({signed}), the table with the discs' owners {sign[STATIC]} and one fitted to the network on "
        f"other positions {sign[FITTED]}; {signed} less the table, position by position, is "
        f"{found[signed]['signed_over_table']}; ahead of the table: {', '.join(clear) or 'no method'}. The network's "
        f"value, asked once a disc with that disc's owner swapped, has {unsigned[SWAP]}, with signs {sign[SWAP]}; "
        f"ahead of the strongest control ({control}): {', '.join(beyond) or 'no method'}, {signed} less it being "
        f"{found[signed]['signed_over_control']}."
    )


def tables(rule: dict[str, Any], solved: dict[str, Any], proved: dict[str, Any]) -> list[Table]:
    """Both kinds of truth, each beside its controls."""
    worth = {name: entry | entry["mass"] for name, entry in solved["methods"].items()}
    hardest = solved["strongest_control"]
    headings = {
        "over_table": "ranks of |R| less the static table's",
        "over_control": f"less {hardest['rank_correlation']}'s",
        "signed_over_table": "signed ranks less the static table's",
        "signed_over_control": f"less {hardest['signed_rank_correlation']}'s",
    }
    found_tables = [
        *_rule_tables("Best move's logit against the rules", rule),
        table("Value against the exact solver, near the end", worth, SOLVER_COLUMNS),
        table(
            "Rank correlations with the exact worth less those of controls, position by position",
            worth,
            headings,
        ),
    ]
    for place, found in proved.items():
        if found["positions"]:
            title = (
                f"Why {PLACE_WORDS[place]} that is proved best rather than the best move elsewhere "
                f"({found['positions']} positions)"
            )
            found_tables += _rule_tables(title, found)
    return found_tables


def _rule_tables(title: str, found: dict[str, Any]) -> list[Table]:
    """What was found of each set of discs, and the same beside controls."""
    controls = ", ".join(f"{kind}: {name}" for kind, name in found["strongest_control"].items())
    beside = (
        f"{title}: detection less that of nearness and of the strongest control ({controls}), and detection among "
        "discs at equal distance, where 0.5 is chance"
    )
    return [
        _by_set(f"{title} (shares among discs)", found["methods"], FOUND),
        _by_set(beside, found["methods"], AGAINST),
    ]


def _by_set(title: str, found: dict[str, Any], columns: dict[str, str]) -> Table:
    """A table whose columns are those of every set of discs."""
    cells: dict[str, dict[str, Any]] = {name: {} for name in found}
    for kind in SETS:
        for what, heading in columns.items():
            for name, entry in column(found, kind).items():
                cells[name][f"{kind}: {heading}"] = entry[what]
    return table(title, cells, [f"{kind}: {what}" for kind in SETS for what in columns.values()])


def figure(rule: dict[str, Any], solved: dict[str, Any]) -> Figure:
    """Detection of each set, of turned discs at equal distance, and the agreement with the solver."""
    canvas, axes = plots.canvas(1, 5, width=4.6, height=3.2)  # a phone shows it legibly
    names, seen = (*METHODS, *NEARNESS), []
    for drawing, kind in zip(axes, SETS):
        found = column(column(rule, kind, names), "detection")
        label = "detection (0.5: an even order)"
        what = f"detection of {kind} discs, nearness to the move among the methods"
        seen.append(bars(drawing, found, f"{kind} discs", label, what, chance=0.5))
    matched = column(column(rule, "flipped", METHODS), "equal_distance")
    what = "detection of flipped discs among those equally far from the move"
    title, label = "flipped discs, equal distance", "detection (0.5 is chance)"
    seen.append(bars(axes[3], matched, title, label, what, chance=0.5))
    worth = column(solved["methods"], "rank_correlation", (*METHODS, STATIC, FITTED))
    what = "rank correlation with the exact worth of a disc"
    seen.append(bars(axes[4], worth, "exact worth of a disc", "rank correlation", what))
    caption = "Relevance against what the rules and the solver say, with 95 % bootstrap intervals."
    return Figure("", caption, canvas, alt.sentence(*seen))
