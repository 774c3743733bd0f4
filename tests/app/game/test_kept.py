"""Answers that are kept: asked for once, the ones longest unasked forgotten first, errors never."""

from __future__ import annotations

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
