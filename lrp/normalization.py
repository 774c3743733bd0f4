"""LayerNorm, RMSNorm, GroupNorm, InstanceNorm: the deviation is a constant, the ε rule acts on x − mean."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lrp.bias import BiasMode
from lrp.flow import Flow
from lrp.graph import Node
from lrp.operations import gain_at
from lrp.rules import Flat, Rule
from lrp.run import Run, divided
from lrp.step import Step


@dataclass(frozen=True)
class Normalization:
    """y = γ (x − μ) / σ + β over `groups` parts of the last dimensions from `start` on.

    weight and bias broadcast against x; `centred` is False for RMSNorm, whose μ is 0; eps None is the type's own ε.
    """

    weight: Tensor | None
    bias: Tensor | None
    eps: float | None
    start: int
    groups: int = 1
    centred: bool = True

    def parts(self, x: Tensor) -> Tensor:
        """x with what is normalised together along the last dimension."""
        if self.groups == 1:
            return x.flatten(self.start)
        return x.reshape(*x.shape[: self.start], self.groups, -1)

    def mean(self, x: Tensor) -> Tensor:
        """The mean over each part, laid out over x."""
        parts = self.parts(x)
        return parts.mean(-1, keepdim=True).expand(parts.shape).reshape(x.shape)

    def scale(self, x: Tensor) -> Tensor:
        """1 / σ, laid out over x."""
        parts = self.parts(x)
        square = parts.var(-1, unbiased=False, keepdim=True) if self.centred else parts.square().mean(-1, keepdim=True)
        eps = torch.finfo(x.dtype).eps if self.eps is None else self.eps
        return (square + eps).rsqrt().expand(parts.shape).reshape(x.shape)


class NormalizationStep(Step):
    """Relevance through y = A x + β with A = γ/σ·(1 − 11ᵀ/n) held constant."""

    def __init__(self, node: Node, source: int, norm: Normalization, rule: Rule, mode: BiasMode) -> None:
        super().__init__(node)
        if norm.bias is not None and not bool(norm.bias.any()):
            norm = replace(norm, bias=None)
        self.source, self.norm, self.rule, self.mode = source, norm, rule, mode

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        x, z, norm = run.values[self.source], run.values[self.node.index], self.norm
        if isinstance(self.rule, Flat):
            r = flow.relevance(run.lift(z))
            return ((self.source, Flow(rest=norm.mean(r) if norm.centred else r)),)
        d = z - norm.bias if self.mode == "ignore" and norm.bias is not None else z
        if d is not z:
            flow = Flow(rest=flow.relevance(run.lift(z)))
        s = gain_at(run, self.node, flow, d, self.rule.epsilon)
        scale = run.lift(norm.scale(x))
        sent = self._pull(s, scale)
        rest = None
        if norm.bias is not None and self.mode != "ignore":
            claimed = s * norm.bias
            if self.mode == "sink":
                run.book_bias(self.node, claimed)
            elif self.mode == "project":
                run.book_projection(self.node, claimed)
            elif self.mode == "absorb":
                run.book_stabilizer(self.node, claimed)
            elif self.mode == "uniform":
                rest = norm.mean(claimed) if norm.centred else claimed
            else:
                rest = self._proportional(run, x, scale, claimed)
        return ((self.source, Flow(sent, rest)),)

    def _pull(self, s: Tensor, scale: Tensor) -> Tensor:
        u = s if self.norm.weight is None else s * self.norm.weight
        u = u * scale
        return u - self.norm.mean(u) if self.norm.centred else u

    def _proportional(self, run: Run, x: Tensor, scale: Tensor, claimed: Tensor) -> Tensor:
        """βs in proportion to |A_kj x_j|."""
        norm, a = self.norm, run.lift(x.abs())
        weight = torch.ones_like(a) if norm.weight is None else norm.weight.abs().expand(a.shape)
        one = 1.0 / norm.parts(x).shape[-1] if norm.centred else 0.0
        size = weight * scale * (a * (1 - 2 * one) + (norm.mean(a) if norm.centred else 0.0))
        t, dropped = divided(claimed, size)
        if dropped.dim():
            run.book_stabilizer(self.node, dropped)
        u = t * weight * scale
        return a * (u * (1 - 2 * one) + (norm.mean(u) if norm.centred else 0.0))
