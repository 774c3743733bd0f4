"""The pages of the app: whatever a file under `views` holds as a `WebPage`, found there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules


@dataclass(frozen=True)
class WebPage:
    """A page: its title, which in small letters is its address, its icon, its place in the row, what draws it.

    `line` says in a sentence what it is for, beside its title; empty where `draw` makes both.
    """

    title: str
    icon: str
    place: int
    draw: Callable[[], None]
    line: str = ""


@cache
def views() -> list[WebPage]:
    """All pages in their order; the first is the app's own address."""
    found: list[WebPage] = []
    for module in iter_modules([str(Path(__file__).with_name("views"))], "app.web.views."):
        held = vars(import_module(module.name)).values()
        found += [value for value in held if isinstance(value, WebPage)]
    return sorted(found, key=lambda view: view.place)
