"""The `kernel` decorator: Numba with a cache that a changed source file can never make stale.

Numba's own cache looks only at the file a function stands in, so a kernel that inlines a kernel of another file would
keep running the old code after an edit.  Here the cache folder is named after the contents of every source file of
the package; an edit anywhere starts a new folder, and folders of older sources are removed after a week.

Where the user's cache cannot be written, a private temporary folder keeps the machine code, and begins with what the
cache holds already; where that cannot be written either, every process compiles anew.  The first compilation of a
program is logged as a warning, which Python writes as one line on standard error.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
import numpy as np
import platformdirs
from numba import types
from numba.core import cgutils, event
from numba.extending import intrinsic

_Function = TypeVar("_Function", bound=Callable[..., Any])
_KEEP_SECONDS = 7 * 24 * 3600
_log = logging.getLogger(__name__)


def _name_of_sources() -> str:
    package = Path(__file__).parent
    digest = hashlib.sha256(
        f"{numba.__version__} {sys.version} {os.environ.get('NUMBA_BOUNDSCHECK')}".encode()
    )
    for source in sorted(package.rglob("*.py")):
        text = source.read_bytes()
        if b"kernel" in text:
            digest.update(str(source.relative_to(package)).encode() + b"\0" + text)
    return digest.hexdigest()[:16]


def _places() -> Iterator[Path]:
    """Where the kernels' folders may lie: what the environment says or the user's cache, then a temporary folder."""
    if given := os.environ.get("OTHELLO_CACHE"):
        yield Path(given)
    elif (usual := platformdirs.user_cache_path("othello-lrp")).is_absolute():  # not "~": no home
        yield usual
    user = os.getuid() if hasattr(os, "getuid") else 0
    private = Path(tempfile.gettempdir(), f"othello-lrp-{user}")
    private.mkdir(mode=0o700, exist_ok=True)
    status = private.lstat()  # machine code is loaded from here, so nobody else may write to it
    if stat.S_ISDIR(status.st_mode) and status.st_uid == user and not status.st_mode & 0o022:
        yield private


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _cache_folder() -> Path | None:
    """The folder of the machine code of these sources; None where none can be written."""
    name, unwritable = _name_of_sources(), None
    try:
        for place in _places():
            folder = place / "kernels" / name
            if unwritable is not None and not folder.exists():
                _copy(unwritable, folder)
            if _writable(folder):
                _remove_old(folder)
                return folder
            unwritable = folder
    except OSError:
        return None
    return None


def _copy(source: Path, folder: Path) -> None:
    """Make `folder` with the files of `source`, all at once; a folder that cannot be read has none."""
    folder.parent.mkdir(exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent))
    for file in source.rglob("*.nb?"):
        copy = partial / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    partial.replace(folder)


def _remove_old(folder: Path) -> None:
    for other in folder.parent.iterdir():
        if other != folder and time.time() - other.stat().st_mtime > _KEEP_SECONDS:
            shutil.rmtree(other, ignore_errors=True)


_given = os.environ.get("NUMBA_CACHE_DIR")
CACHE = Path(_given) if _given else _cache_folder()
if CACHE is not None:
    setattr(numba.config, "CACHE_DIR", str(CACHE))  # noqa: B010 (the attribute is made at import)


class _Compilations(event.Listener):  # type: ignore[misc]
    """Counts the compilations under way and announces the first of the program; its child processes say nothing."""

    def __init__(self) -> None:
        self.under_way = 0
        self._announced = False

    def on_start(self, event: Any) -> None:
        self.under_way += 1
        if not self._announced and multiprocessing.parent_process() is None:
            self._announced = True
            kept = "no folder can be written to keep the result: set OTHELLO_CACHE"
            if CACHE is not None:
                kept = f"later starts find the result in {CACHE}"
            _log.warning("compiling for this processor, up to three minutes; %s", kept)

    def on_end(self, event: Any) -> None:
        self.under_way -= 1


_compilations = _Compilations()
event.register("numba:compile", _compilations)  # type: ignore[no-untyped-call]


def compiling(frame: FrameType | None = None) -> bool:
    """Whether some thread of this process compiles a kernel at this moment.

    With a frame, also whether that one works for the compiler: keeps or fetches what was compiled.
    """
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(("numba.", "llvmlite.")):
            return True
        frame = frame.f_back
    return _compilations.under_way > 0


def kernel(function: _Function) -> _Function:
    """Compile `function` on first use, without the GIL, and keep the machine code on disk where that can be written.

    Arguments keep their Numba types; boards are `uint64`.  Integer arithmetic wraps, division by zero follows NumPy.
    Array bounds are checked where the environment says NUMBA_BOUNDSCHECK=1, for tests.
    """
    return cast(
        _Function,
        numba.njit(cache=CACHE is not None, nogil=True, error_model="numpy", boundscheck=False)(
            function
        ),
    )


if TYPE_CHECKING:  # what the intrinsics below are to their callers

    def popcount(bits: np.uint64) -> int: ...
    def lowest_bit_index(bits: np.uint64) -> int: ...
    def leading_zeros(bits: np.uint64) -> int: ...

else:

    @intrinsic
    def popcount(typingctx: Any, bits: Any) -> Any:
        """Number of set bits of a uint64, as int64 (one machine instruction)."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.ctpop(arguments[0])

        return types.int64(types.uint64), generate

    @intrinsic
    def lowest_bit_index(typingctx: Any, bits: Any) -> Any:
        """Index of the lowest set bit of a uint64, as int64; 64 for zero."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.cttz(arguments[0], cgutils.false_bit)

        return types.int64(types.uint64), generate

    @intrinsic
    def leading_zeros(typingctx: Any, bits: Any) -> Any:
        """Number of zero bits above the highest set bit of a uint64, as int64; 64 for zero."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.ctlz(arguments[0], cgutils.false_bit)

        return types.int64(types.uint64), generate
