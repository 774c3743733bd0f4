"""Reviews of games: exact where the solver reaches, the caller's values before."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

from othello.records import GameRecord
from othello.rules.board import Board
from othello.rules.notation import parse_moves
from othello.search.search import Search
from othello.solver.solver import exact_scores
from othello.strength.review import (
    Mark,
    losses,
    review,
    values_of_children,
    values_of_search,
)
from tests.othello.networks import Uneven
from tests.othello.positions import position_with_empties
from tests.othello.rules.test_board import PASS_GAME


def discs(boards: list[Board]) -> list[float]:
    """A value in [−1, 1] from the discs of the side to move."""
    return [(board.own.bit_count() - board.opp.bit_count()) / 64 for board in boards]


def test_the_exact_part_of_a_game_has_exact_losses() -> None:
    game = GameRecord.from_transcript(PASS_GAME + "h7")
    moves = review(game, values_of_children(discs), solve_empties=9)
    assert [move.number for move in moves] == list(range(1, len(game.plies) + 1))
    for board, move in zip(game.boards, moves):
        assert move.exact == (board.empties <= 9)
        assert (
            move.loss is not None
            and move.loss >= 0
            and (move.loss == 0) == (move.action in move.best)
        )
        if move.exact:
            scores = exact_scores(board)
            assert scores is not None and (move.before, move.after) == (
                max(scores.values()),
                scores[move.action],
            )
    passes = [move for move in moves if move.action == 64]
    assert passes and all(move.mark is Mark.BEST for move in passes)
    total = losses(moves)
    assert sum(total["X"][mark.value] + total["O"][mark.value] for mark in Mark) == len(moves)
    assert json.loads(json.dumps([move.as_json() for move in moves]))[0]["unit"] == "value"


def test_perfect_play_loses_nothing_and_one_slip_is_found() -> None:
    board, generator, actions = Board.initial(4), random.Random(2), []
    while not board.is_over:
        scores = exact_scores(board)
        assert scores is not None
        best = [action for action, score in scores.items() if score == max(scores.values())]
        actions.append(generator.choice(best))
        board = board.play(actions[-1])
    moves = review(GameRecord.from_actions(actions, Board.initial(4)))
    assert all(move.mark is Mark.BEST for move in moves)
    slip = review(GameRecord.from_actions(parse_moves("b1c1", 4), Board.initial(4)))[1]
    assert (
        slip.loss and slip.loss > 0 and slip.mark in (Mark.MISTAKE, Mark.BLUNDER, Mark.INACCURACY)
    )


def test_without_values_the_opening_stays_open() -> None:
    moves = review(GameRecord.from_transcript("f5d6"))
    assert [move.loss for move in moves] == [None, None] and moves[0].mark is None
    assert losses(moves)["X"]["discs"] == 0


def test_a_move_that_the_values_leave_out_is_worth_what_it_leads_to() -> None:
    def narrow(board: Board) -> dict[int, float]:
        best, *_ = board.legal_moves()
        return {best: 0.25}

    first, second = review(GameRecord.from_transcript("f5f6"), narrow)
    assert (first.before, first.after, first.loss) == (0.25, -0.25, 0.5) and first.best == (19,)
    assert second.mark is Mark.BLUNDER
    generous = review(
        GameRecord.from_transcript("f5"), lambda board: {board.legal_moves()[0]: -0.5}
    )[0]
    assert generous.loss == 0 and generous.best == (37,) and generous.mark is Mark.BEST


def test_a_finished_child_counts_as_it_ended() -> None:
    generator = random.Random(7)
    for _ in range(20):
        board = position_with_empties(generator, 1, 4)
        sign = 1 if board.side == "X" else -1
        ends = {
            action: board.play(action)
            for action in board.legal_moves()
            if board.play(action).is_over
        }
        values = values_of_children(lambda boards: [0.25] * len(boards))(board)
        for action, value in values.items():
            score = ends[action].score() * sign if action in ends else None
            assert value == (-0.25 if score is None else (score > 0) - (score < 0))


def test_a_searchs_values_are_those_of_moves_that_were_tried() -> None:
    asked: list[tuple[Board, int]] = []

    def run(board: Board, simulations: int) -> SimpleNamespace:
        asked.append((board, simulations))
        visits = [2, *([5, 4, 90] * 20)]  # the first move is the best, however few its visits
        moves = [
            SimpleNamespace(square=square, visits=count, q=None if count == 90 else count / 100)
            for square, count in zip(board.legal_moves(), visits)
        ]
        return SimpleNamespace(moves=moves)

    values = values_of_search(run, 100)  # type: ignore[arg-type]
    board = Board.parse("f5d6c4")
    first, second, *_ = board.legal_moves()[:4]
    found = values(board)
    assert (found.pop(first), found.pop(second)) == (0.02, 0.05)
    assert set(found) <= set(board.legal_moves()[4::3])  # the third has 4 of 100, the fourth no Q
    assert asked == [(board, 100)]


def test_symmetric_moves_are_worth_the_same_and_cost_nothing_against_each_other() -> None:
    visits = dict(zip(Board.initial().legal_moves(), ((70, 0.1), (20, 0.4), (4, -0.5), (0, None))))

    def run(board: Board, simulations: int) -> SimpleNamespace:
        moves = [SimpleNamespace(square=at, visits=n, q=q) for at, (n, q) in visits.items()]
        return SimpleNamespace(moves=moves)

    values = values_of_search(run, 100)  # type: ignore[arg-type]
    assert values(Board.initial()) == dict.fromkeys(visits, (7 + 8 - 2) / 94)
    for move in ("f5", "d3", "c4", "e6"):
        (found,) = review(GameRecord.from_transcript(move), values)
        assert found.loss == 0 and found.mark is Mark.BEST and len(found.best) == 4
    lopsided = Board.parse("f5d6c3")  # no symmetry: every move has its own value
    by_itself = Search(Uneven(8)).run(lopsided, 64)
    tried = values_of_search(Search(Uneven(8)).run, 64)(lopsided)
    assert tried == {m.square: m.q for m in by_itself.moves if m.square in tried}


def test_a_forced_pass_is_worth_what_the_other_side_gets() -> None:
    game = GameRecord.from_transcript(PASS_GAME)
    board = next(board for board in game.boards if board.must_pass)
    found = SimpleNamespace(
        moves=[SimpleNamespace(square=board.pass_turn().legal_moves()[0], visits=9, q=0.25)]
    )
    assert values_of_search(lambda position, simulations: found, 10)(board) == {64: -0.25}  # type: ignore[arg-type,return-value]
