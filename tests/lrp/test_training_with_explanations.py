"""Relevance that is differentiated with respect to inputs and weights, against finite differences in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp import rules
from tests.lrp import networks


class Block(nn.Module):
    """A norm, attention of one head and a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.head = nn.LayerNorm(6), nn.Linear(6, 18), nn.Linear(6, 3)
        nn.init.zeros_(self.qkv.bias)  # a bias that is 0 has a gradient too

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        h = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.head(x + h * torch.sigmoid(q)).mean(1)


def vgg() -> nn.Module:
    model = networks.VggLike()
    networks.randomise(model, 1)
    return model


CASES = {
    "convolutions with norms, z⁺ and flat": (vgg, networks.VggLike.shape, "EpsilonPlusFlat"),
    "α2β1": (vgg, networks.VggLike.shape, "EpsilonAlpha2Beta1"),
    "γ and box": (vgg, networks.VggLike.shape, lrp.composites.EpsilonGammaBox(-3.0, 3.0)),
    "bias projected": (vgg, networks.VggLike.shape, lrp.composites.EpsilonPlus(bias="project")),
    "attention": (Block, (4, 6), "AttnLRP"),
    "attention, LRP-ε": (Block, (4, 6), rules.Epsilon(epsilon=0.1)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_of_relevance_is_that_of_finite_differences(case: str) -> None:
    make, shape, composite = CASES[case]
    torch.manual_seed(3)
    model = make().double().eval()
    x = torch.randn(2, *shape, dtype=torch.float64)
    explainer = lrp.LRP(model, composite, x)
    weights = torch.randn_like(x)

    def loss(inputs: Tensor, create_graph: bool) -> Tensor:
        r = explainer.attribute(inputs, 1, create_graph=create_graph)
        return (r.input * weights).sum() + r.bias_total.square().sum() + r.stabilizer_total.sum()

    leaf = x.clone().requires_grad_(True)
    value = loss(leaf, create_graph=True)
    torch.testing.assert_close(value.detach(), loss(x, create_graph=False))
    leaves = [leaf, *(p for p in model.parameters() if p.requires_grad)]
    gradients = torch.autograd.grad(value, leaves, allow_unused=True)
    assert gradients[0] is not None and sum(g is not None for g in gradients) > 1
    for place, gradient in enumerate(gradients):
        tensor = x if place == 0 else leaves[place].data
        way = torch.randn_like(tensor)
        step = 1e-6
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                tensor += sign * step * way
            ends.append(float(loss(x, create_graph=False)))
            with torch.no_grad():
                tensor -= sign * step * way
        expected = (ends[0] - ends[1]) / (2 * step)
        found = 0.0 if gradient is None else float((gradient * way).sum())
        size = max(abs(expected), float(value.detach().abs()), 1.0)
        assert abs(found - expected) <= 1e-6 * size, f"{place}: {found} is not {expected}"


def test_a_step_against_relevance_lessens_it_and_leaves_no_history_otherwise() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    x = torch.rand(16, 4)
    explainer = lrp.LRP(model, "EpsilonPlus", x)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    before = explainer.attribute(x, 1).input[:, 0].square().mean()
    for _ in range(10):
        optimizer.zero_grad()
        penalty = explainer.attribute(x, 1, create_graph=True).input[:, 0].square().mean()
        penalty.backward()
        optimizer.step()
    after = explainer.attribute(x, 1).input
    assert float(after[:, 0].square().mean()) < 0.97 * float(before)
    assert not after.requires_grad
