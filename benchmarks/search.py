"""What the search costs beside the network: `python -m benchmarks.search [--blocks 4 --channels 48]`.

From interleaved rounds on one thread, medians: self-play positions per second over raw network evaluations per second
at the same batch; the share of the search's time outside the network with 128 games side by side, by PUCT and by
Gumbel, and for one board with batches of 16; beside each share how many simulations there are to a network evaluation,
since leaves that are solved or finished need none.  All times are processor time of this process, so that a busy
machine tells nearly the same as a free one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from benchmarks.evaluator import positions
from benchmarks.harness import Watched, evaluations_per_second, medians, options, show
from othello.network.architecture import Architecture, Network
from othello.network.evaluator import NetworkEvaluator
from othello.rules.board import Board
from othello.search.search import Gumbel, Search, SearchResult, search_many
from othello.training.selfplay import SelfPlaySettings, play_games


def openings(count: int, plies: int = 6, seed: int = 0) -> list[Board]:
    """Positions with so many discs played by random moves, and a move to make."""
    random = np.random.default_rng(seed)
    boards = []
    while len(boards) < count:
        board = Board.initial()
        while not board.is_over and board.empties > 60 - plies:
            board = board.play(int(random.choice(board.legal_actions())))
        if board.legal_moves():
            boards.append(board)
    return boards


def measure(blocks: int, channels: int, rounds: int) -> dict[str, float]:
    """The figures of the module's docstring."""
    torch.manual_seed(0)
    evaluator = NetworkEvaluator(Network(Architecture(blocks=blocks, channels=channels)).eval())
    settings = SelfPlaySettings(simulations=32, slots=128)
    words = positions(128, 8)
    boards, late = openings(128), openings(128, 44)
    play_games(evaluator, SelfPlaySettings(simulations=4, slots=4), 1, 0, range(4))
    runs: dict[str, Callable[[Watched], Sequence[SearchResult]]] = {
        "128 games": lambda watched: search_many(watched, boards, 48),
        "128 games, Gumbel": lambda watched: search_many(watched, boards, 48, Gumbel(), range(128)),
        "128 games near the end": lambda watched: search_many(watched, late, 48),
        "one board, batch 16": lambda watched: [Search(watched).run(boards[0], 1600)],
    }
    for run in runs.values():  # compiled before clocks run
        run(Watched(evaluator))

    def one_round(number: int) -> dict[str, float]:
        before = evaluations_per_second(evaluator, [words] * 20)
        began = time.process_time()
        _, effort = play_games(evaluator, settings, 1, number, range(128))
        rate = effort.evaluations / (time.process_time() - began)
        raw = (before + evaluations_per_second(evaluator, [words] * 20)) / 2
        found = {
            "raw evaluations/s, batch 128": raw,
            "self-play evaluations/s, 128 games": rate,
            "self-play / raw": rate / raw,
            "  simulations an evaluation, self-play": effort.simulations / effort.evaluations,
        }
        for name, run in runs.items():
            watched = Watched(evaluator)
            began = time.process_time()
            simulations = sum(result.simulations for result in run(watched))
            outside = 1 - watched.seconds / (time.process_time() - began)
            found[f"outside the network, {name}"] = outside
            found[f"  simulations an evaluation, {name}"] = simulations / watched.positions
        return found

    return medians(one_round(number) for number in range(rounds))


def main() -> None:
    chosen = options(__doc__, blocks=4, channels=48, rounds=5)
    show(measure(chosen.blocks, chosen.channels, chosen.rounds), chosen.json)


if __name__ == "__main__":
    main()
