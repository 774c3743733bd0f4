"""What `othello train` shows of a run: a table on a terminal, lines or JSON elsewhere; what it refuses at once."""

from __future__ import annotations

import io
import json
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from app.cli import run
from app.commands.training import JsonLines, LiveTable, PlainLines
from othello.training.config import RunConfig
from othello.training.loop import train
from othello.training.manifest import SettingsChange, read_settings
from othello.training.metrics import Metrics
from othello.training.run import Run
from tests.othello.training.trainers import TINY, advance

METRICS = Metrics(
    iteration=7,
    games=400,
    positions=20_480,
    evaluations=500_000,
    seconds=90.0,
    selfplay_core_seconds=60.0,
    learner_seconds=30.0,
    window=100_000,
    steps=160,
    learning_rate=2e-3,
    train_policy=1.234,
    train_value=0.567,
    train_score=0.05,
    fresh_policy=1.345,
    fresh_value=0.678,
    fresh_score=0.06,
    fresh_value_error=0.4,
)
LADDER = (
    "player,generation,elo,low,high,games,points,checkpoint\n"
    "net 0005,5,812,770,860,240,180,aa\nrandom,,0,0,0,240,20,\nnet 0002,2,910,850,970,240,200,bb\n"
)


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    """A run's folder whose newest measured generation is 5."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "ladder.csv").write_text(LADDER)
    return tmp_path


def drawn(view: LiveTable) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(view._draw())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_shows_speed_positions_losses_samples_per_position_and_the_ladder(
    rated: Path,
) -> None:
    view = LiveTable(rated, batch=512)
    view.on_iteration(METRICS)
    view.report({"iteration": 8, "chunks_done": 1, "chunks": 4, "step": 24, "steps": 160})
    shown = drawn(view)
    for text in (
        "games/h",
        "16000",
        "20,480",
        "1.234",
        "0.567",
        "1.345",
        "0.678",
        "samples/position",
        "4.0",
    ):
        assert text in shown
    assert "net 0005 Elo 812 [770, 860]" in shown
    assert "iteration 8: self-play 1/4 chunks, learner 24/160 steps" in shown


def test_before_the_first_ladder_the_table_says_how_to_climb_one(tmp_path: Path) -> None:
    assert f"no ladder yet: othello ladder {tmp_path}" in drawn(LiveTable(tmp_path, batch=512))
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "ladder.csv").write_text("damaged\n")
    assert "no ladder yet" in drawn(LiveTable(tmp_path, batch=512))


def test_lines_and_json_say_the_same(rated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PlainLines(rated, 512).on_iteration(METRICS)
    line = capsys.readouterr().out
    assert (
        "16000 games/h" in line and "4.0 samples a position" in line and "net 0005 Elo 812" in line
    )
    JsonLines(rated, 512).on_iteration(METRICS)
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (
        told["games_per_hour"] == 16000
        and told["samples_per_position"] == 4.0
        and told["iteration"] == 7
    )
    assert told["ladder"].startswith("ladder: net 0005")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("gmaes = 4", "unknown setting gmaes; the nearest is games"),
        ('device = "cuda:99"', 'device = "cuda:99"'),
        ('initial = "nowhere"', "no such checkpoint"),
        ("[selfplay]\nsolve_empties = 3", "label_empties = 5 is above solve_empties = 3"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    (tmp_path / "mine.toml").write_text(text)
    assert (
        run(("train", "--config", str(tmp_path / "mine.toml"), "--run", str(tmp_path / "run"))) == 2
    )
    said = capsys.readouterr().err
    assert complaint in said and len(said.splitlines()) <= 2
    assert not (tmp_path / "run").exists()


def one_thread_pool(config: RunConfig) -> Executor:
    return ThreadPoolExecutor(1)


def edited(folder: Path, *changes: tuple[str, str]) -> None:
    text = (folder / "config.toml").read_text("utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / "config.toml").write_text(text)


def test_edited_settings_are_taken_on_request_only_and_noted_in_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    advance(folder, 1, TINY)
    edited(folder, ("games = 12\n", "games = 6\n"), ("batch = 32\n", "batch = 16\n"))
    assert run(("train", "--run", str(folder), "--resume", "--iterations", "1")) == 2
    said = capsys.readouterr().err
    assert "games = 6 (was 12), learner.batch = 16 (was 32)" in said
    assert len(said.splitlines()) == 1 and "--accept-changes" in said
    assert not read_settings(folder / "settings.json").changes

    taken = train(folder, iterations=1, accept_changes=True, workers=one_thread_pool)
    assert taken.state.iteration == 2 and taken.state.games == 12 + 6
    changes = read_settings(folder / "settings.json").changes
    assert changes == (SettingsChange(1, {"games": [12, 6], "learner.batch": [32, 16]}),)
    advance(folder)  # and from then on they are the run's


def test_settings_edited_before_the_first_generation_are_taken_on_request_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    Run.create(folder, TINY)
    edited(folder, ("seed = 5\n", "seed = 6\n"))
    assert run(("train", "--run", str(folder), "--resume")) == 2
    assert "seed = 6 (was 5)" in capsys.readouterr().err
    assert Run.create(folder, accept=True).config == replace(TINY, seed=6)


def test_a_network_is_not_changed_on_request_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    advance(folder, 1, TINY)
    edited(folder, ("channels = 8\n", "channels = 16\n"))
    assert run(("train", "--run", str(folder), "--resume", "--accept-changes")) == 2
    assert "a run keeps its network" in capsys.readouterr().err
    assert run(("train", "--run", str(folder), "--accept-changes")) == 2
