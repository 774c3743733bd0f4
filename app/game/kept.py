"""Answers that cost time, kept by what was asked; of too many, those that were not asked for longest are forgotten."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """At most `most` answers, for many threads; two that ask the same at once may both work it out.

    >>> kept = Kept[int](2)
    >>> [kept.get(key, lambda: len(key)) for key in ("a", "bb", "a", "ccc")], kept.get("a", lambda: -1)
    ([1, 2, 1, 3], 1)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The answer known, or `make`'s, which is kept; what it raises is not."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        made = make()
        with self._lock:
            self._found[key] = made
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        return made

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._found.clear()
