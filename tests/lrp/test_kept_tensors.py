"""Models that keep what they computed with gradients, as caches of attention biases and recorders of activations do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

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


@pytest.mark.parametrize(
    "keep", [in_a_cache_that_is_read, in_a_tuple_of_a_dict, in_a_record, in_a_slot]
)
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
