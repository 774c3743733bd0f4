"""What hangs on a fact: the network's value as it is, less its value where the fact is undone.

Every intervention has a control: the same done to squares that are like those of the fact but are not of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from app.explain.reasons.facts import Fact, Squares, region_kind
from app.explain.reasons.questions import After, Questions, Reading
from othello.rules.board import Board, squares_of

DISCS: Final = (
    *("takes_corner", "frontier", "stable", "wedge", "anchors_edge", "breaks_edge"),
    *("x_square", "c_square"),
)
REPLIES: Final = ("gives_corner", "wipe_out")
MOBILITY: Final = {"mobility": False, "own_mobility": True}  # whether it is of the mover
SMALL: Final = 9  # empty squares: of larger regions nobody counts whether they are odd
DRAWS: Final = 6  # of a control that is drawn


@dataclass(frozen=True)
class Measured:
    """In discs for the mover: the effect of a fact, what matched squares give on average, and its variance."""

    effect: float
    mean: float = 0.0
    variance: float = 0.0


Test = Callable[[], Measured]
"""Called once the questions are answered."""


def untested() -> Measured:
    """Of a fact that does not hold, or that the network is not shown."""
    return Measured(0.0)


def compared(effect: float, single: list[float], count: int) -> Measured:
    """An effect of `count` squares beside those of matched squares, each done alone."""
    if not single:
        return Measured(effect)
    return Measured(effect, count * float(np.mean(single)), count * float(np.var(single)))


def one_sided(name: str, after: After, fact: Fact, questions: Questions) -> Test:
    """The test of a fact of one move alone."""
    if after.planes is None or (not fact.squares and name != "pass") or not fact.value:
        return untested
    if name in DISCS:
        return owner_swap(after, fact.squares, questions, relative=name == "frontier")
    if name in REPLIES:
        return moves_taken(after, fact.squares, questions, mover=False)
    if name == "threatens":
        return moves_taken(after, fact.squares, questions, mover=True)
    if name == "closes_corner":
        return moves_given(after, fact.squares, questions)
    if name == "parity":
        return region_filled(after, fact.squares, questions)
    if name == "pass":
        return turn_kept(after, questions)
    return untested


def owner_swap(
    after: After, squares: Squares, questions: Questions, *, relative: bool = False
) -> Test:
    """Every disc of the fact given to the other side, one at a time; other discs of the mover as the control.

    relative: the effect is what the discs are worth beyond as many of the others.
    """
    own = squares_of(after.side_discs, after.board.size)
    whole = questions.board(after.board)
    given = {disc: questions.board(swapped(after.board, disc)) for disc in own}
    others = matched(squares, [disc for disc in own if disc not in squares], after.board.size)

    def outcome() -> Measured:
        worth = {disc: whole.discs - given[disc].discs for disc in own}
        effect = sum(worth[disc] for disc in squares)
        found = compared(effect, [worth[disc] for disc in others], len(squares))
        return replace(found, effect=effect - found.mean, mean=0.0) if relative else found

    return outcome


def swapped(board: Board, square: int) -> Board:
    """The position with the disc on a square of the other colour."""
    bit = 1 << (8 * (square // board.size) + square % board.size)
    return Board(board.black ^ bit, board.white ^ bit, board.side, board.size)


def matched(squares: Squares, candidates: list[int], size: int) -> list[int]:
    """The candidates on squares of the same kinds; all candidates where there is none."""
    kinds = {region_kind(square, size) for square in squares}
    alike = [square for square in candidates if region_kind(square, size) in kinds]
    return alike or candidates


def moves_taken(after: After, squares: Squares, questions: Questions, *, mover: bool) -> Test:
    """The squares taken from the plane of a side's moves; its other moves, one at a time, as the control."""
    plane = after.moves_plane(mover=mover)
    if plane is None:
        return untested
    assert after.planes is not None
    legal = np.flatnonzero(after.planes[plane].reshape(-1)).tolist()
    others = [square for square in legal if square not in squares]
    whole = questions.planes(after.planes, after.sign)
    less = questions.planes(after.with_moves(plane, less=squares), after.sign)
    single = [
        questions.planes(after.with_moves(plane, less=[square]), after.sign) for square in others
    ]
    return lambda: compared(whole.discs - less.discs, _gaps(whole, single), len(squares))


def moves_given(after: After, squares: Squares, questions: Questions) -> Test:
    """The squares put on the plane of the other side's moves; other empty squares of the edges as the control."""
    plane = after.moves_plane(mover=False)
    if plane is None:
        return untested
    assert after.planes is not None
    others = [s for s in _idle(after, plane) if s not in squares]
    edges = [s for s in others if region_kind(s, after.board.size) in ("C", "edge")] or others
    whole = questions.planes(after.planes, after.sign)
    more = questions.planes(after.with_moves(plane, more=squares), after.sign)
    single = [questions.planes(after.with_moves(plane, more=[s]), after.sign) for s in edges]
    return lambda: compared(whole.discs - more.discs, _gaps(whole, single), len(squares))


def _gaps(whole: Reading, others: list[Reading]) -> list[float]:
    return [whole.discs - other.discs for other in others]


def _idle(after: After, plane: int) -> list[int]:
    """Empty squares that are not on a plane of moves."""
    assert after.planes is not None
    board = after.board
    legal = set(np.flatnonzero(after.planes[plane].reshape(-1)).tolist())
    taken = set(squares_of(board.black | board.white, board.size))
    return [s for s in range(board.size**2) if s not in legal and s not in taken]


def levelled(
    after: After, squares: Squares, other: Squares, questions: Questions, *, mover: bool
) -> Test:
    """The moves that a side has after this move and not after the other one, taken from the plane of its moves.

    The control moves them to other empty squares near by, so that their number stays.
    """
    plane = after.moves_plane(mover=mover)
    extra = sorted(set(squares) - set(other))
    if plane is None or not extra:
        return untested
    assert after.planes is not None
    whole = questions.planes(after.planes, after.sign)
    less = questions.planes(after.with_moves(plane, less=extra), after.sign)
    moved = [
        questions.planes(after.with_moves(plane, less=extra, more=places), after.sign)
        for places in _elsewhere(extra, _idle(after, plane), after.board.size)
    ]

    def outcome() -> Measured:
        found = compared(whole.discs - less.discs, _gaps(whole, moved), 1)
        return replace(found, variance=found.variance / len(moved))  # of the mean of all draws

    return outcome


def _elsewhere(squares: list[int], free: list[int], size: int) -> list[list[int]]:
    """Up to `DRAWS` choices of as many free squares, of the same kinds where there are some and near by.

    Each choice begins with a nearest square that the ones before did not begin with.
    """
    choices: list[list[int]] = []
    for draw in range(DRAWS):
        chosen: list[int] = []
        for square in squares:
            left = matched((square,), [s for s in free if s not in chosen], size)
            left.sort(key=lambda s, at=square: (steps(s, at, size), s))  # type: ignore[misc]
            chosen += left[draw % len(left) :][:1] if left else []
        choices.append(chosen)
    return choices


def steps(first: int, second: int, size: int) -> int:
    """A king's steps between two squares."""
    return max(abs(first // size - second // size), abs(first % size - second % size))


def region_filled(after: After, region: Squares, questions: Questions) -> Test:
    """One more square of the region filled, with discs of either side; a square of another region as the control."""
    board = after.board
    taken = set(squares_of(board.black | board.white, board.size))
    inside = [square for square in region if square not in taken]
    outside = [s for s in range(board.size**2) if s not in taken and s not in inside]
    if not inside or len(inside) > SMALL:
        return untested
    near = sorted(outside, key=lambda s: min(steps(s, square, board.size) for square in inside))
    whole = questions.board(board)

    def filled(squares: list[int]) -> list[Reading]:
        return [questions.board(b) for square in squares for b in _fillings(board, square)]

    first, second = filled(inside), filled(near[:4])
    return lambda: compared(float(np.mean(_gaps(whole, first))), _gaps(whole, second), 1)


def _fillings(board: Board, square: int) -> tuple[Board, Board]:
    bit = 1 << (8 * (square // board.size) + square % board.size)
    return (
        Board(board.black | bit, board.white, board.side, board.size),
        Board(board.black, board.white | bit, board.side, board.size),
    )


def turn_kept(after: After, questions: Questions) -> Test:
    """The turn given to the side that must pass."""
    assert after.planes is not None
    whole, other = questions.board(after.board), questions.board(after.reply)
    return lambda: Measured(whole.discs - other.discs)
