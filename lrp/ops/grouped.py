"""Grouped matrix products: each row is multiplied by the weight of its group (the experts of a mixture)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from lrp.errors import RuleError, UnsupportedOperation
from lrp.ops.affine import AffineStep
from lrp.ops.affine_maps import Affine
from lrp.ops.context import Execution, Flow, Sent, Unary
from lrp.ops.registry import Lowering, arguments_of, operation
from lrp.rules import AffineRule
from lrp.tracing.graph import Node


@dataclass(frozen=True)
class Grouped(Affine):
    """z = a W_g for the rows of each group g, which end at `ends`; weight [G, J, K]. What stands behind them is 0."""

    ends: tuple[int, ...] = ()
    rows: int = 0

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        z = self._by_group(x, weight)
        return z if bias is None else z + bias

    def adjoint(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
        return self._by_group(s, weight.transpose(1, 2))

    def fan_in(self, shape: Sequence[int]) -> Tensor:
        return self.weight.new_full((), float(self.weight.shape[1]))

    def _by_group(self, rows: Tensor, weight: Tensor) -> Tensor:
        spans = pairwise((0, *self.ends))
        rows = rows.expand(self.rows, -1)
        parts = [rows[a:b] @ own for (a, b), own in zip(spans, weight, strict=True)]
        rest = rows.new_zeros((self.rows - self.ends[-1], weight.shape[2]))
        return torch.cat([*parts, rest])


class GroupedStep(Unary):
    """A linear layer whose groups are known when it runs: their ends depend on the input."""

    def __init__(self, node: Node, source: int, ends: Any, step: Callable[..., AffineStep]) -> None:
        super().__init__(node, source)
        self.ends, self.step = ends, step

    def forward(self, run: Execution) -> Tensor:
        return self._at(run).forward(run)

    def backward(self, run: Execution, flow: Flow) -> Sent:
        return self._at(run).backward(run, flow)

    def _at(self, run: Execution) -> AffineStep:
        return self.step(tuple(run.resolve(self.ends).tolist()), len(run.values[self.source]))


@operation("_grouped_mm transformers.grouped_mm_fallback.default", "linear")
def grouped_mm(lowering: Lowering, node: Node) -> GroupedStep:
    """Rows [M, J] by the weights [G, J, K] of groups of rows that end at `offs` [G]."""
    names = "input weight offs bias" if "aten" in node.operation else "input weight offs"
    _, w, ends, *bias = arguments_of(node, names)
    weight = lowering.tensor(node, w, "weight")
    source = lowering.source(node)
    if ends is None or weight.dim() != 3 or lowering.rank(source) != 2 or any(bias):
        reason = "only rows by the weights of their groups, without bias"
        raise UnsupportedOperation(node.operation, node.module, reason)
    rule = lowering.rule(node)
    if not isinstance(rule, AffineRule):
        raise RuleError(f"{type(rule).__name__} is no rule for the grouped layer {node.name}")
    mode, positive = lowering.mode(rule), source in lowering.positive

    def step(ends: tuple[int, ...], rows: int) -> AffineStep:
        return AffineStep(node, source, Grouped(weight, None, ends, rows), rule, mode, positive)

    return GroupedStep(node, source, ends, step)
