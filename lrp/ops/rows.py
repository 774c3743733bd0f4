"""Rows in an order of the model's own (tokens sorted by their experts, samples apart): whose sample each row is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lrp.ops.context import Execution, Layout
from lrp.tracing.graph import Node, Ref


@dataclass(frozen=True)
class Rows(Layout):
    """Rows picked from those of node `source`, which lie as `dim` and `inner` say, by the numbers of nodes `picks`."""

    source: int = 0
    picks: tuple[int, ...] = ()

    def at(self, run: Execution) -> Layout:
        """The layout in one run, where the numbers are known."""
        return Owned(owner=self.owners(run))

    def moves(self, run: Execution) -> bool:
        """Whether the rows are not in the order of their samples."""
        return not bool((self.owners(run).diff() == 1).all())

    def owners(self, run: Execution) -> Tensor:
        """[M]: the sample of each row."""
        rows: Tensor = run.values[self.source]
        owner = torch.arange(len(rows), device=rows.device) // self.inner % run.batch
        for index in self.picks:
            owner = owner[run.values[index]]
        return owner


@dataclass(frozen=True)
class Owned(Layout):
    """Row i belongs to sample owner[i]; of one owner everything does."""

    owner: Tensor | None = None

    def sum(self, t: Tensor, batch: int) -> Tensor:
        owner = self._owner(t)
        return t.new_zeros(batch).index_add(0, owner, t.reshape(len(owner), -1).sum(1))

    def _owner(self, t: Tensor) -> Tensor:
        assert self.owner is not None
        return self.owner.to(t.device)

    def spread(self, v: Tensor, like: Tensor) -> Tensor:
        along = v[self._owner(v)]
        return along.reshape(-1, *[1] * (like.dim() - 1)) if like.dim() else along[0]


def rows_of(node: Node, layouts: dict[int, Layout], run: Execution, spoiled: Tensor) -> Rows | None:
    """The layout of a node that picks whole rows by numbers made in the run, or that works row by row on such rows.

    None for other nodes. `spoiled`: which of its numbers depend on the first sample.
    """
    found = _picked(node, layouts)
    for index in node.refs:
        before = layouts.get(index)
        if found is None and isinstance(before, Rows):
            found = before
    if found is None or not spoiled.dim():
        return None
    owners = found.owners(run)
    if len(owners) != len(spoiled):
        return None
    rows = spoiled.reshape(len(spoiled), -1).any(1)
    return found if bool((owners[rows] == 0).all()) else None


def _picked(node: Node, layouts: dict[int, Layout]) -> Rows | None:
    """The layout of x[numbers] with x's rows known."""
    if node.operation != "aten.index.Tensor" or len(node.args[1]) != 1:
        return None
    source = node.args[0].index
    numbers = node.args[1][0]
    before = layouts.get(source, Layout())
    if not isinstance(numbers, Ref) or before.dim != 0:
        return None
    if isinstance(before, Rows):
        return Rows(0, before.inner, before.source, (*before.picks, numbers.index))
    return Rows(0, before.inner, source, (numbers.index,))
