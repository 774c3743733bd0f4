"""JSON files that carry the SHA-256 of what they say, so that no damage changes a value unseen.

Format 2 of a file has a `digest`; format 1, of older versions, has none, but one that is there must be right.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

from othello import atomic
from othello.errors import CheckpointError
from othello.network.safetensors_io import read_json, read_regular_file

FORMAT: Final = 2
DIGEST: Final = "digest"


def digest(value: dict[str, Any]) -> str:
    """The SHA-256, in hexadecimal, of an object's entries, whatever their order and the blanks between them.

    >>> digest({"a": 1, "b": [2.0]}) == digest({"b": [2.0], "a": 1}) != digest({"a": 1, "b": [2]})
    True
    """
    said = {name: entry for name, entry in value.items() if name != DIGEST}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_sealed(path: str | os.PathLike[str], value: dict[str, Any]) -> None:
    """Replace `path` by `value` (a JSON object) with its digest, atomically; `ValueError` for what is not JSON.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "state.json")
    >>> write_sealed(file, {"format": FORMAT, "games": 12})
    >>> read_sealed(file, 1000)
    {'format': 2, 'games': 12}
    """
    plain = json.loads(json.dumps(value, allow_nan=False))  # as a reader will see it
    atomic.write_json(path, {**plain, DIGEST: digest(plain)})


def read_sealed(path: Path, limit: int) -> dict[str, Any]:
    """What `write_sealed` wrote, without the digest; `CheckpointError` for damage of any kind or over `limit` bytes.

    Files of format 1, or without a format, need no digest.
    """
    value = read_json(read_regular_file(path, limit), str(path))
    version = value.get("format", 1)
    stored = value.pop(DIGEST, None)
    if stored is None and version != FORMAT:
        return value
    if stored != digest(value):
        missing = "lacks" if stored is None else "does not match"
        raise CheckpointError(f"{path}: damaged, or changed by hand: it {missing} its {DIGEST}")
    return value
