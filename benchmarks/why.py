"""What a sentence about a move costs beyond its search: `python -m benchmarks.why`, milliseconds of processor time.

Positions of games that the agent plays against itself from random 4-ply openings; each is searched, then explained.
The search, which is there anyway, stands beside it.  The bound is 150 ms.
"""

from __future__ import annotations

import random
import time

import numpy as np

from app.explain.reasons.sentence import why
from app.models import Model, load_model
from benchmarks.harness import options
from othello.rules.board import Board
from othello.search.search import Search


def spent(model: Model, simulations: int, seed: int) -> list[tuple[float, float]]:
    """Milliseconds of the search and of the sentence at every position of one game with a choice of moves."""
    source, board, found = random.Random(seed), Board.initial(), []
    for _ in range(4):
        board = board.play(source.choice(board.legal_actions()))
    search = Search(model.evaluator, seed=seed)
    while not board.is_over:
        if len(board.legal_moves()) < 2:
            board = board.play(board.legal_actions()[0])
            continue
        began = time.process_time()
        result = search.run(board, simulations)
        searched = time.process_time()
        why(model, result)
        found.append((1000 * (searched - began), 1000 * (time.process_time() - searched)))
        board = board.play(result.moves[0].square)
    return found


def main() -> None:
    chosen = options((__doc__ or "").splitlines()[0], simulations=100, games=10)
    model, times = load_model(), []
    for game in range(-1, chosen.games):
        found = spent(model, chosen.simulations, game + 1)
        times.extend(found if game >= 0 else [])  # the first game compiles
    for name, column in zip(("search", "sentence"), np.array(times).T):
        median, late, most = np.percentile(column, [50, 95, 100])
        print(
            f"{name:8}: {len(times)} moves, median {median:.0f} ms, 95 % {late:.0f}, longest {most:.0f}"
        )


if __name__ == "__main__":
    main()
