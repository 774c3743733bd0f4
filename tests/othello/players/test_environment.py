"""Othello as a PettingZoo environment: it passes PettingZoo's own tests and plays as the rules say."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from othello.rules.board import Board

EXTRA = "the extra is not installed: pip install 'othello-lrp[pettingzoo]'"


@pytest.fixture
def make() -> Any:
    pytest.importorskip("pettingzoo", reason=EXTRA)
    from othello.players.environment import environment

    return environment


@pytest.mark.parametrize("size", [4, 6, 8])
@pytest.mark.filterwarnings("ignore")  # of PettingZoo: what it would rather see
def test_pettingzoo_s_own_tests_pass(make: Any, size: int, capsys: Any) -> None:
    from pettingzoo.test import api_test, seed_test

    api_test(make(size), num_cycles=500)
    seed_test(lambda: make(size), num_cycles=100)
    assert "Passed API test" in capsys.readouterr().out


@pytest.mark.parametrize("size", [4, 6, 8])
def test_a_game_is_the_board_s_and_the_winner_gets_the_point(make: Any, size: int) -> None:
    source, results = np.random.default_rng(size), set[float]()
    for _ in range(12):
        game, board = make(size), Board.initial(size)
        game.reset()
        while not board.is_over:
            seen, _, over, _, _ = game.last()
            assert not over and game.agent_selection == {"X": "black", "O": "white"}[board.side]
            legal = tuple(np.flatnonzero(seen["action_mask"]).tolist())
            assert legal == board.legal_actions()
            letters = np.array(list(str(board)[: size**2])).reshape(size, size)
            assert (seen["observation"][0] == (letters == board.side)).all()
            assert seen["observation"][2].sum() == len(board.legal_moves())
            action = int(source.choice(legal))
            game.step(action)
            board = board.play(action)
        score = np.sign(board.score())
        assert game.rewards == {"black": score, "white": -score}
        assert game.last()[1:4] == (game.rewards[game.agent_selection], True, False)
        results.add(score)
        while game.agents:
            game.step(None)
    assert len(results) > 1


def test_misuse_is_refused(make: Any) -> None:
    from othello.errors import IllegalMove, ParseError
    from othello.players.environment import OthelloEnvironment

    game = make()
    with pytest.raises(AssertionError, match="reset"):
        game.step(19)
    game.reset()
    game.step(0)  # a1
    assert game.terminations == {"black": True, "white": True} and game.rewards["black"] == -1
    bare = OthelloEnvironment(4, "ansi")
    bare.reset(options={"position": "--O--XO--OX----- X"})
    assert "a b c d" in bare.render()
    with pytest.raises(IllegalMove):
        bare.step(0)
    with pytest.raises(ParseError):
        bare.reset(options={"position": "nonsense"})


def test_a_missing_extra_is_one_line() -> None:
    code = "import sys; sys.modules['gymnasium'] = None; import othello.players.environment"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "pip install 'othello-lrp[pettingzoo]'" in done.stderr
