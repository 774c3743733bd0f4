"""Chunk files: finished games of an iteration under way, sealed so that no damaged or foreign file is taken for one.

A chunk is the `.npz` file of its samples with a comment, as zip archives may have at their end: the chunk's identity,
which tells the games from all others, and the SHA-256 of every byte before it.  What is not such a file is moved to
`set-aside/` beside it, with a warning, and its games are played again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
from pathlib import Path

from othello.errors import CheckpointError
from othello.network.safetensors_io import MAX_FILE_BYTES, read_regular_file
from othello.training.replay import parse_samples
from othello.training.selfplay import Samples

SET_ASIDE = "set-aside"
_DIGITS = 64  # of a SHA-256 in hexadecimal
_log = logging.getLogger(__name__)


def seal(data: bytes, identity: str) -> bytes:
    """The bytes of an `.npz` file with the seal of the chunk that `identity` names."""
    sealed = data[:-2] + _ending(
        identity
    )  # an archive without a comment ends with its length, two bytes of 0
    return sealed + hashlib.sha256(sealed).hexdigest().encode()


def _ending(identity: str) -> bytes:
    comment = f"{identity}, sha256 ".encode()
    return struct.pack("<H", len(comment) + _DIGITS) + comment


def read_chunk(path: Path, identity: str) -> Samples:
    """The samples of the chunk that `identity` names; `CheckpointError` says why the file at `path` is not that."""
    data = read_regular_file(path, MAX_FILE_BYTES)
    sealed, digest = data[:-_DIGITS], data[-_DIGITS:]
    if hashlib.sha256(sealed).hexdigest().encode() != digest:
        raise CheckpointError(f"{path}: damaged, or not sealed with a SHA-256 as chunks are")
    if not sealed.endswith(_ending(identity)):
        raise CheckpointError(f"{path}: holds games of another run, iteration or generation")
    return parse_samples(data, path)


def take(path: Path, identity: str) -> Samples | None:
    """The samples of a chunk, None if it has not been played; a file that is not that chunk is set aside before."""
    if not os.path.lexists(path):
        return None
    try:
        return read_chunk(path, identity)
    except CheckpointError as error:
        kept = _set_aside(path)
        _log.warning(
            "%s; kept as %s, its games are played again", error, kept.relative_to(path.parent)
        )
        return None


def _set_aside(path: Path) -> Path:
    """Move a file out of the way, to a name that is still free."""
    folder = path.parent / SET_ASIDE
    folder.mkdir(exist_ok=True)
    kept, number = folder / path.name, 1
    while os.path.lexists(kept):
        kept, number = folder / f"{path.stem}.{number}{path.suffix}", number + 1
    return path.replace(kept)
