"""Answers that are kept: asked for once, the ones longest unasked forgotten first, errors never."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.game.kept import Kept


def never() -> str:
    raise AssertionError("asked again")


def test_an_answer_is_made_once_and_the_longest_unasked_goes_first() -> None:
    kept = Kept[str](2)
    for key in ("a", "b"):
        assert kept.get(key, key.upper) == key.upper()
    assert kept.get("a", never) == "A"
    assert kept.get("c", lambda: "C") == "C"  # b goes
    assert kept.get("a", never) == "A" and kept.get("c", never) == "C"
    assert kept.get("b", lambda: "again") == "again"
    kept.clear()
    assert kept.get("b", lambda: "new") == "new"


def test_an_error_is_not_kept() -> None:
    kept = Kept[str](2)
    with pytest.raises(AssertionError):
        kept.get("a", never)
    assert kept.get("a", lambda: "A") == "A"


def test_many_who_ask_at_once_get_one_answer() -> None:
    kept, asked, begin = Kept[int](4), [], threading.Barrier(8)

    def make() -> int:
        asked.append(1)
        time.sleep(0.05)
        return len(asked)

    def ask(_: int) -> int:
        begin.wait()
        return kept.get("a", make)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [1] * 8
    assert asked == [1]
