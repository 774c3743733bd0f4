"""Which ATen operation is which kind of layer, and how its step is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lrp.affine import Affine, Convolution, Diagonal, Linear
from lrp.compile import CATALOGUE, Build, Compiler, Operation
from lrp.errors import RuleError, UnsupportedOperation
from lrp.graph import Node, Ref
from lrp.layer import AffineStep
from lrp.operations import (
    Activation, MaxPool, Mean, Permute, Relu, Reshape, Route, Sum, Transparent, max_pool_average,
)  # fmt: skip
from lrp.rules import AffineRule, Flat, Norm, Rule, WinnerTakesAll
from lrp.step import Step


def _never(compiler: Compiler, node: Node) -> bool:
    return False


def _always(compiler: Compiler, node: Node) -> bool:
    return True


def _inherited(compiler: Compiler, node: Node) -> bool:
    """≥ 0 if every signal it reads is ≥ 0."""
    return all(ref in compiler.positive for ref in node.refs if ref in compiler.signal)


def _add(
    names: Sequence[str], kind: str, build: Build, nonnegative: Callable[[Compiler, Node], bool] = _never
) -> None:
    for name in names:
        CATALOGUE[name] = Operation(kind, build, nonnegative)


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


def _linear(compiler: Compiler, node: Node) -> Step:
    weight = compiler.tensor(node, node.args[1], "weight")
    bias = compiler.optional(node, node.args[2] if len(node.args) > 2 else node.kwargs.get("bias"), "bias")
    return affine_step(compiler, node, compiler.source(node), Linear(weight, bias))


def _addmm(compiler: Compiler, node: Node) -> Step:
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


def _convolution(dims: int, transposed: bool) -> Build:
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
        if isinstance(padding, str):
            padding = _named_padding(node, padding, weight, _tuple(dilation, dims))
        layer = Convolution(
            weight, bias, _tuple(stride, dims), _tuple(padding, dims), _tuple(dilation, dims), groups, transposed,
            _tuple(output_padding, dims),
        )  # fmt: skip
        return affine_step(compiler, node, compiler.source(node), layer)

    return build


def _named_padding(node: Node, padding: str, weight: Tensor, dilation: tuple[int, ...]) -> tuple[int, ...]:
    if padding == "valid":
        return (0,) * len(dilation)
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if any(r % 2 for r in reach):
        raise UnsupportedOperation(node.operation, node.module, "padding='same' with an even kernel pads one side more")
    return tuple(r // 2 for r in reach)


def _batch_norm(compiler: Compiler, node: Node) -> Step:
    names = [("input", None), ("weight", None), ("bias", None), ("running_mean", None), ("running_var", None)]
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
        return AffineStep(
            named, before.source, folded, before.rule, before.mode, before.source in compiler.positive
        )
    return affine_step(compiler, node, source, Diagonal(scale, shift, channel=1))


def _sum(sign: int) -> Build:
    def build(compiler: Compiler, node: Node) -> Step:
        factor = float(node.kwargs.get("alpha", node.args[2] if len(node.args) > 2 else 1)) * sign
        rule = compiler.rule(node)
        terms = ((node.args[0], 1.0), (node.args[1], factor))
        signals = tuple(t.index for t, _ in terms if compiler.is_signal(t))
        return Sum(node, terms, signals, rule or Norm(), compiler.mode(rule))

    return build


def _mean(compiler: Compiler, node: Node) -> Step:
    return Mean(node, compiler.source(node), _norm(compiler.rule(node)))


def _norm(rule: Rule | None) -> Rule:
    return rule if isinstance(rule, (Flat, Norm)) else Norm()


def _scaled(compiler: Compiler, node: Node) -> Step:
    signals = [a for a in node.args[:2] if compiler.is_signal(a)]
    if len(signals) != 1 or (not compiler.is_signal(node.args[0]) and node.operation.startswith("aten.div")):
        raise UnsupportedOperation(node.operation, node.module, "both factors depend on the input")
    return Mean(node, compiler.source(node), _norm(None))


def _max_pool(dims: int) -> Build:
    def build(compiler: Compiler, node: Node) -> Step:
        rule = compiler.rule(node) or WinnerTakesAll()
        return MaxPool(node, compiler.source(node), rule, max_pool_average(node, dims), dims)

    return build


def _permute(compiler: Compiler, node: Node) -> Step:
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


def _unary(step: Callable[[Node, int], Step]) -> Build:
    return lambda compiler, node: step(node, compiler.source(node))


def _floating_cast(compiler: Compiler, node: Node) -> Step:
    return Transparent(node, compiler.source(node))


for _n in (1, 2, 3):
    _add([f"aten.conv{_n}d.default", f"aten.conv{_n}d.padding"], "conv", _convolution(_n, False))
    _add([f"aten.conv_transpose{_n}d.{'default' if _n == 1 else 'input'}"], "conv", _convolution(_n, True))
    _add([f"aten.max_pool{_n}d.default"], "maxpool", _max_pool(_n), _inherited)
    _add([f"aten.avg_pool{_n}d.default", f"aten.adaptive_avg_pool{_n}d.default"], "average", _mean, _inherited)
_add(["aten.linear.default"], "linear", _linear)
_add(["aten.addmm.default"], "linear", _addmm)
_add(["aten.batch_norm.default", "aten._native_batch_norm_legit_no_training.default"], "norm", _batch_norm)
_add(["aten.add.Tensor", "aten.add_.Tensor"], "sum", _sum(1), _inherited)
_add(["aten.sub.Tensor", "aten.sub_.Tensor"], "sum", _sum(-1))
_add(["aten.mean.dim", "aten.mean.default", "aten.sum.dim_IntList", "aten.sum.default"], "average", _mean, _inherited)
_add(["aten.mul.Tensor", "aten.div.Tensor", "aten.mul.Scalar", "aten.div.Scalar"], "product", _scaled)
_add(["aten.relu.default", "aten.relu_.default"], "activation", _unary(Relu), _always)
_add(
    ["aten.sigmoid.default", "aten.sigmoid_.default", "aten.softplus.default", "aten.relu6.default", "aten.hardsigmoid.default"],
    "activation", _unary(Activation), _always,
)  # fmt: skip
_add(
    ["aten.tanh.default", "aten.tanh_.default", "aten.leaky_relu.default", "aten.leaky_relu_.default",
     "aten.elu.default", "aten.elu_.default", "aten.gelu.default", "aten.silu.default", "aten.silu_.default",
     "aten.hardswish.default", "aten.hardtanh.default", "aten.mish.default", "aten.selu.default", "aten.celu.default",
     "aten.log_sigmoid.default"],
    "activation", _unary(Activation),
)  # fmt: skip
_add(
    ["aten.dropout.default", "aten.dropout_.default", "aten.feature_dropout.default", "aten.alpha_dropout.default",
     "aten.contiguous.default", "aten.clone.default", "aten.alias.default", "aten.lift_fresh_copy.default"],
    "route", _unary(Transparent), _inherited,
)  # fmt: skip
_add(
    ["aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.flatten.using_ints",
     "aten.unflatten.int", "aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims", "aten.unsqueeze.default"],
    "route", _unary(Reshape), _inherited,
)  # fmt: skip
_add(
    ["aten.permute.default", "aten.transpose.int", "aten.t.default", "aten.numpy_T.default"],
    "route", _permute, _inherited,
)  # fmt: skip
_add(
    ["aten.slice.Tensor", "aten.select.int", "aten.narrow.default", "aten.expand.default", "aten.index_select.default",
     "aten.pad.default", "aten.constant_pad_nd.default", "aten.flip.default", "aten.roll.default", "aten.repeat.default",
     "aten.pixel_shuffle.default"],
    "route", _unary(Route), _inherited,
)  # fmt: skip


def register_operation(
    operation: str, build: Build, *, kind: str = "custom", nonnegative: bool = False
) -> None:
    """Teaches lrp an operation: `build(compiler, node)` returns its Step.

    >>> import lrp
    >>> lrp.register_operation("aten.hardshrink.default", lrp.activation, kind="activation")
    """
    CATALOGUE[operation] = Operation(kind, build, _always if nonnegative else _never)


activation: Build = _unary(Activation)
"""Build for a pointwise function: R_in = R_out."""
route: Build = _unary(Route)
"""Build for an operation whose every output copies one input."""
average: Build = _mean
"""Build for a linear operation of one signal without bias: the ε rule with its own weights."""
