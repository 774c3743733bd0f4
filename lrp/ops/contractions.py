"""Products of two tensors in general, einsum included: an affine layer if one of them is a parameter, else bilinear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lrp.errors import UnsupportedOperation
from lrp.ops.affine_maps import Affine, Linear
from lrp.ops.context import Execution, Flow, Sent, Step, fitted, gain_at
from lrp.ops.linear_layers import affine_step
from lrp.ops.products import product_rule, shares
from lrp.ops.registry import Lowering, operation
from lrp.ops.sums import Mean
from lrp.rules import Rule
from lrp.tracing.graph import Node

Bilinear = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Contraction(Affine):
    """z = function(a, weight), linear in both, without bias; its adjoint is torch's own."""

    function: Bilinear = torch.matmul

    def apply(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
    ) -> Tensor:
        z = self.function(x, weight)
        return z if bias is None else z + bias

    def adjoint(
        self,
        s: Tensor,
        weight: Tensor,
        shape: Sequence[int],
    ) -> Tensor:
        with torch.enable_grad():
            leaf = s.new_zeros(tuple(shape)).requires_grad_(True)
            return torch.autograd.grad(self.function(leaf, weight), leaf, s)[0]

    def fan_in(self, shape: Sequence[int]) -> Tensor:
        ones = torch.ones((1, *shape[1:]), dtype=self.weight.dtype, device=self.weight.device)
        return self.function(ones, torch.ones_like(self.weight)).round_()


class TwoSignals(Step):
    """z = function(a, b) of two signals; `parts` says which part of the relevance each takes (0, ½ or 1)."""

    def __init__(
        self,
        node: Node,
        function: Bilinear,
        factors: tuple[int, int],
        parts: tuple[float, float],
        rule: Rule,
    ) -> None:
        super().__init__(node)
        self.function, self.factors, self.parts, self.rule = function, factors, parts, rule

    def backward(self, run: Execution, flow: Flow) -> Sent:
        s = gain_at(run, self.node, flow, run.values[self.node.index], self.rule)
        back = []
        for place, (index, part) in enumerate(zip(self.factors, self.parts, strict=True)):
            if part:
                back.append((index, Flow(self.pull(run, place, s) * part)))
        return back

    def pull(self, run: Execution, place: int, s: Tensor) -> Tensor:
        """The adjoint with respect to one factor, the other one held."""
        a, b = (run.values[i] for i in self.factors)
        if place == 0:
            return run.vjp(lambda x: self.function(x, b), a, s)
        return run.vjp(lambda x: self.function(a, x), b, s)


class MatMul(TwoSignals):
    """a @ b of two signals."""

    def pull(self, run: Execution, place: int, s: Tensor) -> Tensor:
        a, b = (run.values[i] for i in self.factors)
        if place == 0:
            return fitted(torch.matmul(s, run.lift(b).transpose(-2, -1)), run.shape(a))
        return fitted(torch.matmul(run.lift(a).transpose(-2, -1), s), run.shape(b))


def contraction(
    lowering: Lowering,
    node: Node,
    x: Any,
    y: Any,
    function: Bilinear,
) -> Step:
    """The step of function(x, y): an affine layer where one of them is a parameter."""
    if lowering.is_signal(x) and lowering.is_signal(y):
        rule = product_rule(lowering, node)
        factors = (x.index, y.index)
        parts = shares(rule, *(i in lowering.gates for i in factors))
        kind = MatMul if function is torch.matmul else TwoSignals
        return kind(node, function, factors, parts, rule)
    if lowering.is_signal(x) and isinstance(y, Tensor):
        return affine_step(lowering, node, x.index, Contraction(_plain(y), None, function))
    if lowering.is_signal(y) and isinstance(x, Tensor):
        layer = Contraction(_plain(x), None, lambda a, w: function(w, a))
        return affine_step(lowering, node, y.index, layer)
    return Mean(node, lowering.source(node))


@operation("einsum", "matmul")
def einsum(lowering: Lowering, node: Node) -> Step:
    """einsum of one or two tensors; of more, write it as several."""
    equation = node.args[0]
    operands = list(node.args[1])
    if len(operands) == 1:
        return Mean(node, lowering.source(node))
    if len(operands) != 2:
        reason = f"einsum of {len(operands)} tensors; write it as several of two"
        raise UnsupportedOperation(node.operation, node.module, reason)

    def function(a: Tensor, b: Tensor) -> Tensor:
        return torch.einsum(equation, a, b)

    plain = replace(node, function=function, args=tuple(operands), kwargs={})
    return contraction(lowering, plain, operands[0], operands[1], function)


@operation("tensordot", "matmul")
def tensordot(lowering: Lowering, node: Node) -> Step:
    """tensordot of two tensors over pairs of dimensions."""
    a, b, *dims = node.args

    def function(x: Tensor, y: Tensor) -> Tensor:
        return torch.tensordot(x, y, dims=dims)  # type: ignore[no-any-return]

    return contraction(lowering, replace(node, function=function, args=(a, b)), a, b, function)


@operation("kron", "matmul")
def kron(lowering: Lowering, node: Node) -> Step:
    """Every number of one tensor times the whole other one."""
    a, b = node.args[:2]
    return contraction(lowering, node, a, b, torch.kron)


@operation("matmul mm bmm mv", "matmul")
def matmul(lowering: Lowering, node: Node) -> Step:
    """a @ b: of two signals, or a linear layer where one is a parameter."""
    a, b = node.args[:2]
    if lowering.is_signal(a) and isinstance(b, Tensor) and b.dim() == 2:
        return affine_step(lowering, node, a.index, Linear(_plain(b).t(), None))
    return contraction(lowering, node, a, b, torch.matmul)


def _plain(weight: Tensor) -> Tensor:
    """The weight, without its history unless relevance is to be differentiated."""
    return weight if torch.is_grad_enabled() else weight.detach()
