"""Safetensors files read with distrust and written atomically: sizes, names, shapes, types, hash, finite numbers.

Format: 8 bytes little-endian header length, a JSON header `{name: {dtype, shape, data_offsets}}`, then the raw
tensors (https://github.com/huggingface/safetensors).  The header is checked before any tensor is read or allocated.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import Tensor
from torch.overrides import TorchFunctionMode

from othello import atomic
from othello.errors import CheckpointError
from othello.operating_system import open_itself

MAX_FILE_BYTES = 1 << 30
MAX_HEADER_BYTES = 1 << 20
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_DIGEST = "sha256"
_RANDOM = ("uniform_", "normal_")


class _WithoutInitialisation(TorchFunctionMode):
    """Random initialisers leave their tensor alone: on meta tensors they would import a second's worth of modules."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (
            getattr(func, "__module__", None) == "torch.nn.init"
            or getattr(func, "__name__", "") in _RANDOM
        ):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


@contextmanager
def skeleton() -> Iterator[None]:
    """Modules built inside have shapes, but neither memory nor random numbers; even huge ones take milliseconds."""
    with torch.device("meta"), _WithoutInitialisation():
        yield


def read_regular_file(path: Path, limit: int) -> bytes:
    """The bytes of a plain file of at most `limit` bytes; a link, device or pipe is a `CheckpointError`."""
    try:
        descriptor = open_itself(path, os.O_RDONLY)
    except (OSError, ValueError) as error:
        reason = (
            "is a symbolic link"
            if path.is_symlink()
            else (getattr(error, "strerror", None) or str(error))
        )
        raise CheckpointError(f"{path}: {reason}; a plain file is expected") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise CheckpointError(f"{path}: not a plain file")
    with open(descriptor, "rb") as file:
        if status.st_size > limit:
            raise CheckpointError(f"{path}: {status.st_size} bytes; at most {limit} are accepted")
        return file.read(limit + 1)[: status.st_size]


def read_json(data: bytes, name: str) -> dict[str, Any]:
    """A JSON object without repeated keys, NaN or Infinity."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a key is repeated")
        return result

    def refuse(text: str) -> None:
        raise ValueError(f"{text} is not a JSON number")

    def finite(text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"{text[:20]} is too large")
        return number

    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=unique,
            parse_constant=refuse,
            parse_float=finite,
        )
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{name}: not valid JSON ({str(error).splitlines()[0][:80]})"
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{name}: a JSON object is expected, found {type(value).__name__}")
    return value


def parse_tensors(
    data: bytes, name: str, expected: Mapping[str, Tensor] | None = None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the text metadata of a safetensors file's bytes.

    `expected` gives, by name, tensors (meta ones will do) whose shapes and types the file must have, all and only.
    """
    header = _header(data, name)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise CheckpointError(f"{name}: the header's __metadata__ must map names to text")
    for key, entry in header.items():
        _check_entry(name, key, entry)
    if expected is not None:
        _compare(name, header, expected)
    try:
        tensors = parse(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{name}: not a valid safetensors file ({str(error).splitlines()[0][:100]})"
        ) from None
    _check_finite(tensors, name)
    return tensors, metadata


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Any], meta: Mapping[str, str] | None = None
) -> str:
    """Write named tensors or arrays to one file, atomically; returns the SHA-256 of their contents, kept in the file.

    Raises `CheckpointError` for NaN or infinite numbers, which would not be read back, and `OSError` if the file cannot
    be written; an older file of that name is then still whole.
    """
    ready = {key: _plain(value) for key, value in tensors.items()}
    _check_finite(ready, str(path))
    digest = _digest(ready)
    atomic.write_bytes(path, serialise(ready, {**(meta or {}), _DIGEST: digest}))
    return digest


def load_tensors(path: str | os.PathLike[str], limit: int = MAX_FILE_BYTES) -> dict[str, Tensor]:
    """What `save_tensors` wrote; damage of any kind is a `CheckpointError`."""
    tensors, metadata = parse_tensors(read_regular_file(Path(path), limit), str(path))
    if metadata.get(_DIGEST) != _digest(tensors):
        raise CheckpointError(f"{path}: contents do not match the SHA-256 in the file")
    return tensors


def _check_finite(tensors: Mapping[str, Tensor], name: str) -> None:
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{name}: tensor {key!r} holds NaN or infinite numbers")


def _plain(value: Any) -> Tensor:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value, order="C"))
    return torch.as_tensor(value).detach().to("cpu", copy=True).contiguous()


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        tensor = tensors[key]
        digest.update(f"{key}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        if tensor.numel():
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _header(data: bytes, name: str) -> dict[str, Any]:
    if data[:2] in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05"):
        raise CheckpointError(
            f"{name}: a pickle or zip archive, which is never opened here; safetensors is expected"
        )
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, len(data) - 8):
        raise CheckpointError(
            f"{name}: truncated or not a safetensors file (header of {length} in {len(data)} bytes)"
        )
    return read_json(data[8 : 8 + length], f"{name} header")


def _check_entry(name: str, key: str, entry: Any) -> None:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if (
        not isinstance(entry, dict)
        or not isinstance(shape, list)
        or len(shape) > 8
        or not all(type(side) is int and 0 <= side <= MAX_FILE_BYTES for side in shape)
        or entry.get("dtype") not in _DTYPES
    ):
        raise CheckpointError(
            f"{name}: tensor {key!r} has no valid shape and dtype; dtypes: {', '.join(_DTYPES)}"
        )
    needed = math.prod(shape) * _DTYPES[entry["dtype"]].itemsize
    if needed > MAX_FILE_BYTES:
        raise CheckpointError(
            f"{name}: tensor {key!r} claims {needed} bytes; at most {MAX_FILE_BYTES} are accepted"
        )


def _compare(name: str, header: Mapping[str, Any], expected: Mapping[str, Tensor]) -> None:
    for label, keys in (
        ("lacks", expected.keys() - header.keys()),
        ("has unknown", header.keys() - expected.keys()),
    ):
        if keys:
            raise CheckpointError(f"{name}: {label} tensors {_some(keys)}")
    for key, tensor in expected.items():
        found = (header[key]["shape"], _DTYPES[header[key]["dtype"]])
        if found != (list(tensor.shape), tensor.dtype):
            raise CheckpointError(
                f"{name}: tensor {key!r} is {found[1]} {found[0]}; the architecture needs {tensor.dtype} "
                f"{list(tensor.shape)}"
            )


def _some(keys: set[str]) -> str:
    names = sorted(keys)
    return ", ".join(repr(key[:60]) for key in names[:3]) + (
        f" and {len(names) - 3} more" if len(names) > 3 else ""
    )
