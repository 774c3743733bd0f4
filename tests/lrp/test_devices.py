"""An explanation on a GPU is the one on the processor; skipped with a word where there is no device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lrp
from tests.lrp import networks, sequences

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
    ),
]


class Apart(nn.Module):
    """Samples one after another, and rows that a model puts in an order of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, 3]."""
        rows = torch.stack([torch.relu(self.a(row)) for row in x])
        order = x[:, 0].argsort()
        return self.b(rows[order])[order.argsort()]


CASES: dict[str, tuple[Any, Any, str]] = {
    "convolutions": (networks.VggLike, torch.rand(2, *networks.VggLike.shape), "EpsilonGammaBox"),
    "attention": (sequences.Llama, torch.randn(2, 4, 16), "AttnLRP"),
    "samples apart": (Apart, torch.randn(3, 4), "EpsilonAlpha2Beta1Flat"),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CASES)
def test_an_explanation_is_the_same_on_another_device(name: str, device: str) -> None:
    torch.manual_seed(0)
    kind, x, composite = CASES[name]
    here = lrp.LRP(kind().double().eval(), composite, x.double())
    there = here.to(device)
    expected = here.attribute(x.double(), 1)
    found = there.attribute(x.double().to(device), 1)
    assert found.input.device.type == device
    torch.testing.assert_close(found.input.cpu(), expected.input, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.bias_total.cpu(), expected.bias_total, rtol=1e-9, atol=1e-9)
    each = there.attribute_each(x.double().to(device), [0, 1])
    torch.testing.assert_close(each.input[1].cpu(), expected.input, rtol=1e-9, atol=1e-9)
