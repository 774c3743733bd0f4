"""Networks in which constants are added, chosen, concatenated, gated and written among the signals."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

WIDTH = 4
OUTPUTS = 3
ARCHITECTURES = 60


def _written(x: Tensor, c: Tensor) -> Tensor:
    made = x.clone()
    made[:, 1] = c[0]
    return made


def _written_into(x: Tensor, c: Tensor) -> Tensor:
    made = c.expand(x.shape[0], -1).clone()
    made[:, :2] = x[:, :2]
    return made


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "added": lambda x, c: x + c,
    "subtracted": lambda x, c: c - 0.5 * x,
    "chosen": lambda x, c: torch.where(x > 0.1, x, c),
    "maximum": torch.maximum,
    "minimum": lambda x, c: torch.minimum(c, x),
    "filled": lambda x, c: x.masked_fill(x < 0, 0.75),
    "beside": lambda x, c: torch.cat([c.expand(x.shape[0], -1), x], 1)[:, 2 : 2 + WIDTH],
    "stacked": lambda x, c: torch.stack([x, c.expand_as(x)], 1).sum(1),
    "written": _written,
    "written into": _written_into,
}


class Constant(nn.Module):
    """One way in which a constant c meets a signal."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.c = way, nn.Parameter(torch.empty(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return WAYS[self.way](x, self.c)


class Recurrent(nn.Module):
    """A GRU's step from a constant state: gates · a constant signal."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.c = nn.GRUCell(WIDTH, WIDTH), nn.Parameter(torch.empty(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x, self.c.expand(x.shape[0], -1))


@cache
def network(architecture: int, linear: bool = False) -> nn.Sequential:
    """[B, 4] to [B, 3] with one to three constants; `linear`: piecewise linear, without the recurrent step."""
    draw = random.Random(architecture)
    layers: list[nn.Module] = []
    for _ in range(draw.randint(1, 3)):
        layers.append(nn.Linear(WIDTH, WIDTH, bias=draw.random() < 0.7))
        layers += [nn.ReLU()] if draw.random() < 0.5 else []
        way = draw.choice([*WAYS, "gated"])
        gated = way == "gated" and not linear
        layers.append(Recurrent() if gated else Constant("added" if way == "gated" else way))
    return nn.Sequential(*layers, nn.Linear(WIDTH, OUTPUTS)).double().eval()


def weigh(net: nn.Module, seed: int) -> None:
    """Random weights and constants."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.7)
