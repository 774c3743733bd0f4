"""A run's folder: what is refused, damaged, of another version or board, and what opening it never touches."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from othello.errors import CheckpointError, ConfigError, OthelloError, RunLocked
from othello.network import checkpoint
from othello.network.sealed_json import write_sealed
from othello.training.config import read_config, write_toml
from othello.training.manifest import State, read_state, write_state
from othello.training.run import Run, locked
from tests.othello.training.trainers import TINY, advance, copied


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("made") / "run"
    advance(folder, 2, TINY)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A run of two iterations of one's own to damage."""
    return copied(made, tmp_path / "run")


def edit(folder: Path, **entries: Any) -> None:
    data = json.loads((folder / "state.json").read_text("utf-8"))
    del data["digest"]
    write_sealed(folder / "state.json", {**data, **entries})


def setting(folder: Path, **network: int) -> None:
    config = read_config(folder / "config.toml")
    (folder / "config.toml").write_text(
        write_toml(replace(config, network=replace(config.network, **network)))
    )


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def replay_entry(folder: Path, **changes: Any) -> None:
    data = json.loads((folder / "state.json").read_text("utf-8"))
    edit(folder, replay=[{**data["replay"][0], **changes}, *data["replay"][1:]])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (
        lambda f: (f / "state.json").unlink(),
        r"no state\.json, so not a training run",
    ),
    "cut manifest": (
        lambda f: (f / "state.json").write_text('{"iteration": '),
        r"state\.json: damaged",
    ),
    "a list": (lambda f: (f / "state.json").write_text("[]"), r"state\.json: damaged"),
    "not UTF-8": (lambda f: (f / "state.json").write_bytes(b"\xff"), r"state\.json: damaged"),
    "newer format": (
        lambda f: edit(f, format=3),
        "a run of format 3; this version reads formats 1",
    ),
    "format of another type": (lambda f: edit(f, format=True), "a run of format True"),
    "unknown entry": (
        lambda f: edit(f, colour="red"),
        r"not a manifest of this version \(unknown or missing: colour",
    ),
    "negative": (lambda f: edit(f, iteration=-1), "iteration is not a whole number"),
    "fraction": (lambda f: edit(f, games=1.5), "games is not a whole number"),
    "no seconds": (lambda f: edit(f, core_seconds="long"), "core_seconds is not"),
    "no hash": (lambda f: edit(f, generation_sha256=""), "generation_sha256 is not"),
    "another hash": (
        lambda f: edit(f, generation_sha256="0" * 64),
        r"0002: its SHA-256 is not the one",
    ),
    "replay no list": (lambda f: edit(f, replay=3), "replay is not a list"),
    "traversal": (
        lambda f: replay_entry(f, name="../../thesis.npz"),
        "replay entry .* is not a name like",
    ),
    "absolute": (
        lambda f: replay_entry(f, name="/etc/passwd"),
        "replay entry .* is not a name like",
    ),
    "replay wrong size": (lambda f: replay_entry(f, size=7), r"\d{4}\.npz: missing or changed"),
    "replay cut": (
        lambda f: cut(min((f / "replay").glob("*.npz"))),
        r"\d{4}\.npz: missing or changed",
    ),
    "replay missing": (
        lambda f: min((f / "replay").glob("*.npz")).unlink(),
        r"\d{4}\.npz: missing or changed",
    ),
    "generation missing": (
        lambda f: (f / "generations/0002/meta.json").unlink(),
        r"0002.*meta\.json",
    ),
    "weights cut": (lambda f: cut(f / "generations/0002/weights.safetensors"), "truncated"),
    "optimizer cut": (
        lambda f: cut(f / "generations/0002/optimizer.safetensors"),
        r"optimizer\.safetensors",
    ),
    "optimizer missing": (
        lambda f: (f / "generations/0002/optimizer.safetensors").unlink(),
        r"optimizer\.safetensors",
    ),
    "optimizer of another net": (
        lambda f: checkpoint.save_tensors(
            f / "generations/0002/optimizer.safetensors", {"network.stem.weight": torch.zeros(1)}
        ),
        r"tensor 'network\.stem\.weight' is \[1\]; \[8, 4, 3, 3\] is needed",
    ),
    "another board": (
        lambda f: setting(f, size=6),
        r"\.toml: \[network\] size = 6, but generation 2 has size = 4",
    ),
    "another architecture": (
        lambda f: setting(f, blocks=3, channels=16),
        "blocks = 3, channels = 16, but generation",
    ),
    "other planes": (lambda f: setting(f, planes=2), "planes = 2, but generation 2 has planes = 4"),
    "unknown setting": (
        lambda f: (f / "config.toml").write_text("gmaes = 3"),
        "the nearest is games",
    ),
    "no settings": (lambda f: (f / "config.toml").unlink(), r"config\.toml: no such file"),
    "newer generations": (
        lambda f: (f / "generations/0002").rename(f / "generations/0009"),
        "0002: no such checkpoint",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_run_that_is_not_whole_is_refused_with_what_and_where(run: Path, case: str) -> None:
    damage, complaint = BAD[case]
    damage(run)
    before = {path: path.stat().st_size for path in run.rglob("*") if path.is_file()}
    with pytest.raises(OthelloError) as caught:
        Run.open(run, verify=True)
    assert re.search(complaint, str(caught.value)) and str(run) in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2 and len(str(caught.value)) < 600
    assert {path: path.stat().st_size for path in run.rglob("*") if path.is_file()} == before


def test_a_manifest_without_a_format_is_read_as_the_first_one(run: Path) -> None:
    data = json.loads((run / "state.json").read_text("utf-8"))
    assert data.pop("format") == 2 and data.pop("digest")
    (run / "state.json").write_text(json.dumps(data))
    assert Run.open(run, verify=True).state.iteration == 2


def test_a_manifest_comes_back_as_it_was_written(made: Path, tmp_path: Path) -> None:
    state = Run.open(made).state
    assert len(state.replay) > 0 and state != State()
    write_state(tmp_path / "state.json", state)
    assert read_state(tmp_path / "state.json") == state


def test_generations_newer_than_the_manifest_are_never_removed(run: Path) -> None:
    old = (run / "state.json").read_text("utf-8")
    advance(run, 2)
    (run / "state.json").write_text(old)
    with pytest.raises(
        CheckpointError, match=r"0004: is newer than state\.json, which ends with generation 2"
    ):
        Run.open(run).clear_unlisted()
    assert checkpoint.load(run / "generations" / "0004").meta["generation"] == 4


def test_a_run_that_lost_its_manifest_is_not_begun_anew(run: Path) -> None:
    (run / "state.json").unlink()
    with pytest.raises(ConfigError, match=r"holds generations or replay files but no state\.json"):
        Run.create(run, TINY)
    assert checkpoint.load(run / "generations" / "0002").meta["generation"] == 2


def test_only_what_no_manifest_lists_is_cleared(run: Path) -> None:
    (run / "generations" / "notes").mkdir()
    (run / "replay" / "mine.npz").write_bytes(b"mine")
    for path in (
        "replay/0001-.npz",
        "replay/0077.npz",
        "replay/chunks/0001-0-6.npz",
        "replay/chunks/0002-0-6.npz",
    ):
        (run / path).write_bytes(b"half")
    (run / "replay" / f".0002.npz.1-{'a' * 8}.tmp").write_bytes(b"half")
    listed = {entry.name for entry in Run.open(run).state.replay}
    Run.open(run).clear_unlisted()
    assert (run / "generations" / "notes").is_dir()
    assert {path.name for path in (run / "replay").glob("*.npz")} == listed | {
        "mine.npz",
        "0001-.npz",
    }
    assert [path.name for path in run.glob("replay/chunks/*")] == ["0002-0-6.npz"]
    assert Run.open(run, verify=True).state.iteration == 2


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"not an empty folder \(thesis\.txt"):
        Run.create(tmp_path, TINY)
    assert (tmp_path / "thesis.txt").read_text("utf-8") == "years of work"
    with pytest.raises(ConfigError, match="a file"):
        Run.create(tmp_path / "thesis.txt", TINY)


def test_a_second_run_in_the_same_folder_is_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="holds a run already"):
        Run.create(run, TINY)


# --- the lock -----------------------------------------------------------------------------------------------------


def test_a_second_trainer_is_refused_with_the_first_ones_pid_and_host(run: Path) -> None:
    with (
        locked(run),
        pytest.raises(
            RunLocked, match=f"pid {os.getpid()} on {re.escape(socket.gethostname())} is"
        ),
    ):
        advance(run)
    advance(run)


def test_the_lock_of_a_dead_process_is_no_lock_and_its_name_is_not_told(run: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (run / "lock").write_text(f"pid {dead.pid} on {socket.gethostname()}\n")
    with locked(run), pytest.raises(RunLocked, match=f"pid {os.getpid()} on "), locked(run):
        pass


def test_a_lock_that_is_a_link_is_not_followed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (run / "lock").unlink()
    (run / "lock").symlink_to(tmp_path / "thesis.txt")
    with pytest.raises(OSError, match="symbolic links"), locked(run):
        pass
    assert (tmp_path / "thesis.txt").read_text("utf-8") == "years of work"
