"""The one writer for files that matter: readers see the old contents or the new, never a mixture, whatever happens.

Temporary file in the same folder, write, flush, fsync, `os.replace`, fsync of the folder (Pillai et al., "All file
systems are not created equal", OSDI 2014).
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from othello.operating_system import sync_folder

_TEMPORARY = ".tmp"


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes `path` when the block ends, and vanishes when it raises.

    Raises `OSError` (its `filename` is `path`) if the disk is full or the folder cannot be written; `path` then still
    holds what it held before; and where `path` is there and no file, which would vanish.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp(), "state")
    >>> with replacing(target) as file:
    ...     _ = file.write(b"all of it")
    >>> target.read_bytes()
    b'all of it'
    """
    target = Path(path)
    if target.exists() and not target.is_file() and not target.is_symlink():
        raise FileExistsError(errno.EEXIST, "a device, pipe or folder, not a file", str(target))
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}{_TEMPORARY}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):  # what went wrong is the first error
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename, error.filename2 = str(target), None
        raise
    sync_folder(target.parent)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the contents of `path` by `data`, atomically and durably."""
    with replacing(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Replace the contents of `path` by `text` in UTF-8, atomically and durably."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Replace the contents of `path` by `value` as indented JSON, atomically; NaN and Infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def leftovers(folder: str | os.PathLike[str]) -> list[Path]:
    """The temporary files that killed writers left in `folder`, or that writers at work have there."""
    return [entry for entry in Path(folder).glob(f".*-????????{_TEMPORARY}") if entry.is_file()]


def remove_leftovers(folder: str | os.PathLike[str]) -> int:
    """Delete temporary files that killed writers left in `folder` and return how many.

    Call it only where no other process writes, for example while holding the run lock.
    """
    found = leftovers(folder)
    for entry in found:
        entry.unlink(missing_ok=True)
    return len(found)
