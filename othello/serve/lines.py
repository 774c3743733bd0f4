"""Lines of untrusted input with bounded memory, and output that is flushed line by line."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

MAX_LINE: Final = 1 << 14  # bytes; a whole game in GGF is some 2,000
_CHUNK: Final = 1 << 16


class TextLine(NamedTuple):
    """One line without its end; of a line longer than MAX_LINE bytes only the beginning, and `whole` is false."""

    text: str
    whole: bool = True


def read_lines(descriptor: int = 0) -> Iterator[TextLine]:
    """The lines of a file descriptor until its end; bytes that are no UTF-8 become U+FFFD.

    A last line without an end counts.  However long a line is, at most MAX_LINE + 64 KiB of it are in memory.
    """
    kept, dropped = bytearray(), False
    while data := os.read(descriptor, _CHUNK):
        *ends, rest = data.split(b"\n")
        for end in ends:
            kept += end
            yield _line(kept, dropped)
            kept, dropped = bytearray(), False
        kept += rest
        if len(kept) > MAX_LINE:
            dropped = True
            del kept[MAX_LINE:]
    if kept:
        yield _line(kept, dropped)


def _line(data: bytearray, dropped: bool) -> TextLine:
    whole = not dropped and len(data) <= MAX_LINE
    return TextLine(data[:MAX_LINE].decode(errors="replace").rstrip("\r"), whole)


def write(text: str, descriptor: int = 1) -> None:
    """Write all of `text` at once, unbuffered; `BrokenPipeError` if nobody listens any more."""
    data = memoryview(text.encode(errors="replace"))
    while data:
        data = data[os.write(descriptor, data) :]


class Inbox:
    """Lines read by a thread of their own, so that a search can see that an urgent one is waiting.

    At most `room` lines wait; then the sender has to.  A line for which `at_once` returns true is done with: it was
    answered by that function, in the reading thread.
    """

    def __init__(
        self,
        descriptor: int,
        urgent: Callable[[str], bool],
        room: int = 64,
        at_once: Callable[[str], bool] = lambda text: False,
    ) -> None:
        self._urgent, self._waiting, self._at_once = urgent, 0, at_once
        self._queue: queue.Queue[TextLine | None] = queue.Queue(room)
        self._lock = threading.Lock()
        threading.Thread(target=self._read, args=(descriptor,), name="input", daemon=True).start()

    @property
    def hurry(self) -> bool:
        """Whether an urgent line waits, or so many that one might be behind them."""
        return self._waiting > 0 or self._queue.full()

    def __iter__(self) -> Iterator[TextLine]:
        while (line := self._queue.get()) is not None:
            self._count(line, -1)
            yield line

    def _read(self, descriptor: int) -> None:
        try:
            for line in read_lines(descriptor):
                if line.whole and self._at_once(line.text):
                    continue
                self._count(line, 1)
                self._queue.put(line)
        finally:
            self._queue.put(None)

    def _count(self, line: TextLine, step: int) -> None:
        if self._urgent(line.text):
            with self._lock:
                self._waiting += step


class LineServer(Protocol):
    """What answers lines one after the other, until it is `done`."""

    done: bool

    def handle(self, line: str, whole: bool = True) -> None:
        """Do what one line asks for."""


def handle_all(
    inbox: Inbox, server: LineServer, complaint: Callable[[str], str], sink: int = 1
) -> int:
    """Hand every line to the server until it is done or nobody listens; the exit code.

    An error that it does not answer itself is said on `sink` as a `complaint`, and the server lives on.
    """
    try:
        for line in inbox:
            try:
                server.handle(line.text, line.whole)
            except BrokenPipeError:
                raise
            except Exception as error:
                write(f"{complaint(printable(f'{type(error).__name__}: {error}'))}\n", sink)
            if server.done:
                break
    except BrokenPipeError:
        pass
    return 0


def printable(text: str) -> str:
    """At most 300 letters of a text in one line, without what cannot be printed."""
    letters = (letter if letter.isprintable() else " " for letter in text)
    return " ".join("".join(letters).split())[:300]
