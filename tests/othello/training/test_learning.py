"""The whole pipeline on the smallest board: from nothing to perfect play in seconds of training."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from othello.network import checkpoint
from othello.network.architecture import Network
from othello.network.evaluator import NetworkEvaluator
from othello.rules.board import Board
from othello.search.policy import Puct
from othello.search.search import Search
from othello.solver.solver import Solver
from othello.training.config import read_config
from othello.training.loop import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> NetworkEvaluator:
    torch.set_num_threads(1)
    run = train(
        tmp_path_factory.mktemp("runs") / "four", read_config(Path("othello4")), iterations=25
    )
    network = checkpoint.load(run.generation(25)).network
    assert isinstance(network, Network)
    return NetworkEvaluator(network)


def test_the_value_of_the_4x4_start_says_that_white_wins(trained: NetworkEvaluator) -> None:
    start = Board.initial(4)
    _, value = trained(np.array([start.own], np.uint64), np.array([start.opp], np.uint64))
    assert value[0] < -0.4  # black is to move


def test_white_never_loses_4x4_against_any_of_blacks_perfect_and_random_moves(
    trained: NetworkEvaluator,
) -> None:
    generator, solver = random.Random(0), Solver(4, 10)
    for number in range(40):
        board = Board.initial(4)
        search = Search(trained, Puct(leaf_empties=0), batch=4)
        while not board.is_over:
            if board.must_pass:
                board = board.pass_turn()
            elif board.side == "O":
                board = board.play(search.run(board, 200).moves[0].square)
            else:
                perfect = solver.solve(board)
                assert perfect is not None
                board = board.play(
                    generator.choice(perfect.best if number % 2 else board.legal_moves())
                )
        assert board.score() < 0, f"game {number}: black won by {board.score()}"
