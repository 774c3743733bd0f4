"""How the step of each kind of operation is made from its node: arguments read, parameters taken, rule chosen."""


from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from lrp.affine import Affine, Convolution, Diagonal, Linear
from lrp.compile import Build, Compiler
from lrp.errors import RuleError, UnsupportedOperation
from lrp.graph import Node, Ref
from lrp.layer import AffineStep
from lrp.normalization import Normalization, NormalizationStep
from lrp.operations import (
    Cat,
    MaxPool,
    Mean,
    Narrow,
    Permute,
    Route,
    Sum,
    Transparent,
    max_pool_average,
)  # fmt: skip
from lrp.products import GatedConstant, Masked, MatMul, Product, Quotient, Softmax, Statistic, shares
from lrp.rules import AffineRule, Epsilon, Flat, HalfAndHalf, Norm, Rule, SignalTakesAll, SoftmaxTaylor, WinnerTakesAll
from lrp.step import Step


def affine_rule(compiler: Compiler, node: Node) -> AffineRule:
    """The layer's rule, which must be one for affine layers."""
    rule = compiler.rule(node)
    if not isinstance(rule, AffineRule):
        raise RuleError(f"{type(rule).__name__} is no rule for the affine layer {node.name}")
    return rule


def affine_step(compiler: Compiler, node: Node, source: int, layer: Affine) -> Step:
    """The step of an affine layer under the composite's rule."""
    rule = affine_rule(compiler, node)
    return AffineStep(node, source, layer, rule, compiler.mode(rule), source in compiler.positive)


def linear(compiler: Compiler, node: Node) -> Step:
    weight = compiler.tensor(node, node.args[1], "weight")
    bias = compiler.optional(node, node.args[2] if len(node.args) > 2 else node.kwargs.get("bias"), "bias")
    return affine_step(compiler, node, compiler.source(node), Linear(weight, bias))


def addmm(compiler: Compiler, node: Node) -> Step:
    bias = compiler.tensor(node, node.args[0], "bias")
    weight = compiler.tensor(node, node.args[2], "weight")
    return affine_step(compiler, node, compiler.source(node), Linear(weight.t(), bias))


def _tuple(value: Any, length: int) -> tuple[int, ...]:
    values = [value] if isinstance(value, int) else list(value)
    return tuple(values * length if len(values) == 1 else values)


def _arguments(node: Node, defaults: Sequence[tuple[str, Any]]) -> list[Any]:
    """Positional arguments, then keywords, then defaults."""
    return [
        node.args[i] if i < len(node.args) else node.kwargs.get(name, default)
        for i, (name, default) in enumerate(defaults)
    ]


def convolution(dims: int, transposed: bool) -> Build:
    def build(compiler: Compiler, node: Node) -> Step:
        if transposed:
            _, w, b, stride, padding, output_padding, groups, dilation = _arguments(
                node, [("input", None), ("weight", None), ("bias", None), ("stride", 1), ("padding", 0),
                       ("output_padding", 0), ("groups", 1), ("dilation", 1)],
            )  # fmt: skip
        else:
            _, w, b, stride, padding, dilation, groups = _arguments(
                node, [("input", None), ("weight", None), ("bias", None), ("stride", 1), ("padding", 0),
                       ("dilation", 1), ("groups", 1)],
            )  # fmt: skip
            output_padding = 0
        weight, bias = compiler.tensor(node, w, "weight"), compiler.optional(node, b, "bias")
        after: tuple[int, ...] = ()
        if isinstance(padding, str):
            padding, after = _named_padding(padding, weight, _tuple(dilation, dims))
        layer = Convolution(
            weight, bias, _tuple(stride, dims), _tuple(padding, dims), _tuple(dilation, dims), groups, transposed,
            _tuple(output_padding, dims), after,
        )  # fmt: skip
        return affine_step(compiler, node, compiler.source(node), layer)

    return build


def _named_padding(
    padding: str, weight: Tensor, dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros on both sides, and what "same" adds behind where the kernel is even (nothing there: an empty tuple)."""
    if padding == "valid":
        return (0,) * len(dilation), ()
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    after = tuple(r % 2 for r in reach)
    return tuple(r // 2 for r in reach), after if any(after) else ()


def batch_norm(compiler: Compiler, node: Node) -> Step:
    names: list[tuple[str, Any]] = [
        ("input", None), ("weight", None), ("bias", None), ("running_mean", None), ("running_var", None),
    ]  # fmt: skip
    if node.operation == "aten.batch_norm.default":
        names += [("training", False), ("momentum", 0.1), ("eps", 1e-5)]
    else:
        names += [("momentum", 0.1), ("eps", 1e-5)]
    values = _arguments(node, names)
    mean, var = (compiler.optional(node, v, "running statistics") for v in values[3:5])
    if mean is None or var is None or (len(values) == 8 and values[5]):
        raise UnsupportedOperation(node.operation, node.module, "BatchNorm without running statistics mixes samples")
    scale = (var + values[-1]).rsqrt()
    weight, shift = compiler.optional(node, values[1], "weight"), compiler.optional(node, values[2], "bias")
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale if shift is None else shift - mean * scale
    source = compiler.source(node)
    before = compiler.steps.get(source)
    foldable = (
        isinstance(before, AffineStep)
        and compiler.only_reader(source)
        and (before.layer.channel_dim == 1 or compiler.rank(source) == 2)
    )
    if foldable and isinstance(before, AffineStep):
        del compiler.steps[source]
        compiler.names[node.name] = node.index
        folded = before.layer.scaled(scale, shift)
        named = replace(node, name=before.node.name, args=(Ref(before.source),), kwargs={})
        step = AffineStep(named, before.source, folded, before.rule, before.mode, before.source in compiler.positive)
        if before.layer.bias is not None:
            step.bias_parts["layer"] = before.layer.bias * scale
        step.bias_parts["mean"] = -mean * scale
        step.bias_parts["shift"] = shift + mean * scale
        return step
    return affine_step(compiler, node, source, Diagonal(scale, shift, channel=1))


def signed_sum(sign: int) -> Build:
    def build(compiler: Compiler, node: Node) -> Step:
        factor = float(node.kwargs.get("alpha", node.args[2] if len(node.args) > 2 else 1)) * sign
        rule = compiler.rule(node)
        terms = ((node.args[0], 1.0), (node.args[1], factor))
        signals = tuple(t.index for t, _ in terms if compiler.is_signal(t))
        return Sum(node, terms, signals, rule or Norm(), compiler.mode(rule))

    return build


def mean(compiler: Compiler, node: Node) -> Step:
    return Mean(node, compiler.source(node), _norm(compiler.rule(node)))


def _norm(rule: Rule | None) -> Rule:
    return rule if isinstance(rule, (Flat, Norm)) else Norm()


def _epsilon(rule: Rule | None) -> float:
    return rule.epsilon if isinstance(rule, (SignalTakesAll, HalfAndHalf)) else 0.0


def product(compiler: Compiler, node: Node) -> Step:
    x, y = node.args[:2]
    if compiler.is_signal(x) != compiler.is_signal(y):
        return Mean(node, compiler.source(node), _norm(None))
    rule = compiler.rule(node)
    gates = (x.index in compiler.gates, y.index in compiler.gates)
    return Product(node, (x, y), shares(rule, gates), _epsilon(rule))


def gated(compiler: Compiler, node: Node) -> Step:
    signal, gate = node.args
    if not compiler.is_signal(signal):
        return GatedConstant(node, compiler.mode(compiler.rule(node)))
    if not compiler.is_signal(gate):
        return Mean(node, compiler.source(node), _norm(None))
    rule = compiler.rule(node)
    return Product(node, (signal, gate), shares(rule, (False, True)), _epsilon(rule))


def quotient(compiler: Compiler, node: Node) -> Step:
    x, y = node.args[:2]
    if compiler.is_signal(x) and not compiler.is_signal(y):
        return Mean(node, compiler.source(node), _norm(None))
    if not compiler.is_signal(x):
        return Statistic(node)
    return Quotient(node, x.index, y)


def matmul(compiler: Compiler, node: Node) -> Step:
    a, b = node.args[:2]
    if compiler.is_signal(a) and compiler.is_signal(b):
        rule = compiler.rule(node)
        gates = (a.index in compiler.gates, b.index in compiler.gates)
        return MatMul(node, (a.index, b.index), shares(rule, gates), _epsilon(rule))
    if compiler.is_signal(a) and isinstance(b, Tensor) and b.dim() == 2:
        return affine_step(compiler, node, a.index, Linear(b.detach().t(), None))
    return Mean(node, compiler.source(node), _norm(None))


def softmax(compiler: Compiler, node: Node) -> Step:
    return Softmax(node, compiler.source(node), node.args[1], compiler.rule(node) or SoftmaxTaylor())


def cat(stacked: bool) -> Build:
    def build(compiler: Compiler, node: Node) -> Step:
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        parts = tuple(node.args[0])
        signals = tuple(part.index for part in parts if compiler.is_signal(part))
        return Cat(node, parts, signals, dim, stacked)

    return build


def narrow(compiler: Compiler, node: Node) -> Step:
    _, dim, start, length = node.args
    if not all(isinstance(v, int) for v in (dim, start, length)) or start < 0:
        return Route(node, compiler.source(node))
    return Narrow(node, compiler.source(node), dim, start, length)


def identity(compiler: Compiler, node: Node) -> Step:
    if "dropout" in node.operation and node.args[1] and node.args[2]:
        raise UnsupportedOperation(node.operation, node.module, "dropout that stays on in eval mode is random")
    return Transparent(node, compiler.source(node))


def pad(compiler: Compiler, node: Node) -> Step:
    value = (node.args[3] if len(node.args) > 3 else None) if "constant" not in node.operation else node.args[2:3]
    filled = value[0] if isinstance(value, (tuple, list)) and value else value
    if filled:
        raise UnsupportedOperation(node.operation, node.module, "padding with a value other than 0")
    return Route(node, compiler.source(node))


def layer_norm(compiler: Compiler, node: Node) -> Step:
    names: list[tuple[str, Any]] = [
        ("input", None), ("shape", None), ("weight", None), ("bias", None), ("eps", 1e-5),
    ]  # fmt: skip
    rms = node.operation == "aten.rms_norm.default"
    if rms:
        names = [("input", None), ("shape", None), ("weight", None), ("eps", None)]
    values = _arguments(node, names)
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
        values = _arguments(node, [("input", None), ("weight", None), ("bias", None), ("mean", None), ("var", None),
                                   ("use_input_stats", True), ("momentum", 0.1), ("eps", 1e-5)])  # fmt: skip
        if not values[5]:
            mean, var = compiler.tensor(node, values[3], "mean"), compiler.tensor(node, values[4], "variance")
            scale = (var + values[7]).rsqrt()
            weight, bias = compiler.optional(node, values[1], "weight"), compiler.optional(node, values[2], "bias")
            scale = scale if weight is None else scale * weight
            shift = -mean * scale if bias is None else bias - mean * scale
            return affine_step(compiler, node, source, Diagonal(scale, shift, channel=1))
        channels = compiler.graph.nodes[source].shape[1]  # type: ignore[index]
        groups, place, eps = int(channels), (1, 2), values[7]
    else:
        values = _arguments(node, [("input", None), ("groups", 1), ("weight", None), ("bias", None), ("eps", 1e-5)])
        groups, place, eps = values[1], (2, 3), values[4]

    def laid(argument: Any, what: str) -> Tensor | None:
        found = compiler.optional(node, argument, what)
        return None if found is None else found.reshape(-1, *([1] * (rank - 2)))

    weight, bias = laid(values[place[0]], "weight"), laid(values[place[1]], "bias")
    return _normalization(compiler, node, source, Normalization(weight, bias, eps, 1, groups))


def _normalization(compiler: Compiler, node: Node, source: int, norm: Normalization) -> Step:
    rule = compiler.rule(node) or Epsilon()
    return NormalizationStep(node, source, norm, rule, compiler.mode(rule))


def statistic(compiler: Compiler, node: Node) -> Step:
    return Statistic(node)


def masked(compiler: Compiler, node: Node) -> Step:
    return Masked(node, compiler.source(node))


def max_pool(dims: int) -> Build:
    def build(compiler: Compiler, node: Node) -> Step:
        rule = compiler.rule(node) or WinnerTakesAll()
        return MaxPool(node, compiler.source(node), rule, max_pool_average(node, dims), dims)

    return build


def permute(compiler: Compiler, node: Node) -> Step:
    source = compiler.source(node)
    rank = compiler.rank(source)
    order = list(range(rank))
    if node.operation == "aten.permute.default":
        order = [d % rank for d in node.args[1]]
    elif node.operation == "aten.transpose.int":
        i, j = node.args[1] % rank, node.args[2] % rank
        order[i], order[j] = order[j], order[i]
    else:
        order.reverse()
    return Permute(node, source, tuple(order.index(d) for d in range(rank)))


def unary(step: Callable[[Node, int], Step]) -> Build:
    return lambda compiler, node: step(node, compiler.source(node))
