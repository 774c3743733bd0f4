"""How the step of each kind of operation is made from its node: arguments read, parameters taken, rule chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from lrp.compiler import Build, Compiler
from lrp.errors import RuleError, UnsupportedOperation
from lrp.ops.affine import AffineStep
from lrp.ops.affine_maps import Affine, Convolution, Linear
from lrp.ops.operations import (
    Cat,
    Mean,
    Narrow,
    Permute,
    Route,
    Sum,
    Transparent,
)
from lrp.ops.products import (
    GatedConstant,
    Masked,
    Product,
    Quotient,
    Softmax,
    Statistic,
    epsilon_of,
    shares,
)
from lrp.ops.step import Static, Step
from lrp.rules import AffineRule, Flat, Norm, Rule, SoftmaxTaylor
from lrp.tracing.graph import Node, Ref


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
    bias = compiler.optional(
        node, node.args[2] if len(node.args) > 2 else node.kwargs.get("bias"), "bias"
    )
    return affine_step(compiler, node, compiler.source(node), Linear(weight, bias))


def addmm(compiler: Compiler, node: Node) -> Step:
    bias = compiler.tensor(node, node.args[0], "bias")
    weight = compiler.tensor(node, node.args[2], "weight")
    return affine_step(compiler, node, compiler.source(node), Linear(weight.t(), bias))


def _tuple(value: Any, length: int) -> tuple[int, ...]:
    values = [value] if isinstance(value, int) else list(value)
    return tuple(values * length if len(values) == 1 else values)


def arguments_of(node: Node, defaults: Sequence[tuple[str, Any]]) -> list[Any]:
    """Positional arguments, then keywords, then defaults."""
    return [
        node.args[i] if i < len(node.args) else node.kwargs.get(name, default)
        for i, (name, default) in enumerate(defaults)
    ]


def convolution(dims: int, transposed: bool) -> Build:
    def build(compiler: Compiler, node: Node) -> Step:
        if transposed:
            _, w, b, stride, padding, output_padding, groups, dilation = arguments_of(
                node,
                [
                    ("input", None),
                    ("weight", None),
                    ("bias", None),
                    ("stride", 1),
                    ("padding", 0),
                    ("output_padding", 0),
                    ("groups", 1),
                    ("dilation", 1),
                ],
            )
        else:
            _, w, b, stride, padding, dilation, groups = arguments_of(
                node,
                [
                    ("input", None),
                    ("weight", None),
                    ("bias", None),
                    ("stride", 1),
                    ("padding", 0),
                    ("dilation", 1),
                    ("groups", 1),
                ],
            )
            output_padding = 0
        weight, bias = compiler.tensor(node, w, "weight"), compiler.optional(node, b, "bias")
        after: tuple[int, ...] = ()
        if isinstance(padding, str):
            padding, after = _named_padding(padding, weight, _tuple(dilation, dims))
        layer = Convolution(
            weight,
            bias,
            _tuple(stride, dims),
            _tuple(padding, dims),
            _tuple(dilation, dims),
            groups,
            transposed,
            _tuple(output_padding, dims),
            after,
        )
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


def signed_sum(sign: int) -> Build:
    def build(compiler: Compiler, node: Node) -> Step:
        factor = float(node.kwargs.get("alpha", node.args[2] if len(node.args) > 2 else 1)) * sign
        rule = compiler.rule(node)
        terms = ((node.args[0], 1.0), (node.args[1], factor))
        signals = tuple(t.index for t, _ in terms if compiler.is_signal(t))
        return Sum(node, terms, signals, rule or Norm(), compiler.mode(rule))

    return build


def subtracted_from(compiler: Compiler, node: Node) -> Step:
    """c − α·x (rsub)."""
    factor = float(node.kwargs.get("alpha", node.args[2] if len(node.args) > 2 else 1))
    x, c = node.args[:2]
    signals = tuple(t.index for t in (x, c) if compiler.is_signal(t))
    rule = compiler.rule(node)
    return Sum(node, ((c, 1.0), (x, -factor)), signals, rule or Norm(), compiler.mode(rule))


def added_at(compiler: Compiler, node: Node) -> Step:
    """index_add and scatter_add into zeros: sums of one signal."""
    base = compiler.graph.nodes[node.args[0].index] if isinstance(node.args[0], Ref) else None
    constant = isinstance(node.args[0], Tensor) and not bool(node.args[0].any())
    if not constant and (base is None or "zeros" not in base.operation):
        raise UnsupportedOperation(node.operation, node.module, "it adds to a tensor that is not 0")
    return Mean(node, compiler.source(node), _norm(compiler.rule(node)))


def mean(compiler: Compiler, node: Node) -> Step:
    return Mean(node, compiler.source(node), _norm(compiler.rule(node)))


def _norm(rule: Rule | None) -> Rule:
    return rule if isinstance(rule, (Flat, Norm)) else Norm()


def product(compiler: Compiler, node: Node) -> Step:
    x, y = node.args[:2]
    if compiler.is_signal(x) != compiler.is_signal(y):
        return Mean(node, compiler.source(node), _norm(None))
    rule = compiler.rule(node)
    gates = (x.index in compiler.gates, y.index in compiler.gates)
    return Product(node, (x, y), shares(rule, gates), epsilon_of(rule))


def gated(compiler: Compiler, node: Node) -> Step:
    signal, gate = node.args
    if not compiler.is_signal(signal):
        return GatedConstant(node, compiler.mode(compiler.rule(node)))
    if not compiler.is_signal(gate):
        return Mean(node, compiler.source(node), _norm(None))
    rule = compiler.rule(node)
    return Product(node, (signal, gate), shares(rule, (False, True)), epsilon_of(rule))


def quotient(compiler: Compiler, node: Node) -> Step:
    x, y = node.args[:2]
    if compiler.is_signal(x) and not compiler.is_signal(y):
        return Mean(node, compiler.source(node), _norm(None))
    if not compiler.is_signal(x):
        return Statistic(node)
    return Quotient(node, x.index, y)


def softmax(compiler: Compiler, node: Node) -> Step:
    return Softmax(
        node, compiler.source(node), node.args[1], compiler.rule(node) or SoftmaxTaylor()
    )


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
        raise UnsupportedOperation(
            node.operation, node.module, "dropout that stays on in eval mode is random"
        )
    return Transparent(node, compiler.source(node))


def pad(compiler: Compiler, node: Node) -> Step:
    """Zeros, or copies of the input (reflect, replicate, circular)."""
    value = (
        (node.args[3] if len(node.args) > 3 else None)
        if "constant" not in node.operation
        else node.args[2:3]
    )
    filled = value[0] if isinstance(value, (tuple, list)) and value else value
    if filled:
        raise UnsupportedOperation(node.operation, node.module, "padding with a value other than 0")
    return Route(node, compiler.source(node))


def statistic(compiler: Compiler, node: Node) -> Step:
    return Statistic(node)


def masked(compiler: Compiler, node: Node) -> Step:
    if all(compiler.is_signal(a) for a in node.args):
        return Sum(
            node,
            tuple((a, 1.0) for a in node.args),
            tuple(a.index for a in node.args),
            Norm(),
            "sink",
        )
    return Masked(node, compiler.source(node))


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
    """Build for an operation of one signal."""
    return lambda compiler, node: step(node, compiler.source(node))


def first(step: Callable[[Node, int], Step]) -> Build:
    """Build for an operation whose first argument is its signal; the others give a shape or a type."""
    return lambda compiler, node: (
        step(node, node.args[0].index) if compiler.is_signal(node.args[0]) else Static(node)
    )
