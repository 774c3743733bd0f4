"""Facts about one square, the one that matters most among those where a move and its rival differ.

The squares are found by the rules; the network is asked what each is worth, and the strongest stands for them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from app.explain.reasons.facts import Fact, Squares
from app.explain.reasons.interventions import Measured, compared, matched, swapped
from app.explain.reasons.questions import After, Questions
from othello.rules.board import squares_of

CHOSEN: Final = {"keeps_out": 1, "lets_in": -1, "opens": 1, "spares": 1, "overturns": -1}
"""keeps_out, lets_in: a move of the other side that only the rival would leave, or only this move leaves; opens: a next
move of the mover's own that only this move opens; spares, overturns: a disc of the other side that only the rival would
turn, or only this move turns, to the mover's harm."""
OF_RIVAL: Final = ("keeps_out", "spares")  # found in the position after the rival
MOVES: Final = ("keeps_out", "lets_in", "opens")  # facts about moves; the others are about discs
CRITICAL: Final = (1.036, 1.440, 1.645, 1.780, 1.881, 1.960, 2.025, 2.080)
"""Standard deviations that one of 1, 2, … normal numbers exceeds with probability 0.15 at the most.

Chosen, with `weights.LEAST`, on 150 positions of other games than those that `othello experiments because` measures,
of which none is among them: a sentence for 0.73 of the moves, 0.97 of what is said confirmed."""


@dataclass(frozen=True)
class Single:
    """A square, with what the network's value owes to it beside what it owes to others of its kind."""

    square: int
    outcome: Measured


Choice = Callable[[], Single | None]
Worth = Callable[[], dict[int, float]]
"""Both are called once the questions are answered; a worth is in discs for the mover, by square."""


def candidates(afters: Sequence[After], found: Sequence[Mapping[str, Fact]]) -> dict[str, Squares]:
    """For each fact of `CHOSEN` the squares that it may be about, by the rules; none without a rival."""
    if len(afters) == 1:
        return {}
    replies, own = (
        [set(facts[name].squares) for facts in found] for name in ("mobility", "own_mobility")
    )
    corners = [set(facts["gives_corner"].squares) for facts in found]
    return {
        "keeps_out": tuple(sorted(replies[1] - replies[0] - corners[1])),
        "lets_in": tuple(sorted(replies[0] - replies[1] - corners[0])),
        "opens": tuple(sorted(own[0] - own[1])),
        "spares": _turned_alone(*reversed(afters)),
        "overturns": _turned_alone(*afters),
    }


def _turned_alone(after: After, other: After) -> Squares:
    """Discs that one move turns and the other leaves to the other side."""
    size = after.board.size
    own, theirs = squares_of(after.side_discs, size), squares_of(other.reply.own, size)
    return tuple(disc for disc in own if disc in theirs)


def choices(
    afters: Sequence[After], among: Mapping[str, Squares], questions: Questions
) -> dict[str, Choice]:
    """How the square of each fact is chosen among some, once the questions are answered."""
    return {
        name: _strongest(name, afters, squares, questions)
        for name, squares in among.items()
        if squares
    }


def _strongest(
    name: str, afters: Sequence[After], squares: Squares, questions: Questions
) -> Choice:
    """The square among some that speaks most as the fact does, beside the others of its kind as the control.

    Its effect is what it is worth in the position that the fact is found in, less its worth in the other position.
    The control's variance is enlarged for the choice among several (Bonferroni 1936).
    """
    after, other = reversed(afters) if name in OF_RIVAL else afters
    asked = partial(_moves, mover=name == "opens") if name in MOVES else _discs
    here, there = asked(after, questions), asked(other, questions, among=squares)
    better = 1 if name == "opens" else -1

    def chosen() -> Single | None:
        worth, elsewhere = here(), there()
        found = [square for square in squares if square in worth]
        if not found:
            return None
        effect = {square: worth[square] - elsewhere.get(square, 0.0) for square in found}
        best = max(found, key=lambda square: better * effect[square])
        others = [square for square in worth if square != best]
        if name not in MOVES:
            others = matched((best,), others, after.board.size)
        measured = compared(effect[best], [worth[square] for square in others], 1)
        wider = (CRITICAL[min(len(found), len(CRITICAL)) - 1] / CRITICAL[0]) ** 2
        return Single(best, replace(measured, variance=measured.variance * wider))

    return chosen


def _moves(
    after: After, questions: Questions, *, mover: bool, among: Squares | None = None
) -> Worth:
    """What each move of a side is worth, by its square taken from the plane of that side's moves."""
    plane = after.moves_plane(mover=mover)
    if plane is None:
        return dict
    assert after.planes is not None
    legal = np.flatnonzero(after.planes[plane].reshape(-1)).tolist()
    whole = questions.planes(after.planes, after.sign)
    less = {
        square: questions.planes(after.with_moves(plane, less=[square]), after.sign)
        for square in legal
        if among is None or square in among
    }
    return lambda: {square: whole.discs - reading.discs for square, reading in less.items()}


def _discs(after: After, questions: Questions, *, among: Squares | None = None) -> Worth:
    """What each disc of the mover is worth, by its owner swapped."""
    if after.planes is None:
        return dict
    own = squares_of(after.side_discs, after.board.size)
    whole = questions.board(after.board)
    given = {
        disc: questions.board(swapped(after.board, disc))
        for disc in own
        if among is None or disc in among
    }
    return lambda: {disc: whole.discs - reading.discs for disc, reading in given.items()}
