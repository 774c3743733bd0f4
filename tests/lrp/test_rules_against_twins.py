"""Every rule on every affine layer equals its slow twin, in float64."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp import rules
from tests.lrp.twins import Dense, explain_batch

LAYERS = {
    "linear": (lambda b: nn.Linear(7, 5, bias=b), (7,)),
    "conv1d": (lambda b: nn.Conv1d(3, 4, 3, stride=2, padding=1, bias=b), (3, 7)),
    "conv2d": (lambda b: nn.Conv2d(2, 3, 3, padding=1, bias=b), (2, 4, 4)),
    "conv2d strided": (
        lambda b: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2, bias=b),
        (2, 5, 5),
    ),
    "conv2d dilated": (lambda b: nn.Conv2d(2, 3, 2, padding=1, dilation=2, bias=b), (2, 4, 5)),
    "conv3d": (lambda b: nn.Conv3d(2, 2, 2, padding=(1, 0, 0), bias=b), (2, 2, 3, 2)),
    "conv_transpose2d": (
        lambda b: nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, groups=2, bias=b),
        (4, 3, 3),
    ),
}
RULES = {
    "Zero": (rules.Zero(), {}),
    "Epsilon": (rules.Epsilon(epsilon=0.1), {"epsilon": 0.1}),
    "ZPlus": (rules.ZPlus(epsilon=1e-3), {"epsilon": 1e-3}),
    "AlphaBeta": (
        rules.AlphaBeta(2.0, 1.0, epsilon=1e-3),
        {"alpha": 2.0, "beta": 1.0, "epsilon": 1e-3},
    ),
    "Gamma": (rules.Gamma(0.3, epsilon=1e-3), {"gamma": 0.3, "epsilon": 1e-3}),
    "WSquare": (rules.WSquare(), {}),
    "Flat": (rules.Flat(), {}),
    "ZBox": (rules.ZBox(-1.0, 1.5, epsilon=1e-3), {"low": -1.0, "high": 1.5, "epsilon": 1e-3}),
}
KINDS = ("non-negative", "mixed", "board")
MODES = ("sink", "absorb", "ignore", "uniform", "proportional")


def draw(kind: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Two samples of one kind of input."""
    if kind == "board":
        return torch.randint(-1, 2, (2, *shape), generator=generator).double()
    x = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return x.relu() if kind == "non-negative" else x


@cache
def model(layer: str, bias: bool, rectified: bool) -> nn.Module:
    """The layer alone, or behind a ReLU, which proves to the graph that its input is ≥ 0."""
    made = LAYERS[layer][0](bias).double()
    return nn.Sequential(nn.ReLU(), made) if rectified else nn.Sequential(nn.Identity(), made)


@cache
def explainer(layer: str, bias: bool, rectified: bool, rule: str, mode: str) -> lrp.LRP:
    shape = LAYERS[layer][1]
    composite = lrp.Composite((lambda found: True, RULES[rule][0]), bias=mode)
    return lrp.LRP(
        model(layer, bias, rectified), composite, torch.zeros(2, *shape, dtype=torch.float64)
    )


def randomise(net: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5
            )


def compare(layer: str, bias: bool, rectified: bool, mode: str, seed: int) -> None:
    """All rules on one random layer, with two inputs of every kind in one batch."""
    generator = torch.Generator().manual_seed(seed)
    shape = LAYERS[layer][1]
    net = model(layer, bias, rectified)
    randomise(net, generator)
    x = torch.cat(
        [draw(kind, shape, generator) for kind in (("non-negative",) if rectified else KINDS)]
    )
    y = net(x).detach()
    r = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    dense = Dense.of(net[1], shape)
    for rule, (_, options) in RULES.items():
        found = explainer(layer, bias, rectified, rule, mode).attribute(x, r)
        inputs, at_bias, stabilizer = explain_batch(dense, rule, x, r, mode, **options)
        torch.testing.assert_close(
            found.input, inputs, rtol=1e-9, atol=1e-11 * max(1.0, inputs.abs().max().item())
        )
        kept = sum(found.bias.values(), torch.zeros_like(at_bias))
        torch.testing.assert_close(
            kept, at_bias, rtol=1e-9, atol=1e-11 * max(1.0, at_bias.abs().max().item())
        )
        size = max(1.0, inputs.abs().sum().item())
        torch.testing.assert_close(found.stabilizer_total, stabilizer, rtol=1e-9, atol=1e-11 * size)
        assert found.closure.abs().max() <= 1e-12 * size


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("layer", LAYERS)
def test_every_rule_equals_its_slow_twin(layer: str, bias: bool) -> None:
    for seed in range(8):
        compare(layer, bias, False, "sink", seed)


@pytest.mark.parametrize("layer", LAYERS)
def test_every_rule_equals_its_slow_twin_where_the_graph_knows_that_inputs_are_positive(
    layer: str,
) -> None:
    for seed in range(4):
        compare(layer, True, True, "sink", seed)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layer", ["linear", "conv2d", "conv2d strided", "conv_transpose2d"])
def test_every_bias_mode_equals_its_slow_twin(layer: str, mode: str) -> None:
    for seed in range(2):
        compare(layer, True, False, mode, seed)
        compare(layer, True, True, mode, seed)


@pytest.mark.parametrize(
    "rectified", [True, False], ids=["known to the graph", "found in the data"]
)
def test_gamma_on_inputs_that_are_not_negative_is_the_overview_papers_formula(
    rectified: bool,
) -> None:
    """a ≥ 0 and z ≥ 0: R_j = Σ_k a(w + γp(w)) R_k / (Σ_j a(w + γp(w)) + b + γp(b)), nothing else."""
    layer, gamma = nn.Linear(7, 40).double(), 0.3
    net = nn.Sequential(nn.ReLU() if rectified else nn.Identity(), layer)
    generator = torch.Generator().manual_seed(5)
    randomise(net, generator)
    x = torch.rand(3, 7, generator=generator, dtype=torch.float64)
    z, w, b = layer(x).detach(), layer.weight.detach(), layer.bias.detach()
    r = torch.where(z >= 0, torch.randn(z.shape, generator=generator, dtype=torch.float64), 0.0)
    assert 0.2 < float((z >= 0).double().mean()) < 0.8
    raised = w + gamma * w.clamp(min=0)
    s = r / (x @ raised.T + b + gamma * b.clamp(min=0))
    found = lrp.LRP(net, rules.Gamma(gamma, epsilon=0.0), x).attribute(x, r)
    torch.testing.assert_close(found.input, x * (s @ raised), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        found.bias["1"], s * (b + gamma * b.clamp(min=0)), rtol=1e-9, atol=1e-12
    )
