"""A thread that does the newest job it is given, so that searches and explanations never stop the window.

A job that has not begun when another comes is dropped; one under way is asked to stop.  Answers wait in a queue until
the window's thread collects them; `wake` tells it that there is one.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

Stop = Callable[[], bool]
Job = Callable[[Stop], object]


@dataclass(frozen=True)
class Answer:
    """What a job returned, or the error it raised, under the name it was given."""

    name: str
    result: object = None
    error: Exception | None = None


class Worker:
    """One daemon thread, started with its first job."""

    def __init__(self, name: str, wake: Callable[[], None]) -> None:
        self.name, self._wake = name, wake
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._next: tuple[str, Job] | None = None
        self._current: tuple[str, threading.Event] | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, name: str, job: Job) -> None:
        """Do `job` next, instead of anything that waits; what is under way is asked to stop."""
        with self._changed:
            if self._closed:
                return
            self._next = (name, job)
            if self._current is not None:
                self._current[1].set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def cancel(self) -> None:
        """Drop what waits and ask what is under way to stop."""
        with self._changed:
            self._next = None
            if self._current is not None:
                self._current[1].set()

    @property
    def busy(self) -> str | None:
        """The name of the job that is under way or comes next and has not been told to stop."""
        with self._changed:
            if self._next is not None:
                return self._next[0]
            return (
                self._current[0]
                if self._current is not None and not self._current[1].is_set()
                else None
            )

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, nothing waits and every answer has been collected."""
        with self._changed:
            return self._next is None and self._current is None and self._answers.empty()

    def collect(self) -> list[Answer]:
        """The answers since the last call, oldest first."""
        found = []
        while True:
            try:
                found.append(self._answers.get_nowait())
            except queue.Empty:
                return found

    def close(self, seconds: float = 10.0) -> None:
        """Stop the thread and wait for it."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self.cancel()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._next is None and not self._closed:
                    self._changed.wait()
                if self._next is None:
                    return
                (name, job), self._next = self._next, None
                stop = threading.Event()
                self._current = (name, stop)
            try:
                answer = Answer(name, job(stop.is_set))
            except Exception as error:
                answer = Answer(name, error=error)
            with self._changed:
                self._current = None
                self._answers.put(answer)
            self._wake()
