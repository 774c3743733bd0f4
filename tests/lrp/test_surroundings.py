"""What a model reads beside its own parts: the explanation follows it, or says that it cannot."""

from __future__ import annotations

import array
import os
import random
import sys
import types
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lrp
from lrp.tracing.content import Content

FACTOR: ContextVar[float] = ContextVar("FACTOR", default=1.0)
VALUE = 1.0
BESIDE = types.ModuleType("beside_the_model")
BESIDE.VALUE = 1.0  # type: ignore[attr-defined]
KEY = "LRP_TEST_FACTOR"


class Meta(type(nn.Module)):  # type: ignore[misc]
    """A class of classes."""

    factor = 1.0


class Reader(nn.Module, metaclass=Meta):
    """A network that multiplies by what a function of it reads."""

    def __init__(self, read: Callable[[Reader], Any]) -> None:
        super().__init__()
        self.a, self.b, self.read, self.name = nn.Linear(4, 5), nn.Linear(5, 3), read, "relu"
        self.bytes, self.array = bytearray(b"\x01"), array.array("d", [1.0])

    def forward(self, x: Tensor) -> Tensor:
        found = self.read(self)
        h = self.a(x)
        return self.b(found(h) if callable(found) else torch.relu(h) * float(found))


def imported(model: Reader) -> float:
    import beside_the_model

    return float(beside_the_model.VALUE)


def through_system(model: Reader) -> float:
    return float(sys.modules["beside_the_model"].VALUE)


def from_file(model: Reader) -> str:
    with open(KEY) as file:
        return file.read()


def plus_one(x: Tensor, y: Any) -> Tensor:
    return torch.mul(x, y) + 1


Patch = Callable[[pytest.MonkeyPatch, Reader, Path], object]


def setting(place: Any, name: str, value: Any) -> Patch:
    return lambda patch, model, path: patch.setattr(place, name, value)


CASES: dict[str, tuple[Callable[[Reader], Any], Patch]] = {
    "context": (lambda m: FACTOR.get(), lambda patch, m, path: FACTOR.set(2.0)),
    "environment": (
        lambda m: os.environ.get(KEY, "1"),
        lambda patch, m, path: patch.setenv(KEY, "2"),
    ),
    "getenv": (lambda m: os.getenv(KEY, "1"), lambda patch, m, path: patch.setenv(KEY, "2")),
    "globals": (lambda m: globals()["VALUE"], setting(sys.modules[__name__], "VALUE", 2.0)),
    "eval": (lambda m: eval("VALUE"), setting(sys.modules[__name__], "VALUE", 2.0)),
    "function by name": (lambda m: getattr(F, m.name), setting(F, "relu", torch.tanh)),
    "function by text": (lambda m: getattr(torch, "relu"), setting(torch, "relu", torch.tanh)),  # noqa: B009
    "imported inside": (imported, setting(BESIDE, "VALUE", 2.0)),
    "module by name": (through_system, setting(BESIDE, "VALUE", 2.0)),
    "class of the class": (lambda m: type(m).factor, setting(Meta, "factor", 2.0)),
    "operator": (lambda m: 2.0, setting(Tensor, "__mul__", plus_one)),
    "bytes": (lambda m: m.bytes[0], lambda patch, m, path: m.bytes.__setitem__(0, 2)),
    "array": (lambda m: m.array[0], lambda patch, m, path: m.array.__setitem__(0, 2.0)),
    "file": (from_file, lambda patch, m, path: Path(KEY).write_text("2")),
    "path": (lambda m: Path(KEY).read_text(), lambda patch, m, path: Path(KEY).write_text("2")),
}


@pytest.fixture
def read_beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, BESIDE.__name__, BESIDE)
    monkeypatch.chdir(tmp_path)
    Path(KEY).write_text("1")


@pytest.mark.usefixtures("read_beside")
@pytest.mark.parametrize("name", CASES)
def test_what_is_read_beside_the_model_is_followed(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read, change = CASES[name]
    model, x = Reader(read).eval(), torch.randn(2, 4)
    explainer = lrp.LRP(model, "EpsilonPlus", x)
    before = explainer.attribute(x, 1).target
    change(monkeypatch, model, tmp_path)
    wanted = model(x)[:, 1]
    assert not torch.allclose(wanted, before), "the change changes nothing"
    assert torch.allclose(explainer.attribute(x, 1).target, wanted, atol=1e-5)
    assert torch.allclose(lrp.LRP(model, "EpsilonPlus", x).attribute(x, 1).target, wanted)
    FACTOR.set(1.0)


SETTINGS: dict[str, tuple[Callable[[], Any], Any, Callable[[Any], object]]] = {
    "default type": (torch.get_default_dtype, torch.float64, torch.set_default_dtype),
    "deterministic": (
        torch.are_deterministic_algorithms_enabled,
        True,
        torch.use_deterministic_algorithms,
    ),
    "threads": (torch.get_num_threads, torch.get_num_threads() + 1, torch.set_num_threads),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_a_model_asks_for_is_followed(name: str) -> None:
    get, other, put = SETTINGS[name]
    own = get()
    model, x = Reader(lambda m: 1.0 if get() == own else 3.0).eval(), torch.randn(2, 4)
    explainer = lrp.LRP(model, "EpsilonPlus", x)
    explainer.attribute(x, 1)
    try:
        put(other)
        assert torch.allclose(explainer.attribute(x, 1).target, model(x)[:, 1])
    finally:
        put(own)


@pytest.mark.parametrize("draw", [lambda m: random.random(), lambda m: np.random.rand()])  # noqa: NPY002
def test_numbers_drawn_beside_torch_are_a_mismatch(draw: Callable[[Reader], float]) -> None:
    with pytest.raises(lrp.LRPError):
        explainer = lrp.LRP(Reader(draw).eval(), "EpsilonPlus", torch.randn(2, 4))
        explainer.attribute(torch.randn(2, 4), 1)


def test_arrays_of_a_watched_model_may_still_grow() -> None:
    model, x = Reader(lambda m: m.bytes[0] * m.array[0]).eval(), torch.randn(2, 4)
    explainer = lrp.LRP(model, "EpsilonPlus", x)
    explainer.attribute(x, 1)
    model.bytes.append(1)
    model.array.append(1.0)
    assert torch.allclose(explainer.attribute(x, 1).target, model(x)[:, 1])


def test_a_lazy_module_without_weights_is_named() -> None:
    model, x = nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(2)).eval(), torch.ones(2, 4)
    with pytest.raises(lrp.InvalidInput, match=r"0\.weight has no shape yet"):
        lrp.LRP(model, "EpsilonPlus", x)
    model(x)
    assert torch.allclose(lrp.LRP(model, "EpsilonPlus", x).attribute(x, 1).target, model(x)[:, 1])


PACKAGE = """
import torch

READ, INHERITED, UNREAD = {"factor": 1.0}, {"factor": 1.0}, {"factor": 1.0}


class Part(torch.nn.Linear):
    @property
    def factor(self):
        return READ["factor"] * self._inherited()

    def _inherited(self):
        return INHERITED["factor"]

    @classmethod
    def from_disk(cls):
        return UNREAD["factor"]

    def __repr__(self):
        return str(UNREAD)

    def forward(self, x):
        return super().forward(x) * self.factor
"""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> types.ModuleType:
    """A package with one module, as it lies where packages are installed."""
    found = types.ModuleType("installed_for_lrp")
    monkeypatch.setitem(sys.modules, found.__name__, found)
    file = tmp_path / "site-packages" / "installed_for_lrp.py"
    exec(compile(PACKAGE, str(file), "exec"), vars(found))
    return found


@pytest.mark.parametrize("name", ["READ", "INHERITED"])
def test_what_an_installed_module_reads_is_followed(name: str, installed: types.ModuleType) -> None:
    model, x = installed.Part(4, 3).eval(), torch.randn(2, 4)
    explainer = lrp.LRP(model, "EpsilonPlus", x)
    explainer.attribute(x, 1)
    getattr(installed, name)["factor"] = 2.0
    assert torch.allclose(explainer.attribute(x, 1).target, model(x)[:, 1])
    assert torch.allclose(lrp.LRP(model, "EpsilonPlus", x).attribute(x, 1).target, model(x)[:, 1])


def test_of_an_installed_module_what_no_forward_pass_names_is_not_looked_at(
    installed: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = installed.Part(4, 3).eval(), torch.randn(2, 4)
    watched = Content(model).guards.mappings
    assert any(part is installed.READ for part in watched)
    assert not any(part is installed.UNREAD for part in watched)
    explainer = lrp.LRP(model, "EpsilonPlus", x)
    explainer.attribute(x, 1)
    monkeypatch.setattr(installed.Part, "_inherited", lambda self: 3.0)
    assert torch.allclose(explainer.attribute(x, 1).target, model(x)[:, 1])
