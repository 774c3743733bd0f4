"""The version of the code that made a result: hashes of the sources that its numbers come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DECIDING: Final = ("lrp", "app/explain", "app/experiments")
PRESENTING: Final = (
    "catalogue.py",
    "record.py",
    "report.py",
    "runner.py",
    "side_by_side.py",
    "code_version.py",
)


@cache
def all_sources() -> str:
    """SHA-256 of every source file of the three packages."""
    return _hash(
        ROOT,
        (file for package in ("lrp", "othello", "app") for file in (ROOT / package).rglob("*.py")),
    )


@cache
def deciding_sources() -> str:
    """SHA-256 of the experiments, the explanations and `lrp`: a change here makes kept results old."""
    files = (file for folder in DECIDING for file in (ROOT / folder).rglob("*.py"))
    return _hash(
        ROOT,
        (
            file
            for file in files
            if not (file.parent.name == "experiments" and file.name in PRESENTING)
        ),
    )


def _hash(root: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        data = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()} {len(data)}\n".encode() + data)
    return digest.hexdigest()
