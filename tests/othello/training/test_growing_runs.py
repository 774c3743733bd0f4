"""A run that starts from another run: a larger network that has forgotten nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.architecture import Architecture
from othello.network.sealed_json import write_sealed
from othello.training.config import LearnerSettings, RunConfig
from othello.training.loop import train
from othello.training.preflight import check_start
from othello.training.run import Run
from othello.training.selfplay import SelfPlaySettings
from othello.training.worker import Chunk, play_chunk

SMALL = RunConfig(
    seed=5,
    games=8,
    chunk=8,
    workers=1,
    network=Architecture(size=4, blocks=1, channels=8),
    selfplay=SelfPlaySettings(
        simulations=4, slots=8, random_plies=2, solve_empties=6, label_empties=3, leaf_empties=3
    ),
    learner=LearnerSettings(batch=32, window_start=1000),
)


@pytest.fixture(scope="module")
def older(tmp_path_factory) -> Run:
    return train(tmp_path_factory.mktemp("runs") / "small", SMALL, iterations=2)


def test_it_has_the_games_and_the_function_of_the_older_run_and_learns_on(older, tmp_path):
    larger = {"blocks": 2, "channels": 12, "policy_channels": 20, "value_channels": 11}
    network = replace(SMALL.network, **larger, value_hidden=70)
    config = replace(SMALL, initial=str(older.folder), network=network)
    run = train(tmp_path / "large", config, iterations=1)
    before = checkpoint.load(older.generation(2)).network.eval()
    start = checkpoint.load(run.generation(0)).network.eval()
    planes = torch.rand(16, SMALL.network.planes, 4, 4).round()
    with torch.no_grad():
        for new, old in zip(start(planes), before(planes)):
            assert torch.allclose(new, old, atol=1e-5)
    assert [entry.positions for entry in run.state.replay[:2]] == [
        entry.positions for entry in older.state.replay
    ]
    assert run.state.games == older.state.games + 8
    assert run.state.positions == sum(entry.positions for entry in run.state.replay)
    assert Run.open(run.folder, verify=True).state.iteration == 1
    trained = checkpoint.load(run.generation(1)).network.state_dict()
    assert any(
        not np.allclose(trained[name], tensor) for name, tensor in start.state_dict().items()
    )


def test_a_network_too_small_for_it_is_refused_before_anything_counts(older, tmp_path):
    config = replace(SMALL, initial=str(older.folder), network=replace(SMALL.network, channels=4))
    with pytest.raises(CheckpointError, match="channels"):
        train(tmp_path / "smaller", config, iterations=1)
    assert not (tmp_path / "smaller" / "state.json").exists()


def test_a_run_from_a_checkpoint_counts_what_its_weights_have_seen(older, tmp_path):
    config = replace(SMALL, initial=str(older.generation(2)))
    run = train(tmp_path / "next", config, iterations=1)
    before, after = older.state, run.state
    seen = checkpoint.info(older.generation(2))
    assert seen["games"] == 16 and seen["evaluations"] == before.evaluations > 0
    start = checkpoint.info(run.generation(0))
    counted = ("games", "positions", "evaluations", "core_seconds")
    assert [start[name] for name in counted] == [seen[name] for name in counted]
    assert after.games == 24 and after.positions > before.positions
    assert after.evaluations > before.evaluations and after.core_seconds > seen["core_seconds"] > 0


@pytest.mark.parametrize("games", [-1, "many", 0.5, None])
def test_a_checkpoint_whose_account_is_no_number_is_refused_before_anything_is_written(
    older, tmp_path, games
):
    folder = tmp_path / "odd"
    shutil.copytree(older.generation(2), folder)
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    del meta["digest"]
    write_sealed(folder / "meta.json", {**meta, "games": games})
    with pytest.raises(CheckpointError, match=r"meta\.json: games = .* whole number"):
        check_start(replace(SMALL, initial=str(folder)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_chunks_found_after_a_kill_count_what_they_cost(tmp_path):
    config = replace(SMALL, chunk=4)
    whole = train(tmp_path / "whole", config, iterations=1)
    run = train(tmp_path / "killed", config, iterations=0)
    settings, weights, digest = config.selfplay, str(run.generation(0)), run.state.generation_sha256
    reports = []
    for start, stop in ((0, 4), (4, 8)):
        out = str(run.chunks / f"0000-{start}-{stop}.npz")
        reports.append(
            play_chunk(
                Chunk(
                    weights,
                    settings,
                    config.seed,
                    0,
                    start,
                    stop,
                    out,
                    generation=digest,
                    backend=config.played_by(),
                )
            )
        )
    went_on = train(tmp_path / "killed", iterations=1)
    assert not (run.chunks / "set-aside").exists()  # the chunks were taken as they are
    assert (
        went_on.state.evaluations
        == whole.state.evaluations
        == sum(report.evaluations for report in reports)
        > 0
    )
    assert went_on.state.core_seconds >= sum(report.seconds for report in reports) > 0
    assert went_on.state.generation_sha256 == whole.state.generation_sha256
