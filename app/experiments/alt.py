"""What a figure shows, in words for those who cannot see it; built from the figure's own numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from app.experiments.statistics import Interval, above, highest, number
from othello.rules.notation import square_name


def of_map(relevance: NDArray[np.float64], what: str, count: int = 4) -> str:
    """The heaviest squares of a map [N, N] with their signs.

    >>> of_map(np.array([[0.5, 0.0], [-0.25, 0.1]]), "the value", 2)
    'board of the value: red for a1 +0.500, blue for a2 −0.250'
    """
    flat = relevance.ravel()
    heaviest = [
        int(square) for square in np.argsort(-np.abs(flat), kind="stable")[:count] if flat[square]
    ]
    if not heaviest:
        return f"board of {what}: nothing on any square"
    words, side = [], relevance.shape[0]
    for colour, sign in (("red", 1), ("blue", -1)):
        chosen = [s for s in heaviest if sign * flat[s] > 0]
        if chosen:
            named = [f"{square_name(s, side)} {_signed(float(flat[s]))}" for s in chosen]
            words.append(f"{colour} for {', '.join(named)}")
    return f"board of {what}: {', '.join(words)}"


def of_bars(entries: Mapping[str, Interval], what: str, chance: float = 0.0) -> str:
    """Which entry is highest and which intervals leave the dashed line.

    >>> of_bars({"a": Interval(0.5, 0.4, 0.6, 9), "b": Interval(0.0, -0.1, 0.1, 9)}, "SRG")
    'SRG: a is highest with 0.500 [0.400, 0.600]; 1 of 2 intervals lie above 0, 0 below'
    """
    line = "one half" if chance == 0.5 else f"{chance:g}"
    known = {name: entry for name, entry in entries.items() if entry.count}
    if not known:
        return f"{what}: nothing was measured"
    top = highest(known)
    below = sum(entry.high < chance for entry in known.values())
    counts = (
        f"{above(known.values(), chance)} of {len(known)} intervals lie above {line}, {below} below"
    )
    return f"{what}: {top} is highest with {known[top]}; {counts}"


def of_curve(x: Sequence[float], means: Sequence[float], what: str) -> str:
    """Where a curve begins, peaks, dips and ends.

    >>> of_curve([0, 1, 2], [1.0, 3.0, 2.0], "lead")
    'lead: from 1.00 at 0 to 2.00 at 2, between 1.00 (at 0) and 3.00 (at 1)'
    """
    low, high = int(np.argmin(means)), int(np.argmax(means))
    return (
        f"{what}: from {number(means[0])} at {x[0]:g} to {number(means[-1])} at {x[-1]:g}, between "
        f"{number(means[low])} (at {x[low]:g}) and {number(means[high])} (at {x[high]:g})"
    )


def sentence(*parts: str) -> str:
    """The parts as one text."""
    words = "; ".join(part for part in parts if part)
    return words[0].upper() + words[1:] + "."


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)
