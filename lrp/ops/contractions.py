"""Products of two tensors in general, einsum included: an affine layer if one of them is a parameter, else bilinear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lrp.compiler import Compiler
from lrp.errors import UnsupportedOperation
from lrp.ops.affine_maps import Affine, Linear
from lrp.ops.builders import affine_step
from lrp.ops.flow import Flow
from lrp.ops.operations import Mean, gain_at
from lrp.ops.products import MatMul, epsilon_of, shares
from lrp.ops.run import Run
from lrp.ops.step import Step
from lrp.rules import Norm
from lrp.tracing.graph import Node


@dataclass(frozen=True)
class Contraction(Affine):
    """z = function(a, weight), linear in both, without bias; its adjoint is torch's own."""

    function: Callable[[Tensor, Tensor], Tensor] = torch.matmul

    foldable = False

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        z = self.function(x, weight)
        return z if bias is None else z + bias

    def adjoint(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
        with torch.enable_grad():
            leaf = s.new_zeros(tuple(shape)).requires_grad_(True)
            return torch.autograd.grad(self.function(leaf, weight), leaf, s)[0]

    def fan_in(self, shape: Sequence[int]) -> Tensor:
        ones = torch.ones((1, *shape[1:]), dtype=self.weight.dtype, device=self.weight.device)
        return self.function(ones, torch.ones_like(self.weight)).round_()


class Bilinear(Step):
    """z = function(a, b) of two signals; `shares` says which part of the relevance each takes (0, ½ or 1)."""

    def __init__(
        self,
        node: Node,
        function: Callable[[Tensor, Tensor], Tensor],
        factors: tuple[int, int],
        parts: tuple[float, float],
        epsilon: float,
    ) -> None:
        super().__init__(node)
        self.function, self.factors, self.parts, self.epsilon = function, factors, parts, epsilon

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        s = gain_at(run, self.node, flow, run.values[self.node.index], self.epsilon)
        a, b = (run.values[i] for i in self.factors)
        back = []
        if self.parts[0]:
            back.append(
                (
                    self.factors[0],
                    Flow(run.vjp(lambda x: self.function(x, b), a, s) * self.parts[0]),
                )
            )
        if self.parts[1]:
            back.append(
                (
                    self.factors[1],
                    Flow(run.vjp(lambda x: self.function(a, x), b, s) * self.parts[1]),
                )
            )
        return back


def contraction(
    compiler: Compiler, node: Node, x: Any, y: Any, function: Callable[[Tensor, Tensor], Tensor]
) -> Step:
    """The step of function(x, y): an affine layer where one of them is a parameter."""
    if compiler.is_signal(x) and compiler.is_signal(y):
        rule = compiler.rule(node)
        gates = (x.index in compiler.gates, y.index in compiler.gates)
        return Bilinear(node, function, (x.index, y.index), shares(rule, gates), epsilon_of(rule))
    if compiler.is_signal(x) and isinstance(y, Tensor):
        return affine_step(compiler, node, x.index, Contraction(y.detach(), None, function))
    if compiler.is_signal(y) and isinstance(x, Tensor):
        layer = Contraction(x.detach(), None, lambda a, w: function(w, a))
        return affine_step(compiler, node, y.index, layer)
    return Mean(node, compiler.source(node), Norm())


def einsum(compiler: Compiler, node: Node) -> Step:
    """einsum of one or two tensors; of more, write it as several."""
    equation, operands = node.args[0], list(node.args[1])
    if len(operands) == 1:
        return Mean(node, compiler.source(node), Norm())
    if len(operands) != 2:
        reason = f"einsum of {len(operands)} tensors; write it as several of two"
        raise UnsupportedOperation(node.operation, node.module, reason)
    x, y = operands
    plain = replace(
        node, function=lambda a, b: torch.einsum(equation, a, b), args=(x, y), kwargs={}
    )
    return contraction(compiler, plain, x, y, plain.function)


def tensordot(compiler: Compiler, node: Node) -> Step:
    """tensordot of two tensors over pairs of dimensions."""
    a, b, dims_a, dims_b = node.args
    function = lambda x, y: torch.tensordot(x, y, dims=(dims_a, dims_b))  # noqa: E731
    return contraction(compiler, replace(node, function=function, args=(a, b)), a, b, function)


def matmul(compiler: Compiler, node: Node) -> Step:
    """a @ b: of two signals, or a linear layer where one is a parameter."""
    a, b = node.args[:2]
    if compiler.is_signal(a) and compiler.is_signal(b):
        rule = compiler.rule(node)
        gates = (a.index in compiler.gates, b.index in compiler.gates)
        return MatMul(node, (a.index, b.index), shares(rule, gates), epsilon_of(rule))
    if compiler.is_signal(a) and isinstance(b, Tensor) and b.dim() == 2:
        return affine_step(compiler, node, a.index, Linear(b.detach().t(), None))
    return contraction(compiler, node, a, b, torch.matmul)
