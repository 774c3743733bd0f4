"""Results on disk: JSON, SVG, NPZ and CSV, each written atomically, and the key that says if one is still good.

The key is a hash of the experiment and its version, the settings, the weights' SHA-256, the sources that decide its
numbers and the library versions.  A folder that holds the key's JSON and the files it names needs no new run.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from app.experiments.positions import board_of
from app.experiments.record import Experiment, Findings, PerInput, PerPosition, Settings
from app.models import Model
from app.present.numbers import MINUS
from othello import atomic

FORMAT: Final = 1
ROOT: Final = Path(__file__).parents[2]
DECIDING: Final = ("lrp", "app/explain", "app/experiments")
PRESENTING: Final = ("catalogue.py", "record.py", "report.py", "results.py", "runner.py")

Record = dict[str, Any]


def write(
    folder: Path, wanted: Experiment, settings: Settings, model: Model | None, found: Findings
) -> Record:
    """Write what an experiment found into `folder`; the record is what its JSON holds."""
    record = {
        "format": FORMAT,
        "name": wanted.name,
        "number": wanted.number,
        "title": wanted.title,
        "shows": wanted.shows,
        "source": wanted.source,
        "key": key_of(wanted, settings, model),
        "settings": settings.to_dict(),
        "checkpoint": _provenance(model),
        "code": all_sources(),
        "versions": versions(),
        "reading": one_minus(found.reading),
        "tables": one_minus([asdict(table) for table in found.tables]),
        "figures": _write_figures(folder, wanted.name, found),
        "each": [_write_each(folder, wanted.name, sample) for sample in found.each],
        "numbers": rounded(found.numbers),
    }
    atomic.write_json(folder / f"{wanted.name}.json", record)
    return dict(json.loads(json.dumps(record)))


def _write_figures(folder: Path, name: str, found: Findings) -> list[dict[str, str]]:
    from app.experiments import plots  # loads matplotlib

    entries = []
    for figure in found.figures:
        file = f"{name}-{figure.name}" if figure.name else name
        atomic.write_bytes(folder / f"{file}.svg", plots.svg(figure.canvas))
        words = one_minus({"caption": figure.caption, "alt": figure.alt or figure.caption})
        entries.append({"file": file, **words})
    return entries


def _write_each(folder: Path, name: str, found: PerPosition | PerInput) -> str:
    """Write the values of every unit as NPZ (positions [P], columns [K], values [P, K]) and as CSV; their name.

    Maps [P, 8, 8] go into the NPZ where there are any; inputs [P, …] that are no positions stand in their place.
    """
    file = f"{name}-{found.name}"
    columns = list(found.values)
    values = np.array([found.values[column] for column in columns], np.float32).T
    arrays: dict[str, Any] = {"columns": columns, "values": values}
    if isinstance(found, PerInput):
        kind, units = found.kind, [str(unit) for unit in range(len(found.inputs))]
        arrays["inputs"] = found.inputs.astype(np.float32)
    else:
        kind, units = "position", [str(board_of(*words)) for words in zip(found.own, found.opp)]
        arrays["positions"] = units
        if found.maps is not None:
            arrays["maps"] = found.maps.astype(np.float32)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    atomic.write_bytes(folder / f"{file}.npz", buffer.getvalue())
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([kind, *columns])
    for unit, row in zip(units, values.tolist()):
        rows.writerow([unit, *[f"{value:.5g}" for value in row]])
    atomic.write_text(folder / f"{file}.csv", text.getvalue())
    return file


def files(record: Record) -> list[str]:
    """The names of the files beside a record's JSON."""
    names = [f"{figure['file']}.svg" for figure in record["figures"]]
    return names + [f"{file}.{kind}" for file in record.get("each", []) for kind in ("npz", "csv")]


def stored(folder: Path, name: str) -> Record | None:
    """The record of an experiment in `folder`, or None where there is none, it is damaged or lacks one of its files."""
    try:
        record: Record = json.loads((folder / f"{name}.json").read_text("utf-8"))
        complete = record["format"] == FORMAT and record["name"] == name
        there = all((folder / file).is_file() for file in files(record))
        return record if complete and there else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def kept(
    folder: Path, wanted: Experiment, settings: Settings, model: Model | None
) -> Record | None:
    """The stored record if it is the one that these settings would give."""
    known = stored(folder, wanted.name)
    return known if known is not None and known["key"] == key_of(wanted, settings, model) else None


def key_of(wanted: Experiment, settings: Settings, model: Model | None) -> str:
    """SHA-256 of all that fixes a result."""
    parts = {
        "format": FORMAT,
        "experiment": wanted.name,
        "version": wanted.version,
        "settings": settings.to_dict(),
        "checkpoint": model.sha256 if model else None,
        "versions": versions(),
        "sources": deciding_sources(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """The libraries that the numbers depend on."""
    python = platform.python_version()
    return {"python": python, "torch": str(torch.__version__), "numpy": np.__version__}


def one_minus(words: Any) -> Any:
    """Texts, and what is made of them, with a minus before every negative number and exponent instead of a hyphen.

    >>> one_minus(["-0.3, +1e-07", "LRP-0 of 2-3 X-squares"])
    ['−0.3, +1e−07', 'LRP-0 of 2-3 X-squares']
    """
    if isinstance(words, str):
        return re.sub(r"(?:(?<!\w)|(?<=\de))-(?=\d)", MINUS, words)
    if isinstance(words, dict):
        return {name: one_minus(entry) for name, entry in words.items()}
    if isinstance(words, list | tuple):
        return [one_minus(entry) for entry in words]
    return words


def _provenance(model: Model | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {
        "name": model.path.name,
        "sha256": model.sha256,
        "generation": model.meta.get("generation"),
        "kind": model.meta.get("kind"),
        "architecture": model.network.architecture.to_dict(),
    }


def rounded(value: Any, digits: int = 7) -> Any:
    """`value` with plain numbers of so many significant digits; NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(name): rounded(entry, digits) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(entry, digits) for entry in value]
    if hasattr(value, "tolist"):
        return rounded(value.tolist(), digits)
    if hasattr(value, "to_dict"):
        return rounded(value.to_dict(), digits)
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


@cache
def all_sources() -> str:
    """SHA-256 of every source file of the three packages."""
    return _hash(_sources("lrp", "othello", "app"))


@cache
def deciding_sources() -> str:
    """SHA-256 of the experiments, the explanations and `lrp`: a change here makes kept results old."""
    presenting = {ROOT / "app/experiments" / name for name in PRESENTING}
    return _hash(set(_sources(*DECIDING)) - presenting)


def _sources(*folders: str) -> list[Path]:
    return [file for folder in folders for file in (ROOT / folder).rglob("*.py")]


def _hash(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        data = file.read_bytes()
        digest.update(f"{file.relative_to(ROOT).as_posix()} {len(data)}\n".encode() + data)
    return digest.hexdigest()
