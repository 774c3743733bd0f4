"""The experiments by name, in the order of the report: whatever a file under `studies` holds."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from app.experiments.record import Experiment
from othello.errors import ConfigError

STUDIES = "app.experiments.studies"


@cache
def experiments() -> dict[str, Experiment]:
    """All of them by the name on the command line, in the order of their numbers."""
    found: list[Experiment] = []
    for module in walk_packages([str(Path(__file__).with_name("studies"))], f"{STUDIES}."):
        held = vars(import_module(module.name)).values()
        found += [value for value in held if isinstance(value, Experiment)]
    return {one.name: one for one in sorted(found, key=lambda one: one.number)}


def experiment(name: str) -> Experiment:
    """The experiment of that name or number; ConfigError names the nearest one."""
    wanted = name.strip().lower().replace("_", "-")
    known = list(experiments())
    if wanted.isdigit() and 1 <= int(wanted) <= len(known):
        wanted = known[int(wanted) - 1]
    if wanted not in known:
        close = get_close_matches(wanted, [*known, "all"], 1, 0.0)
        raise ConfigError(
            f"unknown experiment {name[:40]!r}; did you mean {close[0] if close else known[0]}?\n"
            f"known: {', '.join(known)}, all"
        )
    return experiments()[wanted]
