"""The explorer's moves: mirror images in one line, the network's mean over symmetries, exact near the end, a base."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.game.explorer import explore
from othello.base.game_base import open_base
from othello.players.agent import evaluate
from othello.rules.board import Board
from othello.rules.symmetry import SYMMETRIES, transform_board
from othello.solver.solver import exact_scores
from tests.othello.base.test_game_base import base_file, played_games
from tests.othello.positions import position_with_empties


def test_mirror_images_stand_together_and_are_worth_the_mean_of_their_symmetries(
    model: Any,
) -> None:
    start = explore(model, Board.initial())
    assert [move.squares for move in start] == [(19, 26, 37, 44)]
    board = Board.parse("f5d6c3")
    found = explore(model, board)
    assert sorted(square for move in found for square in move.squares) == sorted(
        board.legal_moves()
    )
    for move in found:
        after = board.play(move.squares[0])
        assert after.side == "X" and not move.exact
        images = [transform_board(after, symmetry) for symmetry in SYMMETRIES]
        value = np.mean([evaluate(model.evaluator, [image])[1][0] for image in images])
        assert move.outlook.percent == pytest.approx(50 * (1 + value), abs=1e-3)
        assert move.outlook.discs * value >= 0
    chances = [move.outlook.percent for move in found]
    assert chances == sorted(chances)  # white is to move
    assert "Bent Ganglion" in [move.opening for move in found]


def test_near_the_end_moves_are_exact_through_passes_and_an_ended_game_has_none(
    model: Any,
) -> None:
    source = random.Random(5)
    passes = 0
    for _ in range(60):
        board = position_with_empties(source, source.randrange(1, 9))
        passes += board.must_pass
        mover = board.pass_turn() if board.must_pass else board
        scores, sign = exact_scores(mover) or {}, 1 if mover.side == "X" else -1
        found = explore(model, board)
        assert {move.squares[0]: move.outlook.discs for move in found} == {
            move.squares[0]: sign * scores[move.squares[0]] for move in found
        }
        assert all(move.exact for move in found)
        assert [sign * move.outlook.percent for move in found] == sorted(
            (sign * move.outlook.percent for move in found), reverse=True
        )
    assert passes
    while not board.is_over:
        board = board.play(board.legal_actions()[0])
    assert explore(model, board) == []


def test_a_base_says_how_often_a_move_was_played(model: Any, tmp_path: Path) -> None:
    base = open_base([base_file(tmp_path, played_games(40, seed=3))], tmp_path)
    (start,) = explore(model, Board.initial(), base)
    assert start.played is not None and start.played.games == 40
    told = start.to_dict(8)
    assert told["games"] == 40 and told["moves"] == ["d3", "c4", "f5", "e6"]
    second = [move.played for move in explore(model, Board.parse("f5"), base)]
    assert sum(one.games for one in second if one) == 40
