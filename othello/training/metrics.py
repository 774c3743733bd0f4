"""A run's metrics: a row an iteration in metrics.csv and, where TensorBoard is installed, in its event files."""

from __future__ import annotations

import csv
import io
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from othello import atomic


@dataclass
class Metrics:
    """One row of metrics.csv: what an iteration made, cost and learned; losses are means per position.

    `seconds` is wall time, the other times are processor time of the workers together and of the learner.
    """

    iteration: int
    games: int
    positions: int
    evaluations: int
    seconds: float
    selfplay_core_seconds: float
    learner_seconds: float
    window: int
    steps: int
    learning_rate: float
    train_policy: float
    train_value: float
    train_score: float
    fresh_policy: float
    fresh_value: float
    fresh_score: float
    fresh_value_error: float

    @property
    def games_per_hour(self) -> float:
        """Games an hour of wall time."""
        return 3600 * self.games / max(self.seconds, 1e-9)

    def samples_per_position(self, batch: int) -> float:
        """Samples that the learner, with `batch` of them a step, took for each new position."""
        return self.steps * batch / max(self.positions, 1)


class MetricsLog:
    """Writes the metrics of one trainer, whose learner takes `batch` samples a step, into `folder`."""

    def __init__(self, folder: Path, batch: int) -> None:
        self._folder, self._batch = folder, batch
        self._events = (
            folder / f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        )

    def add(self, metrics: Metrics) -> None:
        """Add an iteration; what a trainer that was killed wrote for it or for later ones no longer counts."""
        row = asdict(metrics)
        path = self._folder / "metrics.csv"
        table = io.StringIO()
        writer = csv.DictWriter(
            table, list(row), restval="", extrasaction="ignore", lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows([*_rows_before(path, metrics.iteration), row])
        atomic.write_text(path, table.getvalue())
        scalars = {name: float(value) for name, value in row.items() if name != "iteration"}
        scalars["games_per_hour"] = metrics.games_per_hour
        scalars["samples_per_position"] = metrics.samples_per_position(self._batch)
        self._add_events(metrics.iteration, scalars)

    def _add_events(self, step: int, scalars: dict[str, float]) -> None:
        """Append to this trainer's event file, whole before it returns: TensorBoard's own writers leave it to a thread.

        The first event of a file takes back those of the same and later steps in the files before it.
        """
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            return
        now = time.time()
        events = (
            []
            if self._events.exists()
            else [
                Event(wall_time=now, file_version="brain.Event:2"),
                Event(wall_time=now, step=step, session_log=SessionLog(status=SessionLog.START)),
            ]
        )
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        events.append(Event(wall_time=now, step=step, summary=Summary(value=values)))
        with open(self._events, "ab") as file:
            records = RecordWriter(file)
            for event in events:
                records.write(event.SerializeToString())


def _rows_before(path: Path, iteration: int) -> list[dict[str, str]]:
    """The rows of finished iterations; a row that a killed trainer wrote for `iteration` itself is left out."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            row
            for row in csv.DictReader(file)
            if row["iteration"].isdigit() and int(row["iteration"]) < iteration
        ]
