"""What the search costs beside the network: `python -m benchmarks.search [--blocks 4 --channels 48]`.

Three ratios, each from interleaved rounds on one thread, medians: self-play simulations per second over raw network
evaluations per second at the same batch; the share of wall time outside the network with 128 games side by side; the
same for one board with batches of 16 (both searches on positions whose leaves need the network).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray

from othello.board import Board
from othello.evaluator import NetworkEvaluator
from othello.network import Architecture, Network
from othello.search.mcts import Search, search_many
from othello.training.selfplay import SelfPlaySettings, play_games

Words = NDArray[np.uint64]


class Clocked:
    """An evaluator that counts its positions and the seconds spent in it."""

    def __init__(self, evaluator: NetworkEvaluator) -> None:
        self.evaluator, self.size = evaluator, evaluator.size
        self.positions, self.seconds = 0, 0.0

    def __call__(self, own: Words, opp: Words) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        began = time.perf_counter()
        answer = self.evaluator(own, opp)
        self.seconds += time.perf_counter() - began
        self.positions += len(own)
        return answer


def openings(count: int, plies: int = 6, seed: int = 0) -> list[Board]:
    """Positions after random moves."""
    random = np.random.default_rng(seed)
    boards = []
    for _ in range(count):
        board = Board.initial()
        for _ in range(plies):
            board = board.play(int(random.choice(board.legal_moves())))
        boards.append(board)
    return boards


def raw_rate(evaluator: NetworkEvaluator, batch: int, calls: int) -> float:
    """Evaluations per second of the network alone on mixed positions."""
    random = np.random.default_rng(1)
    own = random.integers(0, 2**64, batch, dtype=np.uint64)
    opp = random.integers(0, 2**64, batch, dtype=np.uint64) & ~own
    began = time.perf_counter()
    for _ in range(calls):
        evaluator(own, opp)
    return batch * calls / (time.perf_counter() - began)


def measure(blocks: int, channels: int, rounds: int) -> dict[str, float]:
    """The figures of the module's docstring."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    evaluator = NetworkEvaluator(Network(Architecture(blocks=blocks, channels=channels)).eval())
    settings = SelfPlaySettings(simulations=32, slots=128)
    boards = openings(128)
    play_games(evaluator, SelfPlaySettings(simulations=4, slots=4), 1, 0, range(4))
    search_many(evaluator, boards[:2], 4)
    Search(evaluator).run(boards[0], 20)
    rows: dict[str, list[float]] = {name: [] for name in (
        "raw evaluations/s, batch 128", "self-play evaluations/s, 128 games", "self-play / raw",
        "outside the network, 128 games", "outside the network, one board, batch 16",
    )}  # fmt: skip
    for number in range(rounds):
        before = raw_rate(evaluator, 128, 20)
        began = time.perf_counter()
        _, evaluations = play_games(evaluator, settings, 1, number, range(128))
        rate = evaluations / (time.perf_counter() - began)
        raw = (before + raw_rate(evaluator, 128, 20)) / 2
        rows["raw evaluations/s, batch 128"].append(raw)
        rows["self-play evaluations/s, 128 games"].append(rate)
        rows["self-play / raw"].append(rate / raw)
        for name, run in (
            ("outside the network, 128 games", lambda clocked: search_many(clocked, boards, 48)),
            ("outside the network, one board, batch 16", lambda clocked: Search(clocked).run(boards[0], 1600)),
        ):
            clocked = Clocked(evaluator)
            began = time.perf_counter()
            run(clocked)
            rows[name].append(1 - clocked.seconds / (time.perf_counter() - began))
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
        print(f"{name:45s} {value:10,.0f}" if value > 10 else f"{name:45s} {value:10.3f}")


if __name__ == "__main__":
    main()
