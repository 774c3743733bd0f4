"""Drawings: boards under a blue–white–red map symmetric about 0, curves with bands, bars with intervals.

Figures are made without pyplot, so that several threads may draw at once.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from app.experiments.statistics import Interval
from app.present.colormap import MAPS
from app.present.numbers import MINUS
from othello.rules.board import Board, squares_of
from othello.rules.notation import COLUMNS

Map = NDArray[np.float64]
DIVERGING = LinearSegmentedColormap.from_list(
    "relevance", (np.array(MAPS["blue–red"]) / 255).tolist()
)
PAGE, INK, SOFT, GRID = "#fefefe", "#222222", "#6b6b6b", "#dddddd"
ON_LIGHT = "#1c1c1c"  # ink on a pale square, which stays pale in the dark
DARK = {PAGE: "#16181c", INK: "#e4e6ea", "#000000": "#e4e6ea", SOFT: "#a3a8b0", GRID: "#33373d"}
COLOURS = (  # each at least three times as bright as the dark page or as dark as the light one
    "#2c75be",
    "#d9263c",
    "#4e8d25",
    "#d07c1b",
    "#a04dbc",
    "#078379",
    "#a56313",
    "#d02587",
    "#737373",
    "#39938c",
    "#b87f33",
    "#919191",
    "#209874",
    "#d1600b",
    "#7772b0",
)
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif", "font.sans-serif": ["Inter", "Helvetica", "Arial", "DejaVu Sans"], "font.size": 9,
    "axes.edgecolor": "#999999", "axes.labelcolor": INK, "text.color": INK, "xtick.color": SOFT, "ytick.color": SOFT,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9.5, "axes.facecolor": PAGE,
    "svg.hashsalt": "othello", "svg.fonttype": "none", "axes.grid": False, "figure.facecolor": PAGE,
}  # fmt: skip
WIDEST = 5.8  # inches: what is wider has letters below 8 pixels where a phone fits it in its 390


def canvas(
    columns: int, rows: int = 1, width: float = 3.2, height: float = 3.4
) -> tuple[Figure, list[Axes]]:
    """An empty figure of `rows` × `columns` drawings, in inches each, and its axes in reading order.

    What would be wider than a phone is turned on its side if that helps, else its drawings flow into more rows.
    """
    most, count = max(1, int(WIDEST / width)), rows * columns
    turned = columns > most >= rows > 1
    if turned:
        columns, rows = rows, columns
    elif columns > most:
        columns, rows = most, -(-count // most)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, columns, squeeze=False)
    axes = list((grid.T if turned else grid).flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def board_map(
    axes: Axes,
    board: Board | None,
    relevance: Map,
    title: str,
    *,
    scale: float | None = None,
    marked: Sequence[int] = (),
) -> None:
    """A map [N, N] in colours on a neutral board, with the position's discs; `marked` squares get an outline."""
    n = relevance.shape[0]
    full = float(np.abs(relevance).max()) if scale is None else scale
    axes.set_xlim(-0.05, n + 0.05)
    axes.set_ylim(n + 0.05, -0.05)
    axes.set_aspect("equal")
    mesh = np.clip(relevance / full, -1, 1) if full > 0 else np.zeros((n, n))
    drawn = axes.pcolormesh(
        np.arange(n + 1),
        np.arange(n + 1),
        mesh,
        cmap=DIVERGING,
        vmin=-1,
        vmax=1,
        edgecolors="#c9c9c9",
        linewidth=0.6,
    )
    if board is not None:
        _discs(axes, board.black, n, face="#17191c", edge="#0c0d0e")
        _discs(axes, board.white, n, face="#fbfbf8", edge="#6b6b66")
    for square in marked:
        corner = square % n + 0.07, square // n + 0.07
        axes.add_patch(
            Rectangle(corner, 0.86, 0.86, fill=False, edgecolor="#111111", linewidth=1.4)
        )
    axes.set_xticks(np.arange(n) + 0.5, list(COLUMNS[:n]))
    axes.set_yticks(np.arange(n) + 0.5, [str(i + 1) for i in range(n)])
    _bare(axes)
    axes.set_title(title, fontsize=9.5)
    _colour_bar(axes, drawn, full)


def _colour_bar(axes: Axes, mesh: QuadMesh, full: float) -> None:
    """What the colours of a map mean: blue against, red for whom the caption says, full at ±`full`."""
    bar = axes.figure.colorbar(mesh, ax=axes, location="bottom", aspect=32, pad=0.01)
    bar.set_ticks([-1, 0, 1], labels=[f"{MINUS}{full:.3g} against", "0", f"for +{full:.3g}"])
    bar.outline.set_visible(False)
    assert bar.solids is not None
    bar.solids.set_rasterized(True)  # else hundreds of slivers, a third of the file
    bar.ax.tick_params(length=0, labelsize=8.5, labelcolor=SOFT, pad=2)
    low, _, high = bar.ax.get_xticklabels()
    low.set_horizontalalignment("left")
    high.set_horizontalalignment("right")


def _discs(axes: Axes, word: int, n: int, face: str, edge: str) -> None:
    squares = np.array(list(squares_of(word, n)), np.int64)
    centres = np.stack([squares % n, squares // n], 1) + 0.5
    size, look = [0.54], {"facecolor": face, "edgecolor": edge, "linewidth": 0.8}
    discs = EllipseCollection(
        size, size, [0], units="xy", offsets=centres, offset_transform=axes.transData, **look
    )
    axes.add_collection(discs)


def picture(axes: Axes, pixels: Map, title: str) -> None:
    """A picture [N, N] of numbers in [0, 1], black on white."""
    axes.imshow(pixels, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=8)


def picture_map(axes: Axes, relevance: Map, title: str, *, scale: float | None = None) -> None:
    """A map without discs or coordinates, for pictures."""
    full = float(np.abs(relevance).max()) if scale is None else scale
    axes.imshow(
        relevance,
        cmap=DIVERGING,
        vmin=-max(full, 1e-30),
        vmax=max(full, 1e-30),
        interpolation="nearest",
    )
    axes.set_xticks([])
    axes.set_yticks([])
    _bare(axes)
    axes.set_title(title, fontsize=8)


def _bare(axes: Axes) -> None:
    axes.tick_params(length=0, labelsize=8.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def band(
    axes: Axes, x: Sequence[float] | Map, intervals: Sequence[Interval], label: str, colour: str
) -> None:
    """A curve of means with its band of intervals."""
    axes.plot(x, [i.mean for i in intervals], color=colour, linewidth=1.6, label=label)
    axes.fill_between(
        x,
        [i.low for i in intervals],
        [i.high for i in intervals],
        color=colour,
        alpha=0.15,
        linewidth=0,
    )


def bars(
    axes: Axes,
    entries: Mapping[str, Interval],
    title: str,
    label: str,
    *,
    chance: float = 0.0,
    controls: Mapping[str, Interval] | None = None,
) -> None:
    """One point with its interval a name, the first on top, and a line at chance; `controls` hollow below them."""
    places = np.arange(len(entries))[::-1]
    for place, (name, found) in zip(places, entries.items()):
        _bar(axes, place, found, chance)
        if controls is not None:
            _bar(axes, place - 0.32, controls[name], chance, markerfacecolor=PAGE, linewidth=1)
    axes.axvline(chance, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_yticks(places, [fill(name, 28) for name in entries])
    axes.tick_params(axis="y", length=0)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(label)


def _bar(axes: Axes, place: float, found: Interval, chance: float, **looks: Any) -> None:
    colour = COLOURS[0] if found.low > chance else COLOURS[1] if found.high < chance else "#888888"
    looks.setdefault("linewidth", 2)
    axes.plot(
        [found.low, found.high], [place, place], solid_capstyle="round", color=colour, **looks
    )
    axes.plot([found.mean], [place], "o", markersize=4.5, color=colour, **looks)


def heat_table(
    axes: Axes, values: Map, rows: Sequence[str], columns: Sequence[str], title: str
) -> None:
    """A table [R, C] of numbers on diverging colours."""
    full = max(float(np.nanmax(np.abs(values))), 1e-30)
    axes.imshow(values, cmap=DIVERGING, vmin=-full, vmax=full, aspect="auto")
    rotation, side = (30, "right") if len(columns) > 5 else (0, "center")
    axes.set_xticks(range(len(columns)), columns, rotation=rotation, ha=side)
    axes.set_yticks(range(len(rows)), rows)
    for row in range(len(rows)):
        for column in range(len(columns)):
            dark = abs(values[row, column]) > 0.6 * full
            axes.text(
                column,
                row,
                f"{values[row, column]:.2f}".replace("-", MINUS),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else ON_LIGHT,
            )
    _bare(axes)
    axes.set_title(title)


def lines(axes: Axes, title: str, x: str, y: str, *, legend: bool = True) -> None:
    """Finish a drawing of curves."""
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, color=GRID, linewidth=0.5)
    if legend:
        axes.legend(frameon=False, fontsize=8)


def levels(axes: Axes, named: Mapping[str, float]) -> None:
    """A line across at each height of the drawn axes, its name to the right and none over another."""
    low, high = axes.get_ylim()
    line = 10 / 72 * axes.figure.dpi / axes.bbox.height * (high - low)  # of 8-point letters
    free = -np.inf
    for name, height in sorted(named.items(), key=lambda one: one[1]):
        axes.axhline(height, color="#919191", linewidth=1, zorder=0)
        free = max(height, free + line)
        place, across = (1.01, free), ("axes fraction", "data")
        axes.annotate(name, place, va="center", xycoords=across, fontsize=8, color=SOFT)


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file's contents, the same bytes every time, dark where its reader prefers dark pages.

    Only the page, words and lines turn dark; what stands for numbers keeps its colours.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is slow to find and is kept from here on
    written = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(written, format="svg", metadata={"Date": None})
    short = re.sub(rb' d="[^"]*"', _hundredths, written.getvalue())
    short = re.sub(rb"(?<!\w)-(?=\d[^<>]*</text>)", MINUS.encode(), short)
    rules = f"text{{fill: {INK}}}{_turned_dark()}</style>"
    return short.replace(b"</style>", rules.encode(), 1)


def _hundredths(path: re.Match[bytes]) -> bytes:
    """The path, its points cut to hundredths."""
    return re.sub(rb"(\.\d\d)\d+", rb"\1", path[0])


def _turned_dark() -> str:
    """The style rules that give the page, words and lines of a figure their dark colours."""
    rules = f"text{{fill: {DARK[INK]}}}"
    for light, dark in DARK.items():
        for part in ("fill", "stroke"):
            rules += f'[style*="{part}: {light}"]{{{part}: {dark} !important}}'
    return f"@media (prefers-color-scheme: dark){{{rules}}}"
