"""Linear layers and convolutions: from an operation's arguments to its affine map, and from that to a step."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lrp.errors import RuleError
from lrp.ops.activations import Activation
from lrp.ops.affine import AffineStep
from lrp.ops.affine_maps import Affine, Convolution, Linear
from lrp.ops.context import Step
from lrp.ops.pairs import PairStep
from lrp.ops.registry import Build, Lowering, arguments_of, operation
from lrp.rules import AffineRule, Pass
from lrp.tracing.graph import Node


def affine_step(lowering: Lowering, node: Node, source: int, layer: Affine) -> Step:
    """The step of an affine layer under the composite's rule. Raises RuleError for a rule of other layers."""
    rule = lowering.rule(node)
    if isinstance(rule, AffineRule):
        positive = source in lowering.positive
        mode = lowering.mode(rule)
        kind = PairStep.kind(rule, layer, mode) if positive else AffineStep
        return kind(node, source, layer, rule, mode, positive)
    shapes = (node.shape, lowering.graph.nodes[source].shape)
    if isinstance(rule, Pass) and shapes[0] == shapes[1]:
        return Activation(node, source)
    reason = f": its output {shapes[0]} has another shape than its input {shapes[1]}"
    raise RuleError(
        f"{type(rule).__name__} is no rule for the affine layer {node.name}"
        + (reason if isinstance(rule, Pass) else "")
    )


@operation("linear", "linear")
def linear(lowering: Lowering, node: Node) -> Step:
    _, w, b = arguments_of(node, "input weight bias")
    return _layer(
        lowering, node, Linear(lowering.tensor(node, w, "weight"), _bias(lowering, node, b))
    )


@operation("addmm", "linear")
def addmm(lowering: Lowering, node: Node) -> Step:
    weight = lowering.tensor(node, node.args[2], "weight")
    return _layer(lowering, node, Linear(weight.t(), lowering.tensor(node, node.args[0], "bias")))


def _bias(lowering: Lowering, node: Node, argument: Any) -> Tensor | None:
    return lowering.optional(node, argument, "bias")


def _layer(lowering: Lowering, node: Node, layer: Affine) -> Step:
    """The step, which also knows what a folded bias is made of."""
    step = affine_step(lowering, node, lowering.source(node), layer)
    if isinstance(step, AffineStep):
        step.bias_parts = dict(node.kwargs.get("bias_parts", {}))
    return step


def convolution(dims: int, transposed: bool) -> Build:
    """Build for a convolution of 1, 2 or 3 dimensions."""
    names = "input weight bias stride padding dilation groups"
    if transposed:
        names = "input weight bias stride padding output_padding groups dilation"

    def wide(value: Any) -> tuple[int, ...]:
        values = [value] if isinstance(value, int) else list(value)
        return tuple(values * dims if len(values) == 1 else values)

    def build(lowering: Lowering, node: Node) -> Step:
        values = arguments_of(
            node, names, stride=1, padding=0, dilation=1, groups=1, output_padding=0
        )
        given = dict(zip(names.split(), values, strict=True))
        weight = lowering.tensor(node, given["weight"], "weight")
        padding, dilation = given["padding"], wide(given["dilation"])
        after: tuple[int, ...] = ()
        if isinstance(padding, str):
            padding, after = _named_padding(padding, weight, dilation)
        layer = Convolution(
            weight,
            _bias(lowering, node, given["bias"]),
            wide(given["stride"]),
            wide(padding),
            dilation,
            given["groups"],
            transposed,
            wide(given.get("output_padding", 0)),
            after,
        )
        return _layer(lowering, node, layer)

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


for _n in (1, 2, 3):
    operation(f"conv{_n}d conv{_n}d.padding", "conv")(convolution(_n, False))
operation("conv_transpose1d", "conv")(convolution(1, True))
operation("conv_transpose2d.input", "conv")(convolution(2, True))
operation("conv_transpose3d.input", "conv")(convolution(3, True))
