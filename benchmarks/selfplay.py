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

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from typing import Any

import numpy as np

from benchmarks import learner
from benchmarks.harness import Watched, evaluations_per_second, medians, options, show
from othello.network.checkpoint import default_checkpoint
from othello.network.evaluator import Evaluator
from othello.players.agent import load_evaluator
from othello.training import selfplay
from othello.training.selfplay import Samples, SelfPlaySettings, play_games

BATCH = 128


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


def warm(evaluator: Evaluator) -> None:
    """Load the compiled code."""
    play_games(evaluator, SelfPlaySettings(simulations=4, slots=4), 0, 0, range(4))


def play(
    evaluator: Evaluator, settings: SelfPlaySettings, games: int, number: int
) -> dict[str, float]:
    """Play a chunk and see where its time goes; `full batches` is while every game is under way."""
    watched = Watched(evaluator)
    with clocked_solver() as solver:
        wall, began = time.perf_counter(), time.thread_time()
        _, effort = play_games(watched, settings, 1, number, range(games))
        spent, wall = time.thread_time() - began, time.perf_counter() - wall
    waiting = np.array([call[0] for call in watched.calls])
    network = np.array([after - before for _, before, after in watched.calls])
    # the odd slot is missing while a game solves all its leaves
    short = np.flatnonzero(waiting < 0.95 * min(games, settings.slots))
    last = int(short[0]) if len(short) and short[0] > 1 else len(waiting) - 1
    length = watched.calls[last][1] - watched.calls[0][1]
    return {
        "chunk, simulations/s": effort.simulations / spent,
        "chunk, simulations/s without labelling": effort.simulations / (spent - sum(solver)),
        "chunk, evaluations/s": effort.evaluations / spent,
        "full batches, evaluations/s": float(waiting[:last].sum()) / length,
        "full batches, share of time in the network": float(network[:last].sum()) / length,
        "chunk, share of time in the network": watched.seconds / spent,
        "chunk, share of time in labelling": sum(solver) / spent,
        "chunk, share of time in the rest": 1 - (watched.seconds + sum(solver)) / spent,
        "chunk, mean batch": float(waiting.mean()),
        "chunk, evaluations a simulation": effort.evaluations / effort.simulations,
        "chunk, processor s": spent,
        "chunk, wall s": wall,
    }


def raw_rate(evaluator: Evaluator, samples: Samples, calls: int, number: int) -> float:
    """Evaluations of the network alone per processor second on positions from self-play."""
    random = np.random.default_rng(number)
    chosen = random.integers(len(samples.own), size=(calls, BATCH))
    return evaluations_per_second(
        evaluator, [(samples.own[rows], samples.opp[rows]) for rows in chosen]
    )


def one_process(checkpoint: str, settings: SelfPlaySettings, rounds: int) -> dict[str, float]:
    """Rates of a chunk and of the network alone, and where the chunk's time goes."""
    evaluator, _ = load_evaluator(checkpoint, 8)
    warm(evaluator)
    samples, _ = play_games(evaluator, settings._replace(simulations=4), 1, 99, range(BATCH))
    raw_rate(evaluator, samples, 4, 0)

    def one_round(number: int) -> dict[str, float]:
        before = raw_rate(evaluator, samples, 100, 2 * number)
        found = play(evaluator, settings, BATCH, number)
        raw = (before + raw_rate(evaluator, samples, 100, 2 * number + 1)) / 2
        return {
            "network alone, batch 128, evaluations/s": raw,
            **found,
            "simulations/s ÷ network alone": found["chunk, simulations/s"] / raw,
            "the same without labelling": found["chunk, simulations/s without labelling"] / raw,
            "full batches, evaluations/s ÷ network alone": found["full batches, evaluations/s"]
            / raw,
        }

    return medians(one_round(number) for number in range(rounds))


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
    arguments = options(
        __doc__,
        rounds=3,
        simulations=32,
        checkpoint=str(default_checkpoint(8)),
        part={"choices": ("process", "workers", "learner"), "help": "only this part"},
    )
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
    show(figures, arguments.json)


if __name__ == "__main__":
    main()
