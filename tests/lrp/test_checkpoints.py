"""A checkpointed explanation is the same one, in less memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import lrp
from benchmarks.harness import most_bytes
from tests.lrp.sequences import Llama


class Block(nn.Module):
    """A residual block whose ReLU is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(16, 64), nn.Linear(64, 16)
        self.gate = nn.Linear(64, 16)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.a(x))
        return x + self.b(h) * torch.sigmoid(self.gate(h))


def deep() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*(Block() for _ in range(24)), nn.Linear(16, 3)).eval()


@pytest.mark.parametrize("composite", ["EpsilonPlus", "EpsilonAlpha2Beta1", "AttnLRP"])
@pytest.mark.parametrize("bias", ["sink", "project"])
def test_a_checkpointed_explanation_is_the_same(composite: str, bias: str) -> None:
    model, x = deep(), torch.randn(4, 16)
    rules = getattr(lrp.composites, composite)(bias=bias)
    plain, frugal = (lrp.LRP(model, rules, x, checkpoint=c) for c in (False, True))
    jobs: tuple[Callable[[lrp.LRP], lrp.Relevance], ...] = (
        lambda e: e.attribute(x, 1),
        lambda e: e.attribute(x, 1, through={"3.a": [0, 5]}),
        lambda e: e.attribute_each(x, [0, 2]),
        lambda e: e.attribute(x, 2, layers=True),
        lambda e: e.attribute(x, (3,), output="7.b"),
    )
    for job in jobs:
        one, other = job(plain), job(frugal)
        assert torch.equal(one.input, other.input)
        assert torch.equal(one.stabilizer_total, other.stabilizer_total)
        assert float(other.closure.abs().max()) < 1e-4


def test_a_transformer_is_explained_with_checkpoints() -> None:
    torch.manual_seed(0)
    model, x = Llama().double().eval(), torch.randn(2, 4, 16, dtype=torch.float64)
    maps = [lrp.LRP(model, "AttnLRP", x, checkpoint=c).attribute(x, 1).input for c in (False, True)]
    assert torch.equal(*maps)


def test_a_deep_model_needs_far_less_memory() -> None:
    model, x = deep(), torch.randn(256, 16)
    most = []
    for checkpoint in (False, True):
        explainer = lrp.LRP(model, "EpsilonPlus", x, checkpoint=checkpoint)
        explainer.attribute(x, 1)
        most.append(most_bytes(lambda e=explainer: e.attribute(x, 1)))  # type: ignore[misc]
    assert most[1] < 0.4 * most[0]
