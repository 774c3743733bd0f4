"""Work that a page begins and that outlives it: one piece at a time on a server, in a thread, with its progress."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

import streamlit as st

Report: TypeAlias = Callable[[float, str], None]
"""Told the share done in [0, 1] and what is under way."""


class Cancelled(Exception):
    """Raised inside a job that somebody cancelled, at its next report."""


class Job:
    """A piece of work under way or ended: `work(report)`, whose text says what is to be said of it."""

    def __init__(self, title: str, work: Callable[[Report], str]) -> None:
        self.title, self.said = title, ""
        self.share, self.what = 0.0, "starting"
        self.error: Exception | None = None
        self._cancelled = threading.Event()
        self._work = work
        self._thread = threading.Thread(target=self._run, name=f"job {title}", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self._thread.is_alive()

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled it; it may be under way still."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Let it end at its next report, with nothing kept."""
        self._cancelled.set()

    def wait(self, seconds: float) -> None:
        """Until it ends, but at most so long."""
        self._thread.join(seconds)

    def _report(self, share: float, what: str) -> None:
        if self.cancelled:
            raise Cancelled
        self.share, self.what = min(1.0, max(0.0, share)), what

    def _run(self) -> None:
        try:
            self.said = self._work(self._report)
        except Cancelled:
            self.said = "Cancelled."
        except Exception as error:  # for whoever began it to raise
            self.error = error


class _Desk:
    """Where the job of a server lies."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.job: Job | None = None


@st.cache_resource(show_spinner=False)
def _desk() -> _Desk:
    return _Desk()


def current() -> Job | None:
    """The job under way on this server."""
    job = _desk().job
    return job if job is not None and job.running else None


def begin(title: str, work: Callable[[Report], str]) -> Job:
    """Begin a job; while another one is under way, that one is returned and nothing begins."""
    desk = _desk()
    with desk.lock:
        job = desk.job = current() or Job(title, work)
        return job
