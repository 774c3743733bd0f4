"""Models that keep what they computed with gradients, as caches of attention biases and recorders of activations do."""

from __future__ import annotations

import copy
import pickle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import lrp


@dataclass
class Held:
    """A record of anything."""

    values: list[Any] = field(default_factory=list)


class Slot:
    """A place for one tensor."""

    __slots__ = ("value",)


class Keeping(nn.Module):
    """A network that keeps its bias, or its activations, in places of its own."""

    def __init__(self, keep: Callable[[Keeping, Tensor, Tensor], None]) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 6), nn.Linear(6, 3)
        self.offsets = nn.Parameter(torch.randn(6))
        self.cache: dict[str, Any] = {}
        self.held, self.slot, self.keep = Held(), Slot(), keep

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, 3]."""
        offsets = self.cache.get("offsets", self.offsets * 2)
        hidden = torch.relu(self.first(x) + offsets)
        self.keep(self, hidden, offsets)
        return self.second(hidden)


def in_a_cache_that_is_read(model: Keeping, hidden: Tensor, offsets: Tensor) -> None:
    model.cache["offsets"] = offsets


def in_a_tuple_of_a_dict(model: Keeping, hidden: Tensor, offsets: Tensor) -> None:
    model.cache["last"] = (hidden, {"twice": [hidden * 2]})


def in_a_record(model: Keeping, hidden: Tensor, offsets: Tensor) -> None:
    model.held.values = [hidden]


def in_a_slot(model: Keeping, hidden: Tensor, offsets: Tensor) -> None:
    model.slot.value = hidden


PLACES = [in_a_cache_that_is_read, in_a_tuple_of_a_dict, in_a_record, in_a_slot]


@pytest.mark.parametrize("keep", PLACES)
def test_a_model_that_ran_with_gradients_is_explained_as_one_that_never_ran(keep: Any) -> None:
    torch.manual_seed(0)
    used, x = Keeping(keep).eval(), torch.randn(2, 5)
    fresh = Keeping(lambda *kept: None).eval()
    fresh.load_state_dict(used.state_dict())
    output = used(x)
    assert not output.is_leaf
    found = lrp.LRP(used, "EpsilonPlus", (x,)).attribute(x, 1)
    expected = lrp.LRP(fresh, "EpsilonPlus", (x,)).attribute(x, 1)
    torch.testing.assert_close(found.input, expected.input)
    torch.testing.assert_close(found.target, output[:, 1].detach())
    assert found.closure.abs().max() < 1e-5


@pytest.mark.parametrize("keep", PLACES)
def test_the_explainer_of_such_a_model_travels(keep: Any) -> None:
    torch.manual_seed(0)
    model, x = Keeping(keep).eval(), torch.randn(2, 5)
    model(x)
    explainer = lrp.LRP(model, "EpsilonPlus", x)
    expected = explainer.attribute(x, 1).input
    others = (copy.deepcopy(explainer), pickle.loads(pickle.dumps(explainer)), explainer.to("cpu"))
    for other in others:
        model(x)
        torch.testing.assert_close(other.attribute(x, 1).input, expected)
    moved = explainer.to(torch.float64).attribute(x.double(), 1)
    torch.testing.assert_close(moved.input.float(), expected)


@dataclass(slots=True)
class Slotted:
    """An argument without a dict."""

    value: Any


class Scaled(nn.Module):
    """A linear layer times a factor that lies in an argument, wherever it finds it there."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 3)

    def forward(self, x: Tensor, scale: Any) -> Tensor:
        """Logits [B, 3]."""
        found = scale.value if isinstance(scale, Slotted) else scale[0]
        return self.linear(x) * (found[0] if isinstance(found, list) else found)


ARGUMENTS: dict[str, Callable[[Tensor], Any]] = {
    "list": lambda t: [t],
    "deque": lambda t: deque([t]),
    "slots": Slotted,
    "a list in slots": lambda t: Slotted([t]),
    "array": lambda t: np.array([t.detach()[0, 0].item()]),
    "bytes": lambda t: bytearray([int(t.detach()[0, 0])]),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_hold_tensors_with_history_and_are_read_anew_in_every_call(name: str) -> None:
    torch.manual_seed(0)
    model, x, one = Scaled().eval(), torch.randn(2, 5), nn.Parameter(torch.ones(2, 1))
    argument = ARGUMENTS[name](one * 2)
    explainer = lrp.LRP(model, "EpsilonPlus", x, argument)
    for other in (explainer, copy.deepcopy(explainer), pickle.loads(pickle.dumps(explainer))):
        for factor in (2, 3):
            found = other.attribute(x, ARGUMENTS[name](one * factor), 1)
            torch.testing.assert_close(found.target, factor * model.linear(x)[:, 1].detach())
    if isinstance(argument, Slotted):
        argument.value = one * 5
    else:
        argument[0] = one.detach() * 5 if isinstance(argument, (list, deque)) else 5
    found = explainer.attribute(x, argument, 1).target
    torch.testing.assert_close(found, 5 * model.linear(x)[:, 1].detach())
