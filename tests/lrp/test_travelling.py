"""Explainers travel: pickled, copied, moved to another type; the model that stays is not touched."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp import rules
from tests.lrp import networks


@pytest.fixture
def model() -> nn.Module:
    made = networks.VggLike()
    networks.randomise(made, 2)
    return made


def inputs(dtype: torch.dtype) -> Tensor:
    source = torch.Generator().manual_seed(4)
    return torch.rand(2, *networks.VggLike.shape, generator=source).to(dtype)


@pytest.mark.parametrize(
    "composite",
    [
        "EpsilonGammaBox",
        lrp.composites.Tutorial,
        lrp.Composite((lrp.composites.nth(0), rules.ZPlus()), (nn.Linear, rules.Zero())),
    ],
)
def test_an_explainer_travels(composite: object, model: nn.Module) -> None:
    x = inputs(torch.float32)
    explainer = lrp.LRP(model.eval(), composite, x)
    expected = explainer.attribute(x, 1).input
    for other in (pickle.loads(pickle.dumps(explainer)), copy.deepcopy(explainer)):
        assert other.layers == explainer.layers and other.model is not explainer.model
        torch.testing.assert_close(other.attribute(x, 1).input, expected)


COMPOSITES = [
    "EpsilonPlusFlat",
    lrp.composites.EpsilonGammaBox(torch.zeros(2, 8, 8), torch.ones(2, 8, 8)),
    lrp.composites.Tutorial(bias="project"),
]


@pytest.mark.parametrize("composite", COMPOSITES, ids=["flat", "box", "tutorial"])
def test_an_explainer_in_another_type_equals_a_fresh_one(
    composite: object, model: nn.Module
) -> None:
    weights = {name: (id(t), t.clone()) for name, t in model.state_dict(keep_vars=True).items()}
    here = lrp.LRP(model, composite, inputs(torch.float32))
    x = inputs(torch.float64)
    fresh = lrp.LRP(copy.deepcopy(model).double(), composite, x).attribute(x, 1)
    expected = here.attribute(x.float(), 1).input
    for moved in (here.to(torch.float64), here.to("cpu", torch.float64), here.to(dtype=x.dtype)):
        r = moved.attribute(x, 1)
        assert r.input.dtype == torch.float64
        assert float((r.input - fresh.input).abs().max()) <= 1e-12 * float(fresh.input.abs().max())
    assert torch.equal(here.attribute(x.float(), 1).input, expected)
    for name, t in model.state_dict(keep_vars=True).items():
        assert (id(t), t.dtype) == (weights[name][0], weights[name][1].dtype)
        assert torch.equal(t, weights[name][1])


def test_a_moved_explainer_can_be_pickled_and_moved_back(model: nn.Module) -> None:
    x = inputs(torch.float32)
    here = lrp.LRP(model, "EpsilonPlus", x)
    back = pickle.loads(pickle.dumps(here.to(torch.float64))).to(torch.float32)
    assert torch.equal(back.attribute(x, 1).input, here.attribute(x, 1).input)


def test_token_ids_stay_integers_where_the_type_changes() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(9, 4), nn.Linear(4, 2)

        def forward(self, ids: Tensor) -> Tensor:
            return self.head(self.table(ids).mean(1))

    ids = torch.randint(9, (2, 5))
    r = lrp.LRP(Mean(), rules.Zero(), ids).to(torch.float64).attribute(ids, 1)
    assert r.target.dtype == torch.float64 and float(r.closure.abs().max()) < 1e-12


def test_what_cannot_be_pickled_is_named() -> None:
    class Local(nn.Linear):
        pass

    x = torch.rand(2, 3)
    explainer = lrp.LRP(Local(3, 2), rules.Zero(), x)
    with pytest.raises(lrp.LRPError, match=r"explainer's model \(Local\) cannot be pickled"):
        pickle.dumps(explainer)
    copied = copy.deepcopy(explainer)
    assert torch.equal(copied.attribute(x, 1).input, explainer.attribute(x, 1).input)
    chosen = lrp.Composite((lambda layer: layer.first, rules.Zero()))
    with pytest.raises(lrp.LRPError, match=r"explainer's composite \(Composite\)"):
        pickle.dumps(lrp.LRP(nn.Linear(3, 2), chosen, x))


@pytest.mark.parametrize("where", [torch.int32, "nowhere", 1.5])
def test_an_explainer_goes_to_devices_and_floating_point_types(where: object) -> None:
    with pytest.raises(lrp.InvalidInput, match="floating point type"):
        lrp.LRP(nn.Linear(3, 2), rules.Zero(), torch.rand(1, 3)).to(where)
