"""Pointwise functions: relevance passes unchanged, R_in = R_out; a ReLU masks the gain."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lrp.ops.context import Execution, Flow, Sent, Step, Unary, gain_at
from lrp.ops.registry import Lowering, always, operation
from lrp.rules import Deconvolved, Guided, Norm
from lrp.tracing.graph import Node

mask: Callable[[Tensor, Tensor, float], Tensor] = torch.ops.aten.threshold_backward.default
"""mask(r, z, t): r where z > t, else 0."""


@operation("relu", "activation", always)
def relu(lowering: Lowering, node: Node) -> Step:
    rule = lowering.rule(node)
    if isinstance(rule, (Guided, Deconvolved)):
        return PositiveGain(node, lowering.source(node), isinstance(rule, Guided))
    return Relu(node, lowering.source(node))


class Relu(Unary):
    """max(x, 0): the gain is masked, R_in = R_out."""

    def forward(self, run: Execution) -> Tensor:
        return torch.relu(run.values[self.source])

    def backward(self, run: Execution, flow: Flow) -> Sent:
        gain = flow.gain
        if gain is not None:
            gain = mask(gain, run.lift(run.values[self.node.index]), 0)
        return ((self.source, Flow(gain, flow.rest, rectified=flow.rest is None)),)


class PositiveGain(Unary):
    """max(x, 0): only a positive gain goes on; `masked`: and only where x > 0."""

    def __init__(self, node: Node, source: int, masked: bool) -> None:
        super().__init__(node, source)
        self.masked = masked

    def backward(self, run: Execution, flow: Flow) -> Sent:
        x = run.lift(run.values[self.source])
        y = run.lift(run.values[self.node.index])
        arrived = flow.relevance(y)
        gain = gain_at(run, self.node, flow, run.values[self.node.index], Norm()).clamp(min=0)
        if self.masked:
            gain = mask(gain, y, 0)
        if flow.rest is not None:
            arrived = torch.where(y == 0, 0.0, arrived)
        run.book_stabilizer(self.node, arrived - gain * x)
        return ((self.source, Flow(gain)),)


@operation("clamp_min", "activation", lambda lowering, node: node.args[1] >= 0)
@operation("sigmoid hardsigmoid square sqrt rsqrt exp abs", "activation", always, gate=True)
@operation("softplus relu6", "activation", always)
@operation("reciprocal pow.Tensor_Scalar", "activation", gate=True)
@operation("tanh erf", "activation", bounded=True)
@operation(
    "leaky_relu elu gelu silu hardswish hardtanh mish selu celu log_sigmoid prelu rrelu threshold hardshrink "
    "softshrink sin cos log log1p expm1 atan clamp clamp.Tensor clamp_max nan_to_num",
    "activation",
)
class Activation(Unary):
    """Any other pointwise function: R_in = R_out, whatever its shape."""

    def backward(self, run: Execution, flow: Flow) -> Sent:
        return ((self.source, Flow(rest=flow.relevance(run.lift(run.values[self.node.index])))),)
