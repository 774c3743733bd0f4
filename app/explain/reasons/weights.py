"""The weights of facts: what the network makes of each, by relevance and by intervention.

All weights are of the move less the rival, for the side that moves.  A fact's claim is the sign of what it says about
the move: +1 for the move, −1 against it.  Relevance and effect must both have that sign, and the effect must exceed
what the same does to matched squares, or the fact is not spoken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from app.explain.explanation import Explanation
from app.explain.network import explain_many
from app.explain.reasons.chosen import CHOSEN, CRITICAL, OF_RIVAL, Choice, candidates, choices
from app.explain.reasons.facts import KINDS, Fact, Squares, facts_of
from app.explain.reasons.interventions import MOBILITY, Test, levelled, one_sided
from app.explain.reasons.questions import After, Questions
from app.explain.targets import Target
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.rules.symmetry import SYMMETRIES, inverse, transform_board, transform_planes
from othello.solver.solver import Solver

if TYPE_CHECKING:
    from app.models import Model

MEASURED: Final = {kind.name: kind.better for kind in KINDS} | {"exact": 1}
BETTER: Final = MEASURED | CHOSEN
LEAST: Final = 0.5  # discs: a smaller effect is no reason
SOLVED: Final = 14  # empty squares after the move, from which on the outcome is looked up
_TABLE_BITS: Final = 14
USUAL: Final = SYMMETRIES[::2]  # over which weights are averaged; the others are left to check them
_CERTAIN: Final = 6.0  # a finished game's value before tanh: what the network says at its surest


@dataclass(frozen=True)
class Along:
    """What hangs on a fact at the end of the search's line, and on matched squares, in discs for the mover."""

    effect: float
    control: float


@dataclass(frozen=True)
class Weight:
    """A fact of a move beside its rival's, with what the network makes of the difference, for the mover.

    value, rival_value: as `facts` defines them, None where unknown.  squares, rival_squares: what they are about.
    relevance: of the `change:` map, before tanh.  effect, control: in discs.  claim: 1 if the fact speaks for the
    move, −1 against it, 0 for neither.
    """

    name: str
    value: int | None
    rival_value: int | None
    squares: Squares
    rival_squares: Squares
    relevance: float
    effect: float
    control: float

    @property
    def claim(self) -> int:
        """Whom the values speak for."""
        if self.value is None:
            return 0
        return int(BETTER[self.name] * np.sign(self.value - (self.rival_value or 0)))

    @property
    def about(self) -> Squares:
        """The squares to show: those of the move, or of the rival where the fact is about that one."""
        return self.squares or self.rival_squares

    @property
    def holds(self) -> bool:
        """Whether both weights agree with the claim and the effect exceeds the control."""
        agrees = self.claim * self.relevance > 0 and self.claim * self.effect >= LEAST
        return agrees and abs(self.effect) > self.control

    @property
    def excess(self) -> float:
        """How much of the effect the control does not have, in discs."""
        return abs(self.effect) - self.control

    def as_json(self, size: int, *, spoken: bool, line: Along | None = None) -> dict[str, Any]:
        """With square names, and the weight along the search's line where there is one."""
        return {
            "name": self.name,
            "value": self.value,
            "rival_value": self.rival_value,
            "squares": [square_name(square, size) for square in self.squares],
            "rival_squares": [square_name(square, size) for square in self.rival_squares],
            "relevance": self.relevance,
            "effect": self.effect,
            "control": self.control,
            "line": line and asdict(line),
            "spoken": spoken,
        }


def weigh(
    model: Model,
    board: Board,
    move: int,
    rival: int | None = None,
    symmetries: Sequence[int] = USUAL,
    supposed: Sequence[Mapping[str, Fact]] = (),
    among: Mapping[str, Squares] | None = None,
) -> tuple[Weight, ...]:
    """Every fact of a legal move beside its rival's, in the order of `BETTER`.

    All weights are means over `symmetries`.  Without a rival a fact stands against one that does not hold.
    supposed: for each move facts to weigh in place of its own, as a control.  among: the squares that facts of
    `CHOSEN` are chosen from, by default those that the rules name.  Raises ParseError for a board of another
    size than the network's.
    """
    moves = [move] if rival is None else [move, rival]
    afters = [After.of(model, board, each) for each in moves]
    questions = Questions(model, board.side, symmetries)
    found = [
        facts_of(board, each) | {"exact": exact(after.reply)} for each, after in zip(moves, afters)
    ]
    choose = choices(afters, candidates(afters, found) | dict(among or {}), questions)
    if supposed:
        found = [{**facts, **other} for facts, other in zip(found, supposed)]
    changes = change_maps(model, board, afters, symmetries)
    tests = {
        name: _tests(name, afters, [facts[name] for facts in found], questions) for name in MEASURED
    }
    questions.ask()
    return (
        *(_weight(name, [facts[name] for facts in found], changes, tests[name]) for name in tests),
        *(_chosen_weight(name, choose.get(name), changes) for name in CHOSEN),
    )


def _chosen_weight(name: str, choose: Choice | None, changes: Sequence[ChangeMap]) -> Weight:
    single = choose() if choose is not None else None
    if single is None:
        return Weight(name, 0, 0 if len(changes) == 2 else None, (), (), 0.0, 0.0, 0.0)
    first, second = (float(change.squares[single.square]) for change in changes)
    sign, outcome = (-1 if name in OF_RIVAL else 1), single.outcome
    bound = abs(outcome.mean) + CRITICAL[0] * outcome.variance**0.5
    return Weight(name, 1, 0, (single.square,), (), first - second, sign * outcome.effect, bound)


@dataclass(frozen=True)
class ChangeMap:
    """What a move changes in the network's value, before tanh, for the mover: on each square [N²] and in all.

    replies, own_moves: the part of squares that is on the planes of the other side's moves and of the mover's.
    """

    squares: NDArray[np.float64]
    replies: NDArray[np.float64]
    own_moves: NDArray[np.float64]
    whole: float


def change_maps(
    model: Model, board: Board, afters: Sequence[After], symmetries: Sequence[int] = USUAL
) -> list[ChangeMap]:
    """The `change:` maps of moves from one position, the mean over the symmetries of the board.

    Where the game ends no square changes, and the whole is what a finished game is worth.
    """
    boards = [board, *(after.board for after in afters if after.planes is not None)]
    images = [transform_board(each, s) for s in symmetries for each in boards]
    value = Target("value", size=board.size)
    found = explain_many(model, images, [value] * len(images))
    undone = [inverse(s) for s in symmetries for _ in boards]
    turned = [transform_planes(_three_maps(each), s) for each, s in zip(found, undone)]
    maps = np.mean(np.reshape(turned, (len(symmetries), len(boards), 3, -1)), 0)
    values = np.mean(np.reshape([each.value for each in found], (-1, len(boards))), 0)
    later = iter(zip(maps[1:], values[1:]))
    sign = 1 if board.side == "X" else -1
    changes = []
    for after in afters:
        if after.planes is None:
            change, number = np.zeros((3, board.size**2)), sign * after.board.score()
            whole = _CERTAIN * np.sign(number)
        else:
            new, number = next(later)
            seen = new if after.sign > 0 else -new[[0, 2, 1]]
            change, whole = seen - maps[0], after.sign * number
        squares, own_moves, replies = change
        changes.append(ChangeMap(squares, replies, own_moves, whole - values[0]))
    return changes


def _three_maps(found: Explanation) -> NDArray[np.float64]:
    """All relevance [3, N, N] on squares, and that on the planes of the moves of the side to move and of the other."""
    nothing = np.zeros_like(found.squares)
    planes = (found.planes.get(name, nothing) for name in ("legal", "opponent_legal"))
    return np.stack([found.squares, *planes])


def exact(after: Board) -> Fact:
    """The final difference with best play for the side that does not move, where it is looked up."""
    if after.empties > SOLVED:
        return Fact(None)
    if after.is_over:
        return Fact(-after.score() if after.side == "X" else after.score())
    solution = Solver(after.size, _TABLE_BITS).solve(after, every=False, line=False)
    return Fact(None if solution is None else -solution.score)


def _tests(
    name: str, afters: Sequence[After], facts: Sequence[Fact], questions: Questions
) -> list[Test]:
    """The test of the move's fact and that of the rival's."""
    if name in MOBILITY and len(facts) == 2:
        first, second = facts
        return [
            levelled(after, fact.squares, other.squares, questions, mover=MOBILITY[name])
            for after, fact, other in zip(afters, facts, (second, first))
        ]
    return [one_sided(name, after, fact, questions) for after, fact in zip(afters, facts)]


def _weight(
    name: str, facts: Sequence[Fact], changes: Sequence[ChangeMap], tests: Sequence[Test]
) -> Weight:
    def less_rival(numbers: Sequence[float]) -> float:
        return numbers[0] - sum(numbers[1:])

    values = [fact.value for fact in facts]
    outcomes = [test() for test in tests]
    effect = less_rival([outcome.effect for outcome in outcomes])
    mean = less_rival([outcome.mean for outcome in outcomes])
    spread = sum(outcome.variance for outcome in outcomes) ** 0.5
    if name == "exact" and None not in values:
        effect = less_rival([float(value or 0) for value in values])
    relevance = [_relevance(fact, change, name) for fact, change in zip(facts, changes)]
    return Weight(
        name,
        values[0],
        values[1] if len(facts) == 2 else None,
        facts[0].squares,
        facts[1].squares if len(facts) == 2 else (),
        less_rival(relevance),
        effect,
        abs(mean) + CRITICAL[0] * spread,
    )


def _relevance(fact: Fact, change: ChangeMap, name: str) -> float:
    """On the fact's squares; of a fact without squares that holds, the whole change."""
    if name in ("pass", "exact"):
        return change.whole if fact.value is not None and (fact.value or name == "exact") else 0.0
    return float(change.squares[list(fact.squares)].sum())
