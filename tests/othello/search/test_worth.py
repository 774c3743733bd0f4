"""Discs of a searched position: its line followed to where the solver settles it, its moves moved as one."""

from __future__ import annotations

import random

import pytest

from othello.network.discs import CURVE_WITH_LINE, Discs
from othello.network.evaluator import NetworkEvaluator
from othello.rules.board import Board
from othello.rules.symmetry import transform_action
from othello.search.disc_count import DiscCount
from othello.search.search import Search, SearchResult
from othello.search.worth import FOLLOWED, SETTLED, end_of_line, estimates, of_best, of_moves
from othello.solver.solver import solve
from tests.othello.networks import lively_network
from tests.othello.positions import position_with_empties

DISCS = Discs(NetworkEvaluator(lively_network(5, blocks=1, channels=8)))


def searched(seed: int, empties: int, simulations: int = 30) -> SearchResult:
    board = position_with_empties(random.Random(seed), empties)
    board = board.pass_turn() if board.must_pass else board
    return Search(DISCS.evaluator).run(board, simulations)


def end_by_hand(result: SearchResult) -> float:
    """The line's own moves, then the likeliest ones of the policy at sight, to where `solve` says the score."""
    board, line = result.board, list(result.principal_variation)
    while not board.is_over and (board.must_pass or board.empties > SETTLED):
        if board.must_pass:
            board = board.pass_turn()
        elif line:
            board = board.play(line.pop(0))
        else:
            at_sight = Search(DISCS.evaluator).run(board, 0).moves
            board = board.play(max(at_sight, key=lambda move: move.prior).square)
    solution = solve(board)
    assert solution is not None
    return float(solution.score if board.side == result.board.side else -solution.score)


@pytest.mark.parametrize("empties", [19, 20, 22])
def test_the_end_of_a_line_is_what_the_solver_says_there(empties: int) -> None:
    result = searched(empties, empties)
    assert end_of_line(DISCS, result) == end_by_hand(result)


def test_the_position_is_worth_what_value_score_and_line_say() -> None:
    results = [searched(seed, 20) for seed in range(6)]
    settled = [result for result in results if end_of_line(DISCS, result) is not None]
    assert len(settled) > 3  # others are too much for the budget
    for result in settled:
        said = CURVE_WITH_LINE(
            result.value, 8, DISCS.scores([result.board])[0], end_by_hand(result)
        )
        best = result.moves[0].q
        assert best is not None
        expected = said if said * result.value >= 0 and said * best >= 0 else 0.0
        assert of_best(DISCS, result) == pytest.approx(max(-64.0, min(64.0, expected)))


def test_a_line_moves_all_moves_as_one_but_names_no_other_winner() -> None:
    for seed in range(6):
        result = searched(seed, 20)
        tried = {move.square: move.q for move in result.moves if move.q is not None}
        plain = DISCS.of_moves(result.board, tried)
        found = estimates(DISCS, result, [move for move in result.moves if move.square in tried])
        changes = {
            round(found[move] - plain[move], 6) for move in tried if found[move] and plain[move]
        }
        assert found.keys() == tried.keys() and len(changes) <= 1
        assert all(found[move] * value >= 0 for move, value in tried.items())


def test_only_positions_a_few_moves_before_are_followed() -> None:
    assert end_of_line(DISCS, searched(1, FOLLOWED + 1)) is None
    assert end_of_line(DISCS, searched(1, SETTLED)) is None
    without = Search(DiscCount(8)).run(searched(1, 20).board, 20)
    assert end_of_line(Discs(DiscCount(8)), without) is None


def symmetric_position(generator: random.Random) -> Board:
    """A position that is its own image in the main diagonal, with 20 to 22 empty squares."""
    while True:
        words = [0, 0]
        for row, column in ((r, c) for r in range(8) for c in range(r, 8)):
            if generator.random() < 0.67:
                words[generator.randrange(2)] |= 1 << 8 * row + column | 1 << 8 * column + row
        board = Board(*words)
        if 20 <= board.empties <= 22 and len(board.legal_moves()) > 3:
            return board


def test_symmetric_moves_are_worth_the_same_where_a_line_is_followed() -> None:
    pairs, followed, generator = 0, 0, random.Random(7)
    for _ in range(4):
        board = symmetric_position(generator)
        result = Search(DISCS.evaluator).run(board, 60)
        followed += end_of_line(DISCS, result) is not None
        found = of_moves(DISCS, result, result.moves)
        for move, worth in found.items():
            assert worth == found[transform_action(move, 4)]
            pairs += move != transform_action(move, 4)
    assert pairs and followed
