"""BatchNorm as a diagonal layer; LayerNorm, RMSNorm, GroupNorm, InstanceNorm with a constant deviation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lrp.bias import BiasMode, settle
from lrp.errors import UnsupportedOperation
from lrp.ops.activations import Activation
from lrp.ops.affine_maps import Diagonal
from lrp.ops.context import Execution, Flow, Sent, Step, Unary, divided_at, gain_at
from lrp.ops.linear_layers import affine_step
from lrp.ops.registry import Lowering, arguments_of, operation
from lrp.rules import Epsilon, Flat, Pass, Rule
from lrp.tracing.graph import Node


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
        square = (
            parts.var(-1, unbiased=False, keepdim=True)
            if self.centred
            else parts.square().mean(-1, keepdim=True)
        )
        eps = torch.finfo(x.dtype).eps if self.eps is None else self.eps
        return (square + eps).rsqrt().expand(parts.shape).reshape(x.shape)


class NormalizationStep(Unary):
    """Relevance through y = A x + β with A = γ/σ·(1 − 11ᵀ/n) held constant."""

    def __init__(
        self, node: Node, source: int, norm: Normalization, rule: Rule, mode: BiasMode
    ) -> None:
        super().__init__(node, source)
        constant = norm.bias is not None and not norm.bias.requires_grad
        if constant and norm.bias is not None and not bool(norm.bias.any()):
            norm = replace(norm, bias=None)
        self.norm, self.rule, self.mode = norm, rule, mode

    def backward(self, run: Execution, flow: Flow) -> Sent:
        x, z, norm = run.values[self.source], run.values[self.node.index], self.norm
        if isinstance(self.rule, Flat):
            r = flow.relevance(run.lift(z))
            return ((self.source, Flow(rest=self._even(r))),)
        d = z - norm.bias if self.mode == "ignore" and norm.bias is not None else z
        if d is not z:
            flow = Flow(rest=flow.relevance(run.lift(z)))
        s = gain_at(run, self.node, flow, d, self.rule)
        scale = run.lift(norm.scale(x))
        sent = self._pull(s, scale)
        if norm.bias is None or self.mode == "ignore":
            return ((self.source, Flow(sent)),)
        left = settle(run, self.node, s * norm.bias, self.mode)
        if left is not None:
            proportional = self.mode == "proportional"
            left = self._proportional(run, x, scale, left) if proportional else self._even(left)
        return ((self.source, Flow(sent, left)),)

    def _even(self, r: Tensor) -> Tensor:
        return self.norm.mean(r) if self.norm.centred else r

    def _pull(self, s: Tensor, scale: Tensor) -> Tensor:
        u = s if self.norm.weight is None else s * self.norm.weight
        u = u * scale
        return u - self.norm.mean(u) if self.norm.centred else u

    def _proportional(self, run: Execution, x: Tensor, scale: Tensor, claimed: Tensor) -> Tensor:
        """βs in proportion to |A_kj x_j|."""
        norm, a = self.norm, run.lift(x.abs())
        weight = torch.ones_like(a) if norm.weight is None else norm.weight.abs().expand(a.shape)
        one = 1.0 / norm.parts(x).shape[-1] if norm.centred else 0.0
        size = weight * scale * (a * (1 - 2 * one) + (norm.mean(a) if norm.centred else 0.0))
        u = divided_at(run, self.node, claimed, size) * weight * scale
        return a * (u * (1 - 2 * one) + (norm.mean(u) if norm.centred else 0.0))


@operation("batch_norm _native_batch_norm_legit_no_training", "norm")
def batch_norm(lowering: Lowering, node: Node) -> Step:
    """A BatchNorm that is not folded: a diagonal layer from its running statistics."""
    names = "input weight bias running_mean running_var training momentum eps"
    if "native" in node.operation:
        names = "input weight bias running_mean running_var momentum eps"
    given = dict(zip(names.split(), arguments_of(node, names, eps=1e-5), strict=True))
    return _diagonal(lowering, node, given)


def _diagonal(lowering: Lowering, node: Node, given: dict[str, Any]) -> Step:
    """γ (x − μ) / σ + β with known μ and σ."""
    mean, var = (
        lowering.optional(node, given[n], "running statistics")
        for n in ("running_mean", "running_var")
    )
    if mean is None or var is None or given.get("training"):
        reason = "BatchNorm without running statistics mixes samples"
        raise UnsupportedOperation(node.operation, node.module, reason)
    weight, bias = (lowering.optional(node, given[n], n) for n in ("weight", "bias"))
    scale = (var + given["eps"]).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return affine_step(lowering, node, lowering.source(node), Diagonal(scale, shift, channel=1))


@operation("layer_norm rms_norm", "norm")
def layer_norm(lowering: Lowering, node: Node) -> Step:
    rms = node.operation == "aten.rms_norm.default"
    if rms:
        _, shape, weight, eps = arguments_of(node, "input normalized_shape weight eps")
        bias = None
    else:
        _, shape, weight, bias, eps = arguments_of(
            node, "input normalized_shape weight bias eps", eps=1e-5
        )
    norm = Normalization(
        lowering.optional(node, weight, "weight"),
        lowering.optional(node, bias, "bias"),
        None if eps is None else float(eps),
        lowering.rank(lowering.source(node)) - len(shape),
        centred=not rms,
    )
    return _normalization(lowering, node, norm)


@operation("group_norm", "norm")
def group_norm(lowering: Lowering, node: Node) -> Step:
    _, groups, weight, bias, eps = arguments_of(node, "input num_groups weight bias eps", eps=1e-5)
    return _by_channel(lowering, node, weight, bias, eps, groups)


@operation("instance_norm", "norm")
def instance_norm(lowering: Lowering, node: Node) -> Step:
    names = "input weight bias running_mean running_var use_input_stats momentum eps"
    values = arguments_of(node, names, use_input_stats=True, eps=1e-5)
    given = dict(zip(names.split(), values, strict=True))
    if not given["use_input_stats"]:
        return _diagonal(lowering, node, given)
    channels = lowering.graph.nodes[lowering.source(node)].shape[1]  # type: ignore[index]
    return _by_channel(lowering, node, given["weight"], given["bias"], given["eps"], int(channels))


def _by_channel(
    lowering: Lowering, node: Node, weight: Any, bias: Any, eps: float, groups: int
) -> Step:
    """A norm over groups of channels, whose weight and bias [C] are per channel."""
    rank = lowering.rank(lowering.source(node))
    known = (lowering.optional(node, weight, "weight"), lowering.optional(node, bias, "bias"))
    laid = [None if t is None else t.reshape(-1, *([1] * (rank - 2))) for t in known]
    return _normalization(lowering, node, Normalization(laid[0], laid[1], eps, 1, groups))


def _normalization(lowering: Lowering, node: Node, norm: Normalization) -> Step:
    rule = lowering.rule(node) or Epsilon()
    source = lowering.source(node)
    if isinstance(rule, Pass):
        return Activation(node, source)
    return NormalizationStep(node, source, norm, rule, lowering.mode(rule))
