"""The network's shapes, its limits, and what its initialisation promises."""

from __future__ import annotations

import pytest
import torch

from othello.errors import CheckpointError
from othello.network.architecture import Architecture, Network
from tests.othello.networks import lively_network


@pytest.mark.parametrize("size", [4, 6, 8])
@pytest.mark.parametrize("planes", [2, 3, 4])
def test_outputs_are_a_logit_for_every_action_and_a_value_in_range(size: int, planes: int) -> None:
    network = lively_network(size=size, planes=planes, blocks=1, channels=8)
    policy, value = network(torch.rand(5, planes, size, size))
    assert policy.shape == (5, size * size + 1) and value.shape == (5,)
    assert bool((value.abs() <= 1).all())


def test_with_score_agrees_with_forward() -> None:
    network = lively_network(blocks=1, channels=8)
    planes = torch.rand(3, 4, 8, 8)
    policy, value, score = network.with_score(planes)
    assert torch.equal(policy, network(planes)[0]) and torch.equal(value, network(planes)[1])
    assert score.shape == (3,)


def test_a_fresh_block_is_the_identity_so_that_depth_can_be_added() -> None:
    shallow = lively_network(blocks=1, channels=8)
    deep = Network(Architecture(blocks=3, channels=8)).eval()
    deep.load_state_dict(shallow.state_dict(), strict=False)
    planes = torch.rand(4, 4, 8, 8)
    assert torch.allclose(deep(planes)[0], shallow(planes)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("size", 7),
        ("size", 10),
        ("planes", 1),
        ("planes", 5),
        ("blocks", -1),
        ("blocks", 65),
        ("channels", 0),
        ("channels", 1025),
        ("policy_channels", 0),
        ("value_channels", 257),
        ("value_hidden", 5000),
    ],
)
def test_an_architecture_out_of_range_is_refused_by_name(name: str, number: int) -> None:
    with pytest.raises(CheckpointError, match=name if name != "size" else "board size"):
        Architecture(**{name: number})


def test_an_architecture_survives_its_dict_and_refuses_unknown_entries() -> None:
    architecture = Architecture(size=6, blocks=2, channels=24)
    assert Architecture.from_dict(architecture.to_dict()) == architecture
    with pytest.raises(CheckpointError, match="depth"):
        Architecture.from_dict({"depth": 3})
