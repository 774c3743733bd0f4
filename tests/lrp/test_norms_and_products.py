"""Norms, deviations, products, pooling by powers and padding with a constant as signals."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lrp

FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "vector_norm": (lambda h: torch.linalg.vector_norm(h.view(-1, 2, 3), dim=2), 2),
    "norm of rows": (lambda h: h.view(-1, 2, 3).norm(dim=1), 3),
    "norm of order 3": (lambda h: torch.linalg.vector_norm(h.view(-1, 2, 3), 3, dim=2), 2),
    "normalize": (lambda h: F.normalize(h, dim=1), 6),
    "std": (lambda h: h.view(-1, 2, 3).std(-1), 2),
    "var": (lambda h: h.view(-1, 2, 3).var(-1), 2),
    "prod": (lambda h: h.view(-1, 2, 3).prod(-1), 2),
    "cumprod": (lambda h: h.view(-1, 2, 3).cumprod(-1), 6),
    "logcumsumexp": (lambda h: h.logcumsumexp(1), 6),
    "lp_pool1d": (lambda h: F.lp_pool1d(h.unsqueeze(1), 2, 2), 3),
    "lp_pool2d": (lambda h: F.lp_pool2d(h.view(-1, 1, 2, 3), 2, (2, 1)), 3),
    "padding with 0.5": (lambda h: F.pad(h, (1, 2), value=0.5), 9),
    "padding with -1": (lambda h: F.pad(h.relu(), (1, 2), value=-1.0), 9),
    "kthvalue": (lambda h: h.kthvalue(2, dim=1)[0].unsqueeze(1), 1),
    "diff": (lambda h: h.diff(dim=1), 5),
    "trapezoid": (lambda h: torch.trapezoid(h, dim=1).unsqueeze(1), 1),
}


HALVES = torch.tensor([0.5, 0.5, 0.0, 0.0])


class Around(nn.Module):
    """A function between two linear layers."""

    def __init__(self, function: Callable[[Tensor], Tensor], width: int) -> None:
        super().__init__()
        self.function = function
        self.a, self.b = nn.Linear(6, 6), nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.function(self.a(x)).flatten(1)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_ledger_closes(name: str) -> None:
    torch.manual_seed(0)
    net, x = Around(*FUNCTIONS[name]).double().eval(), torch.randn(2, 6).double()
    found = lrp.LRP(net, "EpsilonPlus", x).attribute(x, 1)
    assert float(found.closure.abs().max()) < 1e-9


@pytest.mark.parametrize(
    ("function", "share"),
    [
        (lambda x: x.norm(dim=1, keepdim=True), lambda x: x.square() / x.norm(dim=1, keepdim=True)),
        (lambda x: x.prod(1, keepdim=True), lambda x: x.prod(1, keepdim=True).expand(2, 4) / 4),
        (lambda x: x.cumprod(1)[:, 1:2], lambda x: x.cumprod(1)[:, 1:2] * HALVES),
    ],
    ids=["norm", "product", "product of the first two"],
)
def test_each_input_takes_its_share(
    function: Callable[[Tensor], Tensor], share: Callable[[Tensor], Tensor]
) -> None:
    """x² of a norm's sum of squares; the same of a product."""

    class Alone(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x)

    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = lrp.LRP(Alone(), lrp.rules.Zero(), x).attribute(x).input
    assert torch.allclose(found, share(x), rtol=1e-12, atol=0)


def test_a_constant_around_the_input_is_bias_relevance() -> None:
    class Padded(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.pad(x, (1, 0), value=0.5).sum(1, keepdim=True)

    x = torch.tensor([[1.0, -3.0]], dtype=torch.float64)
    found = lrp.LRP(Padded(), lrp.rules.Zero(), x).attribute(x)
    assert found.input.tolist() == [[1.0, -3.0]] and found.bias_total.tolist() == [0.5]
