"""Operations that are several in one: by the plain rule their relevance is gradient × input, as PyTorch computes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import lrp

Compound = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
COMPOUNDS: dict[str, Compound] = {
    "addmm, weighed": lambda x, h, w, v: torch.addmm(v, h, w, beta=0.5, alpha=2.0),
    "addmm, a signal added": lambda x, h, w, v: torch.addmm(x, h, w, beta=0.5, alpha=2.0),
    "addmm, nothing added": lambda x, h, w, v: torch.addmm(x, h, w, beta=0, alpha=2.0),
    "addcmul": lambda x, h, w, v: torch.addcmul(x, h, v, value=0.3),
    "addcdiv": lambda x, h, w, v: torch.addcdiv(x, h, v, value=0.3),
    "lerp": lambda x, h, w, v: torch.lerp(x, h, 0.3),
    "lerp, weight by weight": lambda x, h, w, v: torch.lerp(x, h, v),
    "inner": lambda x, h, w, v: torch.inner(h, w),
    "hstack": lambda x, h, w, v: torch.hstack([x[:, :3], h[:, 3:]]),
    "kron": lambda x, h, w, v: torch.kron(h[:, :3], w[:1, :2]),
    "kron of the input's rows": lambda x, h, w, v: torch.kron(h, w[:2, :1])[::2],
    "cdist": lambda x, h, w, v: torch.cdist(h, w),
    "cdist of signals": lambda x, h, w, v: torch.cdist(
        h.view(-1, 3, 2), x.view(-1, 3, 2)[:, :2], 1.0
    ).flatten(1),
    "pairwise_distance": lambda x, h, w, v: x * torch.pairwise_distance(x, v)[:, None].detach(),
    "pairwise_distance, p = 3": lambda x, h, w, v: torch.pairwise_distance(
        h, x, 3.0, 0.1, True
    ).expand(-1, 6),
    "cummax": lambda x, h, w, v: x.cummax(1)[0] - h.cummin(1)[0],
    "rounded, straight through": lambda x, h, w, v: x + (x.round() - x).detach(),
    "floor of a detached part": lambda x, h, w, v: h * (4 * h.detach()).floor(),
    "rounded integers": lambda x, h, w, v: h + x.round().long() * v,
    "fmax": lambda x, h, w, v: torch.fmax(torch.fmin(h, x), -x),
}


class Net(nn.Module):
    """A compound of the input, of ReLU features and of weights, between two layers."""

    def __init__(self, compound: Compound) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 3)
        self.weight = nn.Parameter(torch.randn(6, 6))
        self.compound = compound

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, 3]."""
        hidden = torch.relu(self.first(x))
        return self.second(self.compound(x, hidden, self.weight, self.weight[0]))


@pytest.mark.parametrize("name", COMPOUNDS)
def test_a_compound_carries_gradient_times_input(name: str) -> None:
    torch.manual_seed(1)
    model = Net(COMPOUNDS[name]).double().eval()
    x = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[:, 1].sum(), x)
    x = x.detach()
    found = lrp.LRP(model, lrp.rules.Zero(), (x,)).attribute(x, 1)
    torch.testing.assert_close(found.input, gradient * x, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.target, model(x)[:, 1].detach())
    assert found.closure.abs().max() < 1e-10


def test_a_mean_weighed_by_the_input_closes() -> None:
    torch.manual_seed(1)
    model = Net(lambda x, h, w, v: torch.lerp(x, h, torch.sigmoid(h - x))).double().eval()
    x = torch.randn(4, 6, dtype=torch.float64)
    assert lrp.LRP(model, "EpsilonPlus", (x,)).attribute(x, 1).closure.abs().max() < 1e-10
