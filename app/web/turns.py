"""Whose turn it is on a server: a few searches at once, and what a click shows first before all that explains it.

A search fills a core and, with its explanation, some hundred megabytes; without turns ten visitors would slow every
click of the others and take ten times the memory.  Drawing the board takes some hundredths of a second, what stands
beside it a tenth: where that of one visitor waits, the board of every other one comes at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

_PATIENCE: Final = (
    0.5  # seconds between two looks at a visitor who waits and may have gone elsewhere
)
_LOOK: Final = 0.1  # the same for one whose board is drawn
_BEHIND: Final = 2.0  # seconds after which boards no longer keep an explanation waiting
_MOST: Final = 8


class Turns:
    """`at_once` pieces of work at a time, first come, first served.

    >>> turns = Turns(1)
    >>> with turns.turn(print):
    ...     turns.under_way
    1
    """

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._changed = threading.Condition()
        self._line: list[object] = []  # those under way come first
        self._held = threading.local()

    @property
    def under_way(self) -> int:
        """How many work at this moment."""
        with self._changed:
            return min(len(self._line), self.at_once)

    @contextmanager
    def turn(self, say: Callable[[int], None], every: float = _PATIENCE) -> Iterator[None]:
        """Run the block when its turn comes; until then `say` gets the number that come before it, so often.

        What `say` raises ends the wait.  A thread whose turn it is already goes straight on.
        """
        if getattr(self._held, "one", False):
            yield
            return
        ticket = object()
        with self._changed:
            self._line.append(ticket)
        try:
            self._wait(ticket, say, every)
            self._held.one = True
            yield
        finally:
            self._held.one = False
            with self._changed:
                self._line.remove(ticket)
                self._changed.notify_all()

    def _wait(self, ticket: object, say: Callable[[int], None], every: float) -> None:
        while True:
            with self._changed:
                before = self._line.index(ticket) - self.at_once + 1
            if before <= 0:
                return
            say(before)
            with self._changed:
                if self._line.index(ticket) >= self.at_once:
                    self._changed.wait(every)


class Precedence:
    """Work that others look at and is soon done, and work that waits while such is under way, `at_once` at a time.

    >>> order = Precedence(1)
    >>> with order.first(), order.first():
    ...     order.urgent
    2
    """

    def __init__(self, at_once: int) -> None:
        self.urgent = 0
        self._mine = threading.local()
        self._changed = threading.Condition()
        self._later = Turns(at_once)

    @contextmanager
    def first(self) -> Iterator[None]:
        """Run the block at once, before what waits."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Run the block, a part of one that is urgent, with nobody waiting for it: it may take long."""
        held = getattr(self._mine, "count", 0)
        self._count(-held)
        try:
            yield
        finally:
            self._count(held)

    def _count(self, step: int) -> None:
        self._mine.count = getattr(self._mine, "count", 0) + step
        with self._changed:
            self.urgent += step
            self._changed.notify_all()

    @contextmanager
    def afterwards(self, say: Callable[[int], None]) -> Iterator[None]:
        """Run the block in its turn and while nothing urgent is under way, or once it has waited _BEHIND seconds."""
        latest = time.monotonic() + _BEHIND
        with self._later.turn(say, _LOOK):
            with self._changed:
                self._changed.wait_for(lambda: self.urgent == 0, latest - time.monotonic())
            yield


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@st.cache_resource(show_spinner=False)
def _turns() -> Turns:
    return Turns(max(1, min(_MOST, cores() - 1)))  # one core is left for everybody's clicks


@st.cache_resource(show_spinner=False)
def _precedence() -> Precedence:
    return Precedence(max(1, min(_MOST, cores() - 1)))


def first() -> AbstractContextManager[None]:
    """The block draws what a click shows first, the board."""
    return _precedence().first()


def afterwards() -> AbstractContextManager[None]:
    """The block draws what takes longer; while others' boards are drawn it waits, and ends if its visitor clicks."""
    return _precedence().afterwards(lambda before: st.session_state.get("game"))


def waiting_words(before: int) -> str:
    """What a page says while others search.

    >>> waiting_words(1), waiting_words(3)
    ('waiting for 1 search…', 'waiting for 3 searches…')
    """
    return f"waiting for {before} {'search' if before == 1 else 'searches'}…"


@contextmanager
def searching(place: DeltaGenerator | None = None) -> Iterator[None]:
    """Let the block search when it is this visitor's turn; meanwhile `place`, or the page's top, says how many wait."""
    shown: DeltaGenerator | None = place

    def say(before: int) -> None:
        nonlocal shown
        shown = st.empty() if shown is None else shown
        shown.caption(waiting_words(before))

    with _precedence().aside(), _turns().turn(say):
        if shown is not None:
            shown.empty()
        yield


def in_turn(work: Callable[[], str]) -> Callable[[], str]:
    """The same work, which waits for its turn where nothing can be said: while a file is made for a download."""

    def waits() -> str:
        with _turns().turn(lambda before: None):
            return work()

    return waits
