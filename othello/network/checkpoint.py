"""Checkpoints: a folder with `weights.safetensors` and a `meta.json` that has the SHA-256 of the weights and its own.

Reading one runs nothing and trusts nothing: every way in which the files can be wrong is a `CheckpointError` before
a network is built.  `meta.json` is written last, so a folder without it is a save that never finished.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save as serialise
from torch import Tensor, nn

from othello import atomic
from othello.errors import CheckpointError, EvaluationError
from othello.network.alpha_zero_general import AlphaZeroGeneralArchitecture, AlphaZeroGeneralNetwork
from othello.network.architecture import Architecture, Network
from othello.network.evaluator import NetworkEvaluator, ask
from othello.network.safetensors_io import (
    MAX_FILE_BYTES,
    MAX_HEADER_BYTES,
    load_tensors,
    parse_tensors,
    read_regular_file,
    save_tensors,
    skeleton,
)
from othello.network.sealed_json import DIGEST, FORMAT, read_sealed, write_sealed
from othello.operating_system import one_writer
from othello.rules.bitboard import BOARD_MASK, start_bits

__all__ = [
    "Checkpoint",
    "default_checkpoint",
    "info",
    "load",
    "load_tensors",
    "locate",
    "save",
    "save_tensors",
    "verify",
]

FORMATS = (1, FORMAT)  # read here; the first, of older versions, has no digest of meta.json
META = "meta.json"
WEIGHTS = "weights.safetensors"
_WEIGHTS_NAME = re.compile(r"weights(-[0-9a-f]{12})?\.safetensors")
_MAX_META_BYTES = 1 << 20
_SHELVES = tuple(place / "checkpoints" for place in Path(__file__).parents[2:0:-1])
_ATTEMPTS = 1000  # to read a checkpoint that is being replaced all the time
_EVALUATED = 64  # boards of random discs that `verify` has evaluated
_PRECISIONS = {"float32": torch.float32, "float16": torch.float16}  # of weights in files
_RESERVED = frozenset({"format", "kind", "architecture", "weights", DIGEST})


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: the network in evaluation mode, all of `meta.json`, the weights' hash, the folder."""

    network: nn.Module
    meta: dict[str, Any]
    sha256: str
    path: Path


@dataclass(frozen=True)
class Kind:
    """A family of networks: its name in `meta.json`, its module class and how the architecture is read."""

    name: str
    module: type[nn.Module]
    architecture: Callable[[dict[str, Any]], Any]


KINDS = (
    Kind("othello-network", Network, Architecture.from_dict),
    Kind("alpha-zero-general", AlphaZeroGeneralNetwork, AlphaZeroGeneralArchitecture.from_dict),
)


def save(
    network: nn.Module,
    path: str | os.PathLike[str],
    meta: Mapping[str, Any] | None = None,
    *,
    replace: bool = False,
    precision: str = "float32",
) -> str:
    """Write `network` as the checkpoint folder `path` and return the SHA-256 of its weights.

    `meta` is any JSON object (generation, seed, games, …).  A finished checkpoint is never overwritten unless
    `replace`, and then a reader finds the old one or the new one at every moment; of writers at once each waits for
    the one before.  `precision`, float32 or float16, is that of the file; read back, weights are float32.  Raises
    `CheckpointError` for weights that are not finite in it or a folder in use, `OSError` if the disk refuses.
    """
    folder, described = Path(path), _described(network, meta or {})
    stored = _PRECISIONS[precision]
    tensors = {
        name: tensor.detach().to("cpu", stored if tensor.is_floating_point() else None).contiguous()
        for name, tensor in network.state_dict().items()
    }
    _check_values(tensors, str(folder))
    data = serialise(tensors)
    digest = hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with one_writer(folder):
        overwriting = (folder / META).exists()
        if overwriting and not replace:
            raise CheckpointError(
                f"{folder}: holds a checkpoint already; choose another folder or pass replace=True"
            )
        name = f"weights-{digest[:12]}.safetensors" if overwriting else WEIGHTS
        described["weights"] = {"file": name, "size": len(data), "sha256": digest}
        if precision != "float32":
            described["weights"]["precision"] = precision
        try:
            atomic.write_bytes(folder / name, data)
            write_sealed(folder / META, described)
        except ValueError as error:
            raise CheckpointError(f"{folder}: meta is not JSON ({error})") from None
        for other in folder.glob("weights*.safetensors"):
            if other.name != name and _WEIGHTS_NAME.fullmatch(other.name):
                other.unlink(missing_ok=True)
    return digest


def _described(network: nn.Module, meta: Mapping[str, Any]) -> dict[str, Any]:
    """`meta.json` without what is known of the weights only once they are bytes, which has its place already."""
    kind = next((kind for kind in KINDS if type(network) is kind.module), None)
    if kind is None:
        raise CheckpointError(f"cannot save a {type(network).__name__}; known: {_kind_names()}")
    if taken := _RESERVED & meta.keys():
        raise CheckpointError(
            f"meta entries {sorted(taken)} are written by save itself; choose other names"
        )
    architecture: Any = network.architecture
    own = {"format": FORMAT, "kind": kind.name, "architecture": architecture.to_dict()}
    return {**own, "weights": {}, **meta}


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read the checkpoint at `path`: its folder, its weights file, its `meta.json` or a name as `locate` knows it.

    Raises `CheckpointError` for anything missing, damaged, too large, mismatched or not finite, in one or two lines.
    A checkpoint that is replaced meanwhile is read again, so it is the old one or the new one.
    """
    for _ in range(_ATTEMPTS):
        folder, meta, stamp = _read_meta(path)
        try:
            return _load(folder, meta)
        except CheckpointError:
            if _stamp(folder) == stamp:  # damaged, not replaced
                raise
    return _load(folder, meta)


def _load(folder: Path, meta: dict[str, Any]) -> Checkpoint:
    """The checkpoint in `folder` as `meta` describes it."""
    kind = _kind(meta, folder)
    stored = meta["weights"]
    file = folder / stored["file"]
    with skeleton():
        network = kind.module(_architecture(meta, kind, folder))
    expected = network.to(_PRECISIONS[stored.get("precision", "float32")]).state_dict()
    needed = sum(tensor.nbytes for tensor in expected.values())
    if not needed < stored["size"] <= needed + MAX_HEADER_BYTES + 8:
        few = "few" if stored["size"] <= needed else "many"
        raise CheckpointError(
            f"{folder / META}: {stored['size']} bytes of weights are too {few} for the architecture"
        )
    data = read_regular_file(file, stored["size"])
    if len(data) != stored["size"]:
        raise CheckpointError(f"{file}: truncated, {len(data)} of {stored['size']} bytes")
    if hashlib.sha256(data).hexdigest() != stored["sha256"]:
        raise CheckpointError(f"{file}: SHA-256 differs from the one in {META}")
    tensors, _ = parse_tensors(data, str(file), expected)
    _check_values(tensors, str(file))
    network.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)
    return Checkpoint(network.float().eval(), meta, stored["sha256"], folder)


def info(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `meta.json` says, plus the folder's `path`; the weights are not read."""
    folder, meta, _ = _read_meta(path)
    _architecture(meta, _kind(meta, folder), folder)
    return {**meta, "path": str(folder)}


def verify(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read everything as `load` does, evaluate boards, and return `info` with the number of `parameters`.

    Raises what `load` raises, and `CheckpointError` where a board gets a value or a logit that is not finite.
    """
    checkpoint = load(path)
    _check_evaluations(checkpoint)
    count = sum(parameter.numel() for parameter in checkpoint.network.parameters())
    return {**checkpoint.meta, "path": str(checkpoint.path), "parameters": count}


def default_checkpoint(size: int = 8) -> Path:
    """The folder of the trained N×N checkpoint that comes with the project."""
    if (found := _shipped().get(f"othello{size}")) is not None:
        return found
    places = " or ".join(str(place / f"othello{size}") for place in _SHELVES)
    raise CheckpointError(f"no trained {size}x{size} checkpoint in {places}")


def locate(path: str | os.PathLike[str]) -> Path:
    """`path`, or where nothing lies there and it is the name of a checkpoint of the project, that one's folder.

    >>> locate("othello8") == default_checkpoint(8)
    True
    """
    return Path(path) if os.path.lexists(path) else _shipped().get(str(path), Path(path))


def _shipped() -> dict[str, Path]:
    """{name: folder} of the checkpoints that come with the project."""
    found = [file.parent for shelf in _SHELVES for file in sorted(shelf.glob(f"*/{META}"))]
    return {folder.name: folder for folder in reversed(found)}


def _stamp(folder: Path) -> tuple[int, ...]:
    """Which `meta.json` lies in `folder`: another one after every save, whatever it says."""
    try:
        status = os.lstat(folder / META)
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _read_meta(path: str | os.PathLike[str]) -> tuple[Path, dict[str, Any], tuple[int, ...]]:
    """The folder that `path` means, its `meta.json`, and the stamp of that or of an older one."""
    given = Path(path)
    try:
        given = locate(path)
        exists, is_folder = os.path.lexists(given), given.is_dir()
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{str(given)[:80]!r}: not a usable path ({error.args[-1]})"
        ) from None
    if is_folder:
        folder = given
    elif given.name == META or _WEIGHTS_NAME.fullmatch(given.name):
        folder = given.parent
    elif exists:
        raise CheckpointError(
            f"{given}: not a checkpoint; give a folder with {META} and {WEIGHTS}, or one of the two"
        )
    else:
        names = ", ".join(sorted(_shipped())) or "none"
        raise CheckpointError(f"{given}: no such checkpoint; by name: {names}")
    name, stamp = str(folder / META), _stamp(folder)
    meta = read_sealed(folder / META, _MAX_META_BYTES)
    if meta.get("format") not in FORMATS or type(meta.get("format")) is not int:
        accepted = " and ".join(map(str, FORMATS))
        raise CheckpointError(
            f"{name}: format {str(meta.get('format'))[:40]} is unknown; {accepted} are accepted"
        )
    stored = meta.get("weights")
    valid = (
        isinstance(stored, dict)
        and isinstance(stored.get("file"), str)
        and _WEIGHTS_NAME.fullmatch(stored["file"])
        and type(stored.get("size")) is int
        and 8 <= stored["size"] <= MAX_FILE_BYTES
        and isinstance(stored.get("sha256"), str)
        and re.fullmatch(r"[0-9a-f]{64}", stored["sha256"])
        and stored.get("precision", "float32") in (*_PRECISIONS,)
    )
    if not valid:
        raise CheckpointError(
            f"{name}: weights must give file ({WEIGHTS}), size (≤ {MAX_FILE_BYTES}) and sha256, and no precision but "
            + " or ".join(_PRECISIONS)
        )
    return folder, meta, stamp


def _kind(meta: dict[str, Any], folder: Path) -> Kind:
    for kind in KINDS:
        if kind.name == meta.get("kind"):
            return kind
    raise CheckpointError(
        f"{folder / META}: kind {str(meta.get('kind'))[:40]!r} is unknown; known: {_kind_names()}"
    )


def _architecture(meta: dict[str, Any], kind: Kind, folder: Path) -> Any:
    data = meta.get("architecture")
    if not isinstance(data, dict):
        raise CheckpointError(f"{folder / META}: architecture must be an object")
    for key, value in data.items():
        if type(value) is not int:
            raise CheckpointError(
                f"{folder / META}: architecture entry {key[:40]!r} is not a whole number"
            )
    try:
        return kind.architecture(data)
    except CheckpointError as error:
        raise CheckpointError(f"{folder / META}: {str(error)[:200]}") from None


def _check_values(tensors: Mapping[str, Tensor], name: str) -> None:
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{name}: tensor {key!r} holds NaN or infinite numbers")
        if key.endswith("running_var") and bool((tensor < 0).any()):
            raise CheckpointError(
                f"{name}: tensor {key!r} is a variance and holds negative numbers"
            )


def _check_evaluations(checkpoint: Checkpoint) -> None:
    """Finite weights may still overflow: the first position and boards of random discs must get finite evaluations."""
    evaluator = NetworkEvaluator(cast(Network | AlphaZeroGeneralNetwork, checkpoint.network))
    mask, start = int(BOARD_MASK[evaluator.size]), start_bits(evaluator.size)
    random = np.random.default_rng(0)
    filled = random.integers(0, 2**64, (2, _EVALUATED), np.uint64) & np.uint64(mask)
    own = np.append(filled[0], np.uint64(start[0]))
    opp = np.append(filled[1] & ~filled[0], np.uint64(start[1]))
    try:
        ask(evaluator, own, opp)
    except EvaluationError as error:
        raise CheckpointError(f"{checkpoint.path}: cannot play: {error}") from None


def _kind_names() -> str:
    return ", ".join(kind.name for kind in KINDS)
