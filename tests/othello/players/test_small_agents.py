"""The released 6×6 agent on a board whose result is known: white wins by 4 (Feinstein, British Othello Federation
newsletter, 1993).
"""

from __future__ import annotations

import numpy as np
import pytest

from othello.network import checkpoint
from othello.network.evaluator import NetworkEvaluator
from othello.rules.bitboard import start_bits
from othello.strength.arena import MatchSettings, play_match

AGENT = checkpoint.default_checkpoint(6)


def lost_as_white(games: int) -> tuple[int, int]:
    """Games as white from the start against alpha-beta that is exact from 16 empty squares, and how many were lost."""
    result = play_match(
        f"mcts:200:{AGENT}",
        "alphabeta:6,solve=16",
        MatchSettings(2 * games, seed=1, opening_plies=0, size=6),
    )
    as_white = [game for game in result.games if game.black == "b"]
    return len(as_white), sum(game.winner == "b" for game in as_white)


def test_the_network_says_that_white_wins() -> None:
    black, white = (np.array([word], np.uint64) for word in start_bits(6))
    evaluate = NetworkEvaluator(checkpoint.load(AGENT).network)
    assert evaluate(black, white)[1][0] < 0


def test_it_does_not_lose_as_white() -> None:
    assert lost_as_white(4) == (4, 0)


@pytest.mark.long
def test_it_does_not_lose_a_hundred_games_as_white() -> None:
    assert lost_as_white(100) == (100, 0)
