"""BatchNorm folded or as a diagonal layer; LayerNorm, RMSNorm, GroupNorm, InstanceNorm with a constant deviation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lrp.bias import BiasMode
from lrp.compiler import Compiler
from lrp.errors import UnsupportedOperation
from lrp.ops.affine import AffineStep
from lrp.ops.affine_maps import Diagonal
from lrp.ops.builders import affine_step, arguments_of
from lrp.ops.flow import Flow
from lrp.ops.operations import gain_at
from lrp.ops.run import Run, divided
from lrp.ops.step import Step
from lrp.rules import Epsilon, Flat, Rule
from lrp.tracing.graph import Node, Ref


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


class NormalizationStep(Step):
    """Relevance through y = A x + β with A = γ/σ·(1 − 11ᵀ/n) held constant."""

    def __init__(
        self, node: Node, source: int, norm: Normalization, rule: Rule, mode: BiasMode
    ) -> None:
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


def batch_norm(compiler: Compiler, node: Node) -> Step:
    names: list[tuple[str, Any]] = [
        ("input", None),
        ("weight", None),
        ("bias", None),
        ("running_mean", None),
        ("running_var", None),
    ]
    if node.operation == "aten.batch_norm.default":
        names += [("training", False), ("momentum", 0.1), ("eps", 1e-5)]
    else:
        names += [("momentum", 0.1), ("eps", 1e-5)]
    values = arguments_of(node, names)
    mean, var = (compiler.optional(node, v, "running statistics") for v in values[3:5])
    if mean is None or var is None or (len(values) == 8 and values[5]):
        raise UnsupportedOperation(
            node.operation, node.module, "BatchNorm without running statistics mixes samples"
        )
    scale = (var + values[-1]).rsqrt()
    weight, shift = (
        compiler.optional(node, values[1], "weight"),
        compiler.optional(node, values[2], "bias"),
    )
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale if shift is None else shift - mean * scale
    source = compiler.source(node)
    before = compiler.steps.get(source)
    foldable = (
        isinstance(before, AffineStep)
        and before.layer.foldable
        and compiler.only_reader(source)
        and (before.layer.channel_dim == 1 or compiler.rank(source) == 2)
    )
    if foldable and isinstance(before, AffineStep):
        del compiler.steps[source]
        compiler.names[node.name] = node.index
        folded = before.layer.scaled(scale, shift)
        named = replace(node, name=before.node.name, args=(Ref(before.source),), kwargs={})
        step = AffineStep(
            named,
            before.source,
            folded,
            before.rule,
            before.mode,
            before.source in compiler.positive,
        )
        if before.layer.bias is not None:
            step.bias_parts["layer"] = before.layer.bias * scale
        step.bias_parts["mean"] = -mean * scale
        step.bias_parts["shift"] = shift + mean * scale
        return step
    return affine_step(compiler, node, source, Diagonal(scale, shift, channel=1))


def layer_norm(compiler: Compiler, node: Node) -> Step:
    names: list[tuple[str, Any]] = [
        ("input", None),
        ("shape", None),
        ("weight", None),
        ("bias", None),
        ("eps", 1e-5),
    ]
    rms = node.operation == "aten.rms_norm.default"
    if rms:
        names = [("input", None), ("shape", None), ("weight", None), ("eps", None)]
    values = arguments_of(node, names)
    source = compiler.source(node)
    eps = None if values[-1] is None else float(values[-1])
    weight = compiler.optional(node, values[2], "weight")
    bias = None if rms else compiler.optional(node, values[3], "bias")
    start = compiler.rank(source) - len(values[1])
    norm = Normalization(weight, bias, eps, start, centred=not rms)
    return _normalization(compiler, node, source, norm)


def group_norm(compiler: Compiler, node: Node) -> Step:
    source = compiler.source(node)
    rank = compiler.rank(source)
    if node.operation == "aten.instance_norm.default":
        values = arguments_of(
            node,
            [
                ("input", None),
                ("weight", None),
                ("bias", None),
                ("mean", None),
                ("var", None),
                ("use_input_stats", True),
                ("momentum", 0.1),
                ("eps", 1e-5),
            ],
        )
        if not values[5]:
            mean, var = (
                compiler.tensor(node, values[3], "mean"),
                compiler.tensor(node, values[4], "variance"),
            )
            scale = (var + values[7]).rsqrt()
            weight, bias = (
                compiler.optional(node, values[1], "weight"),
                compiler.optional(node, values[2], "bias"),
            )
            scale = scale if weight is None else scale * weight
            shift = -mean * scale if bias is None else bias - mean * scale
            return affine_step(compiler, node, source, Diagonal(scale, shift, channel=1))
        channels = compiler.graph.nodes[source].shape[1]  # type: ignore[index]
        groups, place, eps = int(channels), (1, 2), values[7]
    else:
        values = arguments_of(
            node, [("input", None), ("groups", 1), ("weight", None), ("bias", None), ("eps", 1e-5)]
        )
        groups, place, eps = values[1], (2, 3), values[4]

    def laid(argument: Any, what: str) -> Tensor | None:
        found = compiler.optional(node, argument, what)
        return None if found is None else found.reshape(-1, *([1] * (rank - 2)))

    weight, bias = laid(values[place[0]], "weight"), laid(values[place[1]], "bias")
    return _normalization(compiler, node, source, Normalization(weight, bias, eps, 1, groups))


def _normalization(compiler: Compiler, node: Node, source: int, norm: Normalization) -> Step:
    rule = compiler.rule(node) or Epsilon()
    return NormalizationStep(node, source, norm, rule, compiler.mode(rule))
