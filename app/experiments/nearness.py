"""Nearness to the move: the control that an explanation of a move has to beat.

The discs that a move turns lie near it, and what a convolutional network says of a move comes mostly from its
neighbourhood.  So a map may find those discs without knowing more than where the move is.  Distances are a king's
steps; scores are [P, 64] for moves [P].
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.experiments.statistics import area_under_roc

Scores = NDArray[np.float64]
Squares = NDArray[np.bool_]
_ROW, _COLUMN = np.divmod(np.arange(64), 8)
_DOWN, _ACROSS = (line[:, None] - line[None, :] for line in (_ROW, _COLUMN))
STEPS: Final[NDArray[np.int64]] = np.maximum(np.abs(_DOWN), np.abs(_ACROSS))
"""[64, 64]: a king's steps between two squares."""
ON_LINES: Final[Squares] = (_DOWN == 0) | (_ACROSS == 0) | (np.abs(_DOWN) == np.abs(_ACROSS))
"""[64, 64]: whether two squares share a row, a column or a diagonal."""
CONTROLS: Final = ("nearness", "nearness on its lines")


def controls(moves: NDArray[np.int64]) -> dict[str, Scores]:
    """1 / distance to the move, on every square and on the move's eight lines alone (0 elsewhere), by name."""
    near = 1 / np.maximum(STEPS[moves], 1)
    return dict(zip(CONTROLS, (near, near * ON_LINES[moves])))


def at_equal_distance(
    scores: Scores, where: Squares, among: Squares, moves: NDArray[np.int64]
) -> Scores:
    """[P]: how often |R| of a disc in the set exceeds that of one outside it that is as far from the move.

    0.5 is chance, nearness itself has 0.5, and NaN stands where no two such discs are.
    """
    found = np.empty(len(moves))
    for row, move in enumerate(moves.tolist()):
        size, member = np.abs(scores[row]), where[row]
        rings = [among[row] & (STEPS[move] == steps) for steps in range(1, 8)]
        pairs = np.array([(member & ring).sum() * (~member & ring).sum() for ring in rings])
        shares = np.array([area_under_roc(size[ring], member[ring]) for ring in rings])
        found[row] = pairs @ np.nan_to_num(shares) / pairs.sum() if pairs.any() else np.nan
    return found
