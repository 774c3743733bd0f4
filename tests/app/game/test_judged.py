"""A game judged in discs: marks that the solver confirms, standings and turning points that agree with the marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.game.judged import Judged, JudgedGame, judge_game, reasons_of
from othello.errors import ParseError
from othello.records import GameRecord
from othello.rules.board import Board
from othello.search.search import Search
from othello.solver.solver import Solver
from othello.strength.review import Mark, MoveReview, mark_of_discs
from tests.app.lost_game import CLOSE, LOST, SIMULATIONS

if TYPE_CHECKING:
    from app.models import Model

MARKED = (Mark.INACCURACY, Mark.MISTAKE, Mark.BLUNDER)


def mark_by_solver(solver: Solver, board: Board, action: int) -> str:
    """What a move deserves by two searches of the solver, in the words of the report's legend."""
    best, child = solver.solve(board), board.play(action)
    later = solver.solve(child)
    assert best is not None and later is not None
    worth = -later.score
    loss = best.score - worth
    if loss == 0:
        return "best"
    if loss >= 10 or (best.score > 0 > worth):
        return "blunder"
    if loss >= 6 or best.score * worth == 0:
        return "mistake"
    return "inaccuracy"


def agreement(game: JudgedGame, empties: int = 16) -> float:
    """The share of the moves with at most so many empty squares whose mark is the solver's."""
    solver = Solver(game.record.start.size)
    late = [move for move in game.moves if move.board.empties <= empties]
    same = [mark_by_solver(solver, m.board, m.action) == m.mark.value for m in late]
    return sum(same) / len(same)


def test_the_marks_of_the_end_are_the_solvers(lost_game: JudgedGame) -> None:
    assert agreement(lost_game) >= 0.95


def test_a_heavy_defeat_has_marks_and_three_turning_points(lost_game: JudgedGame) -> None:
    assert lost_game.record.final.score() == -58
    assert sum(lost_game.count("X", mark) for mark in MARKED) >= 3
    assert len(lost_game.turns) == 3
    worst = sorted((move.loss for move in lost_game.moves), reverse=True)[:3]
    assert sorted((turn.judged.loss for turn in lost_game.turns), reverse=True) == worst
    plies = [turn.judged.ply for turn in lost_game.turns]
    assert plies == sorted(plies)
    for turn in lost_game.turns:
        move = turn.judged
        assert turn.sentence.startswith(f"{move.name}?")
        assert f"better {move.better}, costs {move.loss:.0f} discs" in turn.sentence
        assert turn.played.board == move.board.play(move.action)
        assert turn.better.board == move.board.play(move.best[0])


def test_standings_are_the_moves_worths_from_blacks_view(lost_game: JudgedGame) -> None:
    boards, standings = lost_game.record.boards, lost_game.standings
    assert len(standings) == len(boards)
    for move in lost_game.moves:
        sign = 1 if move.board.side == "X" else -1
        here, later = standings[move.ply], standings[move.ply + 1]
        assert here.exact == move.exact
        if move.exact or (here.chance - 0.5) * sign * move.before > 0:
            assert here.discs == pytest.approx(sign * move.before)
        assert (here.chance - 0.5) * here.discs >= 0  # one winner is named, not two
        assert 0 <= here.chance <= 1 and move.loss >= 0
        assert move.exact == (move.board.empties <= lost_game.solved)
        if move.exact:
            assert here.chance == (0.5 if here.discs == 0 else float(here.discs > 0))
            assert later.discs == sign * move.after
    assert standings[-1].discs == -58


def test_a_game_of_another_size_and_an_open_one_are_judged(model: Model) -> None:
    short = judge_game(GameRecord.from_transcript("f5d6c3"), model, 4)
    assert len(short.moves) == 3 and len(short.standings) == 4
    assert not short.standings[-1].exact
    with pytest.raises(ParseError, match="no move"):
        judge_game(GameRecord(), model, 4)


def judged(best: tuple[int, ...], after: float) -> Judged:
    """d3 as the first move of a game, worth `after` where `best` are worth 2 discs."""
    loss = 2.0 - after
    return Judged(0, Board.initial(), 19, best, 2.0, after, True, mark_of_discs(loss))


@pytest.mark.parametrize(
    ("best", "after", "better", "rival"),
    [
        ((26, 37), 0.0, "c4", 26),  # two are better, and equal
        ((37, 26), 0.0, "f5", 37),
        ((26, 19), 2.0, "d3", 26),  # as good as another one, wherever it stands
        ((19, 26), 2.0, "d3", 26),
        ((19,), 2.0, "d3", None),
    ],
)
def test_of_equal_moves_row_and_sentence_name_the_same(
    best: tuple[int, ...], after: float, better: str, rival: int | None, model: Model
) -> None:
    move = judged(best, after)
    assert (move.better, move.rival) == (better, rival)
    exact = MoveReview(1, "X", 19, True, 2.0, after, 2.0 - after, best, move.mark)
    told = reasons_of(move, exact, model, lambda board: Search(model.evaluator).run(board, 16))
    assert told.rival == rival or (rival is None and told.rival not in (None, 19))
    if move.loss:
        assert told.sentence.startswith("d3?") and f"better {better}, costs 2 " in told.sentence


@pytest.mark.long
@pytest.mark.parametrize("moves", [LOST, CLOSE])
def test_the_marks_are_the_solvers_in_whole_games(moves: str, model: Model) -> None:
    game = judge_game(GameRecord.from_transcript(moves), model, SIMULATIONS)
    assert game.solved == 20 and agreement(game, 18) >= 0.95
    again = judge_game(GameRecord.from_transcript(moves), model, SIMULATIONS)
    assert again.moves == game.moves and again.standings == game.standings
