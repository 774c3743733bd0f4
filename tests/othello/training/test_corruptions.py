"""Random damage of every small file of a run and a checkpoint: seen, or without meaning; never another value."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from othello.errors import OthelloError
from othello.network import checkpoint
from othello.network.sealed_json import FORMAT, read_sealed
from othello.training.manifest import read_settings
from othello.training.metrics import read_metrics
from othello.training.run import Run
from tests.othello.training.trainers import TINY, advance, copied

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(path.parent.name for path in ROOT.glob("checkpoints/*/meta.json"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("made") / "run"
    advance(folder, 2, TINY)
    return folder


def latest(folder: Path) -> str:
    """What `latest` says once a trainer has the run."""
    Run.open(folder).put_right()
    return (folder / "latest").read_text("utf-8")


READERS: dict[str, Callable[[Path], Any]] = {  # file -> what it means to those who read it
    "generations/0002/meta.json": lambda run: checkpoint.info(run / "generations/0002"),
    "config.toml": lambda run: Run.open(run).config,
    "state.json": lambda run: Run.open(run).state,
    "settings.json": lambda run: (read_settings(run / "settings.json"), Run.open(run).config),
    "metrics/metrics.csv": lambda run: read_metrics(run / "metrics/metrics.csv"),
    "latest": latest,
}


def corrupted(data: bytes, rng: random.Random) -> bytes:
    """`data` with one to four random changes: a bit, a byte, a digit, something out, twice or exchanged, an end cut."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place, kind = rng.randrange(max(len(changed), 1)), rng.randrange(7)
        stop = place + rng.randint(1, 8)
        if not changed or kind == 0:
            changed.insert(place, rng.randrange(256))
        elif kind == 1:
            changed[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            changed[place] = rng.randrange(256)
        elif kind == 3:
            digits = [i for i, byte in enumerate(changed) if 48 <= byte <= 57] or [place]
            changed[rng.choice(digits)] = rng.choice(b"0123456789")
        elif kind == 4:
            del changed[place:stop]
        elif kind == 5:
            changed[place:place] = changed[place:stop]
        else:
            del changed[-rng.randint(1, len(changed)) :]
    return bytes(changed)


def unseen(folder: Path, name: str, count: int, seed: int) -> list[bytes]:
    """The corruptions among `count` that load as another value."""
    file, rng = folder / name, random.Random(seed)
    original, meant = file.read_bytes(), READERS[name](folder)
    found = []
    for _ in range(count):
        damaged = corrupted(original, rng)
        file.write_bytes(damaged)
        try:
            if READERS[name](folder) != meant:
                found.append(damaged)
        except OthelloError as error:
            assert len(str(error).splitlines()) <= 2 and str(folder) in str(error)
        file.write_bytes(original)
    assert READERS[name](folder) == meant
    return found


@pytest.mark.parametrize("count", [60, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", READERS)
def test_no_corruption_is_read_as_another_value(
    made: Path, tmp_path: Path, name: str, count: int
) -> None:
    run = copied(made, tmp_path / "run")
    assert unseen(run, name, count, seed=count) == []


@pytest.mark.parametrize("count", [60, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", SHIPPED)
def test_no_corruption_of_a_shipped_checkpoint_is_read_as_another_value(
    tmp_path: Path, name: str, count: int
) -> None:
    folder = copied(ROOT / "checkpoints" / name, tmp_path / "run" / "generations" / "0002")
    loaded = checkpoint.load(folder)
    assert loaded.meta["kind"] == "othello-network" and loaded.meta["format"] == FORMAT
    assert unseen(tmp_path / "run", "generations/0002/meta.json", count, seed=1) == []


def test_a_run_and_checkpoints_of_an_older_version_are_read_and_go_on(
    made: Path, tmp_path: Path
) -> None:
    run = copied(made, tmp_path / "run")
    for file in (run / "state.json", *run.glob("generations/*/meta.json")):
        older = {**read_sealed(file, 1 << 20), "format": 1}
        file.write_text(json.dumps(older))
    (run / "settings.json").unlink()
    rows = [
        line.split(",")[:-1]
        for line in (run / "metrics/metrics.csv").read_text("utf-8").splitlines()
    ]
    (run / "metrics/metrics.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    assert checkpoint.load(run / "generations/0002").meta["generation"] == 2
    advance(run)
    assert Run.open(run, verify=True).state.iteration == 3
    assert [row["iteration"] for row in read_metrics(run / "metrics/metrics.csv")] == [0, 1, 2]
    assert read_settings(run / "settings.json").settings == TINY
