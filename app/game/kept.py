"""Answers that cost time, kept by what was asked; of too many, those that were not asked for longest are forgotten."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """At most `most` answers, for many threads; of those that ask the same at once one works it out, the others wait.

    >>> kept = Kept[int](2)
    >>> [kept.get(key, lambda: len(key)) for key in ("a", "bb", "a", "ccc")], kept.get("a", lambda: -1)
    ([1, 2, 1, 3], 1)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, Future[T]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The answer known, or `make`'s, which is kept; what it raises, everybody who waits gets, and it is not."""
        with self._lock:
            found = self._found.get(key)
            mine = found is None
            if found is None:
                found = self._found[key] = Future()
                while len(self._found) > self._most:
                    self._found.popitem(last=False)
            else:
                self._found.move_to_end(key)
        if mine:
            try:
                found.set_result(make())
            except BaseException as error:
                with self._lock:
                    if self._found.get(key) is found:
                        del self._found[key]
                found.set_exception(error)
        return found.result()

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._found.clear()
