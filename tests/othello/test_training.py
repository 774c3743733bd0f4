"""Training runs: settings, exact resumption, killed trainers, races, bad numbers and damaged files."""

from __future__ import annotations

import io
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from othello import checkpoint
from othello.errors import CheckpointError, ConfigError, RunLocked
from othello.network import Architecture, Network
from othello.search.toy import DiscCount
from othello.training.config import LearnerSettings, RunConfig, named_configs, parse_config, read_config, write_toml
from othello.training.learner import Learner, NotFinite, loss_terms
from othello.training.loop import train
from othello.training.replay import batches, newest, read_samples, window_size, write_samples
from othello.training.run import Run, locked
from othello.training.selfplay import Samples, SelfPlaySettings, play_games

TINY = RunConfig(
    seed=5, games=12, chunk=6, workers=1,
    network=Architecture(size=4, blocks=1, channels=8, policy_channels=2, value_channels=2, value_hidden=8),
    selfplay=SelfPlaySettings(simulations=8, slots=6, random_plies=2, solve_empties=3, label_empties=1, leaf_empties=2),
    learner=LearnerSettings(batch=32, window_start=500),
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def some_samples() -> Samples:
    return play_games(DiscCount(4), TINY.selfplay, 1, 0, range(40))[0]


def test_settings_survive_a_round_trip_through_toml():
    assert parse_config(write_toml(TINY)) == TINY
    assert parse_config("") == RunConfig()


@pytest.mark.parametrize("text, complaint", [
    ("gmaes = 3", "unknown setting gmaes"),
    ("games = 0", "games = 0 is not in 1"),
    ("games = 'many'", "must be of type int"),
    ("[selfplay]\nsimulations = 1", "simulations = 1"),
    ("[learner]\nbatch = 1.5", "must be of type int"),
    ("[network]\nsize = 7", "board size 7"),
    ("network = 3", "must be a table"),
    ("games = = 3", "not TOML"),
])  # fmt: skip
def test_a_bad_setting_is_named_with_what_is_accepted(text, complaint):
    with pytest.raises((ConfigError, CheckpointError), match=complaint) as caught:
        parse_config(text, "mine.toml")
    assert len(str(caught.value).splitlines()) <= 2


def test_named_settings_are_read_and_an_unknown_name_lists_them():
    assert read_config(Path("othello6")).network.size == 6
    assert set(named_configs()) == {"othello4", "othello6", "othello8"}
    with pytest.raises(ConfigError, match="othello4, othello6, othello8"):
        read_config(Path("othello7"))


@pytest.mark.parametrize("larger", [{"blocks": 3}, {"channels": 12}, {"blocks": 2, "channels": 20}])
def test_a_run_that_starts_from_smaller_weights_begins_with_their_function(tmp_path, larger):
    train(tmp_path / "small", TINY, iterations=2)
    small = tmp_path / "small" / "generations" / "0002"
    config = replace(TINY, initial=str(small), network=replace(TINY.network, **larger))
    train(tmp_path / "large", config, iterations=1)
    first = checkpoint.load(tmp_path / "large" / "generations" / "0000").network
    planes = torch.rand(8, 4, 4, 4).round()
    with torch.no_grad():
        for mine, theirs in zip(first(planes), checkpoint.load(small).network(planes)):
            assert torch.allclose(mine, theirs, atol=1e-5)


def test_a_run_cannot_start_from_weights_that_do_not_fit(tmp_path):
    train(tmp_path / "small", TINY, iterations=1)
    config = replace(TINY, initial=str(tmp_path / "small" / "generations" / "0001"), network=Architecture(size=6))
    with pytest.raises(CheckpointError, match="size 4 does not fit 6"):
        train(tmp_path / "other", config, iterations=1)


def generation_hashes(folder: Path) -> list[str]:
    return [checkpoint.info(path)["weights"]["sha256"] for path in sorted((folder / "generations").iterdir())]


def test_an_interrupted_run_ends_with_the_same_weights_bit_for_bit(tmp_path):
    train(tmp_path / "whole", TINY, iterations=4)
    train(tmp_path / "parts", TINY, iterations=1)
    train(tmp_path / "parts", iterations=2)
    run = train(tmp_path / "parts", iterations=1)
    assert run.state.iteration == 4
    assert generation_hashes(tmp_path / "whole") == generation_hashes(tmp_path / "parts")
    assert len((tmp_path / "parts" / "metrics" / "metrics.csv").read_text().splitlines()) == 5


def _trainer(folder: Path) -> subprocess.Popen[bytes]:
    program = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from othello.training.loop import train\n"
        "if __name__ == '__main__': train(Path(sys.argv[1]), iterations=1000)\n"
    )
    script = folder.parent / "trainer.py"
    script.write_text(program)
    return subprocess.Popen([sys.executable, str(script), str(folder)], start_new_session=True,
                            stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip


def kill_and_resume(folder: Path, times: int, seed: int) -> None:
    train(folder, TINY, iterations=1)
    generator = random.Random(seed)
    for _ in range(times):
        process = _trainer(folder)
        before = Run.open(folder).state.iteration
        deadline = time.monotonic() + 60
        while Run.open(folder).state.iteration == before and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(generator.random() * 0.6)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        run = Run.open(folder, verify=True)
        assert run.state.iteration > before
        for number in range(run.state.iteration + 1):
            checkpoint.load(run.generation(number))
    assert train(folder, iterations=1).state.iteration == Run.open(folder).state.iteration


def test_a_killed_trainer_loses_no_generation_and_resumes_by_itself(tmp_path):
    kill_and_resume(tmp_path / "run", times=2, seed=1)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_fifty_killed_trainers_lose_no_generation(tmp_path):
    kill_and_resume(tmp_path / "run", times=50, seed=2)


def test_a_second_trainer_is_refused_with_the_first_ones_pid(tmp_path):
    with locked(tmp_path / "run"), pytest.raises(RunLocked, match=f"pid {os.getpid()} on "):
        train(tmp_path / "run", TINY, iterations=1)
    train(tmp_path / "run", TINY, iterations=1)


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"not an empty folder \(thesis\.txt"):
        train(tmp_path, TINY, iterations=1)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_changed_replay_file_is_noticed_before_training_goes_on(tmp_path):
    train(tmp_path / "run", TINY, iterations=2)
    path = tmp_path / "run" / "replay" / "0000.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"0000\.npz: missing or changed"):
        train(tmp_path / "run", iterations=1)


def test_a_damaged_manifest_is_an_error_that_names_it(tmp_path):
    train(tmp_path / "run", TINY, iterations=1)
    (tmp_path / "run" / "state.json").write_text('{"iteration": ')
    with pytest.raises(CheckpointError, match=r"state\.json: damaged"):
        train(tmp_path / "run", iterations=1)


@pytest.mark.parametrize("tensor", ["stem.weight", "value_out.bias", "blocks.0.norm1.weight", "policy_out.weight"])
def test_a_nan_anywhere_stops_training_in_that_step(some_samples, tensor):
    learner = Learner(Network(TINY.network), TINY.learner)
    with torch.no_grad():
        learner.network.state_dict()[tensor].index_fill_(0, torch.tensor([0]), float("nan"))
    with pytest.raises(NotFinite, match="step 1"):
        learner.train(some_samples, 3, 0, 1)


def test_a_nan_in_a_running_statistic_is_not_published(some_samples):
    learner = Learner(Network(TINY.network), TINY.learner)
    learner.average.stem_norm.running_var[0] = float("inf")
    with pytest.raises(NotFinite, match=r"stem_norm\.running_var"):
        learner.check_finite()


def test_the_learner_learns(some_samples):
    torch.manual_seed(0)
    learner = Learner(Network(TINY.network), LearnerSettings(batch=64, learning_rate=5e-3))
    before = learner.measure(some_samples)
    learner.train(some_samples, 150, 0, 1)
    after = learner.measure(some_samples)
    assert after.policy < before.policy and after.value < before.value and after.score < before.score


def test_the_loss_is_the_one_the_slow_twin_computes(some_samples):
    network = Network(TINY.network).eval()
    batch, legal = next(batches(some_samples, 1, LearnerSettings(batch=16), 4, 4, np.random.default_rng(0)))
    policy, value, score, _ = loss_terms(network, tuple(map(torch.from_numpy, batch)), torch.from_numpy(legal))
    planes, target_policy, target_value, target_score = batch
    logits, values, scores = (t.detach().double().numpy() for t in network.with_score(torch.from_numpy(planes)))
    expected_policy = expected_value = 0.0
    for i in range(16):
        moves = np.flatnonzero(legal[i])
        assert set(np.flatnonzero(target_policy[i])) <= set(moves)
        weights = np.exp(logits[i, moves])
        expected_policy -= (target_policy[i, moves] * np.log(weights / weights.sum())).sum() / 16
        win, target = (1 + values[i]) / 2, (1 + target_value[i]) / 2
        expected_value -= (target * np.log(win) + (1 - target) * np.log(1 - win)) / 16
    assert float(policy) == pytest.approx(expected_policy, rel=1e-4)
    assert float(value) == pytest.approx(expected_value, rel=1e-4)
    assert float(score) == pytest.approx(float(((scores - target_score) ** 2).mean()), rel=1e-4)


@given(st.integers(0, 2**32), st.sampled_from((2, 3, 4)))
def test_batches_are_symmetric_images_of_stored_positions(seed, planes):
    samples, _ = _cached_samples()
    (x, policy, _, _), legal = next(
        batches(samples, 1, LearnerSettings(batch=16), 4, planes, np.random.default_rng(seed))
    )
    assert x.shape == (16, planes, 4, 4) and policy.shape == legal.shape == (16, 17)
    counts = {(int(a).bit_count(), int(b).bit_count()) for a, b in zip(samples.own, samples.opp)}
    for image, distribution, mask in zip(x, policy, legal):
        assert (int(image[0].sum()), int(image[1].sum())) in counts
        assert not (distribution[~mask] > 0).any()


_stored: list[tuple[Samples, int]] = []


def _cached_samples() -> tuple[Samples, int]:
    if not _stored:
        _stored.append(play_games(DiscCount(4), TINY.selfplay, 1, 0, range(20)))
    return _stored[0]


def test_the_window_grows_with_the_data_and_holds_the_newest():
    settings = LearnerSettings(window_start=100, window_growth=0.5, window_limit=1000)
    assert [window_size(total, settings) for total in (10, 150, 400, 10_000)] == [100, 100, 200, 1000]

    def part(value: int, count: int) -> Samples:
        samples, _ = _cached_samples()
        return Samples(*(column[:count] for column in samples))._replace(game=np.full(count, value, np.int32))

    assert newest([part(0, 5), part(1, 4), part(2, 3)], 5).game.tolist() == [1, 1, 2, 2, 2]


def test_a_replay_file_with_pickled_objects_is_refused_and_nothing_runs(tmp_path, some_samples):
    write_samples(tmp_path / "good.npz", some_samples)
    assert np.array_equal(read_samples(tmp_path / "good.npz").policy, some_samples.policy)

    class Trap:
        def __reduce__(self):
            return (Path(tmp_path / "sprung").touch, ())

    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.array([Trap()], dtype=object) for name in Samples._fields})
    (tmp_path / "bad.npz").write_bytes(buffer.getvalue())
    (tmp_path / "raw.npz").write_bytes(pickle.dumps({"own": 1}))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:200])
    for name in ("bad.npz", "raw.npz", "cut.npz", "absent.npz"):
        with pytest.raises(CheckpointError, match=name):
            read_samples(tmp_path / name)
    assert not (tmp_path / "sprung").exists()
