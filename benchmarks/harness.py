"""What benchmarks share: options, interleaved rounds and their medians, figures as a table or as JSON."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.profiler import ProfilerActivity, profile

if TYPE_CHECKING:
    from othello.network.evaluator import Evaluation, Evaluator

Words = NDArray[np.uint64]
Clock = Callable[[], float]


def options(text: str | None, **arguments: Any) -> argparse.Namespace:
    """The command line, with `--json`; torch gets one thread.

    An option is given by its default, of whose type it is (a list takes several), or by what `add_argument` takes.
    """
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, given in {"json": False, **arguments}.items():
        settings = dict(given) if isinstance(given, dict) else {"default": given}
        default = settings.get("default")
        if isinstance(default, bool):
            settings["action"] = "store_true"
        elif isinstance(default, list):
            settings |= {"nargs": "+", "type": type(default[0])}
        elif default is not None:
            settings["type"] = type(default)
        parser.add_argument(f"--{name}", **settings)
    torch.set_num_threads(1)
    return parser.parse_args()


def medians(rounds: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The median of every figure over rounds."""
    rows: dict[str, list[float]] = {}
    for found in rounds:
        for name, value in found.items():
            rows.setdefault(name, []).append(value)
    return {name: statistics.median(values) for name, values in rows.items()}


def seconds(job: Callable[[], object], clock: Clock = time.thread_time) -> float:
    """What a job takes: of this thread's processor time, which other load on the machine changes little."""
    began = clock()
    job()
    return clock() - began


def most_bytes(job: Callable[[], object]) -> int:
    """The most bytes that a job has allocated at once through torch, on the CPU; what was there before does not count.

    The profiler takes an address for what an earlier job had there, so that only what this one allocated is freed.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        job()
    pending: list[Any] = list(watched.profiler.kineto_results.experimental_event_tree())  # type: ignore[union-attr]
    changes = []
    while pending:
        event = pending.pop()
        pending += event.children
        if event.name == "[memory]":
            changes.append((event.start_time_ns, event.extra_fields))
    sizes: dict[int, int] = {}
    held = most = 0
    for _, change in sorted(changes, key=lambda pair: pair[0]):
        if change.alloc_size > 0:
            sizes[change.ptr] = change.alloc_size
            held += change.alloc_size
            most = max(most, held)
        else:
            held -= sizes.pop(change.ptr, 0)
    return most


def interleaved(
    jobs: Mapping[str, Callable[[], object]], rounds: int, clock: Clock = time.thread_time
) -> dict[str, float]:
    """The median seconds of jobs that take turns, after each was done once, so that other load falls on all alike."""

    def one_round() -> dict[str, float]:
        return {name: seconds(job, clock) for name, job in jobs.items()}

    one_round()
    return medians(one_round() for _ in range(rounds))


def show(figures: Mapping[str, float], as_json: bool) -> None:
    """Print figures, a line each, or all of them as JSON."""
    if as_json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
        return
    for name, value in figures.items():
        print(f"{name:50s}{value:12,.0f}" if value >= 30 else f"{name:50s}{value:12.3f}")


def evaluations_per_second(evaluator: Evaluator, batches: Iterable[tuple[Words, Words]]) -> float:
    """Of the network alone, per processor second."""
    watched = Watched(evaluator)
    for own, opp in batches:
        watched(own, opp)
    return watched.positions / watched.seconds


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

    @property
    def positions(self) -> int:
        """Positions evaluated."""
        return sum(batch for batch, _, _ in self.calls)

    @property
    def seconds(self) -> float:
        """Processor seconds spent in the evaluator."""
        return sum(after - before for _, before, after in self.calls)
