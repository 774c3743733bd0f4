"""The compatibility table: what a row says of a model that is explained, refused, or cannot be made; real ones where
their library is installed."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch import Tensor, nn

from benchmarks.compatibility import GROUPS, TRANSFORMERS, Case, measured, rows, transformer


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


def made(name: str) -> Case:
    if name == "missing":
        raise ImportError("no such library")
    batch = {"input_ids": torch.tensor([[1, 2, 3], [4, 5, 6]])}
    return Case(Classifier(name == "branches").eval(), batch, "logits", 1)


def test_a_row_of_a_model_that_is_explained() -> None:
    torch.manual_seed(0)
    row = measured("plain", made, rounds=1)
    assert row.explained and row.closure < 1e-6 and row.F > 0 and row.reason == ""


@pytest.mark.parametrize(("name", "says"), [("branches", "x.sum() > 0"), ("missing", "no such")])
def test_a_row_of_a_model_that_is_not(name: str, says: str) -> None:
    row = measured(name, made)
    assert not row.explained and says in row.reason and row.closure != row.closure


def test_a_group_has_every_name_once_and_only_those_that_are_asked_for() -> None:
    make, names = GROUPS["transformers"]
    assert make is transformer and names == tuple(TRANSFORMERS) and len(names) >= 40
    assert [row.name for row in rows("transformers", ["no-such-model"], 0)] == ["no-such-model"]


@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "t5"])
def test_models_of_transformers_are_explained_as_their_users_call_them(name: str) -> None:
    row = measured(name, transformer)
    assert row.explained and row.closure <= 1e-5, row
