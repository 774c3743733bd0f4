"""Hostile files to `othello checkpoint import` by the hundred: refused, nothing in them run, little memory taken.

The long one, a thousand files:  pytest tests/othello/network/test_hostile_imports.py -m long
"""

from __future__ import annotations

import io
import os
import pickle
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.othello.network.test_foreign import HOSTILE, foreign_state

MEASURED = """
import os, resource, subprocess, sys
from types import SimpleNamespace
from othello.errors import CheckpointError
from othello.network import confined
from othello.network.alpha_zero_general import import_alpha_zero_general

def forked(command, **options):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writer, 1)
            sys.argv = command[2:]
            confined.enter()
        finally:
            os._exit(1)
    os.close(writer)
    with open(reader, "rb") as stream:
        said = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return subprocess.CompletedProcess(command, code, said)

quick = SimpleNamespace(**{**vars(subprocess), "run": forked})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number, path in enumerate(sys.argv[1:]):
    confined.subprocess = quick if number % 20 else subprocess
    try:
        import_alpha_zero_general(path)
    except CheckpointError as error:
        assert path in str(error) and len(str(error).splitlines()) <= 2
        continue
    raise AssertionError(path)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, grown)
"""
"""KiB of the largest child and by which the process itself grew.

Every twentieth file has a process that starts from nothing, as each has by the command; the others' children are forks
of the one that has its imports, under the same limits.
"""

TORCH = "import resource, torch; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def repickled(path: Path, pickled: bytes) -> None:
    """An archive of less than a kilobyte as torch writes it, with another pickle in it."""
    stream = io.BytesIO()
    torch.save({"state_dict": {}}, stream)
    with zipfile.ZipFile(stream) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            ours = entry.filename.endswith("data.pkl")
            target.writestr(entry.filename, pickled if ours else source.read(entry))


def bomb(path: Path, size: int) -> None:
    """A pickle that asks for `bytearray(size)`, which weights-only reading allows."""
    number = b"\x8a\x09" + size.to_bytes(9, "little")
    asked = b"\x80\x02}X\x0a\x00\x00\x00state_dictcbuiltins\nbytearray\n" + number + b"\x85Rs."
    repickled(path, asked)
    assert path.stat().st_size < 1000


class Runs:
    """Unpickling this calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.called = function, arguments

    def __reduce__(self) -> Any:
        return self.called


def payload(path: Path, ran: Path, generator: random.Random) -> None:
    """A file in which one of Python's ways to run code, in some place and encoding, makes the folder `ran`."""
    code = f"__import__('os').mkdir({str(ran)!r})"
    runs = generator.choice(
        (
            Runs(os.mkdir, str(ran)),
            Runs(os.system, f"mkdir {ran}"),
            Runs(exec, code),
            Runs(eval, code),
            Runs(subprocess.call, ["mkdir", str(ran)]),
            Runs(getattr, Runs(__import__, "os"), "mkdir"),
            Runs(map, Runs(eval, f"lambda name: {code}"), ["a"]),
        )
    )
    state = {**foreign_state(), "fc3.bias": runs}
    content: Any = generator.choice(
        ({"state_dict": state}, {"state_dict": foreign_state(), "epoch": runs}, {"state_dict": runs}, runs)
    )  # fmt: skip
    way = generator.randrange(3)
    if way < 2:
        torch.save(content, path, _use_new_zipfile_serialization=bool(way))
    else:
        repickled(path, pickle.dumps(runs, protocol=generator.randrange(6)))


def cut(path: Path, generator: random.Random) -> None:
    """A checkpoint cut anywhere."""
    torch.save(
        {"state_dict": foreign_state()},
        path,
        _use_new_zipfile_serialization=generator.random() < 0.5,
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: generator.randrange(len(whole) - 100)])


def hostile_files(folder: Path, count: int) -> list[Path]:
    """So many files: bombs of 1 to 64 GiB, payloads, cut files and every hostile case of the small tests."""
    generator, cases = random.Random(6), [*HOSTILE.values()]
    paths = [folder / f"{number}.pth.tar" for number in range(count)]
    makers: list[Callable[[Path], object]] = [
        lambda path: bomb(path, (1 << 30) << generator.randrange(7)),
        lambda path: payload(path, folder / "ran", generator),
        lambda path: cut(path, generator),
        lambda path: generator.choice(cases)(path),
    ]
    for number, path in enumerate(paths):
        makers[number % len(makers)](path)
    return paths


@pytest.mark.parametrize("count", [24, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.timeout(7200)
def test_hostile_imports_run_nothing_and_take_little_memory(tmp_path: Path, count: int) -> None:
    """The largest child stays below 500 MiB, or 100 MiB above torch where a build of it alone takes more."""
    paths = hostile_files(tmp_path, count)
    command = [sys.executable, "-c", MEASURED, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    children, grown = map(int, done.stdout.split())
    print(
        f"{count} files, the largest child {children // 1024} MiB, ourselves +{grown // 1024} MiB"
    )
    alone = int(subprocess.run([sys.executable, "-c", TORCH], capture_output=True).stdout)
    assert children < max(500 * 1024, alone + 100 * 1024) and grown < 100 * 1024
    assert not (tmp_path / "ran").exists()


def test_a_payload_would_run_where_a_file_is_trusted(tmp_path: Path) -> None:
    """The control: read without distrust, most payloads do what the imports above were kept from."""
    generator, ran = random.Random(6), 0
    for number in range(20):
        path, mark = tmp_path / str(number), tmp_path / f"ran{number}"
        payload(path, mark, generator)
        with suppress(Exception):  # after the payload: what it returns is no checkpoint
            torch.load(path, weights_only=False)
        ran += mark.exists()
    assert ran >= 10
