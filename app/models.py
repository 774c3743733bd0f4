"""Checkpoints as the app uses them: loaded once a process, read-only, each with its evaluator and its explainers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.rules.board import Board

if TYPE_CHECKING:
    from lrp import LRP
    from othello.network.evaluator import NetworkEvaluator

_EXPLAINERS = 64  # kept a model, the newest


@dataclass
class Model:
    """A checkpoint in memory; many threads may use one at once."""

    path: Path
    sha256: str
    meta: dict[str, Any]
    network: Any
    ready: threading.Event = field(
        default_factory=threading.Event, repr=False
    )  # everything is compiled
    _explainers: dict[tuple[str, str], LRP] = field(default_factory=dict, repr=False)
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
        from othello.network.evaluator import NetworkEvaluator

        with self._lock:
            return NetworkEvaluator(self.network)

    def ranked(self, board: Board) -> list[int]:
        """The legal actions, the network's first choice first: what a search looks at even with few simulations."""
        from othello.players.agent import evaluate

        logits, _ = evaluate(self.evaluator, [board])
        return sorted(board.legal_actions(), key=lambda action: -float(logits[0, action]))

    def explainer(self, composite: str, bias: str) -> LRP:
        """The LRP object of a composite's name and a bias mode, made once.

        Raises CompositeError or RuleError for a name or a mode that does not exist.
        """
        from app.explain.composites import build_composite
        from lrp import LRP

        with self._lock:
            found = self._explainers.get((composite, bias))
            if found is None:
                import numpy as np

                from app.explain.network import encode_words

                example = encode_words(self, *np.array([[1, 2], [4, 8]], np.uint64))
                found = LRP(self.network, build_composite(composite, bias), example)
                while len(self._explainers) >= _EXPLAINERS:
                    self._explainers.pop(next(iter(self._explainers)))
                self._explainers[composite, bias] = found
            return found


_loaded: dict[Path, tuple[tuple[int, int], Model]] = {}
_lock = threading.Lock()


def load_model(path: str | Path | None = None, size: int = 8) -> Model:
    """The model at `path`, or the one that comes with the project for N×N; loaded again only if the files changed.

    Raises CheckpointError where it is missing or damaged or, with the default path, where none is shipped.
    """
    folder = Path(path) if path is not None else checkpoint.default_checkpoint(size)
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
        found.extend(
            sorted(
                p.parent for p in default.parent.glob(f"*/{checkpoint.META}") if p.parent != default
            )
        )
    except CheckpointError:
        pass
    found.extend(sorted(p.parent for p in Path("checkpoints").glob(f"*/{checkpoint.META}")))
    for run in sorted(Path("runs").glob("*/generations")):
        generations = sorted(
            (p.parent for p in run.glob(f"[0-9]*/{checkpoint.META}")), reverse=True
        )
        found.extend(generations[:1])
    once = {
        path.resolve(): path for path in reversed(found)
    }  # the first of several ways to a folder
    return [path for path in found if once[path.resolve()] is path and _fits(path, size)]


def board_size_of(path: str | Path) -> int | None:
    """The side N of the boards a checkpoint plays on, None where it cannot be read."""
    try:
        size = checkpoint.info(Path(path))["architecture"].get("size")
    except (CheckpointError, KeyError, AttributeError):
        return None
    return size if isinstance(size, int) else None


def _fits(path: Path, size: int) -> bool:
    return board_size_of(path) == size
