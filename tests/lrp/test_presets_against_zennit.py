"""Presets with `epsilon=` and `stabilizer=` against a slow twin, layer by layer, and against Zennit where installed."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

import lrp
from lrp.composites import PRESETS
from tests.lrp.networks import randomise
from tests.lrp.twins import Dense, explain_batch

CONVOLUTIONS = {
    "EpsilonPlus": ("ZPlus", {}),
    "EpsilonPlusFlat": ("ZPlus", {}),
    "EpsilonAlpha2Beta1": ("AlphaBeta", {"alpha": 2.0, "beta": 1.0}),
    "EpsilonAlpha2Beta1Flat": ("AlphaBeta", {"alpha": 2.0, "beta": 1.0}),
    "EpsilonGammaBox": ("Gamma", {"gamma": 0.25}),
}
LOWEST = {
    "EpsilonPlusFlat": ("Flat", {}),
    "EpsilonAlpha2Beta1Flat": ("Flat", {}),
    "EpsilonGammaBox": ("ZBox", {"low": -2.0, "high": 2.0}),
}


class Skip(nn.Module):
    """x + body(x)."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def plain() -> tuple[nn.Module, ...]:
    convolutions = (nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 4, 3, 2), nn.ReLU())
    return (*convolutions, nn.Flatten(), nn.Linear(16, 6), nn.ReLU(), nn.Linear(6, 5))


def residual() -> tuple[nn.Module, ...]:
    stem = (nn.Conv2d(2, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU())
    first = (nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU())
    second = (nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3))
    end = (nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(27, 5))
    return (*stem, Skip(*first, *second), *end)


def alpha_zero_general() -> tuple[nn.Module, ...]:
    """Valid convolutions, BatchNorm after convolutions and linear layers."""
    body = (nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    more = (nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    head = (nn.Linear(64, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 5))
    return (*body, *more, *head)


NETS = {
    "plain": (plain, 6),
    "residual": (residual, 6),
    "alpha-zero-general": (alpha_zero_general, 6),
}


def made(name: str) -> tuple[nn.Sequential, Tensor]:
    """A network with random weights and statistics, its norms without ε, which Zennit's merging leaves in them."""
    build, size = NETS[name]
    torch.manual_seed(4)
    model = nn.Sequential(*build()).double().eval()
    randomise(model, 5)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.eps = 0.0
    return model, torch.rand(2, 2, size, size, dtype=torch.float64) * 2 - 0.5


def merged(stages: Sequence[nn.Module]) -> list[nn.Module]:
    """The stages without BatchNorm."""
    found: list[nn.Module] = []
    for stage in stages:
        if isinstance(stage, nn.BatchNorm2d):
            found[-1] = fuse_conv_bn_eval(found[-1], stage)
        elif isinstance(stage, nn.BatchNorm1d):
            found[-1] = fuse_linear_bn_eval(found[-1], stage)
        else:
            found.append(stage)
    return found


def twin(
    stages: Sequence[nn.Module], x: Tensor, r: Tensor, preset: str, epsilon: float, first: bool
) -> Tensor:
    """Relevance of x, one stage after the other, from the last to the first."""
    stages = merged(stages)
    values = [x]
    for stage in stages:
        values.append(stage(values[-1]).detach())
    for place in reversed(range(len(stages))):
        stage, a, z = stages[place], values[place], values[place + 1]
        s = r.reshape(z.shape) / torch.where(z < 0, z - epsilon, z + epsilon)
        if isinstance(stage, Skip):
            body = twin(stage.body, a, s * (z - a), preset, epsilon, False)
            r = s * a + body
        elif isinstance(stage, nn.AvgPool2d):
            r = a * s.repeat_interleave(2, 2).repeat_interleave(2, 3) / 4
        elif isinstance(stage, (nn.Conv2d, nn.Linear)):
            rule, options = ("Epsilon", {})
            if isinstance(stage, nn.Conv2d):
                rule, options = CONVOLUTIONS[preset]
            if first and place == 0:
                rule, options = LOWEST.get(preset, (rule, options))
            dense = Dense.of(stage, a.shape[1:])
            r = explain_batch(dense, rule, a, r, "sink", epsilon=epsilon, **options)[0]
        else:
            r = r.reshape(a.shape)
    return r


def options_of(preset: str) -> dict[str, float]:
    return {"low": -2.0, "high": 2.0} if preset == "EpsilonGammaBox" else {}


def started(model: nn.Module, x: Tensor) -> Tensor:
    """The initial relevance of class 3."""
    y = model(x).detach()
    start = torch.zeros_like(y)
    start[:, 3] = y[:, 3]
    return start


def close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9 * float(wanted.abs().max()))


CASES = [(preset, epsilon) for preset in CONVOLUTIONS for epsilon in (1e-6, 0.25)]


@pytest.mark.parametrize("net", NETS)
def test_a_preset_is_its_rules_layer_by_layer(net: str) -> None:
    model, x = made(net)
    for preset, epsilon in CASES:
        composite = PRESETS[preset](epsilon=epsilon, stabilizer=epsilon, **options_of(preset))
        r = lrp.LRP(model, composite, x).attribute(x, 3)
        close(r.input, twin(list(model), x, started(model, x), preset, epsilon, True))


@pytest.mark.parametrize("net", NETS)
def test_a_preset_is_zennits(net: str) -> None:
    zennit = pytest.importorskip("zennit.composites")
    layers, canonizers, attribution = (
        importlib.import_module(f"zennit.{name}") for name in ("layer", "canonizers", "attribution")
    )

    class Hooked(nn.Module):
        """A skip connection whose sum Zennit sees."""

        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body, self.sum = body, layers.Sum()

        def forward(self, x: Tensor) -> Tensor:
            return self.sum(torch.stack([x, self.body(x)], -1))

    model, x = made(net)
    other = copy.deepcopy(model)
    for place, stage in enumerate(other):
        if isinstance(stage, Skip):
            other[place] = Hooked(stage.body)
    merge = canonizers.SequentialMergeBatchNorm()
    for preset, epsilon in CASES:
        given = {"epsilon": epsilon, "stabilizer": epsilon, **options_of(preset)}
        theirs = getattr(zennit, preset)(canonizers=[merge], **given)
        with attribution.Gradient(model=other, composite=theirs) as attributor:
            _, wanted = attributor(x.clone().requires_grad_(True), started(model, x))
        r = lrp.LRP(model, PRESETS[preset](**given), x).attribute(x, 3)
        close(r.input, wanted)
