"""The compatibility table: what a row says of a model that is explained, refused, or cannot be made; real ones where
their library is installed."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch import Tensor, nn

import lrp
from benchmarks.compatibility import measured, rows
from benchmarks.compatibility_models import GROUPS, Case
from benchmarks.compatibility_oracles import compared


class Classifier(nn.Module):
    """A dict of logits over token ids; `branches` reads its data."""

    def __init__(self, branches: bool = False) -> None:
        super().__init__()
        self.table, self.head, self.branches = nn.Embedding(9, 4), nn.Linear(4, 3), branches

    def forward(self, input_ids: Tensor) -> dict[str, Tensor]:
        x = torch.relu(self.table(input_ids)).mean(1)
        if self.branches and x.sum() > 0:
            x = -x
        return {"logits": self.head(x)}


class Residual(nn.Module):
    """x + y by function."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x)) + x


def made(name: str) -> Case:
    if name == "missing":
        raise ImportError("no such library")
    batch = {"input_ids": torch.tensor([[1, 2, 3], [4, 5, 6]])}
    return Case(Classifier(name == "branches").eval(), (), batch, "logits", 1, "AttnLRP")


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GROUPS, "own", (made, ("plain", "branches", "missing")))


@pytest.mark.filterwarnings("ignore")  # the profiler warns where it finds no device
def test_a_row_of_a_model_that_is_explained() -> None:
    torch.manual_seed(0)
    row = measured("own", "plain", rounds=1)
    assert row.explained and row.closure < 1e-6 and row.F > 0 and row.reason == ""
    assert row.memory > 0


@pytest.mark.parametrize(("name", "says"), [("branches", "x.sum() > 0"), ("missing", "no such")])
def test_a_row_of_a_model_that_is_not(name: str, says: str) -> None:
    row = measured("own", name)
    assert not row.explained and says in row.reason and row.closure != row.closure


def test_a_hundred_models_are_tried_and_a_name_that_is_none_of_theirs_is_an_error() -> None:
    names = [name for group in ("torchvision", "timm", "transformers") for name in GROUPS[group][1]]
    assert len(names) >= 100
    assert [row.name for row in rows(["own"], ["missing"], 0, False)] == ["missing"]
    with pytest.raises(ValueError, match="no model is named resnet19 in own"):
        list(rows(["own"], ["resnet19"], 0, False))


def test_why_another_library_is_not_asked_is_said() -> None:
    x = torch.rand(2, 3)
    case = Case(Residual(), (x,), {}, None, 1, "EpsilonPlus")
    said = compared("timm", "residual", case, lrp.LRP(case.model, case.composite, x))
    assert said == "Zennit, Captum: a sum by function is not seen (add)"


@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["bert", "mixtral", "fnet"])
def test_models_of_transformers_are_explained_as_their_users_call_them(name: str) -> None:
    row = measured("transformers", name)
    assert row.explained and row.closure <= 1e-5, row


@pytest.mark.skipif(importlib.util.find_spec("zennit") is None, reason="Zennit is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_torchvision_resnet_has_zennits_map() -> None:
    pytest.importorskip("torchvision")
    row = measured("torchvision", "resnet18", oracles=True)
    assert row.oracle.startswith("Zennit") and float(row.oracle.split()[1].rstrip(",")) < 1e-6
