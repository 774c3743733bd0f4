"""Discs of a searched position: its line followed and solved backwards, its moves moved as one."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from othello.network.discs import LINE_SHARE, Discs
from othello.network.evaluator import NetworkEvaluator
from othello.rules.board import Board
from othello.rules.symmetry import transform_action
from othello.search.disc_count import DiscCount
from othello.search.search import Search, SearchResult
from othello.search.worth import END, FOLLOWED, estimates, nearest_settled, of_best, of_moves
from othello.solver.solver import solve
from tests.othello.networks import lively_network
from tests.othello.positions import position_with_empties

DISCS = Discs(NetworkEvaluator(lively_network(5, blocks=1, channels=8)))


def searched(seed: int, empties: int, simulations: int = 30) -> SearchResult:
    board = position_with_empties(random.Random(seed), empties)
    board = board.pass_turn() if board.must_pass else board
    return Search(DISCS.evaluator).run(board, simulations)


def positions_by_hand(result: SearchResult) -> list[Board]:
    """Those on the line's own moves, then on the likeliest ones of the policy at sight, the first one first."""
    board, line = result.board, list(result.principal_variation)
    found = [board]
    while not board.is_over and board.empties > END:
        if board.must_pass:
            board = board.pass_turn()
        elif line:
            board = board.play(line.pop(0))
        else:
            at_sight = Search(DISCS.evaluator).run(board, 0).moves
            board = board.play(max(at_sight, key=lambda move: move.prior).square)
        found.append(board)
    return found


@pytest.mark.parametrize("empties", [19, 20, 22])
def test_a_settled_position_is_on_the_line_and_worth_what_the_solver_says(empties: int) -> None:
    result = searched(empties, empties)
    settled = nearest_settled(DISCS, result)
    assert settled is not None
    there = next(b for b in positions_by_hand(result) if b.empties == empties - settled.moves)
    solution = solve(there)
    assert solution is not None
    sign = 1 if there.side == result.board.side else -1
    assert settled.discs == sign * solution.score


def test_more_nodes_settle_nearer_positions_and_few_none() -> None:
    result = searched(4, 20)
    found = [nearest_settled(DISCS, result, nodes) for nodes in (2_000_000, 300_000, 10)]
    assert found[0] is not None and found[1] is not None and found[2] is None
    assert 0 <= found[0].moves < found[1].moves <= 20 - END
    assert nearest_settled(DISCS, result, 2_000_000) is found[0]  # solved once


def test_the_position_is_worth_what_value_score_and_line_say() -> None:
    for seed in range(6):
        result = searched(seed, 20)
        settled, best = nearest_settled(DISCS, result), result.moves[0]
        assert settled is not None and best.q is not None
        plain = DISCS.of_moves(result.board, {best.square: best.q})[best.square]
        said = plain + LINE_SHARE**settled.moves * (settled.discs - plain)
        expected = said if said * best.q >= 0 or not settled.moves else 0.0
        assert of_best(DISCS, result) == pytest.approx(max(-64.0, min(64.0, expected)))


def test_a_position_that_is_settled_itself_is_worth_that_whatever_its_value_says() -> None:
    against = 0
    for seed in range(12):
        result = searched(seed, 19)
        if (settled := nearest_settled(DISCS, result)) is not None and not settled.moves:
            assert of_best(DISCS, result) == pytest.approx(settled.discs)
            best = result.moves[0].q
            against += best is not None and best * settled.discs < 0
    assert against


def test_a_line_moves_all_moves_as_one_but_names_no_other_winner() -> None:
    for seed in range(6):
        result = searched(seed, 22)
        tried = {move.square: move.q for move in result.moves if move.q is not None}
        plain = DISCS.of_moves(result.board, tried)
        found = estimates(DISCS, result, [move for move in result.moves if move.square in tried])
        changes = {
            round(found[move] - plain[move], 6) for move in tried if found[move] and plain[move]
        }
        assert found.keys() == tried.keys() and len(changes) <= 1
        assert all(found[move] * value >= 0 for move, value in tried.items())


def test_only_positions_a_few_moves_before_are_followed() -> None:
    assert nearest_settled(DISCS, searched(1, FOLLOWED[-1] + 1)) is None
    assert nearest_settled(DISCS, searched(1, FOLLOWED[0] - 1)) is None
    assert nearest_settled(DISCS, replace(searched(1, 20), exact=2)) is None
    without = Search(DiscCount(8)).run(searched(1, 20).board, 20)
    assert nearest_settled(Discs(DiscCount(8)), without) is None


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
        followed += nearest_settled(DISCS, result) is not None
        found = of_moves(DISCS, result, result.moves)
        for move, worth in found.items():
            assert worth == found[transform_action(move, 4)]
            pairs += move != transform_action(move, 4)
    assert pairs and followed
