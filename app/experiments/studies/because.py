"""Reasons: do change maps find what a move brings about, and does what a sentence says stand up to a second look?

First, events that the rules decide: the relevance of the change on the event's squares against the change of the
value alone and against nearness to the move.  Second, sentences: every spoken fact is tried again by an intervention on
images of the board that took no part in choosing it, beside false facts on matched squares and beside a choice that
asks no network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments import alt, plots
from app.experiments.positions import board_of, one_a_game, self_play
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
from app.experiments.statistics import Interval, proportion
from app.experiments.studies.event_moves import (
    EMPTIES,
    ENOUGH,
    FURTHER,
    RARE,
    ByGame,
    further,
    sampled,
    with_event,
)
from app.experiments.studies.events import COLUMNS, EVENTS, GAPS, Event, areas
from app.experiments.studies.second_look import Looked, look
from app.explain.reasons.line import followed
from app.explain.reasons.sentence import why
from app.explain.reasons.weights import BETTER, LEAST
from othello.search.search import search_many

if TYPE_CHECKING:
    from app.models import Model

Count = NDArray[np.float64]
REACHED: Final = (
    0.95,
    0.2,
)  # the area that counts as reached, and how far above the value's change alone
COUNTED: Final = ("mobility", "own_mobility", "frontier", "stable", "gives_corner", "takes_corner")


def counted(looked: Looked, spread: dict[str, float]) -> str | None:
    """The fact that counts alone would name: the largest difference for the move, in standard deviations."""
    facts = [w for w in looked.reasons.facts if w.name in COUNTED and w.claim > 0]
    gap = {w.name: abs((w.value or 0) - (w.rival_value or 0)) / spread[w.name] for w in facts}
    return max(gap, key=lambda name: gap[name], default=None)


def by_position(looks: Sequence[Looked]) -> dict[str, Count]:
    """Counts [P] by column: the facts said, what became of them, false ones, and what counts alone would name."""
    spread = {name: float(np.std([_gap(look, name) for look in looks])) or 1.0 for name in COUNTED}
    rows = []
    for looked in looks:
        said, named = [weight.name for weight in looked.reasons.said()], counted(looked, spread)
        false = [weight for weight in looked.false.values() if weight.claim]
        rows.append(
            {
                "move": looked.reasons.move,
                "rival": -1 if looked.reasons.rival is None else looked.reasons.rival,
                "reasons": len(said),
                "by rule": sum(map(looked.by_rule, said)),
                "confirmed": sum(map(looked.confirmed, said)),
                "beyond control": sum(map(looked.beyond, said)),
                "along line": sum(looked.along(name) is not None for name in said),
                "line agrees": sum(looked.along(name) is True for name in said),
                "confirmed, line agrees": sum(
                    looked.confirmed(name) for name in said if looked.along(name) is True
                ),
                "line against": sum(looked.along(name) is False for name in said),
                "confirmed, line against": sum(
                    looked.confirmed(name) for name in said if looked.along(name) is False
                ),
                "square against": bool(said) and looked.speaks_against(),
                "false tried": len(false),
                "false said": sum(weight.holds for weight in false),
                "counts name": named is not None,
                "counts confirmed": named is not None and looked.confirmed(named),
            }
        )
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}


def sentences(looks: Sequence[Looked], at: dict[str, Count]) -> dict[str, Any]:
    """Shares over all sentences, with Wilson's intervals, of the looks and their counts by position."""

    def share(some: str, whole: str) -> Interval:
        return proportion(float(at[some].sum()), int(at[whole].sum()))

    given = int((at["reasons"] > 0).sum())
    return {
        "positions": len(looks),
        "with_sentence": proportion(given, len(looks)),
        "by_rule": share("by rule", "reasons"),
        "confirmed": share("confirmed", "reasons"),
        "beyond_control_again": share("beyond control", "reasons"),
        "along_line": share("along line", "reasons"),
        "line_agrees": share("line agrees", "along line"),
        "confirmed_line_agrees": share("confirmed, line agrees", "line agrees"),
        "confirmed_line_against": share("confirmed, line against", "line against"),
        "false_spoken": share("false said", "false tried"),
        "squares_against": proportion(float(at["square against"].sum()), given),
        "counts_confirmed": share("counts confirmed", "counts name"),
        "kinds": by_kind(looks),
    }


def by_kind(looks: Sequence[Looked]) -> dict[str, dict[str, int]]:
    """How often each fact is said, confirmed, and false ones of it tried and said."""
    said = [(look, weight.name) for look in looks for weight in look.reasons.said()]
    false = [weight for look in looks for weight in look.false.values() if weight.claim]
    counts = {
        "spoken": Counter(name for _, name in said),
        "confirmed": Counter(name for look, name in said if look.confirmed(name)),
        "false_spoken": Counter(weight.name for weight in false if weight.holds),
        "false": Counter(weight.name for weight in false),
    }
    return {name: {key: count[name] for key, count in counts.items()} for name in BETTER}


def _gap(look: Looked, name: str) -> int:
    weight = next(weight for weight in look.reasons.facts if weight.name == name)
    return (weight.value or 0) - (weight.rival_value or 0)


def run(model: Model, settings: Settings, progress: Progress) -> Findings:
    """Events, then sentences."""
    games = self_play(model, settings, part(progress, 0.0, 0.2))
    own, opp = one_a_game(games, settings.positions, settings.seed, empties=EMPTIES, moves=2)
    boards = [board_of(o, p) for o, p in zip(own, opp)]
    played = sampled(model, games, settings, part(progress, 0.2, 0.4))
    most = 0 if settings.quick else FURTHER * settings.positions
    have = {event: len(with_event(event, played)) for event in RARE}
    more = further(model, settings, have, most, part(progress, 0.4, 0.55))
    events: dict[str, Any] = {}
    for event in EVENTS:
        progress(0.55 + 0.05 * len(events) / len(EVENTS), f"events: {event.name}")
        events[event.name] = areas(event, [*played, *more.get(event, ())], settings.seed)
    progress(0.6, "searches")
    results = search_many(model.evaluator, boards, 32 if settings.quick else 100)
    looks = []
    for number, result in enumerate(results):
        share = number / max(1, len(results))
        part(progress, 0.6, 1.0)(share, f"sentences, position {number + 1} of {len(results)}")
        looks.append(look(model, followed(model, result, why(model, result))))
    at = by_position(looks)
    said = sentences(looks, at)
    moves = [move for game in played for move in game]
    numbers = {
        "positions": len({move.board for move in moves}),
        "games": len(played),
        "moves": len(moves),
        "further": searched(more, most),
        "reached": {name: reached(events, *keys) for name, keys in MEASURES.items()},
        "events": events,
    }
    return Findings(
        numbers | {"sentences": said},
        reading(numbers, said),
        (figure(events),),
        (*event_tables(events), sentence_table(said)),
        (PerPosition("sentences", own, opp, at),),
    )


def searched(more: dict[Event, ByGame], most: int) -> dict[str, Any]:
    """What the search for rare events took: the games allowed, and by event the games and moves that it gave."""
    counts = {e.name: {"games": len(g), "moves": sum(map(len, g))} for e, g in more.items() if g}
    return {"most": most, "events": counts}


MEASURES: Final = {
    "squares": ("relevance", "over_value"),
    "alike": ("alike", "alike_over_value"),
    "matched": ("matched", "matched_over_value"),
    "plane": ("plane", "plane_over_value"),
}


def reached(events: dict[str, Any], area: str, gap: str) -> list[str]:
    """The kinds of event that happen in enough positions and whose area is high enough, by one measure."""
    least, above = REACHED
    told = {n: found for n, found in events.items() if found["positions_with"] >= ENOUGH}
    return [n for n, f in told.items() if f[area].mean >= least and f[gap].mean >= above]


def reading(numbers: dict[str, Any], said: dict[str, Any]) -> str:
    """What the numbers say, with what is not reached."""
    told = {name: found for name, found in numbers["events"].items() if "relevance" in found}
    rare = [name for name in numbers["events"] if name not in told]
    few = [name for name, found in told.items() if found["positions_with"] < ENOUGH]
    near = [name for name, found in told.items() if found["over_nearness"].low <= 0]
    good, alike, matched, plane = (
        f"{len(names)} ({', '.join(names) or 'none'})" for names in numbers["reached"].values()
    )
    return (
        f"{numbers['moves']} moves from {numbers['positions']} positions of {numbers['games']} games, with "
        f"{EMPTIES[0]} to {EMPTIES[1]} empty squares. Of {len(numbers['events'])} kinds of event {len(told)} happen "
        f"often enough to be told, {len(told) - len(few)} of them in {ENOUGH} positions or more. Of these relevance "
        f"of the change on an event's squares reaches an area of {REACHED[0]}, and {REACHED[1]} more than the value's "
        f"change alone, for {good}; among squares of the same kind (corner, X, C, edge, inside) for {alike}; among "
        f"those as far from the move, too, for {matched}; on the plane of the moves in question alone for {plane}."
        + further_words(numbers)
        + (f" In fewer positions: {', '.join(few)}." if few else "")
        + (f" Too rare to tell: {', '.join(rare)}." if rare else "")
        + (f" Not above nearness to the move: {', '.join(near)}." if near else "")
        + " A wedge is asked about where one can be, on empty edge squares between two discs. "
        "The network is shown both sides' moves, so an event that changes them is in its input; that its relevance "
        "lies there with the right sign is what is measured. "
        f"Sentences: {said['with_sentence']} of the moves get a reason. Of the facts said {said['confirmed']} are "
        "confirmed by their intervention on the four images of the board that took no part in the choice "
        f"({said['beyond_control_again']} exceed their control there too), and {said['by_rule']} by the rules again; "
        "what the largest change of counts would name, without a network, is "
        f"confirmed in {said['counts_confirmed']}. False facts, with the squares of others, would be said in "
        f"{said['false_spoken']}: counts on squares of the same kinds (where no move or corner is, nothing is there to "
        "take away, so that only discs can fail), and instead of a chosen square one that both moves leave alike. "
        f"At the end of the search's line {said['along_line']} of the facts said can still be undone on their squares, "
        f"and {said['line_agrees']} of these have the fact's sign there; confirmed are {said['confirmed_line_agrees']} "
        f"of those and {said['confirmed_line_against']} of the others, so the line is told but decides nothing. "
        f"The gate was tuned on other games: a fact is said if its effect is {LEAST} discs at least, has the sign of "
        "its relevance, and exceeds what matched squares give in 17 of 20."
    )


def further_words(numbers: dict[str, Any]) -> str:
    """How rare events were searched for, and what ended it."""
    most, found = numbers["further"]["most"], numbers["further"]["events"]
    if not found:
        return ""
    each = "; ".join(
        f"{name} {rare['games']} games with {rare['moves']} such moves"
        for name, rare in found.items()
    )
    ended = [name for name in found if numbers["events"][name]["positions_with"] < ENOUGH]
    return (
        f" Rare events that few moves are asked about were searched for in at most {most} further games like these, by "
        "the rules alone: maps were made of the moves that such an event is asked about, whether it happens or not, "
        f"until {ENOUGH} positions had it, and these count for that event alone, as in a larger sample: {each}."
        + (f" The limit of games ended the search for {', '.join(ended)}." if ended else "")
    )


def event_tables(events: dict[str, Any]) -> tuple[Table, Table]:
    """Areas by kind, and how far they are above those of the controls."""
    areas_, gaps = [], []
    for name, found in events.items():
        happens = f"{found['events']} of {found['units']}", str(found["positions_with"])
        areas_.append((name, *happens, *(str(found.get(key, "–")) for key in COLUMNS)))
        gaps.append((name, *(str(found.get(key, "–")) for key in (*GAPS, "over_nearness"))))
    header = (
        *("event", "happens", "positions with it", "relevance on its squares"),
        *("among squares of a kind", "and as far from the move", "on its plane alone"),
        *("value's change", "nearness"),
    )
    above = (
        *("event", "squares less value", "squares of a kind less value"),
        *("and as far less value", "plane less value", "squares less nearness"),
    )
    title = "Area under the ROC curve (0.5 is chance), 95 % by game"
    return Table(title, header, tuple(areas_)), Table("Paired differences", above, tuple(gaps))


def sentence_table(said: dict[str, Any]) -> Table:
    """How often each fact is said, confirmed, and said on matched squares that are not its own."""
    rows = []
    for name, found in said["kinds"].items():
        false = f"{found['false_spoken']} of {found['false']}" if found["false"] else "–"
        rows.append((name, str(found["spoken"]), str(found["confirmed"]), false))
    return Table(
        "Facts in sentences", ("fact", "said", "confirmed", "false ones said"), tuple(rows)
    )


def figure(events: dict[str, Any]) -> Figure:
    """The areas of relevance, and below each that of the value's change."""
    canvas, (axes,) = plots.canvas(1, width=4.6, height=7.4)  # a phone shows it legibly
    told = {name: found for name, found in events.items() if "relevance" in found}
    titles = {"relevance": "relevance on the event's squares", "value": "the value's change alone"}
    areas_ = {key: {name: found[key] for name, found in told.items()} for key in titles}
    full, hollow = titles.values()
    title, label = f"full: {full}\nhollow: {hollow}", "area under the ROC curve"
    plots.bars(axes, areas_["relevance"], title, label, chance=0.5, controls=areas_["value"])
    seen = [alt.of_bars(areas_[key], title, 0.5) for key, title in titles.items()]
    caption = "How well a move's change tells which events it brings about, 95 % intervals by game."
    return Figure("", caption, canvas, alt.sentence(*seen))


EXPERIMENT = Experiment(
    "because",
    14,
    "Reasons for a move",
    "Whether change maps find what a move brings about, and whether what a sentence says is true.",
    run,
    positions=(24, 512),
    games=True,
    version=4,
)
