"""A second look at a sentence: its facts weighed again on images that took no part in the choice, beside false ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.explain.reasons.chosen import CHOSEN, MOVES, OF_RIVAL
from app.explain.reasons.facts import Fact, Squares, facts_of, region_kind, seen_by_other
from app.explain.reasons.sentence import Reasons
from app.explain.reasons.weights import USUAL, Weight, weigh
from othello.rules.board import Board, squares_of
from othello.rules.symmetry import SYMMETRIES

if TYPE_CHECKING:
    from app.models import Model

SECOND_LOOK: Final = SYMMETRIES[1::2]  # images that take no part in choosing what is said
CONFIRMED: Final = 0.25  # discs: a smaller effect confirms nothing
ON_DISCS: Final = ("takes_corner", "stable", "frontier", "anchors_edge", "breaks_edge")
PLACED: Final = (*ON_DISCS, "gives_corner", "threatens", "mobility")


@dataclass(frozen=True)
class Looked:
    """A sentence, and the same facts weighed on other images of the board."""

    reasons: Reasons
    again: dict[str, Weight]
    false: dict[str, Weight]

    def confirmed(self, name: str) -> bool:
        """Whether the intervention on the other images has the sign of the fact and is no trifle."""
        weight = self.again[name]
        return weight.claim * weight.effect >= CONFIRMED

    def beyond(self, name: str) -> bool:
        """Whether it exceeds the control there too."""
        weight = self.again[name]
        return self.confirmed(name) and abs(weight.effect) > weight.control

    def along(self, name: str) -> bool | None:
        """Whether what hangs on the fact where the search's line ends has its sign; None where nothing is left."""
        line = self.reasons.lines.get(name)
        return None if line is None else self.again[name].claim * line.effect > 0

    def by_rule(self, name: str) -> bool:
        """Whether the rules and the solver, asked anew, have the same values, and for a chosen square say the same."""
        reasons, again = self.reasons, self.again[name]
        weight = next(weight for weight in reasons.facts if weight.name == name)
        if name in CHOSEN:
            assert reasons.rival is not None
            return says_so(reasons.board, reasons.move, reasons.rival, name, *weight.squares)
        same = (weight.value, weight.rival_value) == (again.value, again.rival_value)
        return same and weight.claim != 0

    def speaks_against(self) -> bool:
        """Whether relevance on the squares of a spoken fact speaks against what is said."""
        return any(weight.relevance * weight.claim <= 0 for weight in self.reasons.said())


def look(model: Model, reasons: Reasons) -> Looked:
    """Weigh a move's facts again on the second half of the images, and false facts on the first.

    A fact about a chosen square is weighed again on that very square.
    """
    board, move, rival = reasons.board, reasons.move, reasons.rival
    chosen = {
        weight.name: weight.squares
        for weight in reasons.facts
        if weight.name in CHOSEN and weight.name in reasons.spoken
    }
    again = weigh(model, board, move, rival, SECOND_LOOK, among=chosen)
    supposed = [false_facts(board, each) for each in (move, rival) if each is not None]
    others = {} if rival is None else false_squares(board, move, rival)
    false = weigh(model, board, move, rival, USUAL, supposed, others)
    return Looked(
        reasons,
        {weight.name: weight for weight in again},
        {weight.name: weight for weight in false if weight.name in (*PLACED, *others)},
    )


def says_so(board: Board, move: int, rival: int, name: str, square: int) -> bool:
    """Whether a fact of `CHOSEN` holds of a square, by the rules alone."""
    here, there = _found_in(board, move, rival, name)
    turned = name in MOVES or square in squares_of(board.opp, board.size)
    return turned and square in here and square not in there


def _found_in(board: Board, move: int, rival: int, name: str) -> tuple[set[int], set[int]]:
    """The moves or discs that such a fact may be about, in the position that it is found in and in the other one."""
    found = []
    for each in (rival, move) if name in OF_RIVAL else (move, rival):
        after = board.play(each)
        if name in MOVES:
            found.append({*(seen_by_other(after) if name == "opens" else after).legal_moves()})
        else:
            found.append({*squares_of(after.opp, board.size)})
    return found[0], found[1]


def false_squares(board: Board, move: int, rival: int) -> dict[str, Squares]:
    """For each fact of `CHOSEN` as many squares that it does not hold of, of the same kinds.

    They are moves or discs that are there after both moves.
    """
    chosen = {}
    for name in CHOSEN:
        here, there = _found_in(board, move, rival, name)
        true = [square for square in here if says_so(board, move, rival, name, square)]
        chosen[name] = matched_kinds(tuple(sorted(true)), sorted(here & there), board.size)
    return chosen


def false_facts(board: Board, move: int) -> dict[str, Fact]:
    """Facts with their values on squares that are not theirs: as many, of the same kinds and occupied alike."""
    after, found = board.play(move), {}
    own = squares_of(after.opp, board.size)
    taken = squares_of(after.black | after.white, board.size)
    empty = [square for square in range(board.size**2) if square not in taken]
    true = facts_of(board, move)
    moves = {*true["mobility"].squares, *true["own_mobility"].squares}
    for name in PLACED:
        fact = true[name]
        free = own if name in ON_DISCS else [square for square in empty if square not in moves]
        found[name] = Fact(fact.value, matched_kinds(fact.squares, free, board.size))
    return found


def matched_kinds(squares: Squares, free: Sequence[int], size: int) -> Squares:
    """For each square a free one of its kind, none twice; fewer where there are not so many."""
    left = Counter(region_kind(square, size) for square in squares)
    chosen = []
    for square in free:
        kind = region_kind(square, size)
        if square not in squares and left[kind]:
            left[kind] -= 1
            chosen.append(square)
    return tuple(chosen)
