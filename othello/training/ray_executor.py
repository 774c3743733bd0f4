"""Self-play on a Ray cluster: the same chunks of games as local workers play, as tasks on any number of machines.

A chunk's games depend on its numbers alone, so Ray simply plays the chunk of a lost worker again elsewhere.  The
trainer's process is the only one that touches the run directory: it puts each generation into Ray's object store once,
from where every machine fetches it once, and writes a chunk's file when a worker has sent that file's bytes.  Ray
carries the calls (Moritz et al., OSDI 2018).
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
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from othello import atomic
from othello.errors import OthelloError
from othello.network.backends import has_amx
from othello.training.config import RunConfig
from othello.training.worker import Chunk, ChunkReport, found_chunk, play_chunk

_log = logging.getLogger(__name__)
_ATTEMPTS = 5  # workers that a chunk may lose
_CPUS = 1  # that a worker takes
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


def play(
    chunk: Chunk, generation: dict[str, bytes], ours: dict[str, str]
) -> tuple[bytes, ChunkReport]:
    """In a worker of Ray: play a chunk on the CPU with the files of a generation; the bytes of its samples' file.

    Raises what `play_chunk` does, and `ClusterError` if the versions here are not `ours` or the backend is not here.
    """
    if chunk.backend == "openvino" and not has_amx():
        raise ClusterError(
            f"the node {socket.gethostname()} lacks OpenVINO or a processor with AMX tiles, by which the games of this "
            'run are played; backend = "winograd" in config.toml suits every node'
        )
    theirs = versions()
    if theirs != ours:
        other = ", ".join(f"{name} {theirs[name]}" for name in ours if theirs[name] != ours[name])
        here = " ".join(f"{name}=={number}" for name, number in ours.items())
        raise ClusterError(
            f"the node {socket.gethostname()} has {other}; install there what is here: {here}"
        )
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in generation.items():
            Path(folder, name).write_bytes(data)
        out = Path(folder, "samples.npz")
        report = play_chunk(replace(chunk, weights=folder, out=str(out), device="cpu"))
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


class RayWorkers(Executor):
    """Workers on the cluster that this process is connected to, one a CPU; they take `play_chunk` and nothing else.

    Chunks fail with `ClusterError` if the cluster has had no CPU for `patience` seconds, if a node has other versions
    (see `versions`), and when 5 workers have died of one chunk.
    """

    def __init__(self, patience: float = 300.0) -> None:
        self._ray = _ray()
        self._play = self._ray.remote(num_cpus=_CPUS, max_retries=_ATTEMPTS - 1)(play)
        self._first = self._ray.remote(num_cpus=_CPUS)(versions)
        self._served: Any = None  # that task, ahead of all chunks: done once there was a CPU for it
        self._patience = patience
        self._generation: tuple[str, Any] = ("", None)
        self._pending: dict[
            Future[ChunkReport], Any
        ] = {}  # with the task; who takes one out ends it
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a chunk to Ray; a finished file of the same games is kept as it is."""
        if fn is not play_chunk or len(args) != 1 or kwargs:
            raise TypeError("workers on Ray take play_chunk and one chunk")
        if self._closed.is_set():
            raise RuntimeError("these workers have been shut down")
        chunk: Chunk = args[0]
        future: Future[ChunkReport] = Future()
        future.set_running_or_notify_cancel()
        if Path(chunk.out).exists():
            future.set_result(found_chunk(Path(chunk.out)))
            return future
        if self._generation[0] != chunk.weights:
            self._generation = (chunk.weights, self._ray.put(_files(Path(chunk.weights))))
        if self._served is None:
            self._served = self._first.remote()
            self._watcher.start()
        task = self._play.remote(chunk, self._generation[1], versions())
        self._pending[future] = task
        task.future().add_done_callback(lambda done: self._take(chunk, future, done))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers: after the chunks submitted, or at once if not to wait for them."""
        if wait and not cancel_futures:
            wait_for(list(self._pending))
        self._closed.set()
        self._drop(ClusterError("the workers were shut down"))

    def _take(self, chunk: Chunk, future: Future[ChunkReport], done: Future[Any]) -> None:
        """Take in the end of a task: what it made or why it failed."""
        if self._pending.pop(future, None) is None:
            return
        try:
            data, report = done.result()
            atomic.write_bytes(chunk.out, data)
        except Exception as error:
            future.set_exception(_reason(error, chunk))
        else:
            future.set_result(report)

    def _watch(self) -> None:
        """Let the chunks fail once the cluster has had no CPU for too long, in a thread of its own."""
        seen = time.monotonic()
        while not self._closed.wait(min(1.0, self._patience / 4)):
            try:
                served = bool(self._ray.wait([self._served], timeout=0)[0])
                if not self._pending or (served and self._ray.cluster_resources().get("CPU", 0)):
                    seen = time.monotonic()
            except Exception as error:
                reason = _last_line(error)
                self._drop(ClusterError(f"the Ray cluster cannot be used any more: {reason}"))
                return
            if time.monotonic() - seen > self._patience:
                why = "the cluster has no free CPU; see `ray status`"
                self._drop(ClusterError(f"no worker for {self._patience:.0f} s: {why}"))

    def _drop(self, error: ClusterError) -> None:
        """Let every chunk fail that has not been played."""
        for future in list(self._pending):
            task = self._pending.pop(future, None)
            if task is not None:
                future.set_exception(error)
                self._ray.cancel(task, force=True)


def _files(generation: Path) -> dict[str, bytes]:
    """What a worker needs of a generation's folder."""
    paths = [path for path in generation.iterdir() if path.name != "optimizer.safetensors"]
    return {path.name: path.read_bytes() for path in paths}


def _reason(error: Exception, chunk: Chunk) -> Exception:
    """Why a chunk was not played: what the worker raised, or in words what Ray says."""
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, OthelloError | OSError):
        return cause
    where = f"games {chunk.start}..{chunk.stop - 1} of iteration {chunk.iteration}"
    if cause is error:
        last = _last_line(error)
        return ClusterError(f"{where}: {_ATTEMPTS} workers died of them; the last: {last}")
    if isinstance(cause, ImportError | RuntimeError):
        return ClusterError(f"{where}: {_last_line(cause)}\nevery node needs othello-lrp[cluster]")
    return cause if isinstance(cause, Exception) else error


@contextmanager
def ray_cluster(address: str = "") -> Iterator[Callable[[RunConfig], Executor]]:
    """Join the cluster at `address`, or start one on this machine; yields what makes a run's workers.

    An address is host:port of the head node, or "auto" on a machine that belongs to a cluster; there every CPU becomes
    a worker, on a cluster of our own, started with the first workers, the run's `workers` do.  Afterwards the workers
    are gone, and so is a cluster that was started here, while one that was joined stays.  Raises `ClusterError`.
    """
    ray = _ray()

    def workers(config: RunConfig) -> Executor:
        if not ray.is_initialized():
            _start(ray, config.workers)
        return RayWorkers()

    try:
        if address:
            _check_reachable(address)
            _connect(ray, address=address)
        yield workers
    finally:
        ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ClusterError("--ray needs Ray: pip install 'othello-lrp[cluster]'") from None
    return ray


def _connect(ray: Any, **settings: Any) -> None:
    """`ray.init`, quietly and without the handler of SIGTERM that it sets."""
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(logging_level=logging.ERROR, log_to_driver=False, **settings)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _start(ray: Any, count: int) -> None:
    """Start a cluster of `count` CPUs here, in two attempts: on a busy machine Ray's own start-up waits run out."""
    for name, value in _OWN_CLUSTER.items():
        os.environ.setdefault(name, value)
    settings = {"num_cpus": count, "include_dashboard": False, "object_store_memory": 1 << 28}
    for last in (False, True):
        try:
            _connect(ray, address="local", **settings)
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
