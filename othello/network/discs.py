"""The network's value in discs: one curve that grows, fitted to finished games of self-play.

z = arctanh(value) is the network's number before tanh, from a side's view; its discs are its expected final difference
a · tanh(b · z) + c · z, with empties to the winner.  `python -m app.experiments.calibration` writes `discs.json`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

FILE: Final = Path(__file__).with_name("discs.json")
UNIT: Final = "discs"
_LIMIT: Final = 1 - 1e-6  # of a value that is rounded to ±1
_SLOPES: Final = np.arange(0.1, 3.01, 0.05)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DiscCurve:
    """Values in [−1, 1] as discs of an 8×8 game; smaller boards have fewer of them in proportion.

    >>> curve = DiscCurve(a=20.0, b=1.0, c=2.0)
    >>> curve(0.0), curve(-0.5) == -curve(0.5), curve(0.5, size=4) == curve(0.5) / 4
    (0.0, True, True)
    """

    a: float
    b: float
    c: float

    def __call__(self, value: ArrayLike, size: int = 8) -> Any:
        """The expected final difference in discs, for the side whose value it is."""
        z = np.arctanh(np.clip(np.asarray(value, float), -_LIMIT, _LIMIT))
        discs = (self.a * np.tanh(self.b * z) + self.c * z) * (size * size / 64)
        return float(discs) if np.ndim(discs) == 0 else discs


def fit(values: Array, scores: Array) -> DiscCurve:
    """The curve nearest to final differences [S] at the network's values [S], by least squares with a, c ≥ 0."""
    z = np.arctanh(np.clip(values, -_LIMIT, _LIMIT))
    found: list[tuple[float, DiscCurve]] = []
    for slope in _SLOPES:
        columns = np.stack([np.tanh(slope * z), z], 1)
        (a, c), *_ = np.linalg.lstsq(columns, scores, rcond=None)
        if a >= 0 and c >= 0:
            error = float(((columns @ (a, c) - scores) ** 2).sum())
            found.append((error, DiscCurve(float(a), float(slope), float(c))))
    if not found:
        raise ValueError("the values do not grow with the scores")
    return min(found, key=lambda pair: pair[0])[1]


def read() -> DiscCurve:
    """The curve that comes with the project."""
    stored = json.loads(FILE.read_text("utf-8"))
    return DiscCurve(stored["a"], stored["b"], stored["c"])


def as_json(curve: DiscCurve, *, positions: int, games: int, weights: str) -> str:
    """The file's text: the curve and what it was fitted on."""
    numbers = {name: round(number, 4) for name, number in asdict(curve).items()}
    return json.dumps(
        {**numbers, "positions": positions, "games": games, "weights": weights}, indent=2
    )


CURVE: Final = read()
