"""What rules derive of weights and biases is kept for its own side of the rule alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp.ops import budget
from lrp.ops.affine import AffineStep


def layer_with_room(
    room: int, x: Tensor, model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> AffineStep:
    """The first layer's step under αβ, for which so many bytes may be held beside the model."""
    monkeypatch.setattr(budget, "FREE", room)
    steps = lrp.LRP(model, "EpsilonAlpha2Beta1", x).program.steps.values()
    return next(step for step in steps if isinstance(step, AffineStep))


def test_a_kept_bias_is_not_that_of_a_side_that_has_its_address_by_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With little room biases are kept and the sides that they belong to are not: each call makes new ones."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(16, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(32, 4))
    model, x = nn.Sequential(*layers).double().eval(), torch.randn(3, 16, 4, 4).double()
    without = layer_with_room(0, x, model, monkeypatch)
    wanted = without.total(x, without.sides()[1])
    step = layer_with_room(2**10, x, model, monkeypatch)
    positive, negative = step.sides()
    assert step.sides()[0] is not positive, "there is room for the sides"
    step.total(x, positive)
    place = id(positive)
    del positive
    others = [replace(negative)]
    while id(others[-1]) != place and len(others) < 10_000:
        others.append(replace(negative))
    assert id(others[-1]) == place, "the address is not used again"
    assert torch.equal(step.total(x, others[-1]), wanted)
