"""A run's metrics: a row an iteration in metrics.csv and, where TensorBoard is installed, in its event files.

The last column of metrics.csv is empty; its name is the SHA-256 of the columns before it, so that damage shows.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import socket
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from othello import atomic
from othello.errors import CheckpointError
from othello.network.safetensors_io import read_regular_file

_MAX_BYTES = 1 << 26
_SEALED = re.compile(r"sha256:[0-9a-f]{64}")
_WHOLE = re.compile(r"0|[1-9]\d{0,18}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d{1,3})?|nan|-?inf")  # a run that fails may end so


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
        row = {
            name: int(value) if name in _WHOLE_COLUMNS else float(value)
            for name, value in asdict(metrics).items()
        }
        path = self._folder / "metrics.csv"
        before = read_metrics(path) if path.exists() else []
        rows = [earlier for earlier in before if earlier["iteration"] < metrics.iteration]
        atomic.write_text(path, _sealed([*rows, row], list(row)))
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


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.csv, oldest first; `CheckpointError` for anything that a trainer did not write.

    Rows of older versions may lack columns, and their file its SHA-256.
    """
    data = read_regular_file(path, _MAX_BYTES)
    try:
        lines = list(csv.reader(io.StringIO(data.decode("ascii"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CheckpointError(f"{path}: damaged ({error})") from None
    columns = lines[0] if lines else []
    seal = columns.pop() if columns and _SEALED.fullmatch(columns[-1]) else None
    known = {f.name for f in fields(Metrics)}
    if "iteration" not in columns or len(set(columns)) < len(columns) or set(columns) - known:
        odd = ", ".join(sorted(set(columns) - known)[:2])[:80]
        raise CheckpointError(f"{path}: damaged (its columns are not those of metrics: {odd})")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        if seal is not None and line[-1:] == [""]:
            line.pop()
        if len(line) != len(columns):
            raise CheckpointError(f"{path}: damaged (line {number} has {len(line)} entries)")
        rows.append(
            {name: _number(path, number, name, text) for name, text in zip(columns, line) if text}
        )
    numbers = [row.get("iteration", -1.0) for row in rows]
    if numbers != sorted(set(numbers)) or numbers[:1] < [0]:
        raise CheckpointError(f"{path}: damaged (its iterations are not in order)")
    if seal is not None and _sealed(rows, columns).encode() != data:
        raise CheckpointError(f"{path}: damaged, or changed by hand: it does not match its SHA-256")
    return rows


def _number(path: Path, line: int, name: str, text: str) -> float:
    whole = name in _WHOLE_COLUMNS
    if (_WHOLE if whole else _NUMBER).fullmatch(text):
        return int(text) if whole else float(text)
    raise CheckpointError(f"{path}: damaged (line {line}: {name} = {text[:40]!r} is no number)")


def _sealed(rows: list[dict[str, float]], columns: list[str]) -> str:
    """The file's text, with its SHA-256 as the name of the last column."""
    lines = [[str(row.get(name, "")) for name in columns] for row in rows]
    body = "".join(",".join(line) + ",\n" for line in lines)
    header = ",".join(columns)
    seal = hashlib.sha256(f"{header}\n{body}".encode()).hexdigest()
    return f"{header},sha256:{seal}\n{body}"


_WHOLE_COLUMNS = frozenset(f.name for f in fields(Metrics) if f.type == "int")
