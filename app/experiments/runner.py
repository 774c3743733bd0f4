"""Runs experiments and keeps their results: JSON, PNG and SVG, each written atomically, none made twice.

A result is known by a key: the experiment and its version, the settings, the weights' SHA-256, the sources that decide
its numbers and the library versions.  A folder that holds the key's JSON and its figures needs no new run.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.experiments.catalogue import MODULES, experiment
from app.experiments.code_version import all_sources, deciding_sources
from app.experiments.record import Experiment, Progress, Settings, silent
from othello import atomic
from othello.errors import ConfigError

if TYPE_CHECKING:
    from app.models import Model

FORMAT = 1
SIZE = 8
POSITIONS = (
    64,
    512,
)  # the most that an experiment wants by default, quick and full: all draw from the same games
GAMES = "self-play"  # the name of the step that plays the games which several experiments share
CACHE = ".cache"  # in the folder: the shared games, and how long each step took the last time it ran; no result

Record = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What a person asked for; `positions` of None takes each experiment's own default."""

    folder: Path
    checkpoint: Path | None = None
    positions: int | None = None
    seed: int = 0
    quick: bool = False
    again: bool = False  # run even what is there

    def settings(self, wanted: Experiment) -> Settings:
        """The settings of one experiment."""
        if self.positions is not None and self.positions < 1:
            raise ConfigError(f"positions {self.positions}: accepted are 1 and more")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}: accepted are 0 and more")
        count = (
            self.positions
            if self.positions is not None
            else wanted.positions[0 if self.quick else 1]
        )
        most = count if self.positions is not None else POSITIONS[0 if self.quick else 1]
        return Settings(count, self.seed, self.quick, max(8, most + most // 8), self.folder / CACHE)


def run(name: str, request: Request, progress: Progress = silent) -> tuple[Record, bool]:
    """The record of one experiment (what its JSON holds), and whether it was there already.

    Raises ConfigError, CheckpointError (missing, damaged, or not of 8×8 boards), OSError where nothing can be written.
    """
    check(request, (name,))
    wanted = experiment(name)
    settings = request.settings(wanted)
    model = load(request.checkpoint) if wanted.needs_model else None
    if not request.again and (known := _kept(wanted, settings, model, request.folder)) is not None:
        progress(1.0, "done before")
        return known, True
    import torch

    torch.set_num_threads(1)
    start = time.monotonic(), time.process_time()
    record = _make(wanted, settings, model, request.folder, progress)
    took(request.folder, wanted.name, *start)
    return record, False


def run_all(
    request: Request,
    names: Sequence[str] = tuple(MODULES),
    progress: Progress = silent,
    processes: int = 1,
) -> list[Record]:
    """The records of several experiments in that order; what is there already is kept.

    With `processes` > 1 independent ones run side by side, each in a process of one thread; the records are the same.
    """
    check(request, names)
    if processes > 1:
        from app.experiments.side_by_side import run_beside

        return run_beside(request, names, progress, processes)
    play_games(request, names)
    records = []
    for place, name in enumerate(names):

        def within(share: float, what: str, place: int = place, name: str = name) -> None:
            progress((place + share) / len(names), f"{name}: {what}")

        records.append(run(name, request, within)[0])
    return records


def check(request: Request, names: Sequence[str]) -> None:
    """Everything that can be refused before any work is done: settings, the folder, the weights, missing packages."""
    wanted = [experiment(name) for name in names]
    for entry in wanted:
        request.settings(entry)
        if entry.package and find_spec(entry.package) is None:
            raise ConfigError(
                f"{entry.name} needs {entry.package}: pip install 'othello-lrp[experiments]'"
            )
    check_writable(request.folder)
    if any(entry.needs_model for entry in wanted):
        load(request.checkpoint)


def play_games(request: Request, names: Sequence[str], progress: Progress = silent) -> None:
    """Play the shared games of self-play into the folder's cache, if an experiment that is yet to run wants them."""
    model: Model | None = None
    for entry in (experiment(name) for name in names):
        if not entry.games:
            continue
        model = model or load(request.checkpoint)
        settings = request.settings(entry)
        if request.again or _kept(entry, settings, model, request.folder) is None:
            from app.experiments.positions import self_play

            start = time.monotonic(), time.process_time()
            self_play(model, settings, progress)
            if time.process_time() - start[1] > 0.5:  # played, not read back
                took(request.folder, GAMES, *start)
            return


def took(folder: Path, name: str, wall: float, processor: float) -> None:
    """Keep how long a step took that began at these two clocks."""
    (folder / CACHE).mkdir(parents=True, exist_ok=True)
    seconds = {"wall_s": time.monotonic() - wall, "processor_s": time.process_time() - processor}
    atomic.write_json(
        folder / CACHE / f"seconds-{name}.json", {key: round(n, 1) for key, n in seconds.items()}
    )


def durations(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds by the clock and of the processor that each step took when it last ran in this folder."""
    found = {}
    for name in (GAMES, *MODULES):
        try:
            found[name] = dict(
                json.loads((folder / CACHE / f"seconds-{name}.json").read_text("utf-8"))
            )
        except (OSError, ValueError, TypeError):
            continue
    return found


def load(checkpoint: Path | None) -> Model:
    """The model the experiments explain; CheckpointError unless it plays on 8×8."""
    from app.models import load_model
    from othello.errors import CheckpointError

    model = load_model(checkpoint, SIZE)
    if model.size != SIZE:
        raise CheckpointError(
            f"{model.path}: plays {model.size}×{model.size} boards; the experiments need 8×8"
        )
    return model


def check_writable(folder: Path) -> None:
    """OSError, before any work is done, where the folder cannot be made or written."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".writable"
    atomic.write_bytes(probe, b"")
    probe.unlink(missing_ok=True)


def key_of(wanted: Experiment, settings: Settings, model: Model | None) -> str:
    """SHA-256 of all that fixes a result."""
    parts = {
        "format": FORMAT,
        "experiment": wanted.name,
        "version": wanted.version,
        "settings": settings.to_dict(),
        "checkpoint": model.sha256 if model else None,
        "versions": versions(),
        "sources": deciding_sources(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """The libraries that the numbers depend on."""
    import numpy
    import torch

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
    }


def stored(folder: Path, name: str, kinds: tuple[str, ...] = ("png", "svg")) -> Record | None:
    """The record of an experiment in `folder`, or None where there is none, it is damaged or lacks a figure's file."""
    try:
        record: Any = json.loads((folder / f"{name}.json").read_text("utf-8"))
        complete = record["format"] == FORMAT and record["name"] == name
        names = [figure["file"] for figure in record["figures"]]
        if complete and all(
            (folder / f"{file}.{kind}").is_file() for file in names for kind in kinds
        ):
            return dict(record)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _kept(
    wanted: Experiment, settings: Settings, model: Model | None, folder: Path
) -> Record | None:
    """The stored record if it is the one that these settings would give."""
    known = stored(folder, wanted.name)
    return known if known is not None and known["key"] == key_of(wanted, settings, model) else None


def _make(
    wanted: Experiment, settings: Settings, model: Model | None, folder: Path, progress: Progress
) -> Record:
    from app.experiments import plots

    progress(0.0, "starting")
    found = wanted.run(model, settings, progress)  # type: ignore[arg-type]
    figures = []
    for figure in found.figures:
        file = f"{wanted.name}-{figure.name}" if figure.name else wanted.name
        atomic.write_bytes(folder / f"{file}.png", plots.png(figure.canvas))
        atomic.write_bytes(folder / f"{file}.svg", plots.svg(figure.canvas))
        figures.append(
            {"file": file, "caption": figure.caption, "alt": figure.alt or figure.caption}
        )
    record = {
        "format": FORMAT,
        "name": wanted.name,
        "number": wanted.number,
        "title": wanted.title,
        "shows": wanted.shows,
        "source": wanted.source,
        "key": key_of(wanted, settings, model),
        "settings": settings.to_dict(),
        "checkpoint": _provenance(model),
        "code": all_sources(),
        "versions": versions(),
        "reading": found.reading,
        "tables": [
            {"title": t.title, "header": list(t.header), "rows": [list(row) for row in t.rows]}
            for t in found.tables
        ],
        "figures": figures,
        "numbers": rounded(found.numbers),
    }
    atomic.write_json(folder / f"{wanted.name}.json", record)
    progress(1.0, "done")
    return json.loads(json.dumps(record))  # type: ignore[no-any-return]


def _provenance(model: Model | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {
        "name": model.path.name,
        "sha256": model.sha256,
        "generation": model.meta.get("generation"),
        "kind": model.meta.get("kind"),
        "architecture": model.network.architecture.to_dict(),
    }


def rounded(value: Any, digits: int = 7) -> Any:
    """`value` with plain numbers of so many significant digits; NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(name): rounded(entry, digits) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry, digits) for entry in value]
    if hasattr(value, "tolist"):
        return rounded(value.tolist(), digits)
    if hasattr(value, "to_dict"):
        return rounded(value.to_dict(), digits)
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value
