"""What a training run says of itself: `state.json`, the manifest, names the newest generation and the replay files.

`settings.json` is the record of the settings that the run was made with, and of every change between two resumes.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from othello.errors import CheckpointError
from othello.network.sealed_json import FORMAT, read_sealed, write_sealed
from othello.training.config import RunConfig, config_of

_MAX_BYTES = 1 << 24
REPLAY_NAME = re.compile(
    r"(initial-){0,20}\d{4,9}\.npz"
)  # `initial-` marks files taken over from another run
_SHA256 = re.compile(r"[0-9a-f]{64}")


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


def account(meta: dict[str, Any], where: Path) -> State:
    """The games, positions, evaluations and core-seconds that a checkpoint's weights have seen, 0 where it is silent.

    `where` is the checkpoint's folder; `CheckpointError` for a number that is none.
    """
    counts = {name: meta.get(name, 0) for name in ("games", "positions", "evaluations")}
    for name, value in counts.items():
        if not _is_count(value):
            raise CheckpointError(
                f"{where / 'meta.json'}: {name} = {str(value)[:40]} is not a whole number ≥ 0"
            )
    seconds = meta.get("core_seconds", 0.0)
    if not _is_duration(seconds):
        raise CheckpointError(
            f"{where / 'meta.json'}: core_seconds = {str(seconds)[:40]} is not a number of seconds"
        )
    return State(**counts, core_seconds=float(seconds))


def file_record(path: Path, positions: int) -> ReplayFile:
    """A replay file on disk as the manifest will list it."""
    data = path.read_bytes()
    return ReplayFile(path.name, positions, len(data), hashlib.sha256(data).hexdigest())


def write_state(path: Path, state: State) -> None:
    """Replace the manifest, atomically and durably."""
    write_sealed(path, {"format": FORMAT, **asdict(state)})


def read_state(path: Path) -> State:
    """The manifest at `path`; `CheckpointError` names what is missing, damaged or of another version."""
    if not os.path.lexists(path):
        raise CheckpointError(f"{path.parent}: no {path.name}, so not a training run")
    try:
        data = read_sealed(path, _MAX_BYTES)
    except CheckpointError as error:
        reason = str(error).removeprefix(f"{path}: ").removeprefix("damaged, or ")
        raise CheckpointError(f"{path}: damaged ({reason})") from None
    version = data.pop("format", 1)  # a manifest without a number is of format 1
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise CheckpointError(
            f"{path}: a run of format {str(version)[:40]}; this version reads formats 1 to {FORMAT}"
        )
    known = {f.name: f.default for f in fields(State)}
    if data.keys() != known.keys():
        odd = ", ".join(sorted(data.keys() ^ known.keys())[:4])[:120]
        raise CheckpointError(f"{path}: not a manifest of this version (unknown or missing: {odd})")
    for name in ("iteration", "games", "positions", "evaluations"):
        _check(path, name, _is_count(data[name]), "a whole number ≥ 0")
    _check(path, "core_seconds", _is_duration(data["core_seconds"]), "a number of seconds")
    _check(
        path,
        "generation_sha256",
        _is_match(_SHA256, data["generation_sha256"]),
        "a SHA-256 in hexadecimal",
    )
    _check(path, "replay", isinstance(data["replay"], list), "a list")
    return State(**{**data, "replay": [_replay_file(path, entry) for entry in data["replay"]]})


@dataclass(frozen=True)
class SettingsChange:
    """Settings that were edited before iteration `iteration` and taken: {name: [before, after]}."""

    iteration: int
    settings: dict[str, list[Any]]


@dataclass(frozen=True)
class SettingsRecord:
    """The settings a run goes by, and every change of them since it began."""

    settings: RunConfig
    changes: tuple[SettingsChange, ...] = ()

    def edits(self, config: RunConfig) -> dict[str, list[Any]]:
        """How `config` differs: {name: [recorded, in config]}.

        >>> SettingsRecord(RunConfig(games=8)).edits(RunConfig(games=9))
        {'games': [8, 9]}
        """
        before, after = _flat(self.settings.to_dict()), _flat(config.to_dict())
        return {name: [before[name], after[name]] for name in before if before[name] != after[name]}

    def changed(self, config: RunConfig, iteration: int) -> SettingsRecord:
        """The record once `config` has been taken from `iteration` on."""
        change = SettingsChange(iteration, self.edits(config))
        return SettingsRecord(config, (*self.changes, change))


def _flat(settings: dict[str, Any], table: str = "") -> dict[str, Any]:
    """{"selfplay.simulations": 32, …}"""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found.update(_flat(value, f"{name}.") if isinstance(value, dict) else {table + name: value})
    return found


def write_settings(path: Path, record: SettingsRecord) -> None:
    """Replace the record of a run's settings, atomically and durably."""
    changes = [asdict(change) for change in record.changes]
    settings = record.settings.to_dict()
    write_sealed(path, {"format": FORMAT, "settings": settings, "changes": changes})


def read_settings(path: Path) -> SettingsRecord:
    """The record at `path`; `CheckpointError` for damage, `ConfigError` for settings this version does not know."""
    data = read_sealed(path, _MAX_BYTES)
    settings, changes = data.get("settings"), data.get("changes")
    _check(path, "format", data.get("format") == FORMAT, f"{FORMAT}")
    _check(path, "settings", isinstance(settings, dict), "a table")
    _check(path, "changes", isinstance(changes, list), "a list")
    known = tuple(_change(path, change) for change in changes or ())
    return SettingsRecord(config_of(settings or {}, str(path)), known)


def _change(path: Path, entry: Any) -> SettingsChange:
    valid = isinstance(entry, dict) and entry.keys() == {f.name for f in fields(SettingsChange)}
    _check(path, f"change {str(entry)[:60]}", valid, "an iteration and settings")
    return SettingsChange(**entry)


def _replay_file(path: Path, entry: Any) -> ReplayFile:
    valid = (
        isinstance(entry, dict)
        and entry.keys() == {f.name for f in fields(ReplayFile)}
        and _is_match(REPLAY_NAME, entry["name"])
        and _is_count(entry["positions"])
        and _is_count(entry["size"])
        and _is_match(_SHA256, entry["sha256"])
    )
    _check(
        path,
        f"replay entry {str(entry)[:60]}",
        valid,
        "a name like 0007.npz with its positions, size and sha256",
    )
    return ReplayFile(**entry)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


def _is_match(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _check(path: Path, name: str, valid: bool, accepted: str) -> None:
    if not valid:
        raise CheckpointError(f"{path}: damaged ({name} is not {accepted})")
