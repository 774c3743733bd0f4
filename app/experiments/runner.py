"""Runs experiments, one or many, in one process or several; what a folder holds already is not made again."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any, Final

import torch

from app.experiments import results
from app.experiments.catalogue import experiment, experiments
from app.experiments.positions import self_play
from app.experiments.record import Experiment, Progress, Settings, part, silent
from app.experiments.results import Record
from app.models import Model, load_model
from othello import atomic
from othello.errors import CheckpointError, ConfigError

SIZE: Final = 8
POSITIONS: Final = (64, 512)  # the most an experiment wants by default, quick and full
GAMES: Final = "self-play"  # the step that plays the games which several experiments share
CACHE: Final = ".cache"  # in the folder: the shared games, and how long each step took; no result
LONGEST: Final = (
    *("twin", "faithfulness", "ground-truth", "because", "concepts", "rules", "exploration"),
    *("search", "clusters", "heads"),
)
POLL: Final = 0.2  # seconds between two looks at what the processes report

Reports = SimpleQueue[tuple[str, float, str]]
_reports: Reports | None = None  # of a worker: step, share done, what is under way


@dataclass(frozen=True)
class Request:
    """What a person asked for; `positions` of None takes each experiment's own default."""

    folder: Path
    checkpoint: Path | None = None
    positions: int | None = None
    seed: int = 0
    quick: bool = False
    again: bool = False  # run even what is there
    run: Path | None = None  # a training run whose generations are looked at too

    def settings(self, wanted: Experiment) -> Settings:
        """The settings of one experiment; all of them draw on the same games."""
        if self.positions is not None and self.positions < 1:
            raise ConfigError(f"positions {self.positions}: accepted are 1 and more")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}: accepted are 0 and more")
        size = 0 if self.quick else 1
        count = wanted.positions[size] if self.positions is None else self.positions
        most = POSITIONS[size] if self.positions is None else self.positions
        games, run = max(8, most + most // 8), None if wanted.of_run is None else self.run
        return Settings(count, self.seed, self.quick, games, self.folder / CACHE, run)


def run(name: str, request: Request, progress: Progress = silent) -> tuple[Record, bool]:
    """The record of one experiment (what its JSON holds), and whether it was there already.

    Raises ConfigError, CheckpointError (missing, damaged, or not of 8×8 boards), OSError where nothing can be written.
    """
    check(request, (name,))
    wanted = experiment(name)
    settings = request.settings(wanted)
    model = load(request.checkpoint) if wanted.needs_model else None
    if not request.again and (known := results.kept(request.folder, wanted, settings, model)):
        progress(1.0, "done before")
        return known, True
    torch.set_num_threads(1)
    start = time.monotonic(), time.process_time()
    progress(0.0, "starting")
    found = wanted.run(model, settings, progress)  # type: ignore[arg-type]
    record = results.write(request.folder, wanted, settings, model, found)
    progress(1.0, "done")
    took(request.folder, wanted.name, *start)
    return record, False


def run_all(
    request: Request,
    names: Sequence[str] = (),
    progress: Progress = silent,
    processes: int = 1,
) -> list[Record]:
    """The records of several experiments in that order, of all where none is named; what is there already is kept.

    With `processes` > 1 independent ones run side by side, each in a process of one thread; the records are the same.
    """
    names = names or tuple(experiments())
    check(request, names)
    if processes > 1:
        return _run_beside(request, names, progress, processes)
    play_games(request, names)
    records = []
    for place, name in enumerate(names):
        within = part(progress, place / len(names), (place + 1) / len(names))
        records.append(run(name, request, _named(within, name))[0])
    return records


def _named(progress: Progress, name: str) -> Progress:
    return lambda share, what: progress(share, f"{name}: {what}")


def _run_beside(
    request: Request, names: Sequence[str], progress: Progress, processes: int
) -> list[Record]:
    """As `run_all`; the first failure ends the rest, and what is finished stays.

    The games of self-play that several experiments share are played first, beside experiments that need none.
    """
    context = multiprocessing.get_context("spawn")
    reports: Reports = context.SimpleQueue()
    order = sorted(names, key=lambda name: LONGEST.index(name) if name in LONGEST else len(LONGEST))
    waiting = [name for name in order if experiment(name).games]
    found: dict[str, Record] = {}
    shares: dict[str, float] = {}
    with ProcessPoolExecutor(processes, context, _begin, (reports,)) as pool:
        running: dict[Future[Any], str] = {}
        if waiting:
            running[pool.submit(_games, request, waiting)] = GAMES
        running |= {pool.submit(_run, name, request): name for name in order if name not in waiting}
        try:
            while running:
                done, _ = wait(running, POLL, FIRST_COMPLETED)
                _tell(reports, shares, len(names), progress)
                for future in done:
                    name, result = running.pop(future), future.result()
                    if name == GAMES:
                        running |= {pool.submit(_run, later, request): later for later in waiting}
                    else:
                        found[name] = result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in running):  # nobody waits on a full pipe
                wait(running, POLL)
                _tell(reports, shares, len(names), progress)
            raise
    return [found[name] for name in names]


def _tell(reports: Reports, shares: dict[str, float], count: int, progress: Progress) -> None:
    while not reports.empty():
        name, share, what = reports.get()
        if name != GAMES:
            shares[name] = share
        progress(min(1.0, sum(shares.values()) / count), f"{name}: {what}")


def _begin(reports: Reports) -> None:
    global _reports
    _reports = reports
    torch.set_num_threads(1)


def _report(name: str) -> Progress:
    return lambda share, what: _reports.put((name, share, what)) if _reports else None


def _games(request: Request, names: Sequence[str]) -> None:
    play_games(request, names, _report(GAMES))


def _run(name: str, request: Request) -> Record:
    return run(name, request, _report(name))[0]


def check(request: Request, names: Sequence[str]) -> None:
    """Everything that can be refused before any work is done: settings, the folder, the weights, missing packages."""
    wanted = [experiment(name) for name in names]
    for entry in wanted:
        request.settings(entry)
        if request.run is not None and entry.of_run is not None:
            entry.of_run(request.run)
        if entry.package and find_spec(entry.package) is None:
            raise ConfigError(
                f"{entry.name} needs {entry.package}: pip install 'othello-lrp[experiments]'"
            )
    check_writable(request.folder)
    if any(entry.needs_model for entry in wanted):
        load(request.checkpoint)


def play_games(request: Request, names: Sequence[str], progress: Progress = silent) -> None:
    """Play the shared games of self-play into the folder's cache, if an experiment that is yet to run wants them."""
    for entry in map(experiment, names):
        if not entry.games:
            continue
        model, settings = load(request.checkpoint), request.settings(entry)
        if request.again or results.kept(request.folder, entry, settings, model) is None:
            start = time.monotonic(), time.process_time()
            self_play(model, settings, progress)
            if time.process_time() - start[1] > 0.5:  # played, not read back
                took(request.folder, GAMES, *start)
            return


def took(folder: Path, name: str, wall: float, processor: float) -> None:
    """Keep how long a step took that began at these two clocks."""
    file = folder / CACHE / f"seconds-{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    seconds = {"wall_s": time.monotonic() - wall, "processor_s": time.process_time() - processor}
    atomic.write_json(file, {key: round(n, 1) for key, n in seconds.items()})


def durations(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds by the clock and of the processor that each step took when it last ran in this folder."""
    found = {}
    for name in (GAMES, *experiments()):
        try:
            text = (folder / CACHE / f"seconds-{name}.json").read_text("utf-8")
            found[name] = dict(json.loads(text))
        except (OSError, ValueError, TypeError):
            continue
    return found


def load(checkpoint: Path | None) -> Model:
    """The model the experiments explain; CheckpointError unless it plays on 8×8."""
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
