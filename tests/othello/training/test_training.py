"""Training: exact resumption, first weights, bad numbers, the loss, batches and replay files."""

from __future__ import annotations

import io
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.architecture import Architecture, Network
from othello.search.disc_count import DiscCount
from othello.training.config import LearnerSettings
from othello.training.learner import Learner, NotFinite, loss_terms
from othello.training.loop import Trainer, train
from othello.training.replay import batches, newest, read_samples, window_size, write_samples
from othello.training.run import Run, file_record
from othello.training.selfplay import Samples, play_games
from tests.othello.training.trainers import TINY, advance, command, copied, hashes, start


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def some_samples() -> Samples:
    return play_games(DiscCount(4), TINY.selfplay, 1, 0, range(40))[0]


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    """A run of two iterations."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("begun") / "run"
    advance(folder, 2, TINY)
    return folder


@pytest.mark.parametrize("larger", [{"blocks": 3}, {"channels": 12}, {"blocks": 2, "channels": 20}])
def test_a_run_that_starts_from_smaller_weights_begins_with_their_function(begun, tmp_path, larger):
    small = begun / "generations" / "0002"
    config = replace(TINY, initial=str(small), network=replace(TINY.network, **larger))
    advance(tmp_path / "large", 1, config)
    first = checkpoint.load(tmp_path / "large" / "generations" / "0000").network
    planes = torch.rand(8, 4, 4, 4).round()
    with torch.no_grad():
        for mine, theirs in zip(first(planes), checkpoint.load(small).network(planes)):
            assert torch.allclose(mine, theirs, atol=1e-5)


def test_a_run_cannot_start_from_weights_that_do_not_fit(begun, tmp_path):
    config = replace(
        TINY, initial=str(begun / "generations" / "0002"), network=Architecture(size=6)
    )
    with pytest.raises(CheckpointError, match="size 4 does not fit 6"):
        advance(tmp_path / "other", 1, config)


def test_an_interrupted_run_with_worker_processes_ends_with_the_same_weights_bit_for_bit(tmp_path):
    """The other run plays in its own process and is not interrupted; other interruptions are in test_run_safety."""
    advance(tmp_path / "whole", 4, TINY)
    train(tmp_path / "parts", TINY, iterations=3)
    run = train(tmp_path / "parts", iterations=1)
    assert run.state.iteration == 4
    assert hashes(tmp_path / "whole") == hashes(tmp_path / "parts")
    assert (
        len((tmp_path / "parts" / "metrics" / "metrics.csv").read_text("utf-8").splitlines()) == 5
    )


@pytest.mark.parametrize(
    "tensor", ["stem.weight", "value_out.bias", "blocks.0.norm1.weight", "policy_out.weight"]
)
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


def _poison_gradient(trainer: Trainer, generator: np.random.Generator) -> None:
    parameters = list(trainer.learner.network.parameters())
    chosen = parameters[generator.integers(len(parameters))]
    chosen.register_hook(lambda gradient: torch.full_like(gradient, torch.nan))


def _poison_tensor(tensors: list[torch.Tensor], generator: np.random.Generator) -> None:
    floating = [tensor for tensor in tensors if tensor.is_floating_point()]
    chosen = floating[generator.integers(len(floating))]
    bad = (float("nan"), float("inf"))[generator.integers(2)]
    with torch.no_grad():
        chosen.view(-1)[generator.integers(chosen.numel())] = bad


def _poison_replay(trainer: Trainer, generator: np.random.Generator) -> None:
    for samples in trainer.parts:
        column = (samples.policy, samples.search_value)[generator.integers(2)]
        column[:] = np.nan


POISONS = {
    "weights": lambda t, g: _poison_tensor(list(t.learner.network.state_dict().values()), g),
    "average": lambda t, g: _poison_tensor(list(t.learner.average.state_dict().values()), g),
    "moments": lambda t, g: _poison_tensor(
        [v for s in t.learner.optimizer.state.values() for k, v in s.items() if k != "step"], g
    ),
    "gradients": _poison_gradient,
    "replay": _poison_replay,
}


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 20))]
)
@pytest.mark.parametrize("where", POISONS)
def test_a_bad_number_anywhere_stops_the_run_with_the_last_good_generation_kept(
    begun, tmp_path, where, seed
):
    run = Run.open(copied(begun, tmp_path / "run"), verify=True)
    trainer = Trainer(run, lambda state: None)
    POISONS[where](trainer, np.random.default_rng(seed))
    with pytest.raises((NotFinite, CheckpointError)) as caught, ThreadPoolExecutor(1) as workers:
        trainer.iterate(workers)
    assert (
        re.search("nan|inf|NaN|finite", str(caught.value))
        and len(str(caught.value).splitlines()) <= 2
    )
    assert Run.open(tmp_path / "run", verify=True).state == Run.open(begun).state
    assert advance(tmp_path / "run").state.iteration == 3


def test_a_bad_number_on_the_disk_ends_the_command_with_a_line_and_code_1(begun, tmp_path):
    folder = copied(begun, tmp_path / "run")
    run = Run.open(folder)
    entries = []
    for entry in run.state.replay:
        samples = read_samples(run.replay / entry.name)
        samples.search_value[:] = np.nan
        write_samples(run.replay / entry.name, samples)
        entries.append(file_record(run.replay / entry.name, entry.positions))
    run.commit(replace(run.state, replay=entries))
    process = start(command, folder, tmp_path / "log", "--resume")
    process.join(200)
    said = (tmp_path / "log.err").read_text("utf-8")
    assert process.exitcode == 1 and "NotFinite" in said and said.count("\n") == 1
    assert Run.open(folder, verify=True).state.iteration == 2


def test_the_learning_rate_rises_over_the_first_steps_and_is_the_iterations_own_afterwards(
    some_samples,
):
    def rates(warm_up: int) -> list[float]:
        learner = Learner(
            Network(TINY.network), LearnerSettings(batch=8, learning_rate=1e-3, warm_up=warm_up)
        )
        seen: list[float] = []
        for iteration in (0, 1):
            learner.train(
                some_samples,
                3,
                iteration,
                1,
                lambda *_: seen.append(learner.optimizer.param_groups[0]["lr"]),
            )
        return seen

    plain = rates(0)
    assert plain[:3] == [1e-3] * 3 and plain[3] < 1e-3
    assert rates(4) == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, *plain[3:]])


def test_the_learner_learns(some_samples):
    torch.manual_seed(0)
    learner = Learner(Network(TINY.network), LearnerSettings(batch=64, learning_rate=5e-3))
    before = learner.measure(some_samples)
    learner.train(some_samples, 150, 0, 1)
    after = learner.measure(some_samples)
    assert (
        after.policy < before.policy and after.value < before.value and after.score < before.score
    )


def test_the_loss_is_the_one_the_slow_twin_computes(some_samples):
    network = Network(TINY.network).eval()
    batch, legal = next(
        batches(some_samples, 1, LearnerSettings(batch=16), 4, 4, np.random.default_rng(0))
    )
    policy, value, score, _ = loss_terms(
        network, tuple(map(torch.from_numpy, batch)), torch.from_numpy(legal)
    )
    planes, target_policy, target_value, target_score = batch
    logits, values, scores = (
        t.detach().double().numpy() for t in network.with_score(torch.from_numpy(planes))
    )
    expected_policy = expected_value = 0.0
    for i in range(16):
        moves = np.flatnonzero(legal[i])
        assert set(np.flatnonzero(target_policy[i])) <= set(moves)
        weights = np.exp(logits[i, moves])
        expected_policy -= (target_policy[i, moves] * np.log(weights / weights.sum())).sum() / 16
        win, target = (1 + values[i]) / 2, (1 + target_value[i]) / 2
        expected_value -= (target * np.log(win) + (1 - target) * np.log(1 - win)) / 16
    assert policy.item() == pytest.approx(expected_policy, rel=1e-4)
    assert value.item() == pytest.approx(expected_value, rel=1e-4)
    assert score.item() == pytest.approx(float(((scores - target_score) ** 2).mean()), rel=1e-4)


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
    assert [window_size(total, settings) for total in (10, 150, 400, 10_000)] == [
        100,
        100,
        200,
        1000,
    ]

    def part(value: int, count: int) -> Samples:
        samples, _ = _cached_samples()
        return Samples(*(column[:count] for column in samples))._replace(
            game=np.full(count, value, np.int32)
        )

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


def test_a_learner_in_bfloat16_descends_as_the_one_in_float32_does(some_samples):
    """The same batches in both precisions: losses stay close and fall, weights stay float32."""
    losses = {}
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        network = Network(Architecture(size=4, blocks=1, channels=16))
        settings = LearnerSettings(batch=32, precision=precision)
        learner = Learner(network, settings)
        losses[precision] = [learner.train(some_samples, 20, step, 1).policy for step in range(3)]
        assert all(p.dtype == torch.float32 for p in learner.network.parameters())
    assert losses["bfloat16"][-1] < losses["bfloat16"][0]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
