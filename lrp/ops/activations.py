"""Pointwise functions: relevance passes unchanged, R_in = R_out; a ReLU masks the gain."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lrp.ops.context import Flow, Run, Sent, Unary
from lrp.ops.registry import always, operation

_mask: Callable[[Tensor, Tensor, float], Tensor] = torch.ops.aten.threshold_backward.default


@operation("relu", "activation", always)
class Relu(Unary):
    """max(x, 0): the gain is masked, R_in = R_out."""

    def forward(self, run: Run) -> Tensor:
        return torch.relu(run.values[self.source])

    def backward(self, run: Run, flow: Flow) -> Sent:
        gain = flow.gain
        if gain is not None:
            gain = _mask(gain, run.lift(run.values[self.node.index]), 0)
        return ((self.source, Flow(gain, flow.rest)),)


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

    def backward(self, run: Run, flow: Flow) -> Sent:
        return ((self.source, Flow(rest=flow.relevance(run.lift(run.values[self.node.index])))),)
