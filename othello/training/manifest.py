"""The manifest of a training run: `state.json` says which generation is the newest and which replay files count."""

from __future__ import annotations

import hashlib
import math
import os
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from othello import atomic
from othello.errors import CheckpointError
from othello.network.safetensors_io import read_json, read_regular_file

FORMAT = 1  # a manifest without a number is of format 1
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
    atomic.write_json(path, {"format": FORMAT, **asdict(state)})


def read_state(path: Path) -> State:
    """The manifest at `path`; `CheckpointError` names what is missing, damaged or of another version."""
    if not os.path.lexists(path):
        raise CheckpointError(f"{path.parent}: no {path.name}, so not a training run")
    try:
        data = read_json(read_regular_file(path, _MAX_BYTES), str(path))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: damaged ({str(error).removeprefix(f'{path}: ')})") from None
    version = data.pop("format", FORMAT)
    if type(version) is not int or version != FORMAT:
        raise CheckpointError(
            f"{path}: a run of format {str(version)[:40]}; this version reads format {FORMAT}"
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
