"""Samples per second and core of a training step, with torch's tower and Winograd's: `python -m benchmarks.learner`.

A step is the forward and backward pass, AdamW and the average of the weights, on one thread.  Figures are medians of
interleaved rounds, of the process's own CPU time (other load on the machine takes little from it) and, in brackets, of
the clock; `data` is what making the batch costs, as a share of the faster step.
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

from benchmarks.evaluator import positions
from othello.network.architecture import Architecture, Network
from othello.rules.bitboard import BOARD_MASK
from othello.training.config import LearnerSettings
from othello.training.learner import Learner
from othello.training.replay import batches
from othello.training.selfplay import Samples


def samples(count: int, size: int) -> Samples:
    """Random positions with random targets; speed does not depend on which."""
    random = np.random.default_rng(0)
    own, opp = positions(count, size)
    policy = random.dirichlet(np.ones(size * size + 1), count).astype(np.float16)
    outcome, score = random.integers(-1, 2, (2, count)).astype(np.int8)
    return Samples(
        own, opp, policy, outcome, score, outcome.astype(np.float16), np.zeros(count, np.int32)
    )


def measure(
    blocks: int, channels: int, size: int, batch: int, rounds: int
) -> tuple[dict[str, float], dict[str, float], float]:
    """Samples per CPU second and per second of the clock of both towers, and the share of a step that its data cost."""
    settings = LearnerSettings(batch=batch)
    learners: dict[str, Learner] = {}
    for name in ("torch", "winograd"):
        torch.manual_seed(0)
        learners[name] = Learner(
            Network(Architecture(size=size, blocks=blocks, channels=channels)), settings
        )
        learners[name].network.train()
    learners["torch"].tower = None
    data = batches(
        samples(4 * batch, size), 2 + rounds, settings, size, 4, np.random.default_rng(0)
    )
    cpu: dict[str, list[float]] = {"torch": [], "winograd": [], "data": []}
    clock: dict[str, list[float]] = {"torch": [], "winograd": []}
    for index in range(2 + rounds):
        start = time.process_time()
        arrays, legal = next(data)
        cpu["data"].append(time.process_time() - start)
        for name, learner in learners.items():
            start, began = time.process_time(), time.perf_counter()
            learner._step(arrays, torch.from_numpy(legal), index)
            cpu[name].append(time.process_time() - start)
            clock[name].append(time.perf_counter() - began)
    median = {name: statistics.median(seconds[2:]) for name, seconds in cpu.items()}
    return (
        {name: batch / median[name] for name in learners},
        {name: batch / statistics.median(clock[name][2:]) for name in learners},
        median["data"] / median["winograd"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", default=["4x48", "6x64"], help="blocks x channels")
    parser.add_argument("--size", type=int, default=8, choices=sorted(BOARD_MASK))
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    if not arguments.json:
        print(
            "samples/s of CPU time (of the clock)\nnet            torch        winograd     ratio   data"
        )
    for net in arguments.nets:
        blocks, channels = map(int, net.split("x"))
        cpu, clock, data = measure(
            blocks, channels, arguments.size, arguments.batch, arguments.rounds
        )
        results[net] = {"cpu": cpu, "clock": clock, "data": data}
        if not arguments.json:
            figures = "".join(f"{cpu[name]:8,.0f} ({clock[name]:5,.0f})" for name in cpu)
            print(f"{net:8}{figures}{cpu['winograd'] / cpu['torch']:9.2f}x{data:7.1%}", flush=True)
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
