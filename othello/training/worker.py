"""A self-play worker: one process, one thread, one chunk of games at a time, its result a file."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from othello import atomic
from othello.errors import EvaluationError
from othello.network import checkpoint
from othello.network.architecture import Network
from othello.network.evaluator import NetworkEvaluator
from othello.training.chunks import seal
from othello.training.game_slots import SelfPlaySettings
from othello.training.learner import NotFinite
from othello.training.replay import Cost, read_cost, sample_bytes
from othello.training.selfplay import play_games

_cache: dict[str, Any] = {}


@dataclass(frozen=True)
class Chunk:
    """The games `start`..`stop` − 1 of an iteration, to be played by the generation in `weights`, written to `out`."""

    weights: str
    settings: SelfPlaySettings
    seed: int
    iteration: int
    start: int
    stop: int
    out: str
    device: str = "cpu"
    generation: str = ""  # SHA-256 of the weights
    backend: str = "auto"  # what runs the network; the last bits of its answers, and so the games, depend on it

    @property
    def identity(self) -> str:
        """What decides the games, in one line: two chunks of one identity hold the same games."""
        settings = hashlib.sha256(
            json.dumps(self.settings._asdict(), sort_keys=True).encode()
        ).hexdigest()
        games = f"games {self.start}-{self.stop} of iteration {self.iteration} by seed {self.seed}"
        return f"{games}, generation {self.generation}, settings {settings}, backend {self.backend}"


@dataclass(frozen=True)
class ChunkReport:
    """What a chunk cost: network evaluations and seconds of processor time; `reused` if its file was there already.

    A file tells what it cost when it was made, so that a run that goes on counts it.
    """

    evaluations: int
    seconds: float
    reused: bool = False


def start_worker() -> None:
    """Set a fresh worker process up: one thread, signals left to the parent, gone when the parent is."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def whole_start() -> Iterator[None]:
    """Put Ctrl-C and SIGTERM off until the worker processes that the block starts have all they start from.

    A process that was cut off from its parent before would tell of it on standard error.  The terminal's Ctrl-C
    does not reach the new processes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda came, _: held.append(came)) for number in numbers]
    if masks := hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        for came in held[:1]:
            signal.raise_signal(came)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def found_chunk(out: Path) -> ChunkReport:
    """The report of a chunk whose file is there already; `CheckpointError` if it cannot be read."""
    return ChunkReport(*read_cost(out), reused=True)


def play_chunk(chunk: Chunk) -> ChunkReport:
    """Play a chunk and write its samples, sealed with its identity; a file that is there already is kept as it is.

    The trainer has set aside before what is not this chunk's.  Raises `NotFinite` for a network that overflows.
    """
    out = Path(chunk.out)
    if out.exists():
        return found_chunk(out)
    began = time.process_time()
    player = (chunk.weights, chunk.device, chunk.backend)
    if _cache.get("player") != player:
        loaded = checkpoint.load(chunk.weights)
        network = cast(Network, loaded.network)
        evaluator = NetworkEvaluator(network, device=chunk.device, backend=chunk.backend)
        _cache.update(player=player, evaluator=evaluator)
    games = range(chunk.start, chunk.stop)
    try:
        samples, effort = play_games(
            _cache["evaluator"], chunk.settings, chunk.seed, chunk.iteration, games
        )
    except EvaluationError as error:
        where = f"iteration {chunk.iteration}, games {chunk.start}..{chunk.stop - 1}"
        raise NotFinite(f"{where}: {error}") from None
    cost = Cost(effort.evaluations, time.process_time() - began)
    atomic.write_bytes(out, seal(sample_bytes(samples, cost), chunk.identity))
    return ChunkReport(*cost)
