"""Self-play on a Ray cluster: the same chunks of games as local workers play, by actors on any number of machines.

A chunk's games depend on its numbers alone, so a lost worker's chunk is simply played again elsewhere.  The trainer's
process is the only one that touches the run directory: it sends each generation to a worker once, and writes a chunk's
file when the worker has sent that file's bytes.  Ray carries the calls (Moritz et al., OSDI 2018).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from othello import atomic
from othello.errors import OthelloError
from othello.training.config import RunConfig
from othello.training.worker import Chunk, ChunkReport, found_chunk, play_chunk

_log = logging.getLogger(__name__)
_ATTEMPTS = 5  # workers that a chunk may lose, and starts of a worker that may fail in a row
_JOIN_SECONDS = 30.0
_OWN_CLUSTER = {  # the environment of Ray's processes, where the user has not set it otherwise
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would report its use to its makers
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_worker_register_timeout_seconds": "300",
}
_TRIAL = """
import sys, ray
try:
    ray.init(address=sys.argv[1], logging_level="CRITICAL", log_to_driver=False)
except Exception as error:
    sys.exit("because: " + " ".join(str(error).split())[:300])
"""


class ClusterError(OthelloError):
    """Ray is not installed, not where it was said to be, or its nodes cannot play."""


class Player:
    """A self-play worker as a Ray actor; it keeps the generation that it was sent last."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        self._weights = ""

    def describe(self) -> tuple[str, dict[str, str]]:
        """The machine's name and the versions on it that decide what a game looks like."""
        return socket.gethostname(), versions()

    def play(self, chunk: Chunk, generation: dict[str, bytes] | None) -> tuple[bytes, ChunkReport]:
        """Play a chunk on the CPU with `generation`, the files of its folder, or with the last one: its samples' file.

        Raises what `play_chunk` does.
        """
        with tempfile.TemporaryDirectory() as folder:
            for name, data in (generation or {}).items():
                Path(folder, name).write_bytes(data)
            weights = folder if generation else self._weights
            out = Path(folder, "samples.npz")
            report = play_chunk(replace(chunk, weights=weights, out=str(out), device="cpu"))
            self._weights = weights  # `play_chunk` has it in memory by this name
            return out.read_bytes(), report


def versions() -> dict[str, str]:
    """What must be the same on every node, besides Python and Ray, which Ray compares itself."""
    found = {}
    for package in ("othello-lrp", "torch", "numpy", "numba"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


@dataclass
class _Task:
    chunk: Chunk
    future: Future[ChunkReport]
    losses: int = 0


@dataclass
class _Worker:
    actor: Any
    name: str
    ready: bool = False
    generation: str = ""
    task: _Task | None = None


class RayWorkers(Executor):
    """Workers on the cluster that this process is connected to; they take `play_chunk` and nothing else.

    `count` workers, or as many as the cluster has CPUs at the moment, never more than chunks.  `sent` lists what was
    sent, as (worker, generation), and `lost` counts the workers that died at play.  Chunks fail with `ClusterError` if
    there has been no worker for `patience` seconds, if a node has other versions (see `versions`) or cannot start a
    worker, and when 5 workers have died of one chunk.
    """

    def __init__(self, count: int | None = None, patience: float = 300.0) -> None:
        self._ray = _ray()
        self._count, self._patience = count, patience
        self._remote = self._ray.remote(num_cpus=1)(Player)
        self._waiting: deque[_Task] = deque()
        self._workers: list[_Worker] = []
        self._calls: dict[
            Any, _Worker
        ] = {}  # the call that a worker is busy with; a new one with `describe`
        self._generation: tuple[str, Any] = ("", None)
        self._failed_starts = 0
        self._no_worker_since = time.monotonic()
        self._failure: ClusterError | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.sent: list[tuple[str, str]] = []
        self.lost = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a chunk; a finished file of the same games is kept as it is."""
        if fn is not play_chunk or len(args) != 1 or kwargs:
            raise TypeError("workers on Ray take play_chunk and one chunk")
        if self._stopping:
            raise RuntimeError("these workers have been shut down")
        future: Future[ChunkReport] = Future()
        if Path(args[0].out).exists():
            future.set_result(found_chunk(Path(args[0].out)))
            return future
        self._waiting.append(_Task(args[0], future))
        if not self._thread.ident:
            self._thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: after the chunks submitted, or at once if not to wait for them."""
        while (
            wait
            and not cancel_futures
            and (self._waiting or any(worker.task for worker in self._workers))
        ):
            time.sleep(0.1)
        self._stopping = True
        if self._thread.ident:
            self._thread.join(timeout=10)
        for worker in self._workers:
            self._ray.kill(worker.actor)
        self._drop(ClusterError("the workers were shut down"))

    def _serve(self) -> None:
        """Hand chunks out and take results in, in a thread of its own, until `shutdown`."""
        while not self._stopping:
            try:
                self._hire()
                for worker in self._workers:
                    if worker.ready and worker.task is None:
                        self._assign(worker)
                if self._calls:
                    for call in self._ray.wait(list(self._calls), timeout=0.2)[0]:
                        self._take(self._calls.pop(call), call)
            except ClusterError as error:
                self._failure = error
            except Exception as error:
                self._failure = ClusterError(
                    f"the Ray cluster cannot be used any more: {_last_line(error)}"
                )
            while self._failure and not self._stopping:
                self._drop(self._failure)
                time.sleep(0.1)
            if not self._calls:
                time.sleep(0.05)

    def _hire(self) -> None:
        """Start the workers that are missing; to be without any for too long is a failure."""
        wanted = len(self._waiting) + sum(worker.task is not None for worker in self._workers)
        if not wanted or any(worker.ready for worker in self._workers):
            self._no_worker_since = time.monotonic()
        elif time.monotonic() - self._no_worker_since > self._patience:
            raise ClusterError(
                f"no worker for {self._patience:.0f} s: the cluster has no free CPU; see `ray status`"
            )
        if len(self._workers) < wanted:
            limit = max(1, int(self._ray.cluster_resources().get("CPU", 0)))
            for _ in range(len(self._workers), min(wanted, limit, self._count or limit)):
                actor = self._remote.remote()
                self._workers.append(worker := _Worker(actor, actor._actor_id.hex()))
                self._calls[actor.describe.remote()] = worker

    def _assign(self, worker: _Worker) -> None:
        """Give a worker the next chunk, and the generation to play it with if that is another one than before."""
        while self._waiting:
            task = self._waiting.popleft()
            if not task.future.running() and not task.future.set_running_or_notify_cancel():
                continue
            worker.task, weights, sending = task, task.chunk.weights, None
            if worker.generation != weights:
                if self._generation[0] != weights:  # put into Ray's object store once
                    files = [
                        path
                        for path in Path(weights).iterdir()
                        if path.name != "optimizer.safetensors"
                    ]
                    self._generation = (
                        weights,
                        self._ray.put({path.name: path.read_bytes() for path in files}),
                    )
                sending = self._generation[1]
                self.sent.append((worker.name, weights))
                worker.generation = weights
            self._calls[worker.actor.play.remote(task.chunk, sending)] = worker
            return

    def _take(self, worker: _Worker, call: Any) -> None:
        """Take in the end of a call: a result, what it raised, or the news that the worker is gone."""
        errors = self._ray.exceptions
        task, worker.task = worker.task, None
        try:
            result = self._ray.get(call)
            if task is None:
                self._welcome(worker, *result)
            else:
                data, report = result
                atomic.write_bytes(task.chunk.out, data)
                task.future.set_result(report)
        except errors.RayError as error:
            if task and isinstance(error, errors.RayTaskError):
                worker.generation = ""  # the worker may not have got as far as to load it
                task.future.set_exception(error.cause)
            else:
                self._lose(worker, task, _last_line(error))
        except OSError as error:
            if task is None:
                raise
            task.future.set_exception(error)

    def _welcome(self, worker: _Worker, host: str, theirs: dict[str, str]) -> None:
        ours = versions()
        if theirs != ours:
            other = ", ".join(
                f"{name} {theirs[name]}" for name in ours if theirs[name] != ours[name]
            )
            here = " ".join(f"{name}=={number}" for name, number in ours.items())
            raise ClusterError(f"the node {host} has {other}; install there what is here: {here}")
        worker.ready, self._failed_starts = True, 0

    def _lose(self, worker: _Worker, task: _Task | None, reason: str) -> None:
        """Let a worker go that died or cannot be reached; its chunk is the next to be played."""
        self._workers.remove(worker)
        self._ray.kill(worker.actor)
        if task is None:
            self._failed_starts += 1
            if self._failed_starts == _ATTEMPTS:
                raise ClusterError(
                    f"no worker could be started: {reason}\nevery node needs othello-lrp[cluster]"
                )
            return
        task.losses += 1
        self.lost += 1
        if task.losses == _ATTEMPTS:
            where = f"games {task.chunk.start}..{task.chunk.stop - 1} of iteration {task.chunk.iteration}"
            task.future.set_exception(
                ClusterError(f"{where}: {_ATTEMPTS} workers died of them; the last: {reason}")
            )
        else:
            _log.warning("a worker was lost; its games are played again (%s)", reason)
            self._waiting.appendleft(task)

    def _drop(self, error: ClusterError) -> None:
        """Let every chunk fail that has not been played."""
        tasks = [worker.task for worker in self._workers if worker.task]
        while self._waiting:
            tasks.append(self._waiting.popleft())
        for worker in self._workers:
            worker.task = None
        for task in tasks:
            if task.future.running() or task.future.set_running_or_notify_cancel():
                task.future.set_exception(error)


@contextmanager
def ray_cluster(address: str = "") -> Iterator[Callable[[RunConfig], Executor]]:
    """Join the cluster at `address`, or start one on this machine; yields what makes a run's workers.

    An address is host:port of the head node, or "auto" on a machine that belongs to a cluster; there every CPU becomes
    a worker, on a cluster of our own the run's `workers` do.  Afterwards the workers are gone, and so is a cluster
    that was started here, while one that was joined stays.  Raises `ClusterError`.
    """
    ray = _ray()
    if address:
        _check_reachable(address)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
        else:
            _start(ray)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray puts its own there
        yield lambda config: RayWorkers(None if address else config.workers)
    finally:
        ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ClusterError("--ray needs Ray: pip install 'othello-lrp[cluster]'") from None
    return ray


def _start(ray: Any) -> None:
    """Start a cluster on this machine, with a second attempt: on a busy one Ray's own start-up waits run out."""
    for name, value in _OWN_CLUSTER.items():
        os.environ.setdefault(name, value)
    settings = {"include_dashboard": False, "object_store_memory": 1 << 28, "log_to_driver": False}
    for last in (False, True):
        try:
            ray.init(address="local", logging_level=logging.ERROR, **settings)
            return
        except Exception as error:
            ray.shutdown()
            if last:
                raise ClusterError(
                    f"Ray does not start on this machine: {_last_line(error)}"
                ) from None
            _log.warning("Ray did not start, one more attempt (%s)", _last_line(error))


def _check_reachable(address: str) -> None:
    """Try `address` out in a process that can be given up: `ray.init` waits for minutes, whatever it was told."""
    host, _, port = address.rpartition(":")
    if address != "auto" and not (
        host and port.isdigit() and int(port) < 65536 and "/" not in host
    ):
        raise ClusterError(
            f"{address!r} is not the address of a Ray cluster; accepted: host:port of its head, or auto"
        )
    if address != "auto":
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except OSError as error:
            raise ClusterError(f"no Ray cluster at {address}: {error.strerror or error}") from None
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _TRIAL, address],
            capture_output=True,
            text=True,
            timeout=_JOIN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"no Ray cluster answered at {address} within {_JOIN_SECONDS:.0f} s"
        ) from None
    if trial.returncode:
        reason = [line[9:] for line in trial.stderr.splitlines() if line.startswith("because: ")]
        raise ClusterError(
            f"cannot join the Ray cluster at {address}: {' '.join(reason) or 'its client died'}"
        )


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()[:200]
