"""How far long work is: one line on standard error, with the time that is left where that can be told."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from app.terminal import visible

SILENT: Final = 1.0  # seconds before the first line on a terminal
SILENT_ELSEWHERE: Final = 60.0  # … and in a log
_REDRAWN: Final = 0.5  # seconds between two states of the line on a terminal
_AGAIN: Final = 60.0  # … and between two lines in a log
_WIDTH: Final = 79


class ProgressLine:
    """The line on work that a `with` block does; on a terminal it is redrawn, elsewhere written now and then.

    `at` says how much is done.  Nothing is written where the work is quick, or `quiet`.
    """

    def __init__(
        self,
        doing: str = "",
        total: float = 1.0,
        unit: str = "",
        quiet: bool = False,
        silent: float | None = None,
    ) -> None:
        self.doing, self.total, self.unit, self.note = doing, total, unit, ""
        self.done = self._base = 0.0
        self.stream: TextIO = sys.stderr
        self.watched = self.stream.isatty()
        usual = SILENT if self.watched else SILENT_ELSEWHERE
        self._silent = usual if silent is None else silent
        self._quiet, self._drawn = quiet, False
        self._began = time.monotonic()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> ProgressLine:
        if not self._quiet:
            self._teller.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if not self._quiet:
            self._teller.join()
        with self._lock:
            self._clear()

    def at(self, done: float, note: str = "") -> None:
        """So much of `total` is done, and what there is to say of it."""
        self.done = self._base = done
        self.note = note

    def within(self, share: float) -> None:
        """A share in [0, 1] of the next unit is done."""
        self.done = self._base + share

    def say(self, text: str) -> None:
        """A note of its own line above the progress; none where all is to be quiet."""
        if not self._quiet:
            with self._lock:
                self._clear()
                print(visible(text), file=self.stream, flush=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No line is drawn in the block, which prints."""
        with self._lock:
            self._clear()
            yield

    def text(self) -> str:
        """The line at this moment."""
        elapsed = time.monotonic() - self._began
        parts = [self.doing]
        if self.unit:
            parts.append(f"{int(self.done)} of {int(self.total)} {self.unit}")
        elif self.done:
            parts.append(f"{100 * self.done / self.total:.0f} %")
        parts += [self.note, f"{elapsed:.0f} s so far"]
        if 0 < self.done < self.total:
            parts.append(f"{duration(elapsed * (self.total - self.done) / self.done)} left")
        return ", ".join(filter(None, parts)) + "; Ctrl-C ends it"

    def _tell(self) -> None:
        wait = self._silent
        while not self._over.wait(wait):
            with self._lock:
                if self.watched:
                    line = self.text()[:_WIDTH]
                    print(f"\r{line:{_WIDTH}}", end="", file=self.stream, flush=True)
                    self._drawn = True
                else:
                    print(self.text(), file=self.stream, flush=True)
            wait = _REDRAWN if self.watched else _AGAIN

    def _clear(self) -> None:
        if self._drawn:
            print("\r" + " " * _WIDTH + "\r", end="", file=self.stream, flush=True)
            self._drawn = False


def duration(seconds: float) -> str:
    """A time that is left, rounded to what can be known of it.

    >>> duration(7.4), duration(100), duration(9000)
    ('7 s', '2 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
