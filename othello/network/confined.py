"""A function of this project run in a process of its own, with limits on memory and time: for files from strangers."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from othello.errors import CheckpointError, OthelloError
from othello.operating_system import limit_memory

_ROOT: Final = Path(__file__).parents[2]
_ENTER: Final = "from othello.network.confined import enter; enter()"
_REFUSED: Final = 3  # exit code of a child that says on stdout, in JSON, why


def run_confined(
    function: str, arguments: Sequence[str], *, memory: int, seconds: float, subject: str
) -> None:
    """Call `function` ("module:name") with text `arguments` in a child process; what it returns is lost.

    `memory` is what the child may allocate, in bytes, beyond what its imports take (heeded where the system has
    `RLIMIT_AS` and says how much a process has); after `seconds` it is ended.  An `OthelloError` of the function is a
    `CheckpointError` here, and so is its end by a limit, which names `subject`.

    >>> run_confined("othello.errors:nothing", [], memory=1 << 28, seconds=60, subject="a.pth")
    Traceback (most recent call last):
    othello.errors.CheckpointError: a.pth: reading it failed (exit code 1)
    """
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    try:
        child = subprocess.run(
            [sys.executable, "-c", _ENTER, function, str(memory), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise CheckpointError(f"{subject}: reading it took more than {seconds:g} s") from None
    if child.returncode == _REFUSED:
        raise CheckpointError(json.loads(child.stdout.decode()))
    if child.returncode:
        limits = f"exit code {child.returncode}" if child.returncode > 0 else "it was ended"
        raise CheckpointError(f"{subject}: reading it failed ({limits})")


def enter() -> None:
    """The child's side: import, lower the limits, call; the process ends with the function."""
    name, memory, *arguments = sys.argv[1:]
    module, _, function = name.partition(":")
    called = getattr(importlib.import_module(module), function)
    limit_memory(int(memory))
    reason = None
    try:
        called(*arguments)
    except OthelloError as error:
        reason = str(error)
    except MemoryError:
        reason = f"{arguments[0]}: reading it takes more memory than such a file needs"
    if reason is not None:
        print(json.dumps(reason), flush=True)
    os._exit(0 if reason is None else _REFUSED)
