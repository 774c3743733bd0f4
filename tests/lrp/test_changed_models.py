"""Whatever is changed about a model after an explanation, the next explanation is one of the model as it is."""

from __future__ import annotations

import copy
import gc
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, parametrize, prune, vector_to_parameters

import lrp

FACTOR = 1.0
TABLE = {"factor": 1.0}


@dataclass
class Settings:
    """Configuration that a model reads while it runs."""

    scale: float
    inner: dict[str, list[float]]


def scaled(x: Tensor) -> Tensor:
    """A function of the module that reads globals."""
    return x * FACTOR * TABLE["factor"]


class Model(nn.Module):
    """A small network that reads everything a network may read."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.leaky = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.1)
        self.conv, self.b = nn.Conv1d(1, 2, 3, padding=1), nn.Linear(16, 3)
        self.act: Callable[[Tensor], Tensor] = torch.relu
        self.cfg, self.scale, self.items = (
            {"scale": 1.0, "deep": {"x": [1.0]}},
            torch.tensor(1.0),
            [1.0, 2.0],
        )
        self.array, self.number, self.flag = np.ones(3), 1.0, False
        self.settings = Settings(1.0, {"x": [1.0]})
        self.space = types.SimpleNamespace(scale=1.0)
        cell = [1.0]
        self.closure = lambda x: x * cell[0]
        self.cell = weakref.ref(self.closure)
        self.register_buffer("shift", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.a(x))) * self.cfg["scale"] * self.cfg["deep"]["x"][0]
        x = self.leaky(self.conv(x.unsqueeze(1) - 0.5)).flatten(1) * self.scale * self.items[0]
        x = (
            self.closure(scaled(x))
            * self.number
            * self.settings.scale
            * self.settings.inner["x"][0]
            * self.space.scale
        )
        x = -x if self.flag else x
        return self.b(x) * float(self.array[0]) + self.shift


class Doubled(nn.Module):
    """A parametrization."""

    def forward(self, w: Tensor) -> Tensor:
        return 2 * w


def changed_data(m: Model) -> None:
    m.a.weight.data = m.a.weight.data * 2


def changed_view(m: Model) -> None:
    m.conv.weight.data = m.conv.weight.data.flip(0)


def narrowed(m: Model) -> None:
    """Channels are cut off: addresses and strides stay."""
    m.conv.weight.data, m.conv.bias.data = m.conv.weight.data[:1], m.conv.bias.data[:1]
    m.b.weight.data = m.b.weight.data[:, :8]


def updated(m: Model) -> None:
    with torch.no_grad():
        m.b.weight.mul_(3)


def replaced_forward(m: Model) -> None:
    m.forward = types.MethodType(lambda s, x: s.b(s.conv(s.a(x).unsqueeze(1)).flatten(1)) + 5, m)  # type: ignore[method-assign]


def wrapped_forward(m: Model) -> None:
    inner = m.forward
    m.forward = lambda x: inner(x) + 5  # type: ignore[method-assign]


def replaced_class(m: Model) -> None:
    class Other(Model):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 2

    m.__class__ = Other


def in_numpy(m: Model) -> None:
    m.b.weight.detach().numpy()[1] = 4


def trained(m: Model) -> None:
    optimiser = torch.optim.SGD(m.parameters(), 0.5)
    m(torch.ones(2, 6, dtype=m.a.weight.dtype)).sum().backward()
    optimiser.step()


CHANGES: dict[str, Callable[[Model], object]] = {
    "function": lambda m: setattr(m, "act", torch.tanh),
    "lambda": lambda m: setattr(m, "act", lambda x: x.sigmoid()),
    "dict": lambda m: m.cfg.update(scale=2.0),
    "deep dict": lambda m: m.cfg["deep"]["x"].__setitem__(0, 3.0),  # type: ignore[index]
    "new dict": lambda m: setattr(m, "cfg", {"scale": 4.0, "deep": {"x": [2.0]}}),
    "dataclass": lambda m: setattr(m.settings, "scale", 2.0),
    "deep dataclass": lambda m: m.settings.inner.update(x=[2.5]),
    "namespace": lambda m: setattr(m.space, "scale", 2.0),
    "list": lambda m: m.items.__setitem__(0, 2.0),
    "reversed list": lambda m: m.items.reverse(),
    "number": lambda m: setattr(m, "number", 2.0),
    "flag": lambda m: setattr(m, "flag", True),
    "tensor attribute": lambda m: setattr(m, "scale", torch.tensor(2.0)),
    "tensor in place": lambda m: m.scale.mul_(2),
    "array attribute": lambda m: setattr(m, "array", np.full(3, 2.0)),
    "array in place": lambda m: m.array.__setitem__(0, 2.0),
    "closure cell": lambda m: m.closure.__closure__[0].cell_contents.__setitem__(0, 2.0),  # type: ignore[attr-defined]
    "forward hook": lambda m: m.a.register_forward_hook(lambda mod, args, out: out * 2),
    "forward pre-hook": lambda m: m.b.register_forward_pre_hook(lambda mod, args: (args[0] * 2,)),
    "hook of the root": lambda m: m.register_forward_hook(lambda mod, args, out: out + 1),
    "patched forward": replaced_forward,
    "wrapped forward": wrapped_forward,
    "other class": replaced_class,
    "forward of a part": lambda m: setattr(m.leaky, "forward", torch.tanh),
    "swapped module": lambda m: setattr(m, "leaky", nn.Tanh()),
    "swapped layer": lambda m: setattr(m, "b", nn.Linear(16, 3).to(m.a.weight.dtype)),
    "slope": lambda m: setattr(m.leaky, "negative_slope", 0.7),
    "padding": lambda m: (setattr(m.conv, "padding", (2,)), setattr(m.conv, "dilation", (2,))),
    "epsilon of the norm": lambda m: setattr(m.norm, "eps", 1.0),
    "data": changed_data,
    "flipped data": changed_view,
    "narrowed data": narrowed,
    "written data": lambda m: m.a.weight.data.mul_(2),
    "one number of data": lambda m: m.b.weight.data[1].fill_(7.0),
    "numpy view": in_numpy,
    "shared memory": lambda m: (m.share_memory(), m.b.weight.data[1].fill_(7.0)),
    "vector_to_parameters": lambda m: vector_to_parameters(
        2 * parameters_to_vector(m.parameters()), m.parameters()
    ),
    "in place": updated,
    "optimiser": trained,
    "new parameter": lambda m: setattr(m.b, "bias", nn.Parameter(m.b.bias.detach() + 3)),
    "no bias": lambda m: setattr(m.b, "bias", None),
    "state dict": lambda m: m.load_state_dict({k: v * 2 for k, v in m.state_dict().items()}),
    "buffer": lambda m: m.shift.add_(1),
    "running mean": lambda m: m.norm.running_mean.fill_(0.5),
    "train mode": lambda m: m.train(),
    "parametrization": lambda m: parametrize.register_parametrization(m.a, "weight", Doubled()),
    "pruned": lambda m: prune.l1_unstructured(m.b, "weight", 0.5),
    "precision": lambda m: m.double() if m.a.weight.dtype == torch.float32 else m.float(),
}


def longer(module: nn.Module, args: object, out: object) -> object:
    """A hook of every module."""
    return out * 1.5 if isinstance(out, Tensor) else out


def made(dtype: torch.dtype) -> tuple[Model, Tensor]:
    torch.manual_seed(0)
    m = Model().to(dtype).eval()
    m.scale = m.scale.clone()
    return m, torch.randn(2, 6, dtype=dtype)


def assert_right(m: nn.Module, x: Tensor, explain: Callable[[], lrp.Relevance]) -> None:
    """The explanation is one of the model as it is now, or a typed error."""
    try:
        found = explain().target
    except lrp.LRPError:
        with pytest.raises(RuntimeError):
            m(x)
        return
    m.eval()
    torch.testing.assert_close(found, m(x)[:, 1].detach(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("change", CHANGES)
def test_the_changed_model_is_explained(change: str, dtype: torch.dtype) -> None:
    m, x = made(dtype)
    explainer = lrp.LRP(m, "EpsilonPlus", x)
    before = explainer.attribute(x, 1).target
    CHANGES[change](m)
    if change not in ("precision", "train mode"):
        assert not torch.allclose(m(x)[:, 1], before), "the change changes nothing"
    assert_right(m, x, lambda: explainer.attribute(x, 1))
    assert_right(m, x, lambda: lrp.LRP(m, "EpsilonPlus", x).attribute(x, 1))


def test_what_was_replaced_by_its_equal_is_watched() -> None:
    m, x = made(torch.float64)
    explainer = lrp.LRP(m, "EpsilonPlus", x)
    explainer.attribute(x, 1)
    m.cfg, m.items, m.settings = copy.deepcopy((m.cfg, m.items, m.settings))
    m.norm._forward_hooks = OrderedDict()
    assert_right(m, x, lambda: explainer.attribute(x, 1))
    for name in ("dict", "deep dict", "list", "deep dataclass"):
        CHANGES[name](m)
        assert_right(m, x, lambda: explainer.attribute(x, 1))
    m.norm.register_forward_hook(lambda module, args, out: out * 2)
    assert_right(m, x, lambda: explainer.attribute(x, 1))


def test_an_entry_that_moves_from_one_dict_into_the_next_is_seen() -> None:
    class Balance(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)
            self.more, self.less = {"x": 1.5, "y": 2.5}, {"z": 3.5}

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x) * (sum(self.more.values()) - sum(self.less.values()))

    m, x = Balance().eval(), torch.randn(2, 4)
    explainer = lrp.LRP(m, "EpsilonPlus", x)
    explainer.attribute(x, 1)
    moved = {"y": m.more.pop("y"), **m.less}
    m.less.clear()
    m.less.update(moved)
    assert_right(m, x, lambda: explainer.attribute(x, 1))


def test_globals_and_patched_classes_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    m, x = made(torch.float64)
    explainer = lrp.LRP(m, "EpsilonPlus", x)
    explainer.attribute(x, 1)
    monkeypatch.setitem(TABLE, "factor", 2.0)
    assert_right(m, x, lambda: explainer.attribute(x, 1))
    monkeypatch.setattr(f"{__name__}.FACTOR", 3.0)
    assert_right(m, x, lambda: explainer.attribute(x, 1))
    monkeypatch.setattr(nn.LeakyReLU, "forward", lambda self, x: x.tanh())
    assert_right(m, x, lambda: explainer.attribute(x, 1))
    assert_right(m, x, lambda: lrp.LRP(m, "EpsilonPlus", x).attribute(x, 1))
    handle = nn.modules.module.register_module_forward_hook(longer)
    try:
        assert_right(m, x, lambda: explainer.attribute(x, 1))
    finally:
        handle.remove()
    assert_right(m, x, lambda: explainer.attribute(x, 1))


def test_a_model_is_freed_with_its_explainer() -> None:
    def explained() -> weakref.ref[nn.Module]:
        m, x = made(torch.float32)
        lrp.LRP(m, "EpsilonPlus", x).attribute(x, 1)
        return weakref.ref(m)

    models = [explained() for _ in range(5)]
    gc.collect()
    assert not any(ref() is not None for ref in models)


def test_a_numpy_scalar_counts_by_its_value_and_not_as_a_length() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)
            self.large = np.uint64(1) << np.uint64(63)
            self.factor = np.float64(2.0)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x) * float(self.factor)

    model, x = Scaled().eval(), torch.randn(2, 4)
    explain = lrp.LRP(model, "EpsilonPlus", x)
    explain.attribute(x, 1)
    model.factor = np.float64(3.0)
    assert torch.allclose(explain.attribute(x, 1).target, model(x)[:, 1])
