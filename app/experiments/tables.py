"""A grid of intervals, {row: {column: interval}}, as a table, as bars and as words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from app.experiments import alt, plots
from app.experiments.record import Table
from app.experiments.statistics import Array, Interval, bootstrap

Grid = Mapping[str, Mapping[str, Any]]
Headings = Mapping[str, str] | Sequence[str]


def intervals(samples: Mapping[str, Array], seed: int) -> dict[str, Interval]:
    """The mean and its interval of each named sample [P]."""
    return {name: bootstrap(values, seed) for name, values in samples.items()}


def column(grid: Grid, name: str, rows: Iterable[str] | None = None) -> dict[str, Any]:
    """One column of the grid, of all rows or of some."""
    return {row: grid[row][name] for row in (grid if rows is None else rows)}


def table(title: str, grid: Grid, columns: Headings, corner: str = "method") -> Table:
    """The grid's cells in these columns; a mapping gives each column its heading.

    >>> cells = {"a": {"x": Interval(0.5, 0.4, 0.6, 9), "y": 3}}
    >>> table("T", cells, {"x": "share of x"}).header, table("T", cells, ["x", "y"]).rows
    (('method', 'share of x'), (('a', '0.500 [0.400, 0.600]', '3'),))
    """
    headings = columns.values() if isinstance(columns, Mapping) else columns
    rows = []
    for name, cells in grid.items():
        rows.append((name, *[str(cells[c]) for c in columns]))
    return Table(title, (corner, *headings), tuple(rows))


def bars(
    axes: Axes,
    entries: Mapping[str, Interval],
    title: str,
    label: str,
    what: str,
    *,
    chance: float = 0.0,
) -> str:
    """Draw one interval a row; what there is to see, in words that begin with `what` it is of."""
    plots.bars(axes, entries, title, label, chance=chance)
    return alt.of_bars(entries, what, chance)
