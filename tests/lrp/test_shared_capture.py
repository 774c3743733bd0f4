"""Explainers of one model share its captured graph, also where the model holds a dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

import lrp.live
from lrp import LRP


@dataclass(frozen=True)
class Sizes:
    """What a model is made of."""

    inputs: int = 4
    outputs: int = 2


class Model(torch.nn.Module):
    """A network that keeps its own settings."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.layer = torch.nn.Linear(sizes.inputs, sizes.outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's outputs [B, 2]."""
        return torch.relu(self.layer(x))


def test_explainers_of_a_model_that_holds_a_dataclass_share_its_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captured: list[Any] = []
    capture = lrp.live.capture
    monkeypatch.setattr(
        lrp.live, "capture", lambda *given: (captured.append(given), capture(*given))[1]
    )
    model, x = Model(Sizes()), torch.rand(3, 4)
    for rules in ("EpsilonPlus", "EpsilonPlusFlat", "EpsilonAlpha2Beta1", "AttnLRP"):
        LRP(model, rules, x).attribute(x, target=1)
    assert len(captured) <= 2  # and not one for each of the four
