"""The finished generations of a training run, for experiments that follow something over training."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from othello.errors import CheckpointError
from othello.network.checkpoint import META, info, locate

MOST: Final = 16  # generations that are looked at, evenly spaced
SHIPPED: Final = "othello8-growth"  # a run whose generations come with the project


def shipped() -> Path | None:
    """The run whose generations come with the project, if they are there."""
    folder = locate(SHIPPED)
    return folder if (folder / "generations").is_dir() else None


def untrained(generation: Path) -> bool:
    """Whether a generation's weights have seen no game."""
    return info(generation).get("games") == 0


def generations_of(run: Path) -> list[Path]:
    """The folders of at most `MOST` finished generations of a run, the first and the last among them.

    Raises CheckpointError where there are none.
    """
    found = sorted(file.parent for file in run.glob(f"generations/[0-9]*/{META}"))
    if not found:
        raise CheckpointError(f"{run}: no generations; accepted is the folder of a training run")
    chosen = np.unique(np.linspace(0, len(found) - 1, min(MOST, len(found))).round().astype(int))
    return [found[place] for place in chosen]
