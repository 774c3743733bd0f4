"""Events on squares after a move: whether they happen by the rules, and what a change map says there.

An event is asked about on every square (or set of squares) where it might happen, so that the moves and squares where
it does not are the matched negatives.  Scores are signed so that a high one means "it happens".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.experiments.nearness import STEPS
from app.experiments.statistics import Interval, ranking, weighted_area
from app.explain.reasons.facts import (
    corners,
    empty_region,
    nearest_corner,
    neighbours,
    region_kind,
    seen_by_other,
    stable_discs,
)
from othello.rules.board import Board, squares_of

Map = NDArray[np.float64]
RESAMPLES: Final = 300
COLUMNS: Final = ("relevance", "alike", "matched", "plane", "value", "nearness")
GAPS: Final = {
    "over_value": "relevance",
    "alike_over_value": "alike",
    "matched_over_value": "matched",
    "plane_over_value": "plane",
}
FEWEST: Final = 10  # events of a kind, below which no area is told
KINDS: Final = ("inside", "edge", "C", "X", "corner")


@dataclass(frozen=True)
class Played:
    """A move and what can be asked about it: the mover's view is `side`, after the move the other side is to move."""

    board: Board
    move: int
    change: Map  # relevance [N²] of the change, of the mover
    replies: Map  # the part of it on the plane of the other side's moves
    own_moves: Map  # the part of it on the plane of the mover's moves
    value: float  # its change in all
    reply: int | None  # what the network would answer, None for a pass or the end

    @cached_property
    def after(self) -> Board:
        """The position after the move, forced passes not yet made."""
        return self.board.play(self.move)

    @cached_property
    def empty(self) -> frozenset[int]:
        """The empty squares after the move."""
        after = self.after
        taken = squares_of(after.black | after.white, after.size)
        return frozenset(range(after.size**2)) - frozenset(taken)

    @cached_property
    def theirs(self) -> tuple[Board, Board]:
        """The positions before and after the move as if the other side were to move."""
        return seen_by_other(self.board), self.after

    @cached_property
    def own(self) -> tuple[Board, Board]:
        """The positions before and after the move as if the mover were to move."""
        return self.board, seen_by_other(self.after)


class Unit(NamedTuple):
    """Whether an event happens, what relevance says on its squares and on those of its plane, and its square if one."""

    happens: bool
    score: float
    plane: float
    square: int | None = None


@dataclass(frozen=True)
class Event:
    """A kind of event: is it good (1) or bad (−1) for the mover, and its units for one move."""

    name: str
    good: int
    units: Callable[[Played], Iterator[Unit]]


Places = Callable[[Board], set[int]]


def legal(board: Board) -> set[int]:
    """The moves of the side to move."""
    return set(board.legal_moves())


def corner_moves(board: Board) -> set[int]:
    """Its moves to corners."""
    return legal(board).intersection(corners(board.size))


def along_edge(square: int, size: int) -> set[int]:
    """The two neighbours along the edge of a square between two corners; none for every other square."""
    row, column = divmod(square, size)
    across, down = row in (0, size - 1), column in (0, size - 1)
    step = 1 if across else size
    return {square - step, square + step} if across != down else set()


def wedges(board: Board) -> set[int]:
    """Its moves on an edge between two discs of the other side."""
    opp = set(squares_of(board.opp, board.size))
    beside = {square: along_edge(square, board.size) for square in board.legal_moves()}
    return {square for square, pair in beside.items() if pair and pair <= opp}


Where = Callable[[Played], set[int]]


def of_kind(*among: str) -> Where:
    """The empty squares of some kinds."""
    return lambda played: {s for s in played.empty if region_kind(s, played.board.size) in among}


def between_discs(played: Played) -> set[int]:
    """The empty edge squares between two discs, the only ones where a wedge can be."""
    beside = {square: along_edge(square, played.board.size) for square in played.empty}
    return {square for square, pair in beside.items() if pair and not pair & played.empty}


def access(name: str, places: Places, where: Where, *, mover: bool, opens: bool) -> Event:
    """A place that opens to a side, or closes: of every square `where` it might, if the side could not go there before.

    places: where a side may go; where it closes, the squares where the side could.  mover: whether that side is the
    mover, as if it were to move again.
    """
    side = 1 if mover else -1
    good = side if opens else -side

    def units(played: Played) -> Iterator[Unit]:
        before, now = (places(board) for board in (played.own if mover else played.theirs))
        plane = played.own_moves if mover else played.replies
        asked = where(played)
        for square in sorted(asked - before if opens else asked & before):
            happens = (square in now) == opens
            yield Unit(happens, good * played.change[square], good * plane[square], square)

    return Event(name, good, units)


def corner_given_beside(played: Played) -> Iterator[Unit]:
    """Of the corner beside a move to an X- or C-square, if the other side could not take it before: can it now?"""
    corner = nearest_corner(played.move, played.board.size)
    beside = region_kind(played.move, played.board.size) in ("X", "C")
    if beside and corner in played.empty and corner not in legal(played.theirs[0]):
        given = corner in legal(played.after)
        yield Unit(given, -played.change[corner], -played.replies[corner], corner)


def corner_taken_next(played: Played) -> Iterator[Unit]:
    """Will the other side's answer be a corner?  By the corner that speaks most against the move."""
    open_corners = [corner for corner in corners(played.board.size) if corner in played.empty]
    if open_corners and played.reply is not None:
        score, plane = (-float(m[open_corners].min()) for m in (played.change, played.replies))
        yield Unit(played.reply in open_corners, score, plane)


def answer(played: Played) -> Iterator[Unit]:
    """Of every move of the other side: is it the one that the network would answer?"""
    for square in sorted(legal(played.after)) if played.reply is not None else ():
        told = -played.change[square], -played.replies[square]
        yield Unit(square == played.reply, *told, square)


def mobility_drop(played: Played) -> Iterator[Unit]:
    """Has the other side two moves fewer than it had, or at most one?  On all the squares of its moves."""
    before, now = (legal(board) for board in played.theirs)
    both = sorted(before | now)
    drops = len(now) <= len(before) - 2
    yield Unit(drops, float(played.change[both].sum()), float(played.replies[both].sum()))


def forced_pass(played: Played) -> Iterator[Unit]:
    """Must the other side pass?  On the squares where it could move before."""
    before = sorted(legal(played.theirs[0]))
    if before and not played.after.is_over:
        told = float(played.change[before].sum()), float(played.replies[before].sum())
        yield Unit(played.after.must_pass, *told)


def disc_made_stable(played: Played) -> Iterator[Unit]:
    """Of every disc of the mover that was not stable: is it stable now?"""
    yield from _made_stable(played, KINDS)


def edge_anchored(played: Played) -> Iterator[Unit]:
    """The same for discs on edges alone."""
    yield from _made_stable(played, ("edge", "C"))


def _made_stable(played: Played, among: Sequence[str]) -> Iterator[Unit]:
    before, now = (set(stable_discs(board)) for board in played.own)
    for square in squares_of(played.after.opp, played.board.size):
        if square not in before and region_kind(square, played.board.size) in among:
            yield Unit(square in now, played.change[square], played.change[square], square)


def disc_turned(played: Played) -> Iterator[Unit]:
    """Of every disc of the other side: does the move turn it?"""
    mine = set(squares_of(played.after.opp, played.board.size))
    for square in squares_of(played.board.opp, played.board.size):
        yield Unit(square in mine, played.change[square], played.change[square], square)


def quiet_move(played: Played) -> Iterator[Unit]:
    """Has no disc that the move turns an empty square beside it?  On those discs."""
    size = played.board.size
    mine = set(squares_of(played.after.opp, size))
    turned = sorted(mine.intersection(squares_of(played.board.opp, size)))
    quiet = not any(played.empty.intersection(neighbours(disc, size)) for disc in turned)
    told = float(played.change[turned].sum())
    yield Unit(quiet, told, told)


def odd_region(played: Played) -> Iterator[Unit]:
    """Is the move in a region of empty squares of an odd number?  On the region."""
    region = list(empty_region(played.board, played.move))
    told = float(played.change[region].sum())
    yield Unit(len(region) % 2 == 1, told, told)


def wipe_out(played: Played) -> Iterator[Unit]:
    """Has the other side a reply that leaves the mover no disc?  On that reply, or the worst one."""
    after = played.after
    replies = after.legal_moves()
    if replies:
        deadly = any(not after.play(reply).own for reply in replies)
        score, plane = (-float(m[list(replies)].min()) for m in (played.change, played.replies))
        yield Unit(deadly, score, plane)


_CORNER, _EMPTY = of_kind("corner"), of_kind(*KINDS)
EVENTS: Final = (
    access("corner given", corner_moves, _CORNER, mover=False, opens=True),
    Event("corner given beside an X- or C-square move", -1, corner_given_beside),
    Event("corner taken next", -1, corner_taken_next),
    access("corner threatened", corner_moves, _CORNER, mover=True, opens=True),
    access("corner closed", corner_moves, _CORNER, mover=False, opens=False),
    access("corner lost", corner_moves, _CORNER, mover=True, opens=False),
    access("wedge available", wedges, between_discs, mover=False, opens=True),
    access("wedge closed", wedges, between_discs, mover=False, opens=False),
    access("own wedge available", wedges, between_discs, mover=True, opens=True),
    access("own wedge lost", wedges, between_discs, mover=True, opens=False),
    access("reply opened", legal, _EMPTY, mover=False, opens=True),
    access("reply closed", legal, _EMPTY, mover=False, opens=False),
    access("own move opened", legal, _EMPTY, mover=True, opens=True),
    access("own move lost", legal, _EMPTY, mover=True, opens=False),
    Event("answer", -1, answer),
    Event("mobility drop", 1, mobility_drop),
    Event("forced pass", 1, forced_pass),
    Event("disc turned", 1, disc_turned),
    Event("quiet move", 1, quiet_move),
    Event("disc made stable", 1, disc_made_stable),
    Event("edge disc made stable", 1, edge_anchored),
    Event("odd region", 1, odd_region),
    Event("wipe-out", -1, wipe_out),
)


@dataclass(frozen=True)
class Units:
    """All units of a kind: whether they happen [U], their scores by column [U, 6], the kinds of squares and games."""

    happen: NDArray[np.bool_]
    scores: NDArray[np.float64]
    kind: NDArray[np.int64]
    game: NDArray[np.int64]


def areas(event: Event, played: Sequence[Sequence[Played]], seed: int) -> dict[str, Any]:
    """Areas under the curve of relevance, of the value's change and of nearness, and differences, by game.

    `played` holds the moves of each game, and games are resampled.  alike: among squares of the same kind alone, so
    that a table of squares, which knows no move, has 0.5.  matched: among those as far from the move, too.
    """
    rows: list[tuple[bool, float, float, float, float]] = []
    kinds, games = list[int](), list[int]()
    where: set[Board] = set()
    for number, moves in enumerate(played):
        for move in moves:
            for unit in event.units(move):
                near = 0 if unit.square is None else -STEPS[move.move, unit.square]
                value = event.good * move.value
                rows.append((unit.happens, unit.score, unit.plane, value, near))
                kinds.append(0 if unit.square is None else KINDS.index(_kind(unit.square)))
                games.append(number)
                if unit.happens:
                    where.add(move.board)
    table = np.array(rows, np.float64).reshape(-1, 5)
    happen = table[:, 0] == 1
    count = int(happen.sum())
    found: dict[str, Any] = {"units": len(rows), "events": count, "positions_with": len(where)}
    if count < FEWEST or count == len(rows):
        return found
    units = Units(happen, table[:, [1, 1, 1, 2, 3, 4]], np.array(kinds), np.array(games))
    return found | _intervals(units, len(played), seed)


def _kind(square: int) -> str:
    return region_kind(square, 8)


def _intervals(units: Units, games: int, seed: int) -> dict[str, Interval]:
    random = np.random.default_rng((seed, len(units.game)))
    steps = -units.scores[:, -1].astype(np.int64)
    groups = {"alike": units.kind, "matched": units.kind * 8 + steps}
    orders = [
        ranking(scores, groups.get(name, 0 * steps))
        for name, scores in zip(COLUMNS, units.scores.T)
    ]
    drawn = np.empty((RESAMPLES + 1, len(COLUMNS)))
    for row in range(RESAMPLES + 1):  # first as they are
        draw = random.integers(0, games, games) if row else np.arange(games)
        weight = np.bincount(draw, minlength=games)[units.game]
        drawn[row] = [weighted_area(order, units.happen, weight) for order in orders]
    columns = dict(zip(COLUMNS, drawn.T))
    columns |= {gap: columns[name] - columns["value"] for gap, name in GAPS.items()}
    columns["over_nearness"] = columns["relevance"] - columns["nearness"]
    return {name: _interval(column, games) for name, column in columns.items()}


def _interval(drawn: NDArray[np.float64], count: int) -> Interval:
    low, high = np.nanquantile(drawn[1:], (0.025, 0.975))
    return Interval(float(drawn[0]), float(low), float(high), count)
