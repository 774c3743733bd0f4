"""What a constant claims, wherever it stands, goes where the bias mode says."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import lrp
from lrp import rules
from tests.lrp import random_constants
from tests.lrp.test_identities import LONG, QUICK, size
from tests.lrp.test_identities_of_random_networks import close
from tests.lrp.test_more_operations import Function

HANDED_ON = ("uniform", "proportional", "project")
X = torch.tensor([[1.0, -2.0, 3.0, 0.5], [-1.0, 0.25, 2.0, -4.0]], dtype=torch.float64)
C = torch.tensor([0.5, -0.25, 4.0, 1.0], dtype=torch.float64)


def explained(way: str, mode: str) -> lrp.Relevance:
    function = random_constants.WAYS[way]
    composite = lrp.Composite(("sum", rules.Norm()), bias=mode, required=False)
    model = Function(lambda x: function(x, C) * torch.arange(1.0, 5.0, dtype=torch.float64))
    return lrp.LRP(model, composite, X).attribute(X, lambda y: y.sum(1))


@pytest.mark.parametrize("way", random_constants.WAYS)
def test_a_constant_keeps_what_it_gives_and_hands_it_on_where_the_mode_says_so(way: str) -> None:
    """The oracle of `sink` is the gradient of the constant's value, one sample at a time."""
    sink = explained(way, "sink")
    for sample, kept in zip(X, sink.bias_total, strict=True):
        leaf = C.clone().requires_grad_(True)
        x = sample[None].clone().requires_grad_(True)
        y = (random_constants.WAYS[way](x, leaf) * torch.arange(1.0, 5.0)).sum()
        (gradient,) = torch.autograd.grad(y, x)
        torch.testing.assert_close(kept, y.detach() - (x * gradient).sum().detach())
    assert sink.stabilizer_total.abs().max() < 1e-12
    assert torch.equal(explained(way, "absorb").input, sink.input)
    for mode in HANDED_ON:
        r = explained(way, mode)
        assert not r.bias
        torch.testing.assert_close(r.input_total, r.target)
        assert float(r.closure.abs().max()) < 1e-12
    for mode in ("absorb", "ignore"):
        r = explained(way, mode)
        assert not r.bias and float(r.closure.abs().max()) < 1e-12


def test_a_constant_beside_a_signal_is_handed_to_that_signal() -> None:
    r = explained("chosen", "uniform")
    assert r.input.tolist() == [[1.0, -0.5, 9.0, 2.0], [0.5, 0.5, 6.0, 4.0]]
    added = explained("added", "uniform")
    torch.testing.assert_close(added.input, (X + C) * torch.arange(1.0, 5.0))


def test_a_concatenated_constant_is_shared_along_the_dimension_of_the_concatenation() -> None:
    """A plane of coordinates beside the pixels goes to the pixels of its own square."""
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    plane = torch.arange(16.0, dtype=torch.float64).reshape(1, 1, 4, 4)
    model = Function(lambda x: torch.cat([x, plane.expand(x.shape[0], -1, -1, -1)], 1))
    composite = lrp.Composite(bias="proportional")
    r = lrp.LRP(model, composite, x).attribute(x, lambda y: y.flatten(1).sum(1))
    torch.testing.assert_close(r.input, x + plane / 3)


def test_a_position_bias_of_attention_is_bias_relevance_and_a_mask_is_none() -> None:
    torch.manual_seed(0)
    bias = torch.randn(4, 4, dtype=torch.float64)
    hidden = torch.zeros(4, 4, dtype=torch.bool)
    hidden[0, 3] = True

    def attention(x: Tensor) -> Tensor:
        mask = bias.masked_fill(hidden, -torch.inf)
        return nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask)

    x = torch.randn(2, 4, 3, dtype=torch.float64)
    rule = (("matmul", rules.HalfAndHalf()), ("softmax", rules.SoftmaxTaylor()))
    found = {}
    for mode in lrp.bias.MODES:
        explainer = lrp.LRP(Function(attention), lrp.Composite(*rule, bias=mode), x)
        found[mode] = explainer.attribute(x, lambda y: y.flatten(1).sum(1))
        assert float(found[mode].closure.abs().max()) < 1e-12
        assert bool(found[mode].bias) == (mode == "sink")
    (kept,) = found["sink"].bias.values()
    assert not bool(kept[:, 0, 3].any()) and bool(kept.any())


drawn = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**31),
        "scale": st.sampled_from([1.0, 1e-3, 1e3]),
        "composite": st.sampled_from(["EpsilonPlus", "EpsilonPlusFlat", "EpsilonGammaBox", "Zero"]),
        "target": st.integers(0, random_constants.OUTPUTS - 1),
    }
)


@cache
def explainer(architecture: int, composite: str, mode: str, linear: bool = False) -> lrp.LRP:
    net = random_constants.network(architecture, linear)
    if composite == "Zero":
        weighted = lrp.Composite(("linear", rules.Zero()), bias=mode)
    else:
        weighted = lrp.composites.PRESETS[composite](bias=mode)
    return lrp.LRP(net, weighted, torch.zeros(2, random_constants.WIDTH, dtype=torch.float64))


def check(architecture: int, case: dict) -> None:
    """The ledger closes in every mode, and no mode but `sink` keeps a bias."""
    random_constants.weigh(random_constants.network(architecture, False), case["seed"])
    generator = torch.Generator().manual_seed(case["seed"])
    x = torch.randn(3, random_constants.WIDTH, generator=generator, dtype=torch.float64)
    x = x * case["scale"]
    inputs = {}
    for mode in lrp.bias.MODES:
        r = explainer(architecture, case["composite"], mode).attribute(x, case["target"])
        assert all(bool(torch.isfinite(t).all()) for t in (r.input, *r.stabilizer.values())), mode
        close(r.closure, torch.zeros_like(r.closure), size(r))
        assert mode == "sink" or not r.bias
        inputs[mode] = r.input
    assert torch.equal(inputs["sink"], inputs["absorb"])


def check_gradients(architecture: int, case: dict) -> None:
    """LRP-0 with `sink` in a piecewise linear network: all constants' relevance is constant × gradient."""
    net = random_constants.network(architecture, True)
    random_constants.weigh(net, case["seed"])
    generator = torch.Generator().manual_seed(case["seed"])
    x = torch.randn(3, random_constants.WIDTH, generator=generator, dtype=torch.float64)
    r = explainer(architecture, "Zero", "sink", True).attribute(x, case["target"])
    leaf = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(net(leaf)[:, case["target"]].sum(), leaf)
    close(r.input, x * gradient, size(r))
    close(r.bias_total, r.target - (x * gradient).sum(1), size(r))


@given(architecture=st.integers(0, 5), case=drawn)
@QUICK
def test_the_ledger_closes_on_random_networks_with_constants(architecture: int, case: dict) -> None:
    check(architecture, case)
    check_gradients(architecture, case)


@pytest.mark.long
@pytest.mark.timeout(7200)
@given(architecture=st.integers(0, random_constants.ARCHITECTURES - 1), case=drawn)
@LONG
def test_the_ledger_closes_on_a_thousand_random_networks_with_constants(
    architecture: int, case: dict
) -> None:
    check(architecture, case)
    check_gradients(architecture, case)
