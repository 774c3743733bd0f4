"""Facts of a sentence along the search's line: what hangs on their squares where the line ends.

A fact is undone there as far as it still stands: moves that it keeps from the other side are given to it, moves that it
leaves are taken, discs that it gains change their owner.  It has no part in what is said: `othello experiments because`
measures that it would not make sentences truer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from app.explain.reasons.chosen import CRITICAL
from app.explain.reasons.facts import Squares
from app.explain.reasons.interventions import Test, moves_given, moves_taken, owner_swap
from app.explain.reasons.questions import After, Questions
from app.explain.reasons.sentence import Reasons
from app.explain.reasons.weights import USUAL, Along, Weight
from othello.rules.board import squares_of

if TYPE_CHECKING:
    from app.models import Model
    from othello.search.result import SearchResult

SWAPPED: Final = ("takes_corner", "stable", "wedge", "anchors_edge", "breaks_edge")
REPLIES: Final = ("gives_corner", "mobility", "lets_in", "wipe_out")
KEPT: Final = ("gives_corner", "mobility", "keeps_out", "closes_corner")
OWN_MOVES: Final = ("threatens", "own_mobility", "opens")


def line_end(model: Model, result: SearchResult, move: int) -> After | None:
    """The end of the search's line as the side to move sees it; None where the line does not go beyond the move."""
    line = result.principal_variation
    if len(line) < 2 or line[0] != move:
        return None
    board = result.board
    for square in line:
        board = (board.pass_turn() if board.must_pass else board).play(square)
    return After.seen(model, board, result.board.side)


def followed(model: Model, result: SearchResult, reasons: Reasons) -> Reasons:
    """The reasons from a search with what hangs on the facts of the sentence at the end of the search's line.

    Without those that no square of the line's last position shows any more, or that are about nothing to undo there.
    """
    end = line_end(model, result, reasons.move)
    if end is None or end.planes is None:
        return reasons
    questions = Questions(model, result.board.side, USUAL)
    tests = {weight.name: _test(weight, end, questions) for weight in reasons.said()}
    questions.ask()
    found = {}
    for name, test in tests.items():
        if test is not None:
            outcome = test()
            bound = abs(outcome.mean) + CRITICAL[0] * outcome.variance**0.5
            found[name] = Along(outcome.effect, bound)
    return replace(reasons, lines=found)


def _test(weight: Weight, end: After, questions: Questions) -> Test | None:
    """How the fact is undone at the end of a line, None where it cannot be."""
    name, pro = weight.name, weight.claim > 0
    mine = tuple(s for s in weight.squares if s not in weight.rival_squares)
    missed = tuple(s for s in weight.rival_squares if s not in weight.squares)
    if name in SWAPPED and pro:
        discs = squares_of(end.side_discs, end.board.size)
        left = tuple(square for square in mine if square in discs)
        return owner_swap(end, left, questions) if left else None
    if name in KEPT and pro:
        shut = _shut(end, missed if name in REPLIES else mine)
        return moves_given(end, shut, questions) if shut else None
    if (name in REPLIES and not pro) or (name in OWN_MOVES and pro):
        left = tuple(sorted({*mine} & _moves(end, mover=pro)))
        return moves_taken(end, left, questions, mover=pro) if left else None
    return None


def _moves(end: After, *, mover: bool) -> set[int]:
    """The moves of a side that the network is shown."""
    plane = end.moves_plane(mover=mover)
    if plane is None or end.planes is None:
        return set()
    return set(np.flatnonzero(end.planes[plane].reshape(-1)).tolist())


def _shut(end: After, squares: Squares) -> Squares:
    """Those of the squares that are still empty and no move of the other side."""
    board, open_ = end.board, _moves(end, mover=False)
    taken = squares_of(board.black | board.white, board.size)
    return tuple(square for square in squares if square not in taken and square not in open_)
