"""A program at the other end of two pipes: lines out, lines in, each with a deadline, whatever the program does.

A program that hangs, dies, or writes without end is an `EngineFailure` at the deadline or before, and is killed with
its children; memory stays bounded, and nothing is left behind.  Commands are split like a shell's, never run by one.
"""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import subprocess
import time
import weakref
from pathlib import Path
from typing import Final

from othello.errors import EngineError, ParseError
from othello.operating_system import end_family, pipes_of, split_words
from othello.rules.notation import excerpt

MAX_LINE: Final = 1 << 16  # bytes; the longest honest answer is a GTP board of a few hundred
MAX_ANSWER: Final = 1 << 20  # bytes that a program may write between two questions
_GAMES = (
    "/usr/games",
    "/usr/local/games",
)  # where Debian puts programs that a server's PATH leaves out


class Failure(enum.Enum):
    """What an engine did wrong."""

    TIMEOUT = "timeout"
    CRASH = "crash"
    ILLEGAL = "illegal move"
    GARBAGE = "protocol"
    RESIGNED = "resigned"


class EngineFailure(EngineError):
    """An engine lost its game by the kind of `failure`."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


def split_command(command: str) -> list[str]:
    """The program (with its path) and arguments of a command; `ParseError` if it is malformed or not installed.

    >>> split_command("sh -c 'exit 3'")[1:]
    ['-c', 'exit 3']
    """
    try:
        words = split_words(command)
    except ValueError as error:
        raise ParseError(f"command {excerpt(command, 60)}: {error}") from None
    if not words or "\0" in command:
        raise ParseError(f"command {excerpt(command, 60)}: give a program and its arguments")
    program, *arguments = words
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_GAMES])
    found = shutil.which(program, path=path)
    if found is None:
        raise ParseError(
            f"command {excerpt(command, 60)}: no program {excerpt(program, 40)} on PATH or in /usr/games"
        )
    return [found, *arguments]


class EngineProcess:
    """One running program.  All deadlines are values of `time.monotonic()`, in seconds."""

    def __init__(self, command: str) -> None:
        arguments = split_command(command)
        self.label = Path(arguments[0]).name
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise ParseError(f"command {excerpt(command, 60)}: {error.strerror}") from None
        self._pipes = pipes_of(self._process)
        self._buffer = bytearray()
        self._answered = 0
        self._finalizer = weakref.finalize(self, _end, self._process)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the program still runs."""
        return self._process.poll() is None

    def send(self, line: str, deadline: float) -> None:
        """Write one line; `EngineFailure` if the program is gone or does not read by `deadline`."""
        self._answered = 0
        try:
            written = self._pipes.write(line.encode() + b"\n", deadline)
        except OSError:
            raise self._crashed(line) from None
        if not written:
            raise self._failed(Failure.TIMEOUT, "did not read in time", line)

    def read_line(self, deadline: float, asked: str) -> str:
        """The next line without its end; `asked` is named in the failure if none comes by `deadline`."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_LINE:
                raise self._failed(
                    Failure.GARBAGE, f"wrote a line of more than {MAX_LINE} bytes", asked
                )
            try:
                data = self._pipes.read(deadline)
            except OSError:
                data = b""
            if data is None:
                raise self._failed(Failure.TIMEOUT, "did not answer in time", asked)
            if not data:
                raise self._crashed(asked)
            self._buffer += data
            self._answered += len(data)
            if self._answered > MAX_ANSWER:
                raise self._failed(Failure.GARBAGE, f"wrote more than {MAX_ANSWER} bytes", asked)
        line = self._buffer[:end].decode(errors="replace").rstrip("\r")
        del self._buffer[: end + 1]
        if time.monotonic() > deadline:  # a flood of short lines must not outlast the deadline
            raise self._failed(Failure.TIMEOUT, "did not finish its answer in time", asked)
        return line

    def close(self, farewell: str | None = "quit") -> None:
        """Say `farewell`, give the program a fifth of a second to leave, then kill it and its children."""
        if farewell is not None and self.alive:
            with contextlib.suppress(EngineFailure):
                self.send(farewell, time.monotonic() + 0.05)
            with contextlib.suppress(OSError):
                self._process.stdin.close()  # type: ignore[union-attr]
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)
        self._finalizer()

    def _crashed(self, asked: str) -> EngineFailure:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.1)
        status = self._process.poll()
        how = "closed its output" if status is None else f"exited with status {status}"
        return self._failed(Failure.CRASH, how, asked)

    def _failed(self, failure: Failure, what: str, asked: str) -> EngineFailure:
        self._finalizer()
        return EngineFailure(failure, f"{self.label} {what} (asked: {excerpt(asked, 40)})")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program's process group, reap the program, close the pipes."""
    end_family(process)
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
