"""Networks with random architectures: convolutions of every kind, BatchNorm, pooling, residual sums, branches."""

from __future__ import annotations

import random
from functools import cache

import torch
from torch import Tensor, nn

from tests.lrp.networks import randomise

SHAPE = (2, 6, 6)
OUTPUTS = 3
ARCHITECTURES = 150
"""How many architectures there are; each is captured once and gets new weights for every network."""


class Residual(nn.Module):
    """x + F(x)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Branches(nn.Module):
    """Two views of x side by side."""

    def __init__(self, one: nn.Module, two: nn.Module) -> None:
        super().__init__()
        self.one, self.two = one, two

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.two(x)], 1)


class Average(nn.Module):
    """The mean over the board."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def _same(draw: random.Random, channels: int, out: int) -> nn.Conv2d:
    """A convolution that keeps the board's size; its kernel may be even."""
    groups = 2 if channels % 2 == 0 and out % 2 == 0 and draw.random() < 0.2 else 1
    kernel, dilation = draw.choice([1, 2, 3, 3, (3, 2)]), draw.choice([1, 1, 1, 2])
    return nn.Conv2d(
        channels,
        out,
        kernel,
        padding="same",
        dilation=dilation,
        groups=groups,
        bias=draw.random() < 0.7,
    )


def _body(draw: random.Random, channels: int, out: int) -> nn.Sequential:
    """One or two convolutions with BatchNorm before, behind or nowhere."""
    layers: list[nn.Module] = []
    for width in (channels, out) if draw.random() < 0.5 else (out,):
        place = draw.choice(["before", "behind", "behind", "none"])
        layers += [nn.BatchNorm2d(channels), nn.ReLU()] if place == "before" else []
        layers.append(_same(draw, channels, width))
        layers += [nn.BatchNorm2d(width)] if place == "behind" else []
        layers += [nn.ReLU()] if draw.random() < 0.7 else []
        channels = width
    return nn.Sequential(*layers)


def network(architecture: int, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    """The one network of architecture number `architecture`: [B, 2, 6, 6] to [B, 3], piecewise linear."""
    return _network(architecture, dtype)


@cache
def _network(architecture: int, dtype: torch.dtype) -> nn.Sequential:
    draw = random.Random(architecture)
    channels, side = 4, 6
    layers: list[nn.Module] = [
        nn.Conv2d(2, 4, 3, padding=draw.choice([0, 1]), bias=draw.random() < 0.8)
    ]
    side -= 2 * (1 - layers[0].padding[0])  # type: ignore[operator, index]
    layers += [nn.BatchNorm2d(4)] if draw.random() < 0.5 else []
    layers += [nn.ReLU()] if draw.random() < 0.9 else []
    for _ in range(draw.randint(1, 3)):
        kind = draw.choice(
            ["plain", "residual", "residual", "branches", "strided", "max", "average", "transposed"]
        )
        if kind == "plain":
            layers += [_body(draw, channels, 6), nn.ReLU()]
            channels = 6
        elif kind == "residual":
            layers += [
                Residual(_body(draw, channels, channels)),
                draw.choice([nn.ReLU(), nn.Identity()]),
            ]
        elif kind == "branches":
            other = draw.choice([nn.Identity(), _same(draw, channels, channels)])
            layers.append(Branches(_body(draw, channels, 2), other))
            channels += 2
        elif kind == "strided" and side >= 4:
            layers += [nn.Conv2d(channels, 4, 3, stride=2, padding=1), nn.ReLU()]
            channels, side = 4, (side + 1) // 2
        elif kind == "transposed":
            layers += [
                nn.ConvTranspose2d(channels, 4, 2, bias=draw.random() < 0.7),
                nn.BatchNorm2d(4),
                nn.ReLU(),
            ]
            channels, side = 4, side + 1
        elif kind in ("max", "average") and side >= 4:
            layers.append(nn.MaxPool2d(2) if kind == "max" else nn.AvgPool2d(2))
            side //= 2
    if draw.random() < 0.4:
        layers.append(Average())
    else:
        layers.append(nn.Flatten())
        channels *= side * side
    if draw.random() < 0.6:
        layers += (
            [nn.Linear(channels, 5)]
            + ([nn.BatchNorm1d(5)] if draw.random() < 0.5 else [])
            + [nn.ReLU()]
        )
        channels = 5
    return nn.Sequential(*layers, nn.Linear(channels, OUTPUTS)).to(dtype).eval()


def weigh(net: nn.Module, seed: int, scale: float = 1.0, biased: bool = True) -> None:
    """Random weights; some units are dead (they never fire) and some are silent (they are exactly 0)."""
    randomise(net, seed, scale, biased)
    draw = random.Random(seed)
    with torch.no_grad():
        for module in list(net.modules())[:-1]:
            if isinstance(module, (nn.Conv2d, nn.Linear)) and draw.random() < 0.4:
                unit = draw.randrange(module.weight.shape[0])
                module.weight[unit] = 0
                if module.bias is not None:
                    module.bias[unit] = -5.0 if biased and draw.random() < 0.5 else 0.0
