"""A run that starts from another run: a larger network that has forgotten nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from othello import checkpoint
from othello.errors import CheckpointError
from othello.network import Architecture
from othello.training.config import LearnerSettings, RunConfig
from othello.training.loop import train
from othello.training.run import Run
from othello.training.selfplay import SelfPlaySettings

SMALL = RunConfig(
    seed=5, games=8, chunk=8, workers=1, network=Architecture(size=4, blocks=1, channels=8),
    selfplay=SelfPlaySettings(simulations=4, slots=8, random_plies=2, solve_empties=6, label_empties=3, leaf_empties=3),
    learner=LearnerSettings(batch=32, window_start=1000),
)  # fmt: skip


@pytest.fixture(scope="module")
def older(tmp_path_factory) -> Run:
    return train(tmp_path_factory.mktemp("runs") / "small", SMALL, iterations=2)


def test_it_has_the_games_and_the_function_of_the_older_run_and_learns_on(older, tmp_path):
    config = replace(SMALL, initial=str(older.folder), network=replace(SMALL.network, blocks=2, channels=12))
    run = train(tmp_path / "large", config, iterations=1)
    before = checkpoint.load(older.generation(2)).network.eval()
    start = checkpoint.load(run.generation(0)).network.eval()
    planes = torch.rand(16, SMALL.network.planes, 4, 4).round()
    with torch.no_grad():
        for new, old in zip(start(planes), before(planes)):
            assert torch.allclose(new, old, atol=1e-5)
    assert [entry.positions for entry in run.state.replay[:2]] == [entry.positions for entry in older.state.replay]
    assert run.state.games == older.state.games + 8
    assert run.state.positions == sum(entry.positions for entry in run.state.replay)
    assert Run.open(run.folder, verify=True).state.iteration == 1
    trained = checkpoint.load(run.generation(1)).network.state_dict()
    assert any(not np.allclose(trained[name], tensor) for name, tensor in start.state_dict().items())


def test_a_network_too_small_for_it_is_refused_before_anything_counts(older, tmp_path):
    config = replace(SMALL, initial=str(older.folder), network=replace(SMALL.network, channels=4))
    with pytest.raises(CheckpointError, match="channels"):
        train(tmp_path / "smaller", config, iterations=1)
    assert not (tmp_path / "smaller" / "state.json").exists()
