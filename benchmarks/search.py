"""What the search costs beside the network: `python -m benchmarks.search [--blocks 4 --channels 48]`.

From interleaved rounds on one thread, medians: self-play positions per second over raw network evaluations per second
at the same batch; the share of the search's time outside the network with 128 games side by side, by PUCT and by
Gumbel, and for one board with batches of 16; beside each share how many simulations there are to a network evaluation,
since leaves that are solved or finished need none.  All times are processor time of this process, so that a busy
machine tells nearly the same as a free one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from othello.network.architecture import Architecture, Network
from othello.network.evaluator import NetworkEvaluator
from othello.rules.board import Board
from othello.search.search import Gumbel, Search, SearchResult, search_many
from othello.training.selfplay import SelfPlaySettings, play_games

Words = NDArray[np.uint64]


class Clocked:
    """An evaluator that counts its positions and the processor seconds spent in it."""

    def __init__(self, evaluator: NetworkEvaluator) -> None:
        self.evaluator, self.size = evaluator, evaluator.size
        self.positions, self.seconds = 0, 0.0

    def __call__(self, own: Words, opp: Words) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        began = time.process_time()
        answer = self.evaluator(own, opp)
        self.seconds += time.process_time() - began
        self.positions += len(own)
        return answer


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


def raw_rate(evaluator: NetworkEvaluator, batch: int, calls: int) -> float:
    """Evaluations per second of the network alone on mixed positions."""
    random = np.random.default_rng(1)
    own = random.integers(0, 2**64, batch, dtype=np.uint64)
    opp = random.integers(0, 2**64, batch, dtype=np.uint64) & ~own
    began = time.process_time()
    for _ in range(calls):
        evaluator(own, opp)
    return batch * calls / (time.process_time() - began)


def measure(blocks: int, channels: int, rounds: int) -> dict[str, float]:
    """The figures of the module's docstring."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    evaluator = NetworkEvaluator(Network(Architecture(blocks=blocks, channels=channels)).eval())
    settings = SelfPlaySettings(simulations=32, slots=128)
    boards, late = openings(128), openings(128, 44)
    play_games(evaluator, SelfPlaySettings(simulations=4, slots=4), 1, 0, range(4))
    runs: dict[str, Callable[[Clocked], Sequence[SearchResult]]] = {
        "128 games": lambda clocked: search_many(clocked, boards, 48),
        "128 games, Gumbel": lambda clocked: search_many(clocked, boards, 48, Gumbel(), range(128)),
        "128 games near the end": lambda clocked: search_many(clocked, late, 48),
        "one board, batch 16": lambda clocked: [Search(clocked).run(boards[0], 1600)],
    }
    for run in runs.values():  # compiled before clocks run
        run(Clocked(evaluator))
    rows: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)

    for number in range(rounds):
        before = raw_rate(evaluator, 128, 20)
        began = time.process_time()
        _, effort = play_games(evaluator, settings, 1, number, range(128))
        rate = effort.evaluations / (time.process_time() - began)
        raw = (before + raw_rate(evaluator, 128, 20)) / 2
        note("raw evaluations/s, batch 128", raw)
        note("self-play evaluations/s, 128 games", rate)
        note("self-play / raw", rate / raw)
        note("  simulations an evaluation, self-play", effort.simulations / effort.evaluations)
        for name, run in runs.items():
            clocked = Clocked(evaluator)
            began = time.process_time()
            simulations = sum(result.simulations for result in run(clocked))
            note(
                f"outside the network, {name}", 1 - clocked.seconds / (time.process_time() - began)
            )
            note(f"  simulations an evaluation, {name}", simulations / clocked.positions)
    return {name: statistics.median(values) for name, values in rows.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--channels", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.blocks, arguments.channels, arguments.rounds)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:50s} {value:10,.0f}" if value > 10 else f"{name:50s} {value:10.3f}")


if __name__ == "__main__":
    main()
