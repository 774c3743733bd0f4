"""Teach lrp an operation that it does not know, by name: `python examples/own_operation.py`."""

import torch
from torch import Tensor, nn

import lrp


class Bessel(nn.Module):
    """Inputs [B, 4] -> [B, 2], with an activation that has no rule yet."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(torch.special.i0e(self.inner(x)))


torch.manual_seed(0)
model, x = Bessel(), torch.rand(3, 4)
try:
    lrp.LRP(model, "EpsilonPlus", x).attribute(x, 1)
except lrp.UnsupportedOperation as error:
    print("before:", str(error).splitlines()[0])
lrp.register_operation("aten.special_i0e.default", lrp.activation, kind="activation")
print("after: ", lrp.LRP(model, "EpsilonPlus", x).attribute(x, 1))
