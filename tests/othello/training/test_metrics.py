"""A run's metrics as TensorBoard and a table reader see them."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from othello.training.metrics import Metrics, MetricsLog, read_metrics

ROW = Metrics(
    iteration=0,
    games=400,
    positions=16_000,
    evaluations=500_000,
    seconds=90.0,
    selfplay_core_seconds=120.0,
    learner_seconds=30.0,
    window=100_000,
    steps=125,
    learning_rate=2e-3,
    train_policy=1.5,
    train_value=0.5,
    train_score=0.1,
    fresh_policy=1.6,
    fresh_value=0.55,
    fresh_score=0.12,
    fresh_value_error=0.4,
)


def read(folder: Path, tag: str) -> list[tuple[int, float]]:
    """A curve, read by TensorBoard itself."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_tensorboard_shows_the_curves_of_a_trainer(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, batch=512)
    for iteration in range(3):
        log.add(replace(ROW, iteration=iteration, train_policy=1.5 - iteration / 4))
    assert len(list(tmp_path.glob("events.*"))) == 1
    assert read(tmp_path, "train_policy") == [(0, 1.5), (1, 1.25), (2, 1.0)]
    assert read(tmp_path, "games_per_hour") == [(i, pytest.approx(16_000)) for i in range(3)]
    assert read(tmp_path, "samples_per_position") == [(i, 4.0) for i in range(3)]


def test_what_a_killed_trainer_wrote_of_an_iteration_is_taken_back(tmp_path: Path) -> None:
    killed = MetricsLog(tmp_path, batch=512)
    for iteration in range(3):
        killed.add(replace(ROW, iteration=iteration))
    resumed = MetricsLog(tmp_path, batch=512)
    resumed.add(replace(ROW, iteration=2, fresh_value=0.25))
    resumed.add(replace(ROW, iteration=3))
    with open(tmp_path / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = [(int(row["iteration"]), float(row["fresh_value"])) for row in csv.DictReader(file)]
    assert rows == [(0, 0.55), (1, 0.55), (2, 0.25), (3, 0.55)]
    assert [step for step, _ in read(tmp_path, "fresh_value")] == [0, 1, 2, 3]
    assert read(tmp_path, "fresh_value")[2][1] == pytest.approx(0.25)


def test_a_row_that_is_not_finite_is_read_and_taken_back(tmp_path: Path) -> None:
    failed = MetricsLog(tmp_path, batch=512)
    failed.add(replace(ROW, fresh_policy=float("nan"), fresh_score=float("-inf")))
    found = read_metrics(tmp_path / "metrics.csv")
    assert str(found[0]["fresh_policy"]) == "nan" and found[0]["games"] == 400
    MetricsLog(tmp_path, batch=512).add(ROW)
    assert read_metrics(tmp_path / "metrics.csv") == [asdict(ROW)]
