"""Values in discs: a curve that grows, found again from its points; the score head asked as torch asks it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from othello.errors import EvaluationError
from othello.network.checkpoint import default_checkpoint, load
from othello.network.discs import (
    CURVE,
    CURVE_WITH_SCORE,
    DiscCurve,
    Discs,
    as_json,
    fit,
    fit_share,
)
from othello.network.encoding import encode
from othello.network.evaluator import NetworkEvaluator
from othello.rules.board import Board
from othello.rules.symmetry import SYMMETRIES, transform_action, transform_board
from othello.search.disc_count import DiscCount
from othello.solver.solver import solve
from tests.othello.networks import lively_network
from tests.othello.positions import position_with_empties, random_position
from tests.othello.rules.test_board import PASS_GAME

SMALL = {"blocks": 1, "channels": 8, "value_channels": 2, "value_hidden": 8}


def test_the_curve_is_odd_grows_and_is_found_again() -> None:
    values = np.linspace(-0.999, 0.999, 201)
    for curve in (CURVE, CURVE_WITH_SCORE):
        discs = curve(values)
        assert (np.diff(discs) > 0).all()
        assert np.allclose(discs, -discs[::-1])
        assert curve(0.3, scores=5.0) >= curve(0.3, scores=4.0)
    known = DiscCurve(20.0, 0.9, 3.0)
    again = fit(values, known(values))
    assert np.allclose(again(values), known(values), atol=0.05)
    assert '"positions": 201' in as_json({"value": known}, positions=201, weights="f")
    with pytest.raises(ValueError, match="do not grow"):
        fit(values, -known(values))


def test_a_curve_of_value_and_score_is_found_again_and_takes_nothing_negative() -> None:
    draw = np.random.default_rng(1)
    values, scores = draw.uniform(-0.95, 0.95, 400), draw.uniform(-64, 64, 400)
    known = DiscCurve(6.0, 1.5, 2.0, score=0.7)
    found = fit(values, known(values, scores=scores), scores)
    assert found.score == pytest.approx(0.7, abs=0.01)
    assert np.allclose(found(values, scores=scores), known(values, scores=scores), atol=0.05)
    against = fit(values, known(values) - 2 * scores, scores)
    assert against.score == 0 and min(against.a, against.c) >= 0


def test_the_share_of_a_settled_position_is_found_again() -> None:
    draw = np.random.default_rng(2)
    plain, exact, moves = draw.normal(0, 10, 300), draw.normal(0, 10, 300), draw.integers(0, 7, 300)
    truth = plain + 0.8**moves * (exact - plain)
    noise = draw.normal(0, 1, 300)
    assert fit_share(plain, exact, moves, truth + noise) == pytest.approx(0.8, abs=0.03)
    assert fit_share(plain, exact, moves, exact) == 1
    assert fit_share(plain, exact, np.maximum(moves, 1), plain) == 0
    assert '"line_share": 0.8' in as_json({}, line_share=0.8)


def by_torch(network, board: Board) -> float:
    """The mean of the score head over the symmetries, in discs for the side to move of a position."""
    said = []
    for symmetry in SYMMETRIES:
        image = transform_board(board, symmetry)
        own, opp = (np.array([word], np.uint64) for word in (image.own, image.opp))
        planes = torch.from_numpy(encode(own, opp, board.size, network.architecture.planes))
        with torch.inference_mode():
            said.append(float(network.with_score(planes)[2]) * board.size**2)
    return sum(said) / len(said)


@pytest.mark.parametrize("size", [4, 6, 8])
def test_scores_are_the_heads_at_sight_and_after_the_best_move(size: int) -> None:
    network = lively_network(3, size=size, **SMALL)
    discs, generator = Discs(NetworkEvaluator(network)), random.Random(size)
    for empties in (3, 6, 9):
        board = position_with_empties(generator, empties, size)

        def said(position: Board) -> float:
            if position.is_over:
                return float(position.score() if position.side == "X" else -position.score())
            if position.must_pass:
                return -by_torch(network, position.pass_turn())
            return by_torch(network, position)

        board = board.pass_turn() if board.must_pass else board
        ahead = max(-said(board.play(action)) for action in board.legal_moves())
        (found,) = discs.scores([board])
        assert found == pytest.approx((said(board) + ahead) / 2, abs=1e-3)


def test_images_of_a_position_are_worth_the_same_and_so_are_symmetric_moves() -> None:
    discs = Discs(NetworkEvaluator(lively_network(5, **SMALL)))
    board = random_position(random.Random(2), plies=12)
    images = [transform_board(board, symmetry) for symmetry in SYMMETRIES]
    assert len(set(discs(images, [0.25] * 8))) == 1
    start = discs.of_moves(Board.initial(), dict.fromkeys(Board.initial().legal_moves(), 0.1))
    assert len(start) == 4 and len(set(start.values())) == 1
    moves = discs.of_moves(board, dict.fromkeys(board.legal_moves(), 0.1))
    turned = transform_board(board, 5)
    again = discs.of_moves(turned, dict.fromkeys(turned.legal_moves(), 0.1))
    assert moves == {move: again[transform_action(move, 5)] for move in moves}
    assert len(set(moves.values())) > 1


def test_finished_games_are_worth_their_score_and_a_pass_what_the_other_side_gets() -> None:
    discs = Discs(NetworkEvaluator(lively_network(5, **SMALL)))
    over = Board.parse("X" * 40 + "O" * 24 + " O")
    assert discs([over], [0.9]) == [-16.0]
    passing = Board.parse(PASS_GAME)
    assert passing.must_pass
    (score,), (there,) = discs.scores([passing]), discs.scores([passing.pass_turn()])
    assert score == -there != 0
    assert all(abs(worth) <= 64 for worth in discs([Board.initial()] * 2, [1.0, -1.0]))


def test_without_a_score_head_the_value_alone_decides() -> None:
    board = Board.parse("f5d6c3")
    assert Discs(DiscCount(8))([board], [0.5]) == [CURVE(0.5)]


def test_a_score_head_that_overflows_is_refused() -> None:
    network = lively_network(3, **SMALL)
    with torch.no_grad():
        network.score_out.weight.fill_(float("nan"))
    evaluator = NetworkEvaluator(network)
    with pytest.raises(EvaluationError, match="score head"):
        Discs(evaluator)([Board.initial()], [0.0])


def test_the_shipped_agents_discs_are_nearer_the_solvers_than_its_values_or_none() -> None:
    evaluator = NetworkEvaluator(load(default_checkpoint(8)).network)
    generator = random.Random(4)
    boards = [position_with_empties(generator, 12) for _ in range(40)]
    boards = [board.pass_turn() if board.must_pass else board for board in boards]
    own, opp = (np.array([getattr(b, name) for b in boards], np.uint64) for name in ("own", "opp"))
    values = evaluator(own, opp)[1].astype(float)
    truth = np.array([solution.score for board in boards if (solution := solve(board))])
    off = np.abs(np.array(Discs(evaluator)(boards, values.tolist())) - truth).mean()
    assert off < 0.6 * np.abs(64 * values - truth).mean()
    assert off < 0.6 * np.abs(truth).mean()
