"""The `kernel` decorator: Numba with a cache that a changed source file can never make stale.

Numba's own cache looks only at the file a function stands in, so a kernel that inlines a kernel of another file would
keep running the old code after an edit.  Here the cache folder is named after the contents of every source file of
the package; an edit anywhere starts a new folder, and folders of older sources are removed after a week.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
import numpy as np
import platformdirs
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_Function = TypeVar("_Function", bound=Callable[..., Any])
_KEEP_SECONDS = 7 * 24 * 3600


def _cache_folder() -> Path:
    package = Path(__file__).parent
    digest = hashlib.sha256(
        f"{numba.__version__} {sys.version} {os.environ.get('NUMBA_BOUNDSCHECK')}".encode()
    )
    for source in sorted(package.rglob("*.py")):
        text = source.read_bytes()
        if b"kernel" in text:
            digest.update(str(source.relative_to(package)).encode() + b"\0" + text)
    root = (
        Path(os.environ.get("OTHELLO_CACHE") or platformdirs.user_cache_path("othello-lrp"))
        / "kernels"
    )
    folder = root / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        for other in root.iterdir():
            if other != folder and time.time() - other.stat().st_mtime > _KEEP_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    except OSError:
        return package / "__pycache__"
    return folder


if not os.environ.get("NUMBA_CACHE_DIR"):
    setattr(numba.config, "CACHE_DIR", str(_cache_folder()))  # noqa: B010 (the attribute is made at import)


def kernel(function: _Function) -> _Function:
    """Compile `function` on first use, without the GIL, and keep the machine code on disk.

    Arguments keep their Numba types; boards are `uint64`.  Integer arithmetic wraps, division by zero follows NumPy.
    Array bounds are checked where the environment says NUMBA_BOUNDSCHECK=1, for tests.
    """
    return cast(
        _Function,
        numba.njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)(function),
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
