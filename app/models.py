"""Checkpoints as the app uses them: loaded once a process, read-only, with evaluator and input planes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.encoding import PLANE_NAMES, encode
from othello.network.evaluator import NetworkEvaluator
from othello.players.agent import evaluate
from othello.rules.board import Board

_KEPT = 64  # things made of a model, the newest
_Thing = TypeVar("_Thing")


@dataclass
class Model:
    """A checkpoint in memory; many threads may use one at once."""

    path: Path
    sha256: str
    meta: dict[str, Any]
    network: Any
    ready: threading.Event = field(default_factory=threading.Event, repr=False)  # all is compiled
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def size(self) -> int:
        """Board side N."""
        return int(self.network.architecture.size)

    @property
    def name(self) -> str:
        """The checkpoint's folder and generation, for people."""
        generation = self.meta.get("generation")
        return (
            self.path.name if generation is None else f"{self.path.name} (generation {generation})"
        )

    @cached_property
    def evaluator(self) -> NetworkEvaluator:
        """The network as a search wants it."""
        with self._lock:
            return NetworkEvaluator(self.network)

    def ranked(self, board: Board) -> list[int]:
        """The legal actions, the network's first choice first: what a search looks at even with few simulations."""
        logits, _ = evaluate(self.evaluator, [board])
        return sorted(board.legal_actions(), key=lambda action: -float(logits[0, action]))

    def kept(self, key: Hashable, make: Callable[[], _Thing]) -> _Thing:
        """What `make` makes of this model, made once and kept under `key`."""
        with self._lock:
            if key not in self._made:
                made = make()
                while len(self._made) >= _KEPT:
                    self._made.pop(next(iter(self._made)))
                self._made[key] = made
            return cast(_Thing, self._made[key])


def encode_words(model: Model, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> torch.Tensor:
    """The network's input [B, C, N, N] from words [B]; a foreign network brings its own encoding."""
    foreign = getattr(model.network, "encode", None)
    if foreign is not None:
        planes = foreign(own, opp)
    else:
        planes = encode(own, opp, model.size, model.network.architecture.planes)
    return torch.from_numpy(np.ascontiguousarray(planes))


def plane_names(model: Model) -> tuple[str, ...]:
    """The names of the network's input planes."""
    if hasattr(model.network, "encode"):
        return ("discs",)
    return PLANE_NAMES[: model.network.architecture.planes]


_loaded: dict[Path, tuple[tuple[int, int], Model]] = {}
_lock = threading.Lock()


def load_model(path: str | Path | None = None, size: int = 8) -> Model:
    """The model at `path`, or the one that comes with the project for N×N; loaded again only if the files changed.

    Raises CheckpointError where it is missing or damaged or, with the default path, where none is shipped.
    """
    folder = checkpoint.default_checkpoint(size) if path is None else checkpoint.locate(path)
    with _lock:
        try:
            status = (folder / checkpoint.META if folder.is_dir() else folder).stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = (0, 0)
        known = _loaded.get(folder.resolve())
        if known is not None and known[0] == stamp and stamp != (0, 0):
            return known[1]
        found = checkpoint.load(folder)
        model = Model(found.path, found.sha256, found.meta, found.network)
        _loaded[folder.resolve()] = (stamp, model)
        return model


def load_model_for(size: int, path: str | Path | None = None) -> Model:
    """As `load_model`, and CheckpointError where the checkpoint's boards are not N×N."""
    model = load_model(path, size)
    if model.size != size:
        raise CheckpointError(
            f"{model.path}: plays {model.size}×{model.size} boards, the position is {size}×{size}; choose another"
        )
    return model


def available_checkpoints(size: int = 8) -> list[Path]:
    """Folders of the checkpoints for N×N boards that come with the project or lie in `runs/` here."""
    found: list[Path] = []
    try:
        default = checkpoint.default_checkpoint(size)
        found.append(default)
        beside = sorted(file.parent for file in default.parent.glob(f"*/{checkpoint.META}"))
        found.extend(folder for folder in beside if folder != default)
    except CheckpointError:
        pass
    found.extend(sorted(p.parent for p in Path("checkpoints").glob(f"*/{checkpoint.META}")))
    for run in sorted(Path("runs").glob("*/generations")):
        generations = sorted(
            (p.parent for p in run.glob(f"[0-9]*/{checkpoint.META}")), reverse=True
        )
        found.extend(generations[:1])
    first: dict[Path, Path] = {}  # of several ways to a folder
    for path in found:
        first.setdefault(path.resolve(), path)
    return [path for path in first.values() if board_size_of(path) == size]


def board_size_of(path: str | Path) -> int | None:
    """The side N of the boards a checkpoint plays on, None where it cannot be read."""
    try:
        size = checkpoint.info(Path(path))["architecture"].get("size")
    except (CheckpointError, KeyError, AttributeError):
        return None
    return size if isinstance(size, int) else None
