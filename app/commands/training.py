"""`othello train`: start or resume a training run and watch it; a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import csv
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.commands.options import AsJson, one_thread, print_json
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
RunFolder = Annotated[Path, typer.Option("--run", metavar="DIR", help="The run's folder.")]
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


def train(
    address: Address = None,
    config: Config = None,
    run: RunFolder = Path("runs/main"),
    initial: Initial = None,
    resume: Resume = False,
    accept_changes: AcceptChanges = False,
    iterations: Iterations = None,
    ray: OnRay = False,
    as_json: AsJson = False,
) -> None:
    """Train by self-play; Ctrl-C ends it cleanly, the same command with --resume goes on."""
    if address is not None and not ray:
        raise ConfigError(
            f"{address!r} is not accepted here; the address of a Ray cluster goes with --ray"
        )
    exists = (run / "state.json").exists()
    _check_run(run, exists, resume, config is not None or initial is not None)
    if accept_changes and not resume:
        raise ConfigError("--accept-changes goes with --resume")
    settings = _settings(run / "config.toml" if resume else config, initial)
    chosen = None if exists or (resume and initial is None) else settings  # a run has its own
    if warning := check_start(settings, run):
        print(f"warning: {warning}", file=sys.stderr)
    one_thread()

    def on_iteration(metrics: Metrics) -> None:
        view.on_iteration(metrics)
        check_disk(settings, run)

    stream, batch = sys.stderr if as_json else sys.stdout, settings.learner.batch
    view = (JsonLines if as_json else LiveTable if sys.stdout.isatty() else PlainLines)(run, batch)
    cluster = ray_cluster(address or "") if ray else nullcontext(local_workers)
    with stopping_cleanly(), cluster as workers, view:
        try:
            done = train_run(
                run, chosen, view.report, on_iteration, iterations, workers, accept_changes
            )
        except RunLocked as error:
            raise typer.BadParameter(str(error), param_hint="--run") from None
        except KeyboardInterrupt:
            view.close()
            print(f"stopped, resume with: othello train --run {run} --resume", file=stream)
            return
    print(f"done: {done.state.iteration} iterations, {done.state.games} games", file=stream)


def _check_run(run: Path, exists: bool, resume: bool, settled: bool) -> None:
    """ConfigError unless the folder fits: a run to resume, which has its settings, or none yet."""
    begun = (run / "config.toml").exists()  # perhaps without a generation yet, if it ended at once
    if resume and not begun:
        raise ConfigError(f"{run}: no run to resume; start one without --resume")
    if exists and settled:
        raise ConfigError(
            f"{run}: holds a run already, with its own settings; --resume it without --config and --from"
        )
    if exists and not resume:
        raise ConfigError(
            f"{run}: holds a run already; go on with --resume or choose another --run"
        )


def _settings(config: Path | None, initial: str | None) -> RunConfig:
    settings = RunConfig() if config is None else read_config(config)
    return settings if initial is None else replace(settings, initial=initial)


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
    """A line an iteration of the run in `folder`, whose learner takes `batch` samples a step."""

    def __init__(self, folder: Path, batch: int) -> None:
        self._folder, self._batch = folder, batch

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop drawing."""

    def report(self, progress: dict[str, Any]) -> None:
        """Progress within an iteration: nothing to say."""

    def on_iteration(self, metrics: Metrics) -> None:
        """Say what an iteration made and learned."""
        m = metrics
        print(
            f"iteration {m.iteration}: {m.games} games, {m.positions} positions in {m.seconds:.0f} s "
            f"({m.games_per_hour:.0f} games/h); loss policy {m.train_policy:.3f} "
            f"value {m.train_value:.3f}, fresh {m.fresh_policy:.3f} {m.fresh_value:.3f}; "
            f"{m.samples_per_position(self._batch):.1f} samples a position; {self.ladder() or 'no ladder yet'}",
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


class JsonLines(PlainLines):
    """A JSON object an iteration."""

    def on_iteration(self, metrics: Metrics) -> None:
        """Print the metrics."""

        more = {
            "games_per_hour": round(metrics.games_per_hour, 1),
            "samples_per_position": round(metrics.samples_per_position(self._batch), 3),
            "ladder": self.ladder(),
        }
        print_json({**asdict(metrics), **more})
        sys.stdout.flush()


class LiveTable(PlainLines):
    """A table of the last iterations, the ladder's newest rating and a line of progress, redrawn in place."""

    def __init__(self, folder: Path, batch: int) -> None:
        super().__init__(folder, batch)
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
        rating = self._rating or f"no ladder yet: othello ladder {self._folder}"
        return Group(table, Text(rating), Text(now + "   (Ctrl-C stops cleanly)", style="dim"))
