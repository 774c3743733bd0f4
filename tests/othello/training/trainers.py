"""Trainers that tests start, kill and fail: children of one warm process, so that each starts in milliseconds.

A trainer here is the real one in a process of its own.  `publish` plays and learns one iteration with a thread in
place of the worker process and counts the file operations of this process, to be killed or to fail at the n-th.
"""

from __future__ import annotations

import builtins
import io
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from othello import atomic
from othello.network import checkpoint
from othello.network.architecture import Architecture
from othello.training.config import LearnerSettings, RunConfig
from othello.training.loop import Trainer
from othello.training.run import Run, locked
from othello.training.selfplay import SelfPlaySettings

TINY = RunConfig(
    seed=5,
    games=12,
    chunk=6,
    workers=1,
    network=Architecture(
        size=4, blocks=1, channels=8, policy_channels=2, value_channels=2, value_hidden=8
    ),
    selfplay=SelfPlaySettings(
        simulations=8, slots=6, random_plies=2, solve_empties=3, label_empties=1, leaf_empties=2
    ),
    learner=LearnerSettings(batch=32, window_start=100, window_limit=150),
)
DIED = 9  # exit code of a trainer that was made to die at an operation

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.othello.training.warm_trainer"])


def start(target: Callable[..., None], *arguments: Any) -> Any:
    """A child process that runs `target`, in a process group of its own, silent but for what `target` redirects."""
    process = _processes.Process(target=_in_own_group, args=(target, arguments))
    process.start()
    return process


def _in_own_group(target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.setsid()
    target(*arguments)


def kill(process: Any) -> None:
    """SIGKILL to a child of `start` and to the workers it has started."""
    for send in (os.killpg, os.kill):
        with suppress(ProcessLookupError):
            send(process.pid, signal.SIGKILL)
    process.join(30)


def timed_command(folder: Path, log: Path, moment: float, *arguments: str) -> None:
    """`command` at a moment of the clock."""
    while time.time() < moment:
        pass
    command(folder, log, *arguments)


def command(folder: Path, log: Path, *arguments: str) -> None:
    """`othello train` as a user runs it; its output goes to `log`.out and `log`.err, the process ends with its code."""
    from app.cli import run

    for stream, name in ((1, "out"), (2, "err")):
        descriptor = os.open(f"{log}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, stream)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    code = run(["train", "--run", str(folder), *arguments])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def advance(folder: Path, iterations: int = 1, config: RunConfig | None = None) -> Run:
    """Start or resume the run as `train` does and make so many iterations."""
    with locked(folder):
        exists = (folder / "state.json").exists()
        trainer = Trainer(
            Run.open(folder, verify=True) if exists else Run.create(folder, config),
            lambda state: None,
        )
        with ThreadPoolExecutor(1) as workers:
            for _ in range(iterations):
                trainer.iterate(workers)
        return trainer.run


def advance_until_error(folder: Path, log: Path) -> None:
    """Train until the disk is full; exit code 3, the error's text in `log`."""
    try:
        advance(folder, 10_000)
    except OSError as error:
        log.write_text(str(error))
        os._exit(3)


def publish(
    folder: Path, log: Path, at: int, failing: int | None, config: RunConfig | None = None
) -> None:
    """`advance` in which the `at`-th file operation ends the process or, with `failing`, raises that errno.

    Exit codes: 0 with the number of operations in `log`, `DIED`, 3 with the error's text in `log`.
    """
    operations: list[str] = []
    try:
        with counting(folder, operations, at, failing):
            advance(folder, config=config)
    except OSError as error:
        log.write_text(f"{type(error).__name__} {error.errno} {error}")
        os._exit(3)
    log.write_text("\n".join(operations))
    os._exit(0)


@contextmanager
def counting(folder: Path, operations: list[str], at: int, failing: int | None) -> Iterator[None]:
    """Every write, flush, fsync, rename, removal and new folder below `folder` is counted in `operations`.

    After the `at`-th the process ends as if killed; a write then has put half of its bytes on the disk.  With
    `failing`, the `at`-th raises `OSError` with that number instead of being done.
    """

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **options: Any) -> Any:
            where = str(arguments[0]) if arguments else ""
            if name in ("replace", "unlink", "rmdir", "mkdir") and not where.startswith(
                str(folder)
            ):
                return real(*arguments, **options)
            operations.append(f"{name} {where}")
            due = len(operations) == at
            if due and failing is not None:
                raise OSError(failing, os.strerror(failing))
            try:
                return real(*arguments, **options)
            finally:
                if due:
                    os._exit(DIED)

        return operation

    class Counted(io.FileIO):
        def write(self, data: Any) -> int:
            half = memoryview(data).cast("B")[: len(data) // 2]
            counted(f"half a write {self.name}", lambda: super(Counted, self).write(half))()
            rest = memoryview(data).cast("B")[len(half) :]
            return len(half) + int(
                counted(f"write {self.name}", lambda: super(Counted, self).write(rest))()
            )

        def flush(self) -> None:
            if not self.closed:
                counted(f"flush {self.name}", super().flush)()

    names = ("fsync", "replace", "unlink", "rmdir", "mkdir")
    real = {name: getattr(os, name) for name in names}
    try:
        for name in names:
            setattr(os, name, counted(name, real[name]))
        atomic.open = lambda path, mode: Counted(path, mode)  # type: ignore[attr-defined]
        yield
    finally:
        for name in names:
            setattr(os, name, real[name])
        atomic.open = builtins.open  # type: ignore[attr-defined]


def copied(folder: Path, target: Path) -> Path:
    """A copy of a run to maltreat."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(folder, target))


def wait_for(condition: Callable[[], bool], seconds: float = 200.0) -> None:
    """Return once `condition` holds; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain"
        time.sleep(0.002)


def hashes(folder: Path) -> list[str]:
    """SHA-256 of the weights of every generation that counts, all of them read and checked."""
    run = Run.open(folder, verify=True)
    return [
        checkpoint.load(run.generation(number)).sha256 for number in range(run.state.iteration + 1)
    ]
