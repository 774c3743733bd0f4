"""A training run as a directory: lock, manifest, generations, replay files; readable at any moment, whatever happens.

    config.toml
    state.json                       the manifest: what counts, with sizes and SHA-256; replaced atomically, last
    generations/NNNN/                weights.safetensors, meta.json; optimizer.safetensors in the newest two
    replay/NNNN.npz                  samples of iteration NNNN; replay/chunks/ finished parts of the present one
    metrics/metrics.csv, events.*    one row an iteration; TensorBoard events
    latest                           the newest generation's name
    lock                             held with flock while a trainer runs: its pid and host
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from othello import atomic
from othello.errors import CheckpointError, ConfigError, RunLocked
from othello.training.config import RunConfig, read_config, write_toml


@dataclass(frozen=True)
class ReplayFile:
    """One iteration's samples as the manifest knows them; `size` in bytes."""

    name: str
    positions: int
    size: int
    sha256: str


@dataclass(frozen=True)
class State:
    """Where a run stands; generation `iteration` is the newest."""

    iteration: int = 0
    games: int = 0
    positions: int = 0
    evaluations: int = 0
    core_seconds: float = 0.0
    generation_sha256: str = ""
    replay: list[ReplayFile] = field(default_factory=list)


def file_record(path: Path, positions: int) -> ReplayFile:
    data = path.read_bytes()
    return ReplayFile(path.name, positions, len(data), hashlib.sha256(data).hexdigest())


class Run:
    """Paths, configuration and state of one run directory."""

    def __init__(self, folder: Path, config: RunConfig, state: State) -> None:
        self.folder, self.config, self.state = folder, config, state

    @property
    def replay(self) -> Path:
        return self.folder / "replay"

    @property
    def chunks(self) -> Path:
        return self.replay / "chunks"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics"

    def generation(self, number: int) -> Path:
        """The folder of a generation."""
        return self.folder / "generations" / f"{number:04d}"

    @classmethod
    def create(cls, folder: Path, config: RunConfig) -> Run:
        """A new run; `ConfigError` if the folder holds something else."""
        if (folder / "state.json").exists():
            raise ConfigError(f"{folder}: holds a run already; resume it or choose another folder")
        foreign = [entry.name for entry in folder.iterdir() if not _ours(entry)] if folder.is_dir() else []
        if foreign or (folder.exists() and not folder.is_dir()):
            raise ConfigError(f"{folder}: is not an empty folder ({', '.join(foreign[:3]) or 'a file'})")
        run = cls(folder, config, State())
        for path in (folder, run.replay, run.chunks, run.metrics, folder / "generations"):
            path.mkdir(parents=True, exist_ok=True)
        atomic.write_text(folder / "config.toml", write_toml(config))
        return run

    @classmethod
    def open(cls, folder: Path, verify: bool = False) -> Run:
        """An existing run; `CheckpointError` if its manifest is damaged or (with `verify`) names damaged files."""
        try:
            data = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            data["replay"] = [ReplayFile(**entry) for entry in data["replay"]]
            state = State(**data)
        except FileNotFoundError:
            raise CheckpointError(f"{folder}: no state.json, so not a training run") from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{folder / 'state.json'}: damaged ({error})") from None
        run = cls(folder, read_config(folder / "config.toml"), state)
        if verify:
            for entry in state.replay:
                path = run.replay / entry.name
                if not path.is_file() or file_record(path, entry.positions) != entry:
                    raise CheckpointError(f"{path}: missing or changed since it was listed in state.json")
        return run

    def commit(self, state: State) -> None:
        """Make `state` the run's state: from this moment, and not before, its files count."""
        self.state = state
        atomic.write_text(self.folder / "latest", f"{state.iteration:04d}\n")
        atomic.write_text(self.folder / "state.json", json.dumps(asdict(state), indent=1) + "\n")

    def clear_unlisted(self) -> None:
        """Remove what a killed trainer left half-made: generations after the newest and temporary files."""
        for path in (self.folder / "generations").iterdir():
            if path.is_dir() and (not path.name.isdigit() or int(path.name) > self.state.iteration):
                shutil.rmtree(path)
        for path in (self.folder, self.replay, self.chunks):
            atomic.remove_leftovers(path)

    def summary(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "network": str(self.config.network), **asdict(self.state)}


def _ours(entry: Path) -> bool:
    return entry.name in {"config.toml", "generations", "replay", "metrics", "lock", "latest"}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run directory for this process; `RunLocked` names the one that has it.

    The lock is the kernel's (flock), so it goes with the process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            raise RunLocked(f"{folder}: {holder} is training here; stop it or choose another --run folder") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
