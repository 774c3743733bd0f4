"""A training run as a directory: lock, manifest, generations, replay files; readable at any moment, whatever happens.

    config.toml                      the settings; edits count once they are taken: `Run.open`
    settings.json                    the record of the settings and of their changes
    state.json                       the manifest: what counts, with sizes and SHA-256; replaced atomically
    generations/NNNN/                weights.safetensors, meta.json; optimizer.safetensors in the newest two
    replay/NNNN.npz                  samples of iteration NNNN; replay/chunks/ finished parts of the present one,
                                     in set-aside/ what was damaged or foreign among them
    metrics/metrics.csv, events.*    one row an iteration; TensorBoard events
    latest                           the newest generation's name, after the manifest has it
    lock                             held while a trainer runs: its pid and host

A generation counts from the moment the manifest names it; until then nothing that an older manifest names is changed
or removed, so a kill between any two steps loses the iteration under way and nothing else.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from othello import atomic
from othello.errors import CheckpointError, ConfigError, RunLocked
from othello.network import checkpoint
from othello.network.architecture import Network
from othello.network.safetensors_io import read_regular_file, skeleton
from othello.operating_system import is_alive, lock, open_itself
from othello.training.config import RunConfig, read_config, write_toml
from othello.training.manifest import (
    REPLAY_NAME,
    ReplayFile,
    SettingsRecord,
    State,
    file_record,
    read_settings,
    read_state,
    write_settings,
    write_state,
)
from othello.training.metrics import read_metrics

__all__ = ["ReplayFile", "Run", "State", "file_record", "locked"]

_STATE, _CONFIG, _SETTINGS = "state.json", "config.toml", "settings.json"
_OURS = frozenset(
    {_CONFIG, _SETTINGS, "generations", "replay", "metrics", "lock", "latest", "best"}
)


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
    def create(cls, folder: Path, config: RunConfig | None = None, accept: bool = False) -> Run:
        """A new run, or one that ended before its first generation counted; call it under the lock.

        Without `config`: the settings such an early end left behind (edited ones if `accept`), or the defaults.
        `ConfigError` if the folder holds something else.
        """
        if (folder / _STATE).exists():
            raise ConfigError(f"{folder}: holds a run already; resume it or choose another folder")
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder}: is not an empty folder (a file)")
        if folder.is_dir():
            _clear_beginnings(folder)
        if config is None:
            config = read_config(folder / _CONFIG) if (folder / _CONFIG).exists() else RunConfig()
            _check_settings(folder, config, accept)
        run = cls(folder, config, State())
        for path in (folder, run.replay, run.chunks, run.metrics, folder / "generations"):
            path.mkdir(parents=True, exist_ok=True)
        write_settings(folder / _SETTINGS, SettingsRecord(config))
        atomic.write_text(folder / _CONFIG, write_toml(config))
        return run

    @classmethod
    def open(cls, folder: Path, verify: bool = False, accept: bool = False) -> Run:
        """An existing run whose newest generation is there and fits its settings.

        With `verify` every listed byte is read: weights, optimizer, replay, metrics.  Edited settings are taken, and
        noted in `settings.json`, if `accept`: then call it under the lock.  Raises `CheckpointError` for anything
        damaged or missing and `ConfigError` for settings of another network or edited ones.
        """
        state = read_state(folder / _STATE)
        run = cls(folder, read_config(folder / _CONFIG), state)
        run._check_generation(verify)
        if verify:
            if (run.metrics / "metrics.csv").exists():
                read_metrics(run.metrics / "metrics.csv")
            for entry in state.replay:
                path = run.replay / entry.name
                if (
                    not path.is_file()
                    or path.is_symlink()
                    or file_record(path, entry.positions) != entry
                ):
                    raise CheckpointError(
                        f"{path}: missing or changed since it was listed in {_STATE}"
                    )
        if record := _check_settings(folder, run.config, accept):
            write_settings(folder / _SETTINGS, record.changed(run.config, state.iteration))
        return run

    def _check_generation(self, verify: bool) -> None:
        folder = self.generation(self.state.iteration)
        meta = checkpoint.verify(folder) if verify else checkpoint.info(folder)
        if meta["weights"]["sha256"] != self.state.generation_sha256:
            raise CheckpointError(f"{folder}: its SHA-256 is not the one in {self.folder / _STATE}")
        wanted = self.config.network.to_dict()
        differing = [
            name for name, value in wanted.items() if meta["architecture"].get(name) != value
        ]
        if meta["kind"] != "othello-network" or differing:
            found = (
                ", ".join(f"{name} = {meta['architecture'].get(name)}" for name in differing)
                or meta["kind"]
            )
            asked = ", ".join(f"{name} = {wanted[name]}" for name in differing)
            raise ConfigError(
                f"{self.folder / _CONFIG}: [network] {asked}, but generation {self.state.iteration} has {found}\n"
                "a run keeps its network; begin another with --from and that generation"
            )
        if verify:
            self._check_optimizer(folder / "optimizer.safetensors")

    def _check_optimizer(self, path: Path) -> None:
        tensors = checkpoint.load_tensors(path)
        with skeleton():
            expected = Network(self.config.network).state_dict()
        for name, tensor in expected.items():
            if (stored := tensors.get(f"network.{name}")) is None or stored.shape != tensor.shape:
                found = "missing" if stored is None else list(stored.shape)
                raise CheckpointError(
                    f"{path}: tensor 'network.{name}' is {found}; {list(tensor.shape)} is needed"
                )
        if "steps" not in tensors:
            raise CheckpointError(f"{path}: lacks the number of steps")

    def commit(self, state: State) -> None:
        """Make `state` the run's state: from this moment, and not before, its files count.

        Replay files that only the state before listed are removed afterwards.
        """
        write_state(self.folder / _STATE, state)
        before, self.state = self.state, state
        atomic.write_text(self.folder / "latest", f"{state.iteration:04d}\n")
        for name in {entry.name for entry in before.replay} - {
            entry.name for entry in state.replay
        }:
            (self.replay / name).unlink(missing_ok=True)

    def put_right(self) -> None:
        """Write what a killed trainer or an older version left unwritten: `latest`, the record of the settings.

        Call it under the lock.  `CheckpointError` if `latest` is neither the newest generation nor the one before.
        """
        path, newest = self.folder / "latest", self.state.iteration
        before, now = (f"{number:04d}\n".encode() for number in (newest - 1, newest))
        found = read_regular_file(path, 100) if os.path.lexists(path) else before
        if found == before:
            atomic.write_bytes(path, now)
        elif found != now:
            raise CheckpointError(
                f"{path}: {found[:20]!r} is not the newest generation, {newest:04d}; remove it to go on"
            )
        if not (self.folder / _SETTINGS).exists():
            write_settings(self.folder / _SETTINGS, SettingsRecord(self.config))

    def clear_unlisted(self) -> None:
        """Remove what a killed trainer left half-made; call it under the lock.

        That is the generation after the newest, replay files and chunks that belong to no listed or present iteration,
        and temporary files.  Anything a trainer cannot have left is a `CheckpointError`, and stays.
        """
        newest = self.state.iteration
        numbers = sorted(
            int(path.name)
            for path in (self.folder / "generations").iterdir()
            if path.name.isdigit()
        )
        if numbers and numbers[-1] > newest + 1:
            raise CheckpointError(
                f"{self.generation(numbers[-1])}: is newer than {_STATE}, which ends with generation {newest}; "
                "put the state.json that belongs to it back, or move it away"
            )
        if numbers and numbers[-1] > newest:
            shutil.rmtree(self.generation(newest + 1))
        listed = {entry.name for entry in self.state.replay}
        for path in self.replay.glob("*.npz"):
            if path.name not in listed and REPLAY_NAME.fullmatch(path.name):
                path.unlink(missing_ok=True)
        for path in self.chunks.glob("[0-9]*.npz"):
            if not path.name.startswith(f"{newest:04d}-"):
                path.unlink(missing_ok=True)
        for path in (self.folder, self.replay, self.chunks, self.metrics):
            atomic.remove_leftovers(path)

    def summary(self) -> dict[str, Any]:
        """What there is to say of the run, as JSON."""
        return {
            "folder": str(self.folder),
            "network": str(self.config.network),
            **asdict(self.state),
        }


def _check_settings(folder: Path, config: RunConfig, accept: bool) -> SettingsRecord | None:
    """The record of a run's settings if `config` differs from it, which is a `ConfigError` unless `accept`."""
    if not (folder / _SETTINGS).exists():
        return None
    record = read_settings(folder / _SETTINGS)
    edits = [f"{name} = {new!r} (was {old!r})" for name, (old, new) in record.edits(config).items()]
    if edits and not accept:
        more = f" and {len(edits) - 5} more" if len(edits) > 5 else ""
        raise ConfigError(
            f"{folder / _CONFIG}: changed since the run began: {', '.join(edits[:5])}{more}; "
            "othello train --resume --accept-changes takes that"
        )
    return record if edits else None


def _clear_beginnings(folder: Path) -> None:
    """Remove the half-made generation 0 of a run that ended before its manifest; refuse everything else."""
    left = set(atomic.leftovers(folder))
    if foreign := [
        entry.name for entry in folder.iterdir() if entry.name not in _OURS and entry not in left
    ]:
        raise ConfigError(f"{folder}: is not an empty folder ({', '.join(sorted(foreign)[:3])})")
    made = [path for path in folder.glob("generations/*") if path.name != "0000"]
    if made or any(folder.glob("replay/[0-9]*.npz")):
        raise ConfigError(
            f"{folder}: holds generations or replay files but no {_STATE}; they are left as they are"
        )
    shutil.rmtree(folder / "generations" / "0000", ignore_errors=True)
    for path in folder.glob("replay/initial-*.npz"):
        path.unlink()
    for place in (folder, folder / "replay"):
        atomic.remove_leftovers(place)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run directory for this process; `RunLocked` names the one that has it.

    The lock is the operating system's (flock, on Windows a locked byte), so it goes with the process, however it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = open_itself(folder / "lock", os.O_RDWR | os.O_CREAT)
    try:
        try:
            lock(descriptor)
        except BlockingIOError:
            raise RunLocked(
                f"{folder}: {_holder(descriptor)} is training here; stop it or choose another --run folder"
            ) from None
        name = f"pid {os.getpid()} on {socket.gethostname()}\n".encode()
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, os.write(descriptor, name))
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """Who holds the lock: the name in the file, once it is that of a living process (the holder writes it at once)."""
    for _ in range(20):
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = os.read(descriptor, 200).decode(errors="replace").strip()
        words = text.split()
        named = len(words) == 4 and words[1].isdigit()
        if named and (words[3] != socket.gethostname() or is_alive(int(words[1]))):
            return text
        time.sleep(0.05)
    return "another process"
