"""What an explainer holds beside the model, counted in bytes."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import Tensor, nn

import lrp


class Bottleneck(nn.Module):
    """ResNet-50's block."""

    def __init__(self, before: int, inside: int, stride: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, o, size, step in ((before, inside, 1, 1), (inside, inside, 3, stride)):
            convolution = nn.Conv2d(i, o, size, step, size // 2, bias=False)
            layers += [convolution, nn.BatchNorm2d(o), nn.ReLU()]
        after = 4 * inside
        layers += [nn.Conv2d(inside, after, 1, bias=False), nn.BatchNorm2d(after)]
        self.body = nn.Sequential(*layers)
        beside = nn.Conv2d(before, after, 1, stride, bias=False)
        self.beside = nn.Sequential(beside, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.beside(x))


def resnet() -> nn.Sequential:
    torch.manual_seed(0)
    stem = (nn.Conv2d(3, 64, 7, 4, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    blocks = (Bottleneck(64, 64, 1), Bottleneck(256, 128, 2), Bottleneck(512, 128, 2))
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 100))
    return nn.Sequential(*stem, *blocks, *head).eval()


def storages() -> dict[int, int]:
    """Bytes of every tensor that is alive, by address."""
    gc.collect()
    found = {}
    for thing in gc.get_objects():
        if type(thing) in (Tensor, nn.Parameter) and thing.layout == torch.strided:
            storage = thing.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
    return found


def added(before: dict[int, int]) -> int:
    return sum(size for place, size in storages().items() if place not in before)


@pytest.mark.parametrize("composite", ["EpsilonPlusFlat", "EpsilonGammaBox", "EpsilonAlpha2Beta1"])
def test_an_explainer_holds_no_more_than_the_models_weights_again(composite: str) -> None:
    model, x = resnet(), torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    weights = sum(4 * parameter.numel() for parameter in model.parameters())
    before = storages()
    explainer = lrp.LRP(model, composite, x)
    explainer.attribute(x, 1)
    held = added(before)
    assert weights > 2 * 2**20  # a smaller model's explainer keeps what its rules derive, for speed
    assert held <= weights
    for _ in range(5):
        explainer.attribute(x, 1)
    assert added(before) == held
