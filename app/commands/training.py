"""`othello train`: start or resume a training run and watch it; a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import csv
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.commands.options import Output, one_thread, print_json
from app.commands.progress import duration
from othello.errors import ConfigError, RunLocked
from othello.training.config import RunConfig, read_config
from othello.training.loop import local_workers
from othello.training.loop import train as train_run
from othello.training.metrics import Metrics
from othello.training.preflight import check_disk, check_start
from othello.training.ray_executor import ray_cluster

_ROWS = 12  # iterations the live table shows
_COLUMNS = (
    "iteration",
    "games",
    "positions",
    "seconds",
    "games/h",
    "policy",
    "value",
    "fresh policy",
    "fresh value",
    "samples/position",
)


Address = Annotated[
    str | None,
    typer.Argument(metavar="[ADDRESS]", help="With --ray: the cluster to join, host:port or auto."),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings of a new run: TOML, or a name such as othello8."
    ),
]
RunFolder = Annotated[
    Path, typer.Option("--run", metavar="DIR", file_okay=False, help="The run's folder.")
]
Initial = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="CHECKPOINT", help="Weights a new run starts from; may be smaller."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in --run.")]
AcceptChanges = Annotated[
    bool,
    typer.Option("--accept-changes", help="With --resume: take settings edited in config.toml."),
]
Iterations = Annotated[
    int | None, typer.Option("--iterations", min=1, help="End after so many more.")
]
OnRay = Annotated[
    bool,
    typer.Option("--ray", help="Play on a Ray cluster: the one at ADDRESS, or one started here."),
]


@dataclass(frozen=True)
class RunOptions:
    """The run that is begun, or gone on with."""

    config: Config = None
    run: RunFolder = Path("runs/main")
    initial: Initial = None
    resume: Resume = False
    accept_changes: AcceptChanges = False
    iterations: Iterations = None


def train(
    address: Address = None,
    which: RunOptions = RunOptions(),
    ray: OnRay = False,
    output: Output = Output(),
) -> None:
    """Train by self-play; Ctrl-C ends it cleanly, the same command with --resume goes on."""
    if address is not None and not ray:
        raise ConfigError(
            f"{address!r} is not accepted here; the address of a Ray cluster goes with --ray"
        )
    run = which.run
    exists = (run / "state.json").exists()
    _check_run(which, exists)
    settings = _settings(which)
    kept = exists or (which.resume and which.initial is None)
    chosen = None if kept else settings  # a run has its own
    if (warning := check_start(settings, run)) and not output.quiet:
        print(f"warning: {warning}", file=sys.stderr)
    one_thread()

    def on_iteration(metrics: Metrics) -> None:
        view.on_iteration(metrics)
        check_disk(settings, run)

    stream = sys.stderr if output.as_json else sys.stdout
    view = _view(output)(run, settings.learner.batch, which.iterations, settings.iterations)
    cluster = ray_cluster(address or "") if ray else nullcontext(local_workers)
    with stopping_cleanly(), cluster as workers, view:
        more, accepted = which.iterations, which.accept_changes
        try:
            done = train_run(run, chosen, view.report, on_iteration, more, workers, accepted)
        except RunLocked as error:
            raise typer.BadParameter(str(error), param_hint="--run") from None
        except KeyboardInterrupt:
            view.close()
            print(f"stopped, resume with: othello train --run {run} --resume", file=stream)
            return
    print(f"done: {done.state.iteration} iterations, {done.state.games} games", file=stream)


def _view(output: Output) -> type[PlainLines]:
    """How iterations are told."""
    if output.as_json:
        return JsonLines
    if output.quiet:
        return NoLines
    return LiveTable if sys.stdout.isatty() else PlainLines


def _check_run(which: RunOptions, exists: bool) -> None:
    """ConfigError unless the folder fits: a run to resume, which has its settings, or none yet."""
    run, settled = which.run, which.config is not None or which.initial is not None
    begun = (run / "config.toml").exists()  # perhaps without a generation yet, if it ended at once
    if which.resume and not begun:
        raise ConfigError(f"{run}: no run to resume; start one without --resume")
    if exists and settled:
        raise ConfigError(
            f"{run}: holds a run already, with its own settings; --resume it without --config and --from"
        )
    if exists and not which.resume:
        raise ConfigError(
            f"{run}: holds a run already; go on with --resume or choose another --run"
        )
    if which.accept_changes and not which.resume:
        raise ConfigError("--accept-changes goes with --resume")


def _settings(which: RunOptions) -> RunConfig:
    file = which.run / "config.toml" if which.resume else which.config
    settings = RunConfig() if file is None else read_config(file)
    return settings if which.initial is None else replace(settings, initial=which.initial)


@contextmanager
def stopping_cleanly() -> Iterator[None]:
    """SIGTERM ends the block like Ctrl-C; a second signal while it ends is ignored."""

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [(name, signal.signal(name, stop)) for name in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for name, handler in before:
            signal.signal(name, handler)


class PlainLines:
    """A line an iteration of the run in `folder`, whose learner takes `batch` samples a step.

    It ends after `more` iterations or, if that is None, after the one with the number `last`.
    """

    def __init__(self, folder: Path, batch: int, more: int | None = None, last: int = 0) -> None:
        self._folder, self._batch, self._more, self._last = folder, batch, more, last
        self._began, self._done = time.monotonic(), 0
        self._missing = 0

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop drawing."""

    def report(self, progress: dict[str, Any]) -> None:
        """Progress within an iteration: nothing to say."""

    def count(self, iteration: int) -> None:
        """Iteration number `iteration` is done."""
        self._done += 1
        left = self._last - iteration if self._more is None else self._more - self._done
        self._missing = max(0, left)

    def left(self) -> str:
        """The time that the iterations still wanted will take, by those that are done; "" if none or not known."""
        if not self._done or not self._missing:
            return ""
        each = (time.monotonic() - self._began) / self._done
        return f"; about {duration(each * self._missing)} left"

    def on_iteration(self, metrics: Metrics) -> None:
        """Say what an iteration made and learned."""
        self.count(metrics.iteration)
        m = metrics
        print(
            f"iteration {m.iteration}: {m.games} games, {m.positions} positions in {m.seconds:.0f} s "
            f"({m.games_per_hour:.0f} games/h); loss policy {m.train_policy:.3f} "
            f"value {m.train_value:.3f}, fresh {m.fresh_policy:.3f} {m.fresh_value:.3f}; "
            f"{m.samples_per_position(self._batch):.1f} samples a position; {self.ladder() or 'no ladder yet'}"
            f"{self.left()}",
            flush=True,
        )

    def ladder(self) -> str | None:
        """The rating of the newest generation that `othello ladder` has measured."""
        try:
            with open(
                self._folder / "metrics" / "ladder.csv", newline="", encoding="utf-8"
            ) as file:
                rated = [
                    row for row in csv.DictReader(file) if row.get("generation") and row.get("elo")
                ]
            newest = max(rated, key=lambda row: int(row["generation"]))
            return f"ladder: {newest['player']} Elo {newest['elo']} [{newest['low']}, {newest['high']}]"
        except (OSError, ValueError, KeyError):
            return None


class NoLines(PlainLines):
    """Nothing until the end."""

    def on_iteration(self, metrics: Metrics) -> None:
        """Nothing to say."""


class JsonLines(PlainLines):
    """A JSON object an iteration."""

    def on_iteration(self, metrics: Metrics) -> None:
        """Print the metrics."""
        more = {
            "games_per_hour": round(metrics.games_per_hour, 1),
            "samples_per_position": round(metrics.samples_per_position(self._batch), 3),
            "ladder": self.ladder(),
        }
        print_json("iteration", {**asdict(metrics), **more})


class LiveTable(PlainLines):
    """A table of the last iterations, the ladder's newest rating and a line of progress, redrawn in place."""

    def __init__(self, folder: Path, batch: int, more: int | None = None, last: int = 0) -> None:
        super().__init__(folder, batch, more, last)
        self._rows: list[Metrics] = []
        self._progress: dict[str, Any] = {}
        self._rating = self.ladder()
        self._live = Live(self._draw(), refresh_per_second=4)

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def close(self) -> None:
        """Leave the last table on the screen."""
        self._live.stop()

    def report(self, progress: dict[str, Any]) -> None:
        """Show progress within an iteration."""
        if progress.get("iteration") != self._progress.get("iteration"):
            self._progress = {}
        self._progress |= progress
        self._live.update(self._draw())

    def on_iteration(self, metrics: Metrics) -> None:
        """Add a row."""
        self.count(metrics.iteration)
        self._rows = [*self._rows, metrics][-_ROWS:]
        self._rating = self.ladder()
        self._live.update(self._draw())

    def _draw(self) -> RenderableType:
        table = Table(*_COLUMNS, box=None, header_style="bold")
        for column in table.columns:
            column.justify = "right"
        for m in self._rows:
            table.add_row(
                str(m.iteration),
                str(m.games),
                f"{m.positions:,}",
                f"{m.seconds:.0f}",
                f"{m.games_per_hour:.0f}",
                f"{m.train_policy:.3f}",
                f"{m.train_value:.3f}",
                f"{m.fresh_policy:.3f}",
                f"{m.fresh_value:.3f}",
                f"{m.samples_per_position(self._batch):.1f}",
            )
        p = self._progress
        now = f"iteration {p.get('iteration', 0)}: self-play {p.get('chunks_done', 0)}/{p.get('chunks', '?')} chunks"
        if p.get("steps"):
            now += f", learner {p.get('step', 0)}/{p['steps']} steps"
        now += self.left()
        rating = self._rating or f"no ladder yet: othello ladder {self._folder}"
        return Group(table, Text(rating), Text(now + "   (Ctrl-C stops cleanly)", style="dim"))
