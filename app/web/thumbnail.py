"""A figure's thumbnail: its first row of panels, whole, with all that is written over and under it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_AXES: Final = re.compile(
    r'<g id="axes_\d+">\s*<g id="patch_\d+">\s*<path d="M (\S+) (\S+)\s+L (\S+) \S+\s+L \S+ (\S+)'
)
_TEXT: Final = re.compile(  # upright ones, of one line and of several
    r'<text style="font-size: ([\d.]+)px[^>]*?'
    r'(?: y="([\d.]+)" transform="rotate\(-?0 | transform="translate\([\d.]+ ([\d.]+)\)")'
)
_SIZE: Final = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt" viewBox="0 0 ([\d.]+) ([\d.]+)"')
_PART: Final = 0.25  # of the largest panel's area: what is smaller is a colour bar
_LEADING: Final = 6.0  # points: lines that stand closer belong together


@lru_cache(maxsize=64)
def first_row(svg: str) -> str:
    """The same SVG down to the end of its first row of panels; as it is where there is one row, or none is found."""
    size, panels = _SIZE.search(svg), _panels(svg)
    if size is None or not panels:
        return svg
    first = min(top for top, _ in panels)
    bottom = max(below for top, below in panels if top < first + _LEADING)
    lower = [top for top, _ in panels if top > bottom]
    if not lower:
        return svg
    height = _heading_of(svg, bottom, min(lower))
    width = size.group(1)
    return svg.replace(
        size.group(),
        f'width="{width}pt" height="{height:.2f}pt" viewBox="0 0 {width} {height:.2f}"',
    )


def _panels(svg: str) -> list[tuple[float, float]]:
    """Top and bottom of every panel that is none of the small ones."""
    found = []
    for match in _AXES.finditer(svg):
        left, low, right, high = map(float, match.groups())
        found.append(((right - left) * (low - high), high, low))
    most = max((area for area, _, _ in found), default=0.0)
    return [(high, low) for area, high, low in found if area >= _PART * most]


def _heading_of(svg: str, bottom: float, top: float) -> float:
    """Where what is written over the second row of panels begins, between the first row's bottom and its own top."""
    start = top
    lines = []
    for size, one, several in _TEXT.findall(svg):
        base = float(one or several)
        lines.append((base - float(size), base))
    for above, below in sorted(lines, key=lambda line: -line[1]):
        if bottom < above and start - _LEADING < below <= start + 1:
            start = above
    return start - 2
