"""Self-play beside the bare network, and two workers beside one: `python -m benchmarks.selfplay [--rounds 3]`.

Interleaved rounds with the released 8×8 weights, medians.  In one process of one thread: evaluations of the network
alone at batch 128 on positions from self-play, before and after each chunk of 128 games side by side as `play_games`
makes them; the chunk is split into the network, the solver that labels finished games, and the rest (trees, leaves
solved in the search, Python).  `full batches` is the part of a chunk in which no game has ended yet.  Rates are per
second of processor time, which other load on the machine changes little.

Then worker processes, one and two in turn, each playing such a chunk: the sum of their rates by the clock and by
processor time, and the largest memory of one; last the learner, as `benchmarks.learner` measures it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import learner
from othello.network.checkpoint import default_checkpoint
from othello.network.evaluator import Evaluation, Evaluator
from othello.players.agent import load_evaluator
from othello.training import selfplay
from othello.training.selfplay import Samples, SelfPlaySettings, play_games

Words = NDArray[np.uint64]
BATCH = 128


class Watched:
    """An evaluator that keeps, for each call, its batch, and the processor seconds before and after it."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator, self.size = evaluator, evaluator.size
        self.calls: list[tuple[int, float, float]] = []

    def __call__(self, own: Words, opp: Words) -> Evaluation:
        began = time.thread_time()
        answer = self.evaluator(own, opp)
        self.calls.append((len(own), began, time.thread_time()))
        return answer


@contextmanager
def clocked_solver() -> Iterator[list[float]]:
    """The processor seconds of every game that the solver plays out while this lasts."""
    seconds: list[float] = []
    original: Callable[..., int] = selfplay.play_out

    def play_out(*arguments: Any) -> int:
        began = time.thread_time()
        score = original(*arguments)
        seconds.append(time.thread_time() - began)
        return score

    selfplay.play_out = play_out
    try:
        yield seconds
    finally:
        selfplay.play_out = original


@dataclass(frozen=True)
class Play:
    """One chunk: counts, processor seconds and where they went."""

    simulations: int
    evaluations: int
    seconds: float
    network: float
    labelling: float
    wall: float
    batch: float  # mean positions a call
    full_rate: float  # evaluations a second while every game is under way
    full_network: float  # the network's share of that time

    @property
    def rest(self) -> float:
        return self.seconds - self.network - self.labelling


def warm(evaluator: Evaluator) -> None:
    """Load the compiled code."""
    settings = SelfPlaySettings(simulations=4, slots=4)
    play_games(evaluator, settings, 0, 0, range(4))
    play_games(evaluator, replace(settings, search="puct"), 0, 0, range(4))


def play(
    evaluator: Evaluator, settings: SelfPlaySettings, games: int, number: int
) -> tuple[Samples, Play]:
    """Play a chunk and see where its time goes."""
    watched = Watched(evaluator)
    with clocked_solver() as solver:
        wall, began = time.perf_counter(), time.thread_time()
        samples, effort = play_games(watched, settings, 1, number, range(games))
        seconds, wall = time.thread_time() - began, time.perf_counter() - wall
    waiting = np.array([call[0] for call in watched.calls])
    spent = np.array([after - before for _, before, after in watched.calls])
    slots = min(games, settings.slots)
    short = np.flatnonzero(
        waiting < 0.95 * slots
    )  # the odd slot is missing while a game solves all its leaves
    last = int(short[0]) if len(short) and short[0] > 1 else len(waiting) - 1
    length = watched.calls[last][1] - watched.calls[0][1]
    return samples, Play(
        effort.simulations,
        effort.evaluations,
        seconds,
        float(spent.sum()),
        sum(solver),
        wall,
        float(waiting.mean()),
        float(waiting[:last].sum()) / length,
        float(spent[:last].sum()) / length,
    )


def raw_rate(evaluator: Evaluator, samples: Samples, calls: int, number: int) -> float:
    """Evaluations of the network alone per processor second on positions from self-play."""
    random = np.random.default_rng(number)
    chosen = random.integers(len(samples.own), size=(calls, BATCH))
    batches = [(samples.own[rows], samples.opp[rows]) for rows in chosen]
    began = time.thread_time()
    for own, opp in batches:
        evaluator(own, opp)
    return BATCH * calls / (time.thread_time() - began)


def one_process(checkpoint: str, settings: SelfPlaySettings, rounds: int) -> dict[str, float]:
    """Rates of a chunk and of the network alone, and where the chunk's time goes."""
    evaluator, _ = load_evaluator(checkpoint, 8)
    warm(evaluator)
    samples, _ = play_games(evaluator, replace(settings, simulations=4), 1, 99, range(BATCH))
    raw_rate(evaluator, samples, 4, 0)
    rows: dict[str, list[float]] = {}
    for number in range(rounds):
        before = raw_rate(evaluator, samples, 100, 2 * number)
        _, chunk = play(evaluator, settings, BATCH, number)
        raw = (before + raw_rate(evaluator, samples, 100, 2 * number + 1)) / 2
        unlabelled = chunk.simulations / (chunk.seconds - chunk.labelling)
        found = {
            "network alone, batch 128, evaluations/s": raw,
            "chunk, simulations/s": chunk.simulations / chunk.seconds,
            "chunk, simulations/s without labelling": unlabelled,
            "chunk, evaluations/s": chunk.evaluations / chunk.seconds,
            "full batches, evaluations/s": chunk.full_rate,
            "simulations/s ÷ network alone": chunk.simulations / chunk.seconds / raw,
            "the same without labelling": unlabelled / raw,
            "full batches, evaluations/s ÷ network alone": chunk.full_rate / raw,
            "full batches, share of time in the network": chunk.full_network,
            "chunk, share of time in the network": chunk.network / chunk.seconds,
            "chunk, share of time in labelling": chunk.labelling / chunk.seconds,
            "chunk, share of time in the rest": chunk.rest / chunk.seconds,
            "chunk, mean batch": chunk.batch,
            "chunk, evaluations a simulation": chunk.evaluations / chunk.simulations,
            "chunk, processor s": chunk.seconds,
            "chunk, wall s": chunk.wall,
        }
        for name, value in found.items():
            rows.setdefault(name, []).append(value)
    return {name: statistics.median(values) for name, values in rows.items()}


def _worker(
    checkpoint: str,
    settings: SelfPlaySettings,
    number: int,
    start: Barrier,
    results: multiprocessing.Queue[Any],
) -> None:
    """A process that plays one chunk when all are ready: simulations, seconds by the clock and of processor, bytes."""
    evaluator, _ = load_evaluator(checkpoint, 8)
    warm(evaluator)
    start.wait()
    wall, began = time.perf_counter(), time.process_time()
    _, effort = play_games(evaluator, settings, 2, number, range(BATCH))
    spent = time.process_time() - began
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results.put((effort.simulations, time.perf_counter() - wall, spent, memory))


def together(checkpoint: str, settings: SelfPlaySettings, count: int) -> tuple[float, float, float]:
    """`count` processes at once: the sum of their simulations a second by the clock and of processor; most bytes."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(count), context.Queue()
    processes = [
        context.Process(target=_worker, args=(checkpoint, settings, number, start, results))
        for number in range(count)
    ]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    clock = sum(simulations for simulations, *_ in found) / max(wall for _, wall, _, _ in found)
    return clock, sum(row[0] / row[2] for row in found), max(row[3] for row in found)


def two_processes(checkpoint: str, settings: SelfPlaySettings, rounds: int) -> dict[str, float]:
    """Two workers beside one."""
    one, two = [], []
    for _ in range(rounds):
        one.append(together(checkpoint, settings, 1))
        two.append(together(checkpoint, settings, 2))
    clock1, spent1, _ = map(statistics.median, zip(*one))
    clock2, spent2, memory = map(statistics.median, zip(*two))
    return {
        "one process, simulations/s by the clock": clock1,
        "two processes, simulations/s by the clock": clock2,
        "two ÷ one by the clock": clock2 / clock1,
        "two ÷ one by processor time": spent2 / spent1,
        "memory of a process, MiB": memory / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--simulations", type=int, default=32)
    parser.add_argument("--checkpoint", default=str(default_checkpoint(8)))
    parser.add_argument("--part", choices=("process", "workers", "learner"), help="only this part")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = SelfPlaySettings(simulations=arguments.simulations, slots=BATCH)
    figures: dict[str, float] = {}
    if arguments.part in (None, "process"):
        figures |= one_process(arguments.checkpoint, settings, arguments.rounds)
    if arguments.part in (None, "workers"):
        figures |= two_processes(arguments.checkpoint, settings, arguments.rounds)
    if arguments.part in (None, "learner"):
        cpu, clock, _ = learner.measure(4, 48, 8, 512, 2 * arguments.rounds + 3)
        figures |= {
            "learner, samples/s": cpu["winograd"],
            "learner, samples/s by the clock": clock["winograd"],
        }
    if arguments.json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
        return
    for name, value in figures.items():
        print(f"{name:48s}{value:12,.0f}" if value >= 30 else f"{name:48s}{value:12.3f}")


if __name__ == "__main__":
    main()
