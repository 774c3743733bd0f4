"""`from_pretrained` and `save_pretrained`: a checkpoint's own files, and a config.json that may not contradict them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import othello.network
from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.alpha_zero_general import AlphaZeroGeneralArchitecture, AlphaZeroGeneralNetwork
from othello.network.pretrained import CONFIG, config, from_pretrained, save_pretrained
from tests.othello.networks import lively_network


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_pretrained(lively_network(size=6, blocks=1, channels=8), tmp_path / "net", {"seed": 7})
    return tmp_path / "net"


def test_what_is_saved_comes_back_and_other_readers_have_the_tensors(saved: Path) -> None:
    network, loaded = from_pretrained(saved), checkpoint.load(saved)
    assert not network.training and loaded.meta["seed"] == 7
    assert network.architecture == loaded.network.architecture
    tensors = load_file(saved / loaded.meta["weights"]["file"])
    state = network.state_dict()
    assert tensors.keys() == state.keys()
    assert all(torch.equal(tensors[name], state[name]) for name in state)
    told = json.loads((saved / CONFIG).read_text("utf-8"))
    assert told == config(loaded.meta) and told["size"] == 6 and told["channels"] == 8


def test_an_imported_network_has_a_config_too(tmp_path: Path) -> None:
    network = AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(size=6, channels=8))
    save_pretrained(network, tmp_path)
    assert json.loads((tmp_path / CONFIG).read_text("utf-8"))["model_type"] == "alpha-zero-general"
    assert from_pretrained(tmp_path).architecture == network.architecture


def test_the_face_loads_by_name() -> None:
    assert othello.network.load("othello6").meta["architecture"]["size"] == 6
    assert othello.network.from_pretrained("othello6").architecture.size == 6
    with pytest.raises(CheckpointError, match="by name: othello6"):
        othello.network.from_pretrained("othello7")
    with pytest.raises(AttributeError, match="no attribute 'save_all'"):
        othello.network.save_all  # noqa: B018


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"model_type": "othello-network"}', "library_name is 'None', in meta.json"),
        ("nonsense", "config.json"),
        ("[]", "config.json"),
        ("{}" + " " * 70_000, "config.json"),
    ],
)
def test_a_config_that_says_something_else_is_refused(saved: Path, text: str, said: str) -> None:
    (saved / CONFIG).write_text(text)
    with pytest.raises(CheckpointError) as refused:
        from_pretrained(saved)
    assert said in str(refused.value) and len(str(refused.value).splitlines()) <= 2
    checkpoint.load(saved)  # which does not ask it


def test_nothing_is_written_over_unasked(saved: Path) -> None:
    other = lively_network(1, size=8, blocks=0, channels=8)
    with pytest.raises(CheckpointError, match="holds a checkpoint already"):
        save_pretrained(other, saved)
    save_pretrained(other, saved, replace=True)
    assert from_pretrained(saved).architecture.size == 8
