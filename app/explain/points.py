"""Relevance in a unit that a player knows: points of a side's chance in per cent.

Relevance is linear in what it starts from, so a multiple of the target has the same multiple of the maps.  A value z
before tanh is the chance 50 · (1 + tanh z) %: its distance from even, 50 · tanh z points, is 50 · tanh(z)/z times z.
A policy's logit is no chance; its parts are told as per cent of all that speaks for and against the move.
"""

from __future__ import annotations

import math
from typing import Final

from app.explain.explanation import Explanation

POINTS: Final = "points"
PERCENT: Final = "%"
_TINY: Final = 1e-9


def unit_of(found: Explanation) -> str:
    """The unit of `in_points`."""
    return PERCENT if found.target.kind in ("policy", "u") else POINTS


def in_points(found: Explanation) -> Explanation:
    """The explanation in the unit that `unit_of` names; the value above even where the target is one.

    >>> import numpy as np
    >>> from app.explain.targets import Target
    >>> from othello.rules.board import Board
    >>> about = dict(board=Board.initial(), target=Target("value"), composite="", bias_mode="", checkpoint="")
    >>> round(in_points(Explanation.zero(("own",), **about) + Explanation(
    ...     value=0.5, squares=np.full((8, 8), 1 / 128), planes={}, bias={}, bias_maps={}, stabilizer=0.0, **about)
    ... ).squares.sum(), 2)
    23.11
    """
    return _factor(found) * found


def _factor(found: Explanation) -> float:
    if unit_of(found) == PERCENT:
        parts = [found.squares.sum(), found.bias_total, found.stabilizer, found.given_total]
        return 100 / max(_TINY, sum(abs(float(part)) for part in parts))
    if found.target.kind == "q":
        return 50.0
    before, after = math.tanh(found.since), math.tanh(found.since + found.value)
    if abs(found.value) < _TINY:
        return 50 * (1 - before**2)
    return 50 * (after - before) / found.value
