"""One capture for calls of all sizes where the model allows it: explanations equal those of a capture of their own."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp.tracing import capture


class Reader(nn.Module):
    """Tokens with learned positions, a mask, causal attention written out, an encoder layer."""

    def __init__(self, longest: int = 512) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(50, 16), nn.Embedding(longest, 16)
        self.joined, self.head = nn.Linear(16, 48), nn.Linear(16, 5)
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        batch, length = ids.shape
        x = self.words(ids) + self.places(torch.arange(length))
        parts = self.joined(x).view(batch, length, 3, 4, 4).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + seen.transpose(1, 2).reshape(batch, length, 16)
        x = self.layer(x) * mask[..., None]
        out: Tensor = self.head(x.sum(1) / mask.sum(1, keepdim=True))
        return out


class Picture(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.second, self.head = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(x)))
        x = nn.functional.max_pool2d(x + torch.relu(self.second(x)), 2)
        out: Tensor = self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return out


class Changing(nn.Module):
    """Another function of what is longer than ten."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.one(x)
        return (y.abs() if x.shape[1] > 10 else y).mean(1)


class Last(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.lstm(x)[0][:, -1])
        return out


def sentence(length: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    mask = torch.ones(2, length, dtype=dtype)
    mask[1, length // 2 :] = 0
    return torch.randint(50, (2, length)), mask


def picture(size: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    return (torch.rand(2, 3, size, size + 5, dtype=dtype),)


def signal(length: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    return (torch.rand(2, length, 4, dtype=dtype),)


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every capture."""
    found: list[int] = []
    real = capture._exported

    def counted(*args: object) -> object:
        found.append(1)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(capture, "_exported", counted)
    return found


def agree(model: nn.Module, explainer: lrp.LRP, x: tuple[Tensor, ...], within: float) -> None:
    """One explanation by an explainer that knows other sizes and by one that knows none."""
    r = explainer.attribute(x, 1, layers=True)
    own = lrp.LRP(copy.deepcopy(model), explainer.composite, x).attribute(x, 1, layers=True)
    assert list(r.layers) == list(own.layers)
    assert r.stabilizer.keys() == own.stabilizer.keys()
    for a, b in zip((*r.inputs, *r.bias.values()), (*own.inputs, *own.bias.values()), strict=True):
        assert float((a - b).abs().max()) <= within * float(b.abs().max())
    assert float(r.closure.abs().max()) <= 10 * within * max(1.0, float(r.target.abs().max()))


Inputs = Callable[[int, torch.dtype], tuple[Tensor, ...]]
SINGLE, DOUBLE = (torch.float32, 1e-6), (torch.float64, 1e-12)
CASES = [
    (Reader, sentence, "AttnLRP", *DOUBLE),
    (Reader, sentence, "EpsilonPlus", *SINGLE),
    (Picture, picture, "EpsilonPlusFlat", *SINGLE),
    (Picture, picture, "EpsilonGammaBox", *DOUBLE),
]


@pytest.mark.parametrize("kind, inputs, composite, dtype, within", CASES)
def test_two_captures_serve_all_sizes(
    exports: list[int],
    kind: type[nn.Module],
    inputs: Inputs,
    composite: str,
    dtype: torch.dtype,
    within: float,
) -> None:
    torch.manual_seed(0)
    model = kind().to(dtype).eval()
    explainer = lrp.LRP(model, composite, inputs(7, dtype))
    for length in (7, 4, 16, 33):
        explainer.attribute(inputs(length, dtype), 1)
    lrp.LRP(model, composite, inputs(21, dtype)).attribute(inputs(21, dtype), 1)
    assert len(exports) == 2  # a new explainer of the same model needs none
    agree(model, explainer, inputs(33, dtype), within)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind, inputs, composite, dtype, within", CASES)
def test_lengths_up_to_512(
    kind: type[nn.Module], inputs: Inputs, composite: str, dtype: torch.dtype, within: float
) -> None:
    torch.manual_seed(0)
    model = kind().to(dtype).eval()
    explainer = lrp.LRP(model, composite, inputs(7, dtype))
    for length in (*range(4, 20), *range(20, 513, 41), 512):
        agree(model, explainer, inputs(length, dtype), within)


@pytest.mark.parametrize("kind", [Changing, Last])
def test_a_model_whose_operations_depend_on_the_size_is_captured_for_each(
    kind: type[nn.Module],
) -> None:
    torch.manual_seed(0)
    model = kind().double().eval()
    explainer = lrp.LRP(model, "EpsilonPlus", *signal(5, torch.float64))
    for length in (6, 12, 7):
        agree(model, explainer, signal(length, torch.float64), 1e-12)


def test_what_changed_is_seen_at_every_size() -> None:
    torch.manual_seed(0)
    model = Picture().double().eval()
    explainer = lrp.LRP(model, "EpsilonPlusFlat", *picture(9, torch.float64))
    for change in range(3):
        with torch.no_grad():
            model.second.weight.mul_(-1.5)
        if change == 2:
            model.head = nn.Linear(8, 4).double()
        for size in (9, 12):
            agree(model, explainer, picture(size, torch.float64), 1e-12)
