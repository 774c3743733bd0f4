"""A game looked over: what each move was worth, what the best one would have been, and where it was lost.

Near the end values are exact, in discs; before that they come from whatever the caller passes: a network, a search.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from othello.records.game import GameRecord
from othello.rules.board import Board
from othello.rules.notation import Side, square_name
from othello.search.result import MoveStatistics, SearchResult, pooled
from othello.solver.solver import Solver, table_bits_for

ActionValues = Callable[[Board], Mapping[int, float]]
"""The values of actions of a board, in [−1, 1] for the side to move: a search's Q, say.

Actions that it knows nothing of may be missing, but not all, and surely not the best one.
"""

BoardValues = Callable[[Sequence[Board]], Sequence[float]]
"""The values of many boards, each in [−1, 1] for its side to move: a network, say."""


class Mark(enum.Enum):
    """How much a move gave away."""

    BEST = "best"
    GOOD = "good"
    INACCURACY = "inaccuracy"
    MISTAKE = "mistake"
    BLUNDER = "blunder"


TRIED: Final = 0.05  # of the simulations: the share from which on a move's Q tells something
_STEPS: Final = (
    (Mark.BLUNDER, 10.0, 0.5),  # from so many discs of loss, or so much value in [−1, 1]
    (Mark.MISTAKE, 6.0, 0.25),
    (Mark.INACCURACY, 2.0, 0.1),
)


@dataclass(frozen=True, slots=True)
class MoveReview:
    """One action of a game, from its player's view.

    `exact`: values are final discs with best play, empties to the winner; otherwise they are in [−1, 1].  `before` is
    the value of the best action, `after` of the one played, `loss` their difference, ≥ 0; all three are None where
    nothing could tell.  `best`: the actions of the greatest value.
    """

    number: int
    side: Side
    action: int
    exact: bool
    before: float | None
    after: float | None
    loss: float | None
    best: tuple[int, ...]
    mark: Mark | None

    def as_json(self, size: int = 8) -> dict[str, object]:
        """The review with square names, ready for `json.dumps`."""
        return {
            "number": self.number,
            "side": self.side,
            "move": square_name(self.action, size),
            "unit": "discs" if self.exact else "value",
            "before": self.before,
            "after": self.after,
            "loss": self.loss,
            "best": [square_name(action, size) for action in self.best],
            "mark": self.mark.value if self.mark else None,
        }


def review(
    game: GameRecord,
    values: ActionValues | None = None,
    *,
    solve_empties: int = 14,
    seconds: float | None = None,
    nodes: int | None = None,
    on_move: Callable[[MoveReview], None] | None = None,
) -> list[MoveReview]:
    """A review of every action of `game`, forced ones included (they lose nothing); `on_move` hears each at once.

    Positions with at most `solve_empties` empty squares are solved, each within `seconds` and `nodes` if given; the
    others, and those not solved so, are valued by `values`, or left open without it.  A move that `values` leaves out
    is worth what the position it leads to is worth.

    >>> game = GameRecord.from_transcript("b1a1a2", size=4)
    >>> [(move.after, move.mark.value) for move in review(game)]        # 4×4 is a win for white by 10
    [(-10.0, 'best'), (10.0, 'best'), (-10.0, 'best')]
    """
    solver = Solver(game.start.size, max(16, table_bits_for(solve_empties)))
    found = []
    for number, (board, action) in enumerate(zip(game.boards, game.actions), 1):
        scores = None
        if board.empties <= solve_empties:
            scores = solver.scores(board, seconds=seconds, nodes=nodes)
        found.append(_review_move(number, board, action, scores, values))
        if on_move is not None:
            on_move(found[-1])
    return found


def _review_move(
    number: int,
    board: Board,
    action: int,
    scores: Mapping[int, int] | None,
    values: ActionValues | None,
) -> MoveReview:
    worth: Mapping[int, float] = {}
    if scores is not None:
        worth = {option: float(score) for option, score in scores.items()}
    elif values is not None:
        worth = values(board)
    if not worth:
        return MoveReview(number, board.side, action, False, None, None, None, (), None)
    after = worth[action] if action in worth else _worth_of_child(board, action, values)
    before = max(*worth.values(), after)
    best = tuple(option for option, value in {**worth, action: after}.items() if value == before)
    mark = _mark(before, after, scores is not None)
    return MoveReview(
        number, board.side, action, scores is not None, before, after, before - after, best, mark
    )


def _worth_of_child(board: Board, action: int, values: ActionValues | None) -> float:
    """The value of `action` by that of the position it leads to."""
    assert values is not None
    child = board.play(action)
    sign = -1.0
    if child.must_pass:
        child, sign = child.pass_turn(), 1.0
    if child.is_over:
        score = child.score() if child.side == "X" else -child.score()
        return sign * float((score > 0) - (score < 0))
    return sign * max(values(child).values())


def mark_of_discs(loss: float) -> Mark:
    """The mark of a loss in discs alone: an inaccuracy from 2 on, a mistake from 6, a blunder from 10.

    >>> [mark_of_discs(loss).value for loss in (0, 1.9, 2, 6, 10)]
    ['best', 'good', 'inaccuracy', 'mistake', 'blunder']
    """
    if loss <= 0:
        return Mark.BEST
    return next((mark for mark, discs, _ in _STEPS if loss >= discs), Mark.GOOD)


def _mark(before: float, after: float, exact: bool) -> Mark:
    """An exact win thrown away is a blunder however few the discs, an exact half of one a mistake."""
    loss = before - after
    if loss == 0:
        return Mark.BEST
    if exact and before > 0 and after < 0:
        return Mark.BLUNDER
    for mark, discs, value in _STEPS:
        if loss >= (discs if exact else value):
            return (
                Mark.MISTAKE if exact and mark is Mark.INACCURACY and before * after == 0 else mark
            )
    return Mark.GOOD


def values_of_children(evaluate: BoardValues) -> ActionValues:
    """The values of a board's actions by one look at the boards they lead to; finished games count as they ended.

    >>> level = values_of_children(lambda boards: [0.0] * len(boards))
    >>> level(Board.initial())
    {19: 0.0, 26: 0.0, 37: 0.0, 44: 0.0}
    """

    def values(board: Board) -> dict[int, float]:
        children = {action: board.play(action) for action in board.legal_actions()}
        open_ones = {action: child for action, child in children.items() if not child.is_over}
        worth = dict(zip(open_ones, evaluate(list(open_ones.values())))) if open_ones else {}
        sign = 1 if board.side == "X" else -1
        ended = {
            action: float((child.score() * sign > 0) - (child.score() * sign < 0))
            for action, child in children.items()
            if action not in open_ones
        }
        return {
            action: ended[action] if action in ended else 0.0 - worth[action] for action in children
        }

    return values


def values_of_search(run: Callable[[Board, int], SearchResult], simulations: int) -> ActionValues:
    """The values of a board's actions by a search of so many simulations: `Search(evaluator).run`, say.

    Actions that got less than a twentieth of the visits are left out, but for the best: their Q tells nothing.  Actions
    that are images of each other under a symmetry of the board share their visits and are worth the same: 1. f5 costs
    nothing against 1. d3.
    """

    def values(board: Board) -> dict[int, float]:
        if board.must_pass:
            return {board.size**2: -max(values(board.pass_turn()).values())}
        return values_of_tries(board, run(board, simulations).moves, simulations)

    return values


def values_of_tries(
    board: Board, moves: Sequence[MoveStatistics], simulations: int
) -> dict[int, float]:
    """The values in [−1, 1] of the moves that a search tried well, as `values_of_search` takes them."""
    together = pooled(board, moves)
    _, best = together.get(moves[0].square, (0, None))
    return {
        square: q
        for square, (visits, q) in together.items()
        if visits >= simulations * TRIED or q == best
    }


def losses(moves: Sequence[MoveReview]) -> dict[Side, dict[str, float]]:
    """For each side: discs lost in the exact part, value lost before it, and how many moves got which mark."""
    totals: dict[Side, dict[str, float]] = {}
    for side in ("X", "O"):
        mine = [move for move in moves if move.side == side and move.loss is not None]
        total = {
            "discs": sum(move.loss or 0.0 for move in mine if move.exact),
            "value": sum(move.loss or 0.0 for move in mine if not move.exact),
        }
        marks = Counter(move.mark for move in mine)
        totals[side] = total | {mark.value: float(marks[mark]) for mark in Mark}
    return totals
