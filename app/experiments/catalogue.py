"""The experiments by name, in the order of the report; each is imported when it is asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Final

from app.experiments.record import Experiment
from othello.errors import ConfigError

MODULES: Final[dict[str, str]] = {  # name on the command line -> its file, and its name there
    "exploration": "exploration",
    "value-flat": "board31:VALUE_FLAT",
    "empty-board": "empty_board",
    "value-plus": "board31:VALUE_PLUS",
    "policy": "board31:POLICY",
    "prior": "prior",
    "heads": "heads",
    "search": "search_relevance",
    "rules": "rule_grid",
    "digits": "digits",
    "lstm": "lstm",
    "faithfulness": "faithfulness",
    "ground-truth": "ground_truth",
    "because": "because",
    "concepts": "inside.concepts",
    "clusters": "inside.clusters",
    "twin": "inside.twin",
}


def experiment(name: str) -> Experiment:
    """The experiment of that name or number; ConfigError names the nearest one."""
    wanted = name.strip().lower().replace("_", "-")
    known = list(MODULES)
    if wanted.isdigit() and 1 <= int(wanted) <= len(known):
        wanted = known[int(wanted) - 1]
    if wanted not in MODULES:
        close = get_close_matches(wanted, [*known, "all"], 1, 0.0)
        raise ConfigError(
            f"unknown experiment {name[:40]!r}; did you mean {close[0] if close else known[0]}?\n"
            f"known: {', '.join(known)}, all"
        )
    module, _, name = MODULES[wanted].partition(":")
    study = import_module(f"app.experiments.studies.{module}")
    found: Experiment = getattr(study, name or "EXPERIMENT")
    return found


def experiments() -> list[Experiment]:
    """All of them in order."""
    return [experiment(name) for name in MODULES]
