"""What an explainer holds beside the model, counted in bytes."""

from __future__ import annotations

import gc
import os
import pickle
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lrp
from lrp.ops import budget
from lrp.propagate import forward


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


@cache
def resnet() -> nn.Sequential:
    """One for all tests, so that it is captured once."""
    torch.manual_seed(0)
    stem = (nn.Conv2d(3, 64, 7, 4, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    blocks = (Bottleneck(64, 64, 1), Bottleneck(256, 128, 2), Bottleneck(512, 128, 2))
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 100))
    return nn.Sequential(*stem, *blocks, *head).eval()


def inputs_and_model() -> tuple[nn.Sequential, Tensor]:
    return resnet(), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


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
def test_an_explainer_holds_no_more_than_the_models_weights_again(
    composite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "FREE", 0)  # bytes that may be held of a small model, for speed
    model, x = inputs_and_model()
    weights = sum(4 * parameter.numel() for parameter in model.parameters())
    before = storages()
    explainer = lrp.LRP(model, composite, x)
    explainer.attribute(x, 1)
    held = added(before)
    assert held <= weights
    for _ in range(5):
        explainer.attribute(x, 1)
    assert added(before) == held


@pytest.mark.parametrize("composite", ["EpsilonPlusFlat", "EpsilonGammaBox", "EpsilonAlpha2Beta1"])
def test_of_a_small_model_it_holds_no_more_than_16_mib(composite: str) -> None:
    model, x = inputs_and_model()
    before = storages()
    explainer = lrp.LRP(model, composite, x)
    explainer.attribute(x, 1)
    assert added(before) <= budget.FREE + 2**18  # and vectors, such as biases


@pytest.mark.parametrize("mode", ["sink", "project"])
def test_a_kept_result_holds_no_more_than_three_times_its_input(mode: lrp.bias.BiasMode) -> None:
    model, x = inputs_and_model()
    explainer = lrp.LRP(model, lrp.composites.EpsilonPlusFlat(bias=mode), x)
    explainer.attribute(x, 1)
    before, size = storages(), x.nbytes
    kept = [explainer.attribute(x.clone(), 1) for _ in range(4)]
    assert added(before) <= 3 * size * len(kept)
    each = explainer.attribute_each(x.clone(), [1, 2, 3, 4])
    assert added(before) <= 3 * size * len(kept) + 3 * each.input.nbytes
    full = explainer.attribute(x, 1, layers=True)
    same = kept[0]
    assert list(same.layers) == list(full.layers) and list(same.bias) == list(full.bias)
    for name in same.layers:
        assert torch.allclose(same.layers[name], full.layers[name], rtol=1e-4, atol=1e-6)
    for name in same.bias:
        assert torch.allclose(same.bias[name], full.bias[name], rtol=1e-4, atol=1e-6)
        assert torch.allclose(same.bias_of(name), full.bias_of(name), rtol=1e-3, atol=1e-5)
        assert torch.allclose(same.stabilizer[name], full.stabilizer[name], rtol=1e-3, atol=1e-5)


def test_maps_at_layers_are_never_those_of_another_model_or_input() -> None:
    model, x = inputs_and_model()
    explainer = lrp.LRP(model, "EpsilonPlus", x)
    first, second = explainer.attribute(x, 1), explainer.attribute(x, 1)
    copied = pickle.loads(pickle.dumps(first))
    assert torch.equal(copied.input, first.input)
    with pytest.raises(lrp.LRPError, match="layers=True"):
        copied.layers["0"]
    with torch.no_grad():
        model[0].weight.mul_(-1)
    with pytest.raises(lrp.LRPError, match="have changed"):
        first.layers["0"]
    with torch.no_grad():
        model[0].weight.mul_(-1)
    assert second.layers["0"].shape == (2, 64, 8, 8)
    x.mul_(2)
    with pytest.raises(lrp.LRPError, match="have changed"):
        first.bias["8"]


class Attending(nn.Module):
    """Attention under a mask of which it is asked, to a cache that is still empty and to what comes now."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        known = torch.cat([torch.tensor([], dtype=x.dtype), x], dim=1)
        return F.scaled_dot_product_attention(x, known, known, mask).flatten(1)


@pytest.mark.parametrize("visible", [True, False])
def test_what_an_operation_leaves_as_it_is_is_not_held_twice(visible: bool) -> None:
    x, mask = torch.randn(2, 3, 4, dtype=torch.float64), torch.ones(2, 3, 3, dtype=torch.bool)
    mask[:, 0, 2] = visible
    explainer = lrp.LRP(Attending(), "AttnLRP", x, mask)
    relevance = explainer.attribute(x, mask, target=1)
    program = explainer.program
    steps = program.path(program.graph.outputs)
    run = forward(program, steps, (x, mask), {})
    places = {
        node.name.rpartition(".")[2]: run.values[node.index].data_ptr()
        for node in program.graph.nodes
    }
    assert places["cat"] == x.data_ptr()
    assert (places["masked"] == places["scaled"]) == visible
    assert torch.allclose(relevance.target, Attending()(x, mask)[:, 1])
    assert float(relevance.closure.abs().max()) < 1e-12


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def explain(times: int, new: bool) -> int:
    """Bytes that a process has more after so many explanations, by one explainer or each by a new one."""
    model, x = inputs_and_model()
    explainer = lrp.LRP(model, "EpsilonPlusFlat", x)

    def once() -> None:
        (lrp.LRP(model, "EpsilonPlusFlat", x) if new else explainer).attribute(x, 1)

    for _ in range(times // 4):
        once()
    before = resident()
    for _ in range(times):
        once()
    return resident() - before


@pytest.mark.parametrize("new", [False, True])
def test_explanations_leave_nothing_behind(new: bool) -> None:
    model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(2, 4)
    explainer = lrp.LRP(model, "EpsilonPlus", x)

    def once() -> None:
        (lrp.LRP(model, "EpsilonPlus", x) if new else explainer).attribute(x, 1)

    once()
    before = storages(), len(gc.get_objects())
    for _ in range(100):
        once()
    assert not added(before[0])
    assert len(gc.get_objects()) - before[1] < 100


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.parametrize("new", [False, True])
def test_a_thousand_explanations_add_no_memory(new: bool) -> None:
    assert explain(1000, new) < 2**20
