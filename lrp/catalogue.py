"""Which ATen operation is which kind of layer, and how its step is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import lrp.recurrent  # noqa: F401  (fills the expansions of LSTM and GRU)
from lrp.affine import Affine, Convolution, Diagonal, Linear
from lrp.canonize import SPLITS
from lrp.compile import CATALOGUE, Build, Compiler, Operation
from lrp.errors import RuleError, UnsupportedOperation
from lrp.graph import Node, Ref
from lrp.layer import AffineStep
from lrp.normalization import Normalization, NormalizationStep
from lrp.operations import (
    Activation,
    Cat,
    MaxPool,
    Mean,
    Narrow,
    Permute,
    Relu,
    Reshape,
    Route,
    Sum,
    Transparent,
    max_pool_average,
)  # fmt: skip
from lrp.products import GatedConstant, Masked, MatMul, Product, Quotient, Softmax, Statistic, shares
from lrp.rules import AffineRule, Epsilon, Flat, HalfAndHalf, Norm, Rule, SignalTakesAll, SoftmaxTaylor, WinnerTakesAll
from lrp.step import Step


def _never(compiler: Compiler, node: Node) -> bool:
    return False


def _always(compiler: Compiler, node: Node) -> bool:
    return True


def _inherited(compiler: Compiler, node: Node) -> bool:
    """≥ 0 if every signal it reads is ≥ 0."""
    return all(ref in compiler.positive for ref in node.refs if ref in compiler.signal)


def _inherited_by_sum(compiler: Compiler, node: Node) -> bool:
    terms = node.args[:2]
    constants = [t for t in terms if not compiler.is_signal(t)]
    positive = all(not isinstance(c, Ref) and bool(torch.as_tensor(c).ge(0).all()) for c in constants)
    return _inherited(compiler, node) and positive and float(node.kwargs.get("alpha", 1)) >= 0


def _inherited_by_product(compiler: Compiler, node: Node) -> bool:
    constants = [a for a in node.args[:2] if not compiler.is_signal(a)]
    return _inherited(compiler, node) and all(not isinstance(c, (Tensor, Ref)) and c >= 0 for c in constants)


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


def _epsilon(rule: Rule | None) -> float:
    return rule.epsilon if isinstance(rule, (SignalTakesAll, HalfAndHalf)) else 0.0


def _product(compiler: Compiler, node: Node) -> Step:
    x, y = node.args[:2]
    if compiler.is_signal(x) != compiler.is_signal(y):
        return Mean(node, compiler.source(node), _norm(None))
    rule = compiler.rule(node)
    gates = (x.index in compiler.gates, y.index in compiler.gates)
    return Product(node, (x, y), shares(rule, gates), _epsilon(rule))


def _gated(compiler: Compiler, node: Node) -> Step:
    signal, gate = node.args
    if not compiler.is_signal(signal):
        return GatedConstant(node, compiler.mode(compiler.rule(node)))
    if not compiler.is_signal(gate):
        return Mean(node, compiler.source(node), _norm(None))
    rule = compiler.rule(node)
    return Product(node, (signal, gate), shares(rule, (False, True)), _epsilon(rule))


def _quotient(compiler: Compiler, node: Node) -> Step:
    x, y = node.args[:2]
    if compiler.is_signal(x) and not compiler.is_signal(y):
        return Mean(node, compiler.source(node), _norm(None))
    if not compiler.is_signal(x):
        return Statistic(node)
    return Quotient(node, x.index, y)


def _matmul(compiler: Compiler, node: Node) -> Step:
    a, b = node.args[:2]
    if compiler.is_signal(a) and compiler.is_signal(b):
        rule = compiler.rule(node)
        gates = (a.index in compiler.gates, b.index in compiler.gates)
        return MatMul(node, (a.index, b.index), shares(rule, gates), _epsilon(rule))
    if compiler.is_signal(a) and isinstance(b, Tensor) and b.dim() == 2:
        return affine_step(compiler, node, a.index, Linear(b.detach().t(), None))
    return Mean(node, compiler.source(node), _norm(None))


def _softmax(compiler: Compiler, node: Node) -> Step:
    return Softmax(node, compiler.source(node), node.args[1], compiler.rule(node) or SoftmaxTaylor())


def _cat(stacked: bool) -> Build:
    def build(compiler: Compiler, node: Node) -> Step:
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        parts = tuple(node.args[0])
        signals = tuple(part.index for part in parts if compiler.is_signal(part))
        return Cat(node, parts, signals, dim, stacked)

    return build


def _narrow(compiler: Compiler, node: Node) -> Step:
    _, dim, start, length = node.args
    if not all(isinstance(v, int) for v in (dim, start, length)) or start < 0:
        return Route(node, compiler.source(node))
    return Narrow(node, compiler.source(node), dim, start, length)


def _layer_norm(compiler: Compiler, node: Node) -> Step:
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


def _group_norm(compiler: Compiler, node: Node) -> Step:
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


def _statistic(compiler: Compiler, node: Node) -> Step:
    return Statistic(node)


def _masked(compiler: Compiler, node: Node) -> Step:
    return Masked(node, compiler.source(node))


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
_add(["aten.add.Tensor"], "sum", _sum(1), _inherited_by_sum)
_add(["aten.sub.Tensor"], "sum", _sum(-1))
_add(["aten.mean.dim", "aten.mean.default", "aten.sum.dim_IntList", "aten.sum.default"], "average", _mean, _inherited)
_add(["aten.neg.default", "aten.cumsum.default"], "average", _mean)
_add(["aten.mul.Tensor", "aten.mul.Scalar"], "product", _product, _inherited_by_product)
_add(["aten.div.Tensor", "aten.div.Scalar"], "product", _quotient)
_add(["lrp.gated"], "product", _gated)
_add(["lrp.complement"], "activation", _statistic, _always)
_add(["lrp.masked"], "route", _masked)
_add(["aten.matmul.default", "aten.mm.default", "aten.bmm.default"], "matmul", _matmul)
_add(["aten.softmax.int", "aten._softmax.default"], "softmax", _softmax, _always)
_add(["aten.cat.default"], "route", _cat(False), _inherited)
_add(["aten.stack.default"], "route", _cat(True), _inherited)
_add(["aten.narrow.default"], "route", _narrow, _inherited)
_add(["aten.layer_norm.default", "aten.rms_norm.default"], "norm", _layer_norm)
_add(["aten.group_norm.default", "aten.instance_norm.default"], "norm", _group_norm)
_add(
    ["aten.pow.Tensor_Scalar", "aten.square.default", "aten.sqrt.default", "aten.rsqrt.default", "aten.exp.default",
     "aten.reciprocal.default", "aten.var.correction", "aten.std.correction", "aten.abs.default",
     "aten.norm.ScalarOpt_dim", "aten.linalg_vector_norm.default", "aten.log_softmax.int", "aten._log_softmax.default"],
    "activation", _statistic, _always,
)  # fmt: skip
_add(
    [f"aten.upsample_{m}.vec" for m in ("nearest1d", "nearest2d", "nearest3d", "bilinear2d", "linear1d", "bicubic2d")],
    "average", _mean, _inherited,
)  # fmt: skip
_add(["aten.relu.default"], "activation", _unary(Relu), _always)
_add(
    ["aten.sigmoid.default", "aten.softplus.default", "aten.relu6.default", "aten.hardsigmoid.default"],
    "activation", _unary(Activation), _always,
)  # fmt: skip
_add(
    ["aten.tanh.default", "aten.leaky_relu.default",
     "aten.elu.default", "aten.gelu.default", "aten.silu.default",
     "aten.hardswish.default", "aten.hardtanh.default", "aten.mish.default", "aten.selu.default", "aten.celu.default",
     "aten.log_sigmoid.default"],
    "activation", _unary(Activation),
)  # fmt: skip
_add(
    ["aten.dropout.default", "aten.feature_dropout.default", "aten.alpha_dropout.default",
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
     "aten.pad.default", "aten.constant_pad_nd.default", "aten.flip.default", "aten.roll.default",
     "aten.repeat.default", "aten.pixel_shuffle.default", "aten.index.Tensor", "aten.gather.default", "aten.broadcast_to.default",
     "aten.swapaxes.default", "aten.movedim.int", "aten.tile.default", "aten.unfold.default", "aten.diagonal.default",
     *SPLITS],
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
