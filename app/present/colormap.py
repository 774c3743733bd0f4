"""Colours of relevance: a diverging map symmetric about 0 on a neutral board, and text that stays readable on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.present.numbers import MINUS

Rgb = tuple[int, int, int]

NEUTRAL: Final = "#f7f7f7"
MAPS: Final[dict[str, tuple[Rgb, ...]]] = {  # from −1 to +1; ColorBrewer RdBu and PuOr, both safe for colour-blind eyes
    "blue–red": (
        (33, 102, 172), (103, 169, 207), (209, 229, 240), (247, 247, 247), (253, 219, 199), (239, 138, 98),
        (178, 24, 43),
    ),
    "purple–orange": (
        (84, 39, 136), (153, 142, 195), (216, 218, 235), (247, 247, 247), (254, 224, 182), (241, 163, 64),
        (179, 88, 6),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Heat:
    """A map as colours and signed texts of the N² squares; `scale` is the |R| of full colour."""

    fills: tuple[str, ...]
    numbers: tuple[str, ...]
    scale: float


def heat_of(
    relevance: NDArray[np.float64], scale: float | None = None, name: str = "blue–red"
) -> Heat:
    """A map [N, N] in colours symmetric about 0, full at `scale`, its largest |R| if not given."""
    full = scale_of(relevance) if scale is None else scale
    colours, texts = fills(relevance, full, name), numbers(relevance, full)
    return Heat(tuple(colours.values()), tuple(texts.values()), full)


def rgb(name: str) -> Rgb:
    """The channels of "#rrggbb"."""
    return int(name[1:3], 16), int(name[3:5], 16), int(name[5:7], 16)


def _mixed(first: Rgb, second: Rgb, share: float) -> str:
    channels = (round(a + (b - a) * share) for a, b in zip(first, second))
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def blend(first: str, second: str, share: float) -> str:
    """The colour `share` of the way from the first to the second.

    >>> blend("#000000", "#ffffff", 0.5)
    '#808080'
    """
    return _mixed(rgb(first), rgb(second), share)


def colour(value: float, scale: float, name: str = "blue–red") -> str:
    """The colour "#rrggbb" of a relevance where `scale` is full saturation; 0 is exactly neutral.

    >>> colour(0.0, 1.0), colour(-2.0, 1.0), colour(1.0, 1.0)
    ('#f7f7f7', '#2166ac', '#b2182b')
    """
    stops = MAPS[name]
    share = 0.0 if scale <= 0 else min(1.0, max(-1.0, value / scale))
    place = (share + 1) / 2 * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    return _mixed(stops[low], stops[low + 1], place - low)


def ink(background: str) -> str:
    """Black or white, whichever has more contrast on `background` (relative luminance of WCAG 2)."""
    channels = [channel / 255 for channel in rgb(background)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"


def scale_of(*maps: NDArray[np.float64]) -> float:
    """The shared full-saturation value of some maps: their largest |R|."""
    return max((float(np.abs(m).max()) for m in maps if m.size), default=0.0)


def fills(
    relevance: NDArray[np.float64], scale: float | None = None, name: str = "blue–red"
) -> dict[int, str]:
    """{square: colour} of a map [N, N]."""
    full = scale_of(relevance) if scale is None else scale
    return {square: colour(float(value), full, name) for square, value in enumerate(relevance.flat)}


def number(value: float, scale: float) -> str:
    """A relevance short enough for a square: a sign and two digits, or nothing where it is below 1 % of `scale`.

    >>> number(-0.034, 0.05), number(0.0001, 1.0), number(12.3, 20.0)
    ('−.034', '', '+12')
    """
    if scale <= 0 or abs(value) < 0.01 * scale:
        return ""
    digits = max(0, 1 - int(np.floor(np.log10(abs(value))))) if abs(value) < 10 else 0
    text = f"{abs(value):.{min(digits, 4)}f}"
    text = text[1:] if text.startswith("0.") else text
    return (MINUS if value < 0 else "+") + text


def numbers(relevance: NDArray[np.float64], scale: float | None = None) -> dict[int, str]:
    """{square: text} of a map [N, N], for showing on demand."""
    full = scale_of(relevance) if scale is None else scale
    return {square: number(float(value), full) for square, value in enumerate(relevance.flat)}
