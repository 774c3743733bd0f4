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


def intervals(samples: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The mean and its interval of each sample [P], in the mapping's own shape however deep it is."""
    found = {}
    for name, values in samples.items():
        inside = isinstance(values, Mapping)
        found[name] = intervals(values, seed) if inside else bootstrap(values, seed)
    return found


def flat(samples: Mapping[str, Any], prefix: str = "") -> dict[str, Array]:
    """The samples of a mapping however deep it is, their names joined.

    >>> flat({"a": {"x": 1, "y": {"z": 2}}})
    {'a | x': 1, 'a | y | z': 2}
    """
    found: dict[str, Array] = {}
    for name, values in samples.items():
        if isinstance(values, Mapping):
            found |= flat(values, f"{prefix}{name} | ")
        else:
            found[f"{prefix}{name}"] = values
    return found


def less(samples: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Samples of any depth less others of the same shape, position by position.

    >>> less({"a": {"x": 3}, "b": 2}, {"a": {"x": 1}, "b": 5})
    {'a': {'x': 2}, 'b': -3}
    """
    found = {}
    for name, values in samples.items():
        inside = isinstance(values, Mapping)
        found[name] = less(values, others[name]) if inside else values - others[name]
    return found


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
