"""What a reply costs: `python -m benchmarks.replies --solve 14 18`, milliseconds of processor time a move.

For each number of empty squares from which play is exact, two players of 100 simulations a move play games from random
4-ply openings against each other, the numbers taking turns game by game.  Forced moves are left out.
"""

from __future__ import annotations

import random
import time

import numpy as np

from benchmarks.harness import options
from othello.network.evaluator import Evaluator
from othello.players.agent import SearchPlayer, load_evaluator
from othello.players.endgame import SOLVE_EMPTIES
from othello.rules.board import Board


def replies(evaluator: Evaluator, simulations: int, solve: int, seed: int) -> list[float]:
    """Milliseconds of every reply of one game."""
    source, board, spent = random.Random(seed), Board.initial(), []
    for _ in range(4):
        board = board.play(source.choice(board.legal_actions()))
    players = {side: SearchPlayer(evaluator, simulations, solve_empties=solve) for side in "XO"}
    while not board.is_over:
        began = time.process_time()
        move = players[board.side].best(board)
        if len(board.legal_actions()) > 1:
            spent.append(1000 * (time.process_time() - began))
        board = board.play(move)
    return spent


def main() -> None:
    chosen = options(
        (__doc__ or "").splitlines()[0],
        solve={"default": [14, SOLVE_EMPTIES], "metavar": "EMPTIES"},
        simulations=100,
        games=40,
    )
    evaluator, _ = load_evaluator(None, 8)
    spent: dict[int, list[float]] = {solve: [] for solve in chosen.solve}
    for game in range(-1, chosen.games):
        for solve, times in spent.items():
            found = replies(evaluator, chosen.simulations, solve, game + 1)
            times.extend(found if game >= 0 else [])  # the first game compiles
    for solve, times in spent.items():
        median, late, later, most = np.percentile(times, [50, 95, 99, 100])
        print(
            f"exact from {solve:2d}: {len(times)} replies, median {median:.1f} ms, 95 % {late:.1f}, 99 % {later:.1f}, "
            f"longest {most:.1f}"
        )


if __name__ == "__main__":
    main()
