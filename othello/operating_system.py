"""What operating systems do differently, in one place: links, folders, locks, pipes, families of processes, memory.

Linux and macOS have what POSIX says; Windows lacks `fcntl`, `resource`, `poll`, process groups and opened folders, and
has `msvcrt`.  Whatever is missing is noticed by its absence, so that a test can take it away on any machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import os
import queue
import select
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

_FOLDERS_OPEN: Final = hasattr(os, "O_DIRECTORY")
_STATISTICS: Final = Path("/proc/self/statm")  # Linux
_LOCKED_BYTE: Final = 1 << 30  # of a lock file: far behind its text, which stays readable
_CHUNK: Final = 1 << 16
_ALLOCATION: Final = {
    -8: 2,
    -3: 1 << 18,
    -1: 1 << 18,
}  # glibc's M_ARENA_MAX, M_MMAP_ and M_TRIM_THRESHOLD
_UNREAD: Final = 600.0  # seconds that a program's words wait for a reader


def _module(name: str) -> Any:
    """A module that not every system has, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_fcntl, _msvcrt, _resource = _module("fcntl"), _module("msvcrt"), _module("resource")


def open_itself(path: str | os.PathLike[str], flags: int, mode: int = 0o644) -> int:
    """A descriptor of the file itself, in binary, which no link leads to and no pipe holds up.

    Raises OSError (ELOOP) for a symbolic link, ValueError for a name that no file can have.
    """
    if not hasattr(os, "O_NOFOLLOW") and os.path.islink(path):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    return os.open(path, flags, mode)


def give_memory_back() -> bool:
    """Let this process return large blocks to the system as soon as they are free; whether the C library can.

    glibc keeps freed blocks of up to 32 MiB, those of every thread in an arena of its own: a server with many short
    threads holds several times what it uses.  To be called before the first threads begin.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if set_option is None:
        return False
    return all(set_option(option, value) for option, value in _ALLOCATION.items())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where folders can be opened."""
    if not _FOLDERS_OPEN:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock(descriptor: int) -> None:
    """Lock an open file until it is closed or this process ends, however that happens.

    Raises BlockingIOError where another process has it, OSError where the system has no such locks.
    """
    if _fcntl is not None:
        _fcntl.flock(descriptor, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        return
    if _msvcrt is None:
        raise OSError(errno.ENOLCK, "this system has no file locks")
    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    try:
        _msvcrt.locking(descriptor, _msvcrt.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error


@contextlib.contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Let one writer at a time into a folder, whose lock goes with the process; others wait.

    Where folders cannot be opened or locked nobody waits.
    """
    if not _FOLDERS_OPEN or _fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _fcntl.flock(descriptor, _fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs; True where that cannot be asked without harm."""
    if os.name == "nt":  # os.kill would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def split_words(command: str) -> list[str]:
    """A command's words as a shell of this system has them; ValueError for a quotation without an end."""
    if os.name != "nt":
        return shlex.split(command)
    return [word.strip('"') for word in shlex.split(command, posix=False)]


def end_family(process: subprocess.Popen[bytes]) -> None:
    """Kill a program begun with `start_new_session=True`, and its children."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        return
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        family = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(family, capture_output=True, timeout=5)
    with contextlib.suppress(OSError):
        process.kill()


def limit_memory(more: int) -> None:
    """Allow this process `more` bytes than it has, where the system can tell and heeds it; no core files."""
    if _resource is None:
        return
    _resource.setrlimit(_resource.RLIMIT_CORE, (0, 0))
    if not _STATISTICS.exists():
        return
    pages = int(_STATISTICS.read_text(encoding="ascii").split()[0])
    limit = pages * _resource.getpagesize() + more
    hard = _resource.getrlimit(_resource.RLIMIT_AS)[1]
    if hard == _resource.RLIM_INFINITY or limit < hard:
        _resource.setrlimit(_resource.RLIMIT_AS, (limit, limit))


class Pipes(Protocol):
    """The two pipes of a program; deadlines are values of `time.monotonic()`, in seconds."""

    def write(self, data: bytes, deadline: float) -> bool:
        """Write all of `data`; False if the program does not read it by the deadline, OSError if it is gone."""

    def read(self, deadline: float) -> bytes | None:
        """What the program has written, b"" at the end of it, None if nothing comes by the deadline."""


def pipes_of(process: subprocess.Popen[bytes]) -> Pipes:
    """The unbuffered pipes to and from a program."""
    return PolledPipes(process) if hasattr(select, "poll") else ThreadedPipes(process)


class PolledPipes:
    """Pipes that the system tells the state of."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin and process.stdout
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    def write(self, data: bytes, deadline: float) -> bool:
        """As `Pipes.write`."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._in, left) :]
            except BlockingIOError:
                if not _ready(self._in, select.POLLOUT, deadline):
                    return False
        return True

    def read(self, deadline: float) -> bytes | None:
        """As `Pipes.read`."""
        while _ready(self._out, select.POLLIN, deadline):
            with contextlib.suppress(BlockingIOError):
                return os.read(self._out, _CHUNK)
        return None


def _ready(descriptor: int, event: int, deadline: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


class ThreadedPipes:
    """Pipes that a thread each waits for; what is read ahead is bounded.

    They go by the files, not their descriptors, which may be others' once a file is closed.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin and process.stdout
        self._in, self._out = process.stdin, process.stdout
        self._come: queue.Queue[bytes] = queue.Queue(maxsize=4)
        self._told: queue.Queue[tuple[bytes, threading.Event]] = queue.Queue()
        self._failed: OSError | None = None
        self._ended = False
        for work in (self._reading, self._writing):
            threading.Thread(target=work, daemon=True).start()

    def write(self, data: bytes, deadline: float) -> bool:
        """As `Pipes.write`."""
        if self._failed is not None:
            raise self._failed
        written = threading.Event()
        self._told.put((data, written))
        if not written.wait(max(0.0, deadline - time.monotonic())):
            return False
        if self._failed is not None:
            raise self._failed
        return True

    def read(self, deadline: float) -> bytes | None:
        """As `Pipes.read`."""
        if self._ended:
            return b""
        try:
            found = self._come.get(timeout=max(0.001, deadline - time.monotonic()))
        except queue.Empty:
            return None
        self._ended = not found
        return found

    def _reading(self) -> None:
        found = b"more"
        while found:
            try:
                found = self._out.read(_CHUNK)
            except (OSError, ValueError):  # closed on this side
                found = b""
            with contextlib.suppress(
                queue.Full
            ):  # nobody has read for long: the program is done with
                self._come.put(found, timeout=_UNREAD)
                continue
            break
        self._told.put((b"", threading.Event()))  # nothing follows

    def _writing(self) -> None:
        while self._failed is None:
            data, written = self._told.get()
            if not data:
                return
            try:
                while data:
                    data = data[self._in.write(data) :]
            except (OSError, ValueError) as error:  # ValueError: closed on this side
                self._failed = OSError(str(error))
            written.set()
