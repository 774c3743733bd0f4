"""What an experiment is given and what it hands back: settings, progress, findings, figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.models import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Progress = Callable[[float, str], None]
"""Called with the share done in [0, 1] and what is under way."""


def silent(share: float, what: str) -> None:
    """Progress that nobody watches."""


def part(progress: Progress, low: float, high: float) -> Progress:
    """The progress of a step that takes an experiment from `low` to `high`."""
    return lambda share, what: progress(low + (high - low) * share, what)


@dataclass(frozen=True)
class Settings:
    """What fixes an experiment's numbers, together with the checkpoint.

    positions: how many positions, games or samples are measured.  games: how many games of self-play they are drawn
    from.  cache: a folder for the games that several experiments share; it changes no number.  run: a training run
    whose generations are looked at too, by experiments that do so.
    """

    positions: int
    seed: int = 0
    quick: bool = False
    games: int = 8
    cache: Path | None = field(default=None, compare=False)
    run: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON wants them."""
        found = {
            "positions": self.positions,
            "seed": self.seed,
            "quick": self.quick,
            "games": self.games,
        }
        return found if self.run is None else found | {"run": self.run.name}


@dataclass(frozen=True)
class Figure:
    """A drawing with the words under it; `name` is part of its file's name.

    alt: what there is to see, for those who cannot; the numbers themselves are in tables or in the reading.
    """

    name: str
    caption: str
    canvas: Canvas
    alt: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the first column names the row."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class PerPosition:
    """What was measured on each position, {column: values [P]}, of words [P]; `name` is part of its files' names.

    maps: [P, 8, 8] where each has one; they are in the NPZ alone.
    """

    name: str
    own: NDArray[np.uint64]
    opp: NDArray[np.uint64]
    values: Mapping[str, NDArray[np.float64]]
    maps: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class PerInput:
    """What was measured on each input that is no position, {column: values [P]}; `name` is part of its files' names.

    inputs: [P, …], in the NPZ alone; the CSV numbers them.  kind: what one of them is called.
    """

    name: str
    kind: str
    inputs: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Findings:
    """All an experiment found: numbers (JSON), a paragraph that reads them honestly, figures, tables, raw values."""

    numbers: dict[str, Any]
    reading: str
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = ()
    each: tuple[PerPosition | PerInput, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """One experiment: its name on the command line, what it shows, how it is run.

    run(model, settings, progress) -> Findings; `model` is None where `needs_model` is false.
    positions: how many by default, quick and full.  source: the figure of the blog post it redoes, if any.
    games: whether it draws on the held-out games of self-play.  package: one it needs beyond the project's own.
    of_run: what it reads of a training run's folder if one is given; it refuses a folder that has none.
    export: what writes its record, from the folder that holds it, as a project of ViRelAy; the file to open.
    """

    name: str
    number: int
    title: str
    shows: str
    run: Callable[[Model, Settings, Progress], Findings]
    positions: tuple[int, int] = (1, 1)
    source: str = ""
    needs_model: bool = True
    games: bool = False
    package: str = ""
    of_run: Callable[[Path], Any] | None = None
    export: Callable[[dict[str, Any], Path], Path] | None = None
    version: int = 1  # counts changes of the numbers' meaning, so that older results are made again
