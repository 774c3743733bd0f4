"""Who plays a run's games: the backend that runs the network, and a teacher in the generations' stead."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from othello.errors import CheckpointError, ConfigError
from othello.network import checkpoint
from othello.network.architecture import Architecture, Network
from othello.network.evaluator import NetworkEvaluator
from othello.training import loop, ray_executor
from othello.training.chunks import take
from othello.training.config import RunConfig
from othello.training.loop import Trainer
from othello.training.preflight import check_start
from othello.training.replay import read_samples
from othello.training.run import Run, locked
from othello.training.selfplay import play_games
from othello.training.worker import Chunk
from tests.othello.training.trainers import TINY, advance

WINOGRAD = replace(TINY, backend="winograd")


def test_a_generation_and_a_chunk_say_which_backend_played(tmp_path):
    run = advance(tmp_path / "run", 1, WINOGRAD)
    assert checkpoint.info(run.generation(1))["backend"] == "winograd"
    with locked(run.folder):
        chunk = Trainer(run, lambda state: None)._chunks(1)[0]
    assert chunk.backend == "winograd"
    assert chunk.identity != replace(chunk, backend="torch").identity


def test_a_run_goes_on_by_another_backend_with_a_word_and_plays_unfinished_games_again(
    tmp_path, caplog, monkeypatch
):
    folder = tmp_path / "run"
    advance(folder, 1, TINY)
    with locked(folder):
        before = Trainer(Run.open(folder), lambda state: None)
    chunk = before._chunks(1)[0]
    loop.play_chunk(chunk)
    other = "torch" if before.backend == "winograd" else "winograd"
    monkeypatch.setattr(RunConfig, "played_by", lambda config: other)
    with caplog.at_level(logging.WARNING):
        run = advance(folder, 1)
    said = [record.getMessage() for record in caplog.records]
    assert f"{folder}: its games were played by the {before.backend} backend" in said[0]
    assert f"are by {other}" in said[0]
    assert "holds games of another run, iteration or generation" in said[1]
    assert checkpoint.info(run.generation(2))["backend"] == other
    assert (run.chunks / "set-aside" / chunk.out.rsplit("/", 1)[1]).exists()


def test_the_same_backend_goes_on_without_a_word(tmp_path, caplog):
    advance(tmp_path / "run", 1, TINY)
    advance(tmp_path / "run", 1)
    assert not caplog.records


def test_a_node_that_cannot_run_the_backend_says_so(monkeypatch):
    monkeypatch.setattr(ray_executor, "has_amx", lambda: False)
    chunk = Chunk("", TINY.selfplay, 1, 0, 0, 2, "out.npz", backend="openvino")
    with pytest.raises(
        ray_executor.ClusterError, match=r'backend = "winograd" .* suits every node'
    ):
        ray_executor.play(chunk, {}, ray_executor.versions())


def test_a_teacher_plays_the_first_iterations(tmp_path):
    teacher = tmp_path / "teacher"
    network = Network(Architecture(size=4, blocks=2, channels=8)).eval()
    checkpoint.save(network, teacher)
    taught = replace(
        WINOGRAD, teacher=str(teacher), teacher_until=1, teacher_simulations=16, games=6
    )
    run = advance(tmp_path / "run", 2, taught)
    evaluator = NetworkEvaluator(network, backend="winograd")
    settings = taught.selfplay._replace(simulations=16)
    by_teacher, _ = play_games(evaluator, settings, taught.seed, 0, range(6))
    kept = read_samples(run.replay / "0000.npz")
    assert all((a == b).all() for a, b in zip(kept, by_teacher, strict=True))
    own = NetworkEvaluator(
        checkpoint.load(run.generation(1)).network,  # type: ignore[arg-type]
        backend="winograd",
    )
    by_generation, _ = play_games(own, taught.selfplay, taught.seed, 1, range(6))
    kept = read_samples(run.replay / "0001.npz")
    assert all((a == b).all() for a, b in zip(kept, by_generation, strict=True))


def test_a_chunk_of_the_teacher_is_not_one_of_the_generation(tmp_path):
    teacher = tmp_path / "teacher"
    checkpoint.save(Network(TINY.network), teacher)
    taught = replace(TINY, teacher=str(teacher), teacher_until=1)
    with locked(tmp_path / "run"):
        trainer = Trainer(Run.create(tmp_path / "run", taught), lambda state: None)
    chunk = trainer._chunks(0)[0]
    loop.play_chunk(chunk)
    alone = replace(chunk, generation=trainer.run.state.generation_sha256)
    assert take(trainer.run.chunks / chunk.out.rsplit("/", 1)[1], alone.identity) is None


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"backend": "tpu"}, 'backend = "tpu" is unknown; accepted are auto, torch'),
        ({"backend": "winograd", "device": "cuda"}, 'serves device = "cpu", not "cuda"'),
        ({"teacher": "othello8"}, "teacher and teacher_until go together"),
        ({"teacher_until": 3}, "teacher and teacher_until go together"),
    ],
)
def test_settings_that_name_no_player_are_refused(settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        replace(TINY, **settings)


def test_a_teacher_of_another_board_is_refused_before_anything_is_written(tmp_path):
    config = replace(TINY, teacher="othello6", teacher_until=2)
    with pytest.raises(CheckpointError, match="othello6: othello-network on 6×6; a teacher plays"):
        check_start(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
