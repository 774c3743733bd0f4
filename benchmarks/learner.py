"""Samples per second and core of a training step, with torch's tower and Winograd's: `python -m benchmarks.learner`.

A step is the forward and backward pass, AdamW and the average of the weights, on one thread.  Figures are medians of
interleaved rounds, of the process's own CPU time (other load on the machine takes little from it) and, in brackets, of
the clock; `data` is what making the batch costs, as a share of the faster step.
"""

from __future__ import annotations

import json
import time

import numpy as np
import torch

from benchmarks.evaluator import positions
from benchmarks.harness import medians, options
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

    def one_round(index: int) -> dict[str, float]:
        start = time.process_time()
        arrays, legal = next(data)
        found = {"data": time.process_time() - start}
        for name, learner in learners.items():
            start, began = time.process_time(), time.perf_counter()
            learner._step(arrays, torch.from_numpy(legal), index)
            found[name] = time.process_time() - start
            found[f"{name} clock"] = time.perf_counter() - began
        return found

    for index in range(2):
        one_round(index)
    spent = medians(one_round(index) for index in range(rounds))
    return (
        {name: batch / spent[name] for name in learners},
        {name: batch / spent[f"{name} clock"] for name in learners},
        spent["data"] / spent["winograd"],
    )


def main() -> None:
    arguments = options(
        __doc__,
        nets={"default": ["4x48", "6x64"], "help": "blocks x channels"},
        size={"default": 8, "choices": sorted(BOARD_MASK)},
        batch=512,
        rounds=9,
    )
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
