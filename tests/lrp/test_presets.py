"""Presets: which ε reaches which layer; rules that pass or damp."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp import rules
from lrp.composites import PRESETS, Layer


class Block(nn.Module):
    """x + F(x), averaged over the board."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return (x + torch.relu(self.body(x))).mean((2, 3))


def board(samples: int = 2) -> Tensor:
    return torch.rand(
        samples, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    )


def layer(kind: str, first: bool = False) -> Layer:
    return Layer("l", kind, "", None, 0 if first else 1, 3, first, False)


@pytest.mark.parametrize("name", [n for n in PRESETS if n.startswith("Epsilon")])
def test_epsilon_reaches_linear_layers_and_norms_and_the_stabilizer_all_others(name: str) -> None:
    preset = PRESETS[name](epsilon=0.25, stabilizer=0.125)
    for kind in ("linear", "norm"):
        assert preset.rule_for(layer(kind)) == rules.Epsilon(epsilon=0.25)
    for kind in ("conv", "sum", "average"):
        assert preset.rule_for(layer(kind)).epsilon == 0.125
    lowest = preset.rule_for(layer("conv", first=True))
    assert lowest.epsilon == 0.125
    assert PRESETS[name]().rule_for(layer("sum")) is None


@pytest.mark.parametrize("epsilon", [1e-6, 0.25])
def test_a_stabilizer_damps_sums_averages_and_convolutions_by_the_formula(epsilon: float) -> None:
    torch.manual_seed(1)
    model, x = Block().double(), board()
    with torch.no_grad():
        body = torch.relu(model.body(x))
        h, w, b = x + body, model.body.weight, model.body.bias
        mean = h.mean((2, 3), keepdim=True)
        r_h = h / 16 * mean[:, :1] / (mean + epsilon) * torch.tensor([1.0, 0.0])[:, None, None]
        c = r_h / (h + epsilon)
        z = nn.functional.conv2d(x, w.clamp(min=0), b.clamp(min=0), padding=1) + epsilon
        s = body * c / z
        sent = nn.functional.conv_transpose2d(s, w.clamp(min=0), padding=1)
    r = lrp.LRP(model, lrp.composites.EpsilonPlus(stabilizer=epsilon), x).attribute(x, 0)
    torch.testing.assert_close(r.input, x * (c + sent))
    assert float(r.closure.abs().max()) < 1e-12


def test_epsilon_relative_to_the_size_of_a_sum_is_taken_of_each_sample() -> None:
    model, x = Block().double(), board(3)
    sums = lrp.Composite(("sum", rules.Norm(epsilon=0.5, relative=True)), ("conv", rules.ZPlus()))
    whole = lrp.LRP(model, sums, x)
    alone = torch.cat([whole.attribute(one[None], 0).input for one in x])
    torch.testing.assert_close(whole.attribute(x, 0).input, alone)
    plain = lrp.LRP(model, lrp.Composite(("conv", rules.ZPlus())), x).attribute(x, 0)
    damped = whole.attribute(x, 0)
    assert bool((damped.input_total < plain.input_total).all())
    assert float(damped.closure.abs().max()) < 1e-12


@pytest.mark.parametrize("relative", [False, True])
def test_the_flat_rule_divides_by_the_number_of_inputs_and_epsilon(relative: bool) -> None:
    model, x = nn.Linear(5, 3).double(), torch.rand(2, 5, dtype=torch.float64)
    r = lrp.LRP(model, rules.Flat(epsilon=2.0, relative=relative), x).attribute(x, 1)
    wanted = r.target[:, None] / (15.0 if relative else 7.0)
    torch.testing.assert_close(r.input, wanted.expand(2, 5))
    assert float(r.closure.abs().max()) < 1e-12


def test_relevance_passes_a_layer_unchanged_where_its_rule_says_so() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 2)).double()
    x = torch.rand(2, 3, dtype=torch.float64)
    through = lrp.Composite(("0", rules.Pass()), ("1", rules.Pass()), ("2", rules.Zero()))
    r = lrp.LRP(model, through, x).attribute(x, 1)
    torch.testing.assert_close(r.input, r.layers["1"])
    assert set(r.bias) == {"2"} and float(r.closure.abs().max()) < 1e-12
