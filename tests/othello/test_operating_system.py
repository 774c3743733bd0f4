"""The project where the system lacks what POSIX has: a process is robbed of it, and its children too."""

from __future__ import annotations

import ctypes
import io
import json
import os
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from othello import operating_system
from othello.engines.process import EngineFailure, EngineProcess, Failure
from othello.operating_system import PolledPipes, ThreadedPipes, open_itself, pipes_of
from tests.app.commands.test_anywhere import GAME, TINY

ROOT = Path(__file__).parents[2]
WINDOWS = '''
"""Takes from Python what it lacks on Windows, once the standard library has looked at it; `msvcrt` stands on lockf."""
import signal
del signal.pthread_sigmask
import errno, getpass, importlib, multiprocessing.popen_spawn_posix, multiprocessing.resource_tracker, os, select
import selectors, shutil, signal, socket, subprocess, sys, tempfile, types

for module, names in {
    os: "O_NOFOLLOW O_NONBLOCK O_CLOEXEC O_DIRECTORY killpg getpgid pread pwrite set_blocking fork",
    select: "poll epoll",
    signal: "SIGHUP SIGQUIT",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
os_open = os.open


def open_file(path, *given, **named):
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)
    return os_open(path, *given, **named)


def locking(descriptor, mode, count):
    try:
        os.lockf(descriptor, os.F_TLOCK, count)
    except OSError:
        raise OSError(errno.EACCES, "Permission denied") from None


os.open = open_file
sys.modules["msvcrt"] = types.ModuleType("msvcrt")
sys.modules["msvcrt"].LK_NBLCK, sys.modules["msvcrt"].locking = 2, locking
'''
LINES = [
    "checkpoint info othello8 --json",
    f"explain {GAME} --no-symmetry --png why.png",
    "match random {engine} --games 2 --json",
    "match net:othello6 greedy --size 6 --games 2",
    "convert game.txt game.sgf",
    "train --config tiny.toml --run run --iterations 1",
]
RUN = """
import json, shlex, sys
import fcntl_is_gone
from app.cli import run
print(json.dumps([[line, run(shlex.split(line))] for line in json.loads(sys.argv[1])]), file=sys.stderr)
"""
ENGINE = """
import sys
for line in sys.stdin:
    if line.startswith("genmove"):
        print("= resign\\n", flush=True)
    elif line.startswith("quit"):
        break
    else:
        print("= x\\n", flush=True)
"""


def robbed(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program in a Python, and all that it starts, which have what Windows has."""
    (folder / "sitecustomize.py").write_text(WINDOWS)
    (folder / "fcntl_is_gone.py").write_text(
        "import sys\nassert sys.modules['fcntl'] is None and 'sitecustomize' in sys.modules\n"
    )
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "USERNAME": "player"},  # as every user there has
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_every_line_works_without_what_windows_lacks(tmp_path: Path) -> None:
    (tmp_path / "game.txt").write_text(GAME + "\n")
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "engine.py").write_text(ENGINE)
    engine = shlex.quote("gtp:" + shlex.join([sys.executable, "-S", "-E", "engine.py"]))
    lines = [line.format(engine=engine) for line in LINES]
    done = robbed(tmp_path, RUN, json.dumps(lines))
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0 and json.loads(done.stderr.splitlines()[-1]) == [
        [line, 0] for line in lines
    ]
    assert (tmp_path / "why.png").stat().st_size > 1000
    assert "1 iterations" in done.stdout


HELD = """
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from othello.errors import RunLocked
from othello.training.run import locked
import subprocess
try:
    with locked(Path("run")):
        if len(sys.argv) == 1:
            again = subprocess.run([sys.executable, "-c", sys.orig_argv[2], "x"], capture_output=True, text=True)
            print(again.stdout, end="")
        else:
            print("both")
except RunLocked as error:
    print(error)
try:
    from othello.operating_system import open_itself
    if len(sys.argv) == 1:
        Path("link").symlink_to("run")
        open_itself("link", 0)
except OSError as error:
    print("link:", error.strerror)
"""


def test_a_run_is_locked_and_no_link_followed_there_too(tmp_path: Path) -> None:
    done = robbed(tmp_path, HELD)
    first, *others = done.stdout.splitlines()
    assert "is training here" in first and "pid " in first and "both" not in done.stdout
    assert others[-1].startswith("link: ") and "symbolic" in others[-1], done.stderr


def test_the_pipes_of_this_system_are_polled_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    program = subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
    )
    try:
        assert isinstance(pipes_of(program), PolledPipes)
        monkeypatch.delattr(select, "poll")
        assert isinstance(pipes_of(program), ThreadedPipes)
    finally:
        operating_system.end_family(program)
        program.communicate()


@pytest.fixture(params=["polled", "threads"])
def soon(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """A time from now, in a system with or without `poll`."""
    if request.param == "threads":
        monkeypatch.delattr(select, "poll")
    return time.monotonic() + 30


def python(program: str) -> str:
    return shlex.join([sys.executable, "-S", "-E", "-c", program])


def test_lines_come_and_go(soon: float) -> None:
    engine = EngineProcess(
        python("for line in iter(input, 'quit'): print(line.upper(), flush=True)")
    )
    for word in ("one", "two", "x" * 30_000):
        engine.send(word, soon)
        assert engine.read_line(soon, word) == word.upper()
    engine.close()
    assert not engine.alive


@pytest.mark.parametrize(
    ("program", "failure"),
    [
        ("raise SystemExit(3)", Failure.CRASH),
        ("import time; time.sleep(1000)", Failure.TIMEOUT),
        ("import sys\nwhile True: sys.stdout.write('x' * 100_000)", Failure.GARBAGE),
    ],
)
def test_what_a_program_does_wrong_is_told(program: str, failure: Failure, soon: float) -> None:
    engine = EngineProcess(python(program))
    deadline = time.monotonic() + 0.3 if failure is Failure.TIMEOUT else soon
    with pytest.raises(EngineFailure) as raised:
        engine.read_line(deadline, "name")
    assert raised.value.failure is failure and not engine.alive


def test_a_program_that_does_not_read_is_told_of(soon: float) -> None:
    engine = EngineProcess(python("import time; time.sleep(1000)"))
    with pytest.raises(EngineFailure, match="did not read in time"):
        engine.send("x" * 10_000_000, time.monotonic() + 0.3)
    assert not engine.alive


def test_what_a_program_left_unread_reaches_no_later_one() -> None:
    ours, theirs, answers = os.pipe(), os.pipe(), os.pipe()
    number = ours[1]
    with open(answers[0], "rb", 0) as out:
        told = io.FileIO(number, "wb")
        pipes = ThreadedPipes(cast(Any, SimpleNamespace(stdin=told, stdout=out)))
        assert not pipes.write(b"x" * 1_000_000, time.monotonic() + 0.3)
        told.close()
        os.dup2(theirs[1], number)  # a later program's pipe gets the number of the closed one
        os.close(ours[0])  # and the first program ends with half a line unread
        os.set_blocking(theirs[0], False)
        time.sleep(0.3)
        with pytest.raises(BlockingIOError):
            os.read(theirs[0], 1)
        os.close(answers[1])
    for descriptor in (number, *theirs):
        os.close(descriptor)


def test_a_name_that_no_file_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        open_itself(tmp_path / "absent", os.O_RDONLY)
    with pytest.raises(ValueError, match="null"):
        open_itself("a\0b", os.O_RDONLY)


def test_no_other_file_names_what_systems_differ_in() -> None:
    names = (
        "fcntl",
        "msvcrt",
        "O_NOFOLLOW",
        "killpg",
        "select.poll",
        "import resource",
        "os.pread",
    )
    for package in ("othello", "lrp", "app"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "operating_system.py":
                found = [name for name in names if name in path.read_text("utf-8")]
                assert not found, path


FREED = """
import ctypes, sys
import numpy as np
from othello.operating_system import give_memory_back
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
given_back = sys.argv[1] == "True" and give_memory_back()
def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
np.ones(1 << 21)  # 16 MiB: from now on glibc keeps blocks of this size
before = held()
blocks = [np.ones(1 << 16) for _ in range(200)]
pin = libc.malloc(200_000)  # behind them
del blocks
print(int(held() - before))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc keeps memory")
def test_freed_blocks_go_back_to_the_system_only_where_that_is_asked_for() -> None:
    kept = [
        int(subprocess.check_output([sys.executable, "-c", FREED, asked], cwd=ROOT))
        for asked in ("True", "False")
    ]
    assert kept[0] < 20 and kept[1] > 60  # MiB of 100
