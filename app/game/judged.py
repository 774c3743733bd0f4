"""A game judged move by move in discs: what each move cost, how the game stood before it, where it turned.

By the solver where it reaches, before that by a search whose values `Discs` turns to discs.  Nothing here
looks at a clock: the same game and weights are judged the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.explain.ask import explain
from app.explain.points import in_points
from app.explain.reasons.outlook import Outlook
from app.explain.reasons.sentence import Reasons, discs_of, why
from app.explain.targets import Target
from app.game.tries import with_tries
from app.models import Model
from othello.errors import ParseError
from othello.records.game import GameRecord
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name
from othello.search.search import Search, SearchResult
from othello.strength.review import (
    ActionValues,
    Mark,
    MoveReview,
    mark_of_discs,
    review,
    values_of_search,
)

EXACT_EMPTIES: Final = 20  # empty squares from which on a judgement is exact
TURNS: Final = 3
_NODES: Final = 60_000_000  # for one exact position, some seconds
_LEAST: Final = 1.0  # discs: a smaller loss turns nothing

Map = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """A move of a game, forced passes left out: its worth and the best one's, in discs to the player of the move.

    `exact`: by the solver; otherwise an estimate.  `best`: the moves of the greatest worth, one of them at least.
    """

    ply: int
    board: Board
    action: int
    best: tuple[int, ...]
    before: float
    after: float
    exact: bool
    mark: Mark

    @property
    def loss(self) -> float:
        """Discs given away, 0 or more."""
        return self.before - self.after

    @property
    def name(self) -> str:
        """The square that was played."""
        return square_name(self.action, self.board.size)

    @property
    def rival(self) -> int | None:
        """The move it is compared with: the first of the best ones that is another; None where it alone is best."""
        return next((action for action in self.best if action != self.action), None)

    @property
    def better(self) -> str:
        """The best move, or the played one where it is as good."""
        best = self.rival if self.loss > 0 and self.rival is not None else self.action
        return square_name(best, self.board.size)

    def as_json(self) -> dict[str, object]:
        """With square names, ready for `json.dumps`; `before` and `after` in discs to the player of the move."""
        return {
            "number": self.ply + 1,
            "side": self.board.side,
            "move": self.name,
            "unit": "discs",
            "exact": self.exact,
            "before": self.before,
            "after": self.after,
            "loss": self.loss,
            "best": [square_name(action, self.board.size) for action in self.best],
            "mark": self.mark.value,
        }


@dataclass(frozen=True)
class Standing:
    """How a position stands for black with best play: the chance in [0, 1], and the final difference in discs."""

    chance: float
    discs: float
    exact: bool


@dataclass(frozen=True)
class Picture:
    """The position after a move and what it changed in the network's value for black [N, N], in points, if anything."""

    board: Board
    action: int
    change: Map | None


@dataclass(frozen=True)
class Turn:
    """A move that cost much beside the better one, and why in a sentence."""

    judged: Judged
    sentence: str
    played: Picture
    better: Picture


@dataclass(frozen=True)
class JudgedGame:
    """A judged game: its moves, how each position stood (one more than there are plies), and where it turned.

    `turns` are in the order of play; `solved`: the empty squares from which on positions were solved.
    """

    record: GameRecord
    model: str
    simulations: int
    solved: int
    moves: tuple[Judged, ...]
    standings: tuple[Standing, ...]
    turns: tuple[Turn, ...]

    def count(self, side: str, mark: Mark) -> int:
        """How many moves of "X" or "O" have a mark."""
        return sum(move.board.side == side and move.mark is mark for move in self.moves)


def judge_game(
    record: GameRecord,
    model: Model,
    simulations: int,
    solve_empties: int = EXACT_EMPTIES,
    on_move: Callable[[MoveReview], None] | None = None,
) -> JudgedGame:
    """A game judged by a search of so many simulations a position; ParseError for one without a move.

    Takes seconds to a minute; `on_move` hears of every move that is reviewed.
    """
    if not record.actions:
        raise ParseError("the game has no move to judge")
    engine, searches = Search(model.evaluator), dict[Board, SearchResult]()

    def run(board: Board, simulations: int) -> SearchResult:
        if board not in searches:
            searches[board] = engine.run(board, simulations)
        return searches[board]

    values = values_of_search(run, simulations)
    found, judged = judge_moves(record, model, values, solve_empties, on_move)
    moves = tuple(move for move in judged if move.action < record.start.size**2)
    worst = sorted(moves, key=lambda move: (-move.loss, move.ply))[:TURNS]
    turns = []
    for move in sorted(worst, key=lambda move: move.ply):
        if move.loss >= _LEAST:
            turns.append(_turn(move, found[move.ply], model, lambda board: run(board, simulations)))
    return JudgedGame(
        record=record,
        model=model.name,
        simulations=simulations,
        solved=solve_empties,
        moves=moves,
        standings=_standings(found, judged, record.final),
        turns=tuple(turns),
    )


def judge_moves(
    record: GameRecord,
    model: Model,
    values: ActionValues,
    solve_empties: int = EXACT_EMPTIES,
    on_move: Callable[[MoveReview], None] | None = None,
) -> tuple[list[MoveReview], list[Judged]]:
    """The review of every action, passes too, and the same in discs: the one definition of what a move cost."""
    found = review(record, values, solve_empties=solve_empties, nodes=_NODES, on_move=on_move)
    boards = record.boards
    return found, [judge(each, boards[each.number - 1], model) for each in found]


def judge(move: MoveReview, board: Board, model: Model) -> Judged:
    """The review of a move in discs; estimates by which it is worth more than the best one make it the best one."""
    assert move.before is not None and move.after is not None and move.mark is not None
    before, later, mark, best = move.before, move.after, move.mark, move.best
    if not move.exact:
        worth = discs_of(model).of_moves(board, {best[0]: before, move.action: later})
        later = worth[move.action]
        before = max(worth[best[0]], later)
        mark = mark_of_discs(before - later)
        best = best if before > later else (move.action, *(set(best) - {move.action}))
    return Judged(
        ply=move.number - 1,
        board=board,
        action=move.action,
        best=best,
        before=before,
        after=later,
        exact=move.exact,
        mark=mark,
    )


def _standings(
    found: Sequence[MoveReview], judged: Sequence[Judged], final: Board
) -> tuple[Standing, ...]:
    """How every position of a reviewed game stands."""
    standings = []
    for move, each in zip(found, judged):
        assert move.before is not None
        standings.append(_standing(move.side, move.before, each.before, each.exact))
    last = found[-1]
    assert last.after is not None
    if final.is_over:
        score = float(final.score())
        standings.append(_standing("X", score, score, True))
    else:
        standings.append(_standing(last.side, last.after, judged[-1].after, last.exact))
    return tuple(standings)


def _standing(side: str, worth: float, discs: float, exact: bool) -> Standing:
    """What a position is worth to `side`, a value in [−1, 1] unless exact, and in discs, as a standing."""
    sign = 1.0 if side == "X" else -1.0
    found = Outlook.of(sign * worth, sign * discs + 0.0, exact=exact)
    return Standing(found.percent / 100, found.discs, exact)


def reasons_of(
    move: Judged,
    found: MoveReview,
    model: Model,
    search: Callable[[Board], SearchResult | None],
) -> Reasons:
    """Why a move rather than its rival, or than the next that was tried, worth what its review says.

    `search` must know the position of the move.  Raises ParseError where no game reaches that.
    """
    known = None
    if move.exact:
        known = {move.action: move.after}
        known |= {} if move.rival is None else {move.rival: move.before}
    return why(model, _with_worths(move, found, search), move.action, move.rival, known)


def _with_worths(
    move: Judged, found: MoveReview, search: Callable[[Board], SearchResult | None]
) -> SearchResult:
    """The search before a move, in which this one and its rival have what the review says, the better one first."""
    best, values = move.best[0], dict[int | None, float]()
    if not move.exact:
        assert found.after is not None and found.before is not None
        values = {move.rival: found.before, move.action: found.after}
    searched = search(move.board)
    assert searched is not None
    result = with_tries(searched, (move.action, move.rival), search)
    entries = [replace(entry, q=values.get(entry.square, entry.q)) for entry in result.moves]
    entries.sort(key=lambda entry: entry.square != best)
    return replace(result, moves=tuple(entries))


def _turn(
    move: Judged, found: MoveReview, model: Model, search: Callable[[Board], SearchResult | None]
) -> Turn:
    try:
        sentence = reasons_of(move, found, model, search).sentence
    except ParseError:  # a position that no game reaches: nothing is claimed but the loss
        sentence = f"{move.name}? Better {move.better}, costs {move.loss:.0f} discs."
    squares = (parse_square(name, move.board.size) for name in (move.name, move.better))
    played, better = (_picture(move.board, square, model) for square in squares)
    return Turn(move, sentence, played, better)


def _picture(board: Board, action: int, model: Model) -> Picture:
    """The position after a move, with its change for black; none where the game ends with it."""
    later = board.play(action)
    try:
        found = in_points(explain(model, board, Target("change", action, size=board.size)))
    except ParseError:
        return Picture(later, action, None)
    return Picture(later, action, found.squares if board.side == "X" else -found.squares)
