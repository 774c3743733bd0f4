"""Events on squares after a move: whether they happen by the rules, and what a change map says there.

An event is asked about on every square (or set of squares) where it might happen, so that the moves and squares where
it does not are the matched negatives.  Scores are signed so that a high one means "it happens".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments.statistics import Interval, area_under_roc, ranks
from app.explain.reasons.facts import (
    corners,
    nearest_corner,
    region_kind,
    seen_by_other,
    stable_discs,
)
from othello.rules.board import Board, squares_of

Map = NDArray[np.float64]
RESAMPLES: Final = 300
COLUMNS: Final = ("relevance", "plane", "value")
FEWEST: Final = 10  # events of a kind, below which no area is told


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

    @property
    def after(self) -> Board:
        """The position after the move, forced passes not yet made."""
        return self.board.play(self.move)

    def empty(self) -> set[int]:
        """The empty squares after the move."""
        after = self.after
        taken = squares_of(after.black | after.white, after.size)
        return set(range(after.size**2)) - set(taken)


Unit = tuple[bool, float, float]
"""Whether the event happens, its score by relevance on its squares, and by that on its squares of its plane alone."""


@dataclass(frozen=True)
class Event:
    """A kind of event: is it good (1) or bad (−1) for the mover, and its units for one move."""

    name: str
    good: int
    units: Callable[[Played], Iterator[Unit]]


def corner_given(played: Played) -> Iterator[Unit]:
    """Of every empty corner that the other side could not take before: can it now?"""
    before = set(seen_by_other(played.board).legal_moves())
    now = set(played.after.legal_moves())
    for corner in corners(played.board.size):
        if corner in played.empty() and corner not in before:
            yield corner in now, -played.change[corner], -played.replies[corner]


def corner_given_beside(played: Played) -> Iterator[Unit]:
    """The same for moves to X- and C-squares and the corner beside them alone."""
    corner = nearest_corner(played.move, played.board.size)
    beside = region_kind(played.move, played.board.size) in ("X", "C")
    before = seen_by_other(played.board).legal_moves()
    if beside and corner in played.empty() and corner not in before:
        now = played.after.legal_moves()
        yield corner in now, -played.change[corner], -played.replies[corner]


def corner_taken_next(played: Played) -> Iterator[Unit]:
    """Will the other side's answer be a corner?  By the corner that speaks most against the move."""
    open_corners = [corner for corner in corners(played.board.size) if corner in played.empty()]
    if open_corners and played.reply is not None:
        worst = [-float(each[open_corners].min()) for each in (played.change, played.replies)]
        yield played.reply in open_corners, worst[0], worst[1]


def corner_threatened(played: Played) -> Iterator[Unit]:
    """Of every empty corner that the mover could not take before: could it now, were it to move again?"""
    before = set(played.board.legal_moves())
    now = set(seen_by_other(played.after).legal_moves())
    for corner in corners(played.board.size):
        if corner in played.empty() and corner not in before:
            yield corner in now, played.change[corner], played.own_moves[corner]


def corner_closed(played: Played) -> Iterator[Unit]:
    """Of every corner that the other side could have taken before and that is empty still: is it closed to it?"""
    before = set(seen_by_other(played.board).legal_moves())
    now = set(played.after.legal_moves())
    for corner in corners(played.board.size):
        if corner in played.empty() and corner in before:
            yield corner not in now, played.change[corner], played.replies[corner]


def wedge_available(played: Played) -> Iterator[Unit]:
    """Of every edge square where the other side had no wedge before: has it one now?"""
    before = set(_wedges(seen_by_other(played.board)))
    now = set(_wedges(played.after))
    for square in played.empty():
        if region_kind(square, played.board.size) in ("C", "edge") and square not in before:
            yield square in now, -played.change[square], -played.replies[square]


def _wedges(board: Board) -> Iterator[int]:
    """Moves on an edge between two discs of the side that does not move."""
    size, opp = board.size, set(squares_of(board.opp, board.size))
    for square in board.legal_moves():
        row, column = divmod(square, size)
        across, down = row in (0, size - 1), column in (0, size - 1)
        step = 1 if across else size
        if across != down and {square - step, square + step} <= opp:
            yield square


def reply_opened(played: Played) -> Iterator[Unit]:
    """Of every empty square where the other side had no move before: has it one now?"""
    before, now = set(seen_by_other(played.board).legal_moves()), set(played.after.legal_moves())
    for square in played.empty() - before:
        yield square in now, -played.change[square], -played.replies[square]


def reply_closed(played: Played) -> Iterator[Unit]:
    """Of every empty square where the other side had a move before: has it none now?"""
    before, now = set(seen_by_other(played.board).legal_moves()), set(played.after.legal_moves())
    for square in played.empty() & before:
        yield square not in now, played.change[square], played.replies[square]


def mobility_drop(played: Played) -> Iterator[Unit]:
    """Has the other side two moves fewer than it had, or at most one?  On all the squares of its moves."""
    before, now = set(seen_by_other(played.board).legal_moves()), set(played.after.legal_moves())
    both = sorted(before | now)
    drops = len(now) <= len(before) - 2
    yield drops, float(played.change[both].sum()), float(played.replies[both].sum())


def forced_pass(played: Played) -> Iterator[Unit]:
    """Must the other side pass?  On the squares where it could move before."""
    before = sorted(seen_by_other(played.board).legal_moves())
    if before and not played.after.is_over:
        passes = played.after.must_pass
        yield passes, float(played.change[before].sum()), float(played.replies[before].sum())


def disc_made_stable(played: Played) -> Iterator[Unit]:
    """Of every disc of the mover that was not stable: is it stable now?"""
    before = set(stable_discs(played.board))
    now = set(stable_discs(seen_by_other(played.after)))
    for square in squares_of(played.after.opp, played.board.size):
        if square not in before:
            yield square in now, played.change[square], played.change[square]


def wipe_out(played: Played) -> Iterator[Unit]:
    """Has the other side a reply that leaves the mover no disc?  On that reply, or the worst one."""
    after = played.after
    replies = after.legal_moves()
    if replies:
        deadly = any(not after.play(reply).own for reply in replies)
        worst = [-float(each[list(replies)].min()) for each in (played.change, played.replies)]
        yield deadly, worst[0], worst[1]


EVENTS: Final = tuple(
    Event(*row)
    for row in (
        ("corner given", -1, corner_given),
        ("corner given beside an X- or C-square move", -1, corner_given_beside),
        ("corner taken next", -1, corner_taken_next),
        ("corner threatened", 1, corner_threatened),
        ("corner closed", 1, corner_closed),
        ("wedge available", -1, wedge_available),
        ("reply opened", -1, reply_opened),
        ("reply closed", 1, reply_closed),
        ("mobility drop", 1, mobility_drop),
        ("forced pass", 1, forced_pass),
        ("disc made stable", 1, disc_made_stable),
        ("wipe-out", -1, wipe_out),
    )
)


def areas(event: Event, played: Sequence[Sequence[Played]], seed: int) -> dict[str, Any]:
    """Areas under the curve of relevance and of the value's change, and the differences; games are resampled."""
    labels: list[bool] = []
    scores: list[tuple[float, float, float]] = []
    game: list[int] = []
    for number, moves in enumerate(played):
        for move in moves:
            for happens, *score in event.units(move):
                labels.append(happens)
                scores.append((score[0], score[1], event.good * move.value))
                game.append(number)
    happen, both = np.array(labels, bool), np.array(scores).reshape(-1, 3)
    count, positions = int(happen.sum()), len({g for g, label in zip(game, labels) if label})
    found: dict[str, Any] = {"units": len(labels), "events": count, "positions_with": positions}
    if count < FEWEST or count == len(labels):
        return found
    where = np.array(game)
    return found | _intervals(both, happen, where, len(played), seed)


def _intervals(
    scores: NDArray[np.float64],
    happen: NDArray[np.bool_],
    game: NDArray[np.int64],
    games: int,
    seed: int,
) -> dict[str, Interval]:
    random = np.random.default_rng((seed, len(game)))
    order = np.round(ranks(scores.T) * 2).astype(np.int64)  # [3, U]: equal scores share a rank
    drawn = np.empty((RESAMPLES, 3))
    for row in range(RESAMPLES):
        weight = np.bincount(random.integers(0, games, games), minlength=games)[game]
        drawn[row] = [weighted_area(rank, happen, weight) for rank in order]
    means = [area_under_roc(column, happen) for column in scores.T]
    found = {name: _interval(means[i], drawn[:, i], games) for i, name in enumerate(COLUMNS)}
    for name, column in (("over_value", 0), ("plane_over_value", 1)):
        gap = drawn[:, column] - drawn[:, 2]
        found[name] = _interval(means[column] - means[2], gap, games)
    return found


def _interval(mean: float, drawn: NDArray[np.float64], count: int) -> Interval:
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return Interval(float(mean), float(low), float(high), count)


def weighted_area(
    rank: NDArray[np.int64], happen: NDArray[np.bool_], weight: NDArray[np.int64]
) -> float:
    """The area under the ROC curve of units that count `weight` times; ties count half, NaN where a side is empty."""
    top = int(rank.max()) + 1
    inside = np.bincount(rank, weight * happen, top)
    outside = np.bincount(rank, weight * ~happen, top)
    below = np.cumsum(outside) - outside / 2
    pairs = inside.sum() * outside.sum()
    return float(inside @ below / pairs) if pairs else float("nan")
