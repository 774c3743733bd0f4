"""AttnLRP, excitation backprop, guided backprop and the deconvnet, each against its equations written out by hand."""

from __future__ import annotations

import math

import captum.attr
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lrp
from lrp import baselines, composites


class Layers(nn.Module):
    """Two convolutions, max pooling and two linear layers with ReLUs between."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 3, 3)
        self.pool, self.three, self.four = nn.MaxPool2d(2), nn.Linear(12, 6), nn.Linear(6, 3)
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relus[1](self.two(self.relus[0](self.one(x))))
        return self.four(self.relus[2](self.three(self.pool(x).flatten(1))))


@pytest.fixture
def model() -> Layers:
    torch.manual_seed(5)
    return Layers().double()


def inputs(signed: bool = True) -> Tensor:
    x = torch.randn(3, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return x if signed else x.abs()


def by_relu(model: Layers, x: Tensor, target: int, masked: bool) -> Tensor:
    """The signal at the input, pulled back one operation at a time through torch's own gradient of each."""
    steps = [
        model.one,
        torch.relu,
        model.two,
        torch.relu,
        lambda t: model.pool(t).flatten(1),
        model.three,
        torch.relu,
        model.four,
    ]
    values = [x]
    for step in steps:
        values.append(step(values[-1]).detach())
    g = F.one_hot(torch.full((len(x),), target), 3).double()
    for step, a, y in reversed(list(zip(steps, values, values[1:], strict=False))):
        if step is torch.relu:
            g = g.clamp(min=0) * (y > 0) if masked else g.clamp(min=0)
        else:
            leaf = a.clone().requires_grad_(True)
            (g,) = torch.autograd.grad(step(leaf), leaf, g)
    return g


@pytest.mark.parametrize(
    ("name", "masked"), [("GuidedBackprop", True), ("Deconvnet", False)], ids=["guided", "deconv"]
)
def test_a_relu_hands_on_what_is_positive(model: Layers, name: str, masked: bool) -> None:
    x = inputs()
    wanted = by_relu(model, x, 1, masked)
    plain = by_relu(model, x, 1, not masked)
    assert float((wanted - plain).abs().max()) > 1e-3
    found = getattr(baselines, name)(model, x).attribute(x, 1)
    torch.testing.assert_close(found.input, wanted, rtol=1e-10, atol=1e-12)
    other = getattr(captum.attr, "GuidedBackprop" if masked else "Deconvolution")(model)
    with pytest.warns(UserWarning, match="backward hooks"):
        theirs = other.attribute(x.clone().requires_grad_(True), 1)
    torch.testing.assert_close(found.input, theirs, rtol=1e-10, atol=1e-12)
    r = lrp.LRP(model, name, x).attribute(x, 1)
    torch.testing.assert_close(r.input, x * wanted, rtol=1e-10, atol=1e-12)
    assert float(r.closure.abs().max()) < 1e-12
    for layer in r.layers:
        assert float(r.closure_of(layer).abs().max()) < 1e-12
    each = lrp.LRP(model, name, x).attribute_each(x, [0, 1])
    torch.testing.assert_close(each.input[1], r.input)


@pytest.mark.parametrize("name", ["GuidedBackprop", "Deconvnet"])
def test_an_initial_relevance_at_a_relu_is_accounted_for(model: Layers, name: str) -> None:
    x = inputs()
    start = torch.randn(3, 6, dtype=torch.float64)
    r = lrp.LRP(model, name, x).attribute(x, start, output="relus.2")
    assert float(r.closure.abs().max()) < 1e-12


def test_a_gradient_that_is_none_is_refused() -> None:
    squashed = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = torch.rand(2, 3)
    with pytest.raises(lrp.UnsupportedOperation, match=r"aten\.tanh.*needs gradients"):
        baselines.GuidedBackprop(squashed, x).attribute(x, 1)


def excited(a: Tensor, layer: nn.Module, p: Tensor) -> Tensor:
    """P(a_j) = Σ_k a_j w⁺_jk P(a_k) / Σ_j a_j w⁺_jk, with the layer as one dense matrix."""
    size = a[0].numel()
    unit = torch.eye(size, dtype=a.dtype).reshape(size, *a.shape[1:])
    zero = layer(torch.zeros_like(a[:1])).detach()
    w = (layer(unit).detach() - zero).flatten(1).clamp(min=0)
    flat, sent = a.flatten(1), torch.zeros(len(a), size, dtype=a.dtype)
    for b in range(len(a)):
        for k, share in enumerate(p[b].flatten()):
            z = (flat[b] * w[:, k]).sum()
            if z > 0:
                sent[b] += flat[b] * w[:, k] * share / z
    return sent.reshape(a.shape)


def test_excitation_backprop_gives_the_papers_probabilities(model: Layers) -> None:
    x = inputs(signed=False)
    with torch.no_grad():
        one = torch.relu(model.one(x))
        two = torch.relu(model.two(one))
        pooled = model.pool(two).flatten(1)
        three = torch.relu(model.three(pooled))
    p = F.one_hot(torch.full((3,), 2), 3).double()
    for a, layer in ((three, model.four), (pooled, model.three)):
        p = excited(a, layer, p)
    leaf = two.clone().requires_grad_(True)
    (p,) = torch.autograd.grad(model.pool(leaf).flatten(1), leaf, p)
    for a, layer in ((one, model.two), (x, model.one)):
        p = excited(a, layer, p)
    start = F.one_hot(torch.full((3,), 2), 3).double()
    r = lrp.LRP(model, "ExcitationBackprop", x).attribute(x, start)
    torch.testing.assert_close(r.input, p, rtol=1e-9, atol=1e-12)
    assert not r.bias and bool((r.input >= 0).all())
    scaled = lrp.LRP(model, "ExcitationBackprop", x).attribute(x, 2)
    torch.testing.assert_close(scaled.input, p * scaled.target[:, None, None, None])


class Attention(nn.Module):
    """One attention head with a LayerNorm before it and a GELU layer behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.q, self.k, self.v = (nn.Linear(4, 4) for _ in range(3))
        self.wide, self.head = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        scores = self.q(h) @ self.k(h).transpose(1, 2) / math.sqrt(4)
        y = x + scores.softmax(-1) @ self.v(h)
        return self.head(F.gelu(self.wide(y)).mean(1))


EPSILON = 1e-3


def stable(z: Tensor) -> Tensor:
    return torch.where(z < 0, z - EPSILON, z + EPSILON)


def through_linear(a: Tensor, layer: nn.Linear, r: Tensor) -> Tensor:
    """LRP-ε: R_j = Σ_k a_j w_kj R_k / S(z_k)."""
    z = a @ layer.weight.T + layer.bias
    return torch.einsum("...j,kj,...k->...j", a, layer.weight, r / stable(z))


def attn_lrp(model: Attention, x: Tensor, target: int) -> Tensor:
    """The paper's propositions one after the other."""
    h, deviation = model.norm(x), (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    q, k, v = model.q(h), model.k(h), model.v(h)
    scores = q @ k.transpose(1, 2) / 2
    a = scores.softmax(-1)
    o = a @ v
    y = x + o
    z = model.wide(y)
    mean = F.gelu(z).mean(1)
    logits = model.head(mean)
    start = torch.zeros_like(logits)
    start[:, target] = logits[:, target]
    r = through_linear(mean, model.head, start)
    r = (F.gelu(z) / x.shape[1]) * (r / mean)[:, None]
    r_y = through_linear(y, model.wide, r)
    r_x, r_o = r_y * x / y, r_y * o / y
    s = r_o / (2 * stable(o))
    r_a = torch.einsum("bji,bip,bjp->bji", a, v, s)
    r_v = torch.einsum("bji,bip,bjp->bip", a, v, s)
    r_scores = scores * (r_a - a * r_a.sum(-1, keepdim=True))
    product = q @ k.transpose(1, 2)
    s = r_scores / (2 * stable(product))
    r_q = torch.einsum("bip,bjp,bij->bip", q, k, s)
    r_k = torch.einsum("bip,bjp,bij->bjp", q, k, s)
    r_h = through_linear(h, model.q, r_q) + through_linear(h, model.k, r_k)
    r_h = r_h + through_linear(h, model.v, r_v)
    u = r_h / stable(h) * model.norm.weight / deviation
    return r_x + x * (u - u.mean(-1, keepdim=True))


def test_attn_lrp_equals_its_propositions_one_after_the_other() -> None:
    torch.manual_seed(2)
    model = Attention().double()
    with torch.no_grad():
        model.norm.weight.uniform_(0.5, 2.0)
        model.norm.bias.normal_()
        for layer in (model.q, model.k):
            layer.weight.mul_(4)
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        wanted = attn_lrp(model, x, 1)
    r = lrp.LRP(model, composites.AttnLRP(epsilon=EPSILON), x).attribute(x, 1)
    torch.testing.assert_close(r.input, wanted, rtol=1e-9, atol=1e-12)
    assert float(r.closure.abs().max()) < 1e-10
    plain = lrp.LRP(model, lrp.rules.Epsilon(epsilon=EPSILON), x).attribute(x, 1)
    assert float((plain.input - wanted).abs().max()) > 1e-3
