"""The state of one explanation: values of the forward pass, relevance on its way back, and the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lrp.ops.flow import Flow
from lrp.rules import Rule
from lrp.tracing.graph import Node, Ref, rewrite


@dataclass(frozen=True)
class Layout:
    """Where the batch lies in a tensor: the middle factor of dimension `dim`, whose last factor is `inner`.

    [B, C, N, N] is (0, 1); a sequence-first [L, B, H] is (1, 1); [L·B, H] is (0, 1); [B·H, L, D] is (0, H).
    """

    dim: int = 0
    inner: int = 1

    def sum(self, t: Tensor, batch: int) -> Tensor:
        """[B]: the sum over everything that belongs to each sample."""
        if batch == 1:
            return t.sum().reshape(1)
        if self.dim == 0 and t.shape[0] == batch:
            return t if t.dim() == 1 else t.flatten(1).sum(1)
        split = t.reshape(*t.shape[: self.dim], -1, batch, self.inner, *t.shape[self.dim + 1 :])
        return split.movedim(self.dim + 1, 0).flatten(1).sum(1)

    def spread(self, v: Tensor, like: Tensor) -> Tensor:
        """[B] values laid over a tensor shaped like `like`, so that they broadcast against it."""
        if v.shape[0] == 1:
            return v.reshape([1] * like.dim())
        along = v.repeat_interleave(self.inner) if self.inner > 1 else v
        along = along.repeat(like.shape[self.dim] // along.shape[0])
        return along.reshape([-1 if d == self.dim else 1 for d in range(like.dim())])


@dataclass
class Run:
    """One forward pass and one or more backward passes over it.

    `fold` is the number of targets explained at once: relevance then has the batch [T·B], activations have [B].
    """

    values: list[Any]
    batch: int
    fold: int = 1
    saved: dict[int, Any] = field(default_factory=dict)
    flows: dict[int, Flow] = field(default_factory=dict)
    bias: dict[str, Tensor] = field(default_factory=dict)
    stabilizer: dict[str, Tensor] = field(default_factory=dict)
    project: dict[int, Tensor] = field(default_factory=dict)
    layouts: Mapping[int, Layout] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()

    def lift(self, t: Tensor) -> Tensor:
        """An activation [B, ...] shaped so that it broadcasts against relevance [T·B, ...]."""
        if self.fold == 1 or t.dim() == 0 or t.shape[0] != self.batch or self.batch == 1:
            return t
        return t.repeat(self.fold, *([1] * (t.dim() - 1)))

    def shape(self, t: Tensor) -> tuple[int, ...]:
        """The shape of relevance for the activation `t`."""
        return tuple(t.shape) if self.fold == 1 else (self.fold * self.batch, *t.shape[1:])

    def resolve(self, tree: Any) -> Any:
        """Arguments with every reference replaced by its value."""
        return rewrite(
            tree, lambda leaf: self.values[leaf.index] if isinstance(leaf, Ref) else leaf
        )

    def layout(self, node: Node) -> Layout:
        """The batch layout of this node's value."""
        return self.layouts.get(node.index, _BATCH_FIRST)

    def epsilon_of(self, node: Node, rule: Rule, d: Tensor) -> float | Tensor:
        """The rule's ε for this node's denominators d: a number, or ε·rms(d) of each sample, to broadcast."""
        if not rule.relative or rule.epsilon == 0:
            return float(rule.epsilon)
        layout = self.layout(node)
        rms = (layout.sum(d.square(), self.batch) * (self.batch / d.numel())).sqrt() * rule.epsilon
        return layout.spread(rms, d)

    def per_sample(self, node: Node, t: Tensor) -> Tensor:
        """[T·B]: sums over each sample."""
        return self.layout(node).sum(t, self.batch * self.fold)

    def dot(self, node: Node, u: Tensor, v: Tensor) -> Tensor:
        """[T·B]: Σ u·v over each sample."""
        samples = self.batch * self.fold
        if (
            u.shape == v.shape
            and u.dim() == 4
            and u.shape[0] == samples
            and self.layout(node) == _BATCH_FIRST
        ):
            flat = [t.permute(0, 2, 3, 1).reshape(samples, -1) for t in (u, v)]
            return torch.bmm(flat[0].unsqueeze(1), flat[1].unsqueeze(2)).reshape(samples)
        return self.per_sample(node, u * v)

    def book_bias(self, node: Node, t: Tensor) -> None:
        """Adds relevance that this layer's bias keeps, at the layer's output."""
        old = self.bias.get(node.name)
        self.bias[node.name] = t if old is None else old + t

    def book_projection(self, node: Node, t: Tensor) -> None:
        """Adds relevance of this layer's bias that goes on to the input through the flat rule."""
        old = self.project.get(node.index)
        self.project[node.index] = t if old is None else old + t

    def book_stabilizer(self, node: Node, t: Tensor) -> None:
        """Adds relevance [.. like the layer's output ..] that the stabilizer swallowed, summed per sample."""
        self.book_lost(node, self.per_sample(node, t))

    def book_excluded(self, node: Node, t: Tensor) -> None:
        """Adds relevance that a condition keeps from going on; it is in the stabilizer column."""
        self.book_stabilizer(node, t)

    def book_lost(self, node: Node, t: Tensor) -> None:
        """Adds relevance [T·B] that no input, no bias received."""
        old = self.stabilizer.get(node.name)
        self.stabilizer[node.name] = t if old is None else old + t

    def vjp(self, function: Callable[[Tensor], Tensor], x: Tensor, s: Tensor) -> Tensor:
        """The adjoint of a linear function of x [B, ...] applied to s [T·B, ...]."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(True)
            out = function(leaf)
        if self.fold == 1:
            return torch.autograd.grad(out, leaf, s.expand(out.shape))[0]
        parts = torch.split(s.expand(self.fold * self.batch, *s.shape[1:]), self.batch)
        return torch.cat(
            [torch.autograd.grad(out, leaf, part, retain_graph=True)[0] for part in parts]
        )


_BATCH_FIRST = Layout()


def stabilised(d: Tensor, epsilon: float | Tensor, sign: int = 0) -> Tensor:
    """S(d) = d + ε·sgn(d) with sgn(0) = +1; `sign` is the sign of d where it is known."""
    if isinstance(epsilon, float) and epsilon == 0:
        return d
    if sign > 0:
        return d + epsilon
    if sign < 0:
        return torch.where(d == 0, epsilon, d - epsilon)
    return torch.where(d < 0, d - epsilon, d + epsilon)


def divided(r: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """r / d where that is finite, else 0; and what was dropped, r there and 0 elsewhere."""
    s = r / d
    fine = torch.isfinite(s)
    if bool(fine.all()):
        return s, torch.zeros((), dtype=r.dtype, device=r.device)
    zero = torch.zeros((), dtype=s.dtype, device=s.device)
    return torch.where(fine, s, zero), torch.where(fine, zero, r)
