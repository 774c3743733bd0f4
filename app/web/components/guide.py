"""Mounting of what helps a newcomer: the title with the keys, the tour, and the words of the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from app.present.glossary import terms
from app.present.numbers import unbroken


def _declared(name: str) -> Any:
    css, js = (
        Path(__file__).with_name(file).read_text(encoding="utf-8")
        for file in ("guide.css", f"{name}.js")
    )
    return st.components.v2.component(f"othello_{name}", css=css, js=js, isolate_styles=False)


_GUIDE = _declared("guide")
_TOUR = _declared("tour")
_WORDS = _declared("words")


@dataclass(frozen=True)
class TourStep:
    """A step of the tour: what it says, and a CSS selector of the part of the page that it speaks of."""

    words: str
    at: str


def title(
    name: str,
    line: str,
    *,
    rows: Sequence[tuple[str, str]],
    keys: Mapping[str, str],
    serial: int,
    on_key: Callable[[], None],
) -> None:
    """The page's title and a line on what it is; `rows` of the sheet of keys, and {key: command} that is reported."""
    data = {"title": name, "line": line, "rows": rows, "keys": dict(keys), "serial": serial}
    _GUIDE(key="guide", data=data, on_key_change=on_key)


def heading(name: str, line: str) -> None:
    """The title of a page without tour and keys, and a line on what it is for."""
    data = {"title": name, "line": unbroken(line), "rows": [], "keys": {}, "serial": 0}
    _GUIDE(key="heading", data=data)


def tour(steps: Sequence[TourStep], *, ply: int) -> None:
    """A tour of the live page, shown unless this browser has skipped it; a higher `ply` ends its first step."""
    _TOUR(key="tour", data={"steps": [asdict(step) for step in steps], "ply": ply})


def words() -> None:
    """Underline the glossary's words where they first stand on the page, with their sentence for who points at one."""
    _WORDS(
        key="words",
        data={"terms": [{**term._asdict(), "words": unbroken(term.words)} for term in terms()]},
    )
