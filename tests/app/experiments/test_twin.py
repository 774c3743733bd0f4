"""The homogeneous twin: no constant anywhere, what follows from that, a course that an interruption does not change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app.experiments.positions import Positions, best_two, legal_table
from app.experiments.studies.inside.distillation import (
    STATE,
    Curriculum,
    as_network,
    distil,
    legal_policy,
    lessons,
    without_constants,
)
from app.experiments.studies.inside.twin import exactness, replay_of, value_maps
from app.models import Model
from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.architecture import Architecture, Network
from othello.training.replay import write_samples
from tests.app.experiments.test_concepts import boards, words

SMALL = Architecture(blocks=1, channels=8, policy_channels=2, value_channels=2, value_hidden=8)


def small_network() -> Network:
    """A network whose shifts and biases all do something."""
    torch.manual_seed(3)
    network = Network(SMALL)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            tensor.copy_(torch.randn_like(tensor) * 0.3 + ("norm" in name) * 0.7)
        for name, tensor in network.named_buffers():
            if "running" in name:
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    return network.eval()


def twin_model() -> Model:
    return Model(Path("twin"), "0" * 64, {}, as_network(without_constants(small_network())))


def positions(count: int, seed: int) -> Positions:
    own, opp = words(boards(count, seed))
    logits = np.random.default_rng(seed).standard_normal((count, 65)).astype(np.float32)
    return Positions(own, opp, best_two(logits, legal_table(own, opp)))


def test_a_twin_without_constants_is_the_folded_network_without_its_biases() -> None:
    network = small_network()
    twin = without_constants(network)
    planes = torch.rand(4, 4, 8, 8)
    features = torch.nn.functional.conv2d(planes, network.stem.weight, padding=1)
    norm = network.stem_norm
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    torch.testing.assert_close(
        twin.stem(planes), features * scale[:, None, None], atol=1e-5, rtol=1e-5
    )
    assert not [name for name, _ in twin.named_parameters() if "bias" in name or "norm" in name]


def test_the_twin_is_homogeneous_and_the_network_it_came_from_is_not() -> None:
    planes = torch.rand(5, 4, 8, 8)
    network, trained = small_network(), without_constants(small_network())
    plain = as_network(trained)
    with torch.no_grad():
        for one, same in ((network, False), (plain, True)):
            policy, value = one(planes)
            twice, more = one(2 * planes)
            assert torch.allclose(twice, 2 * policy, rtol=1e-5, atol=1e-5) is same
            assert torch.allclose(torch.atanh(more), 2 * torch.atanh(value), atol=1e-4) is same
        torch.testing.assert_close(plain(planes)[0], trained(planes)[0], rtol=1e-5, atol=1e-5)


def test_the_twin_s_gradient_times_input_is_its_integrated_gradient_and_its_output(
    model: Model,
) -> None:
    found = exactness(twin_model(), positions(6, 1))
    assert max(found[name] for name in ("gradient_integrated", "gradient_target")) <= 1e-5
    assert found["homogeneous"] <= 1e-5
    control = exactness(model, positions(6, 1))
    assert control["gradient_integrated"] > 0.1 and control["gradient_target"] > 0.05


@pytest.mark.parametrize("composite", ["LRPZero", "EpsilonPlusFlat", "EpsilonAlpha2Beta1"])
def test_nothing_stays_with_biases_that_are_not_there(composite: str) -> None:
    maps, shares = value_maps(twin_model(), composite, positions(5, 2))
    assert maps.shape == (5, 64) and shares.max() == 0


def test_lessons_are_the_teacher_s_policy_over_legal_moves_and_its_value(model: Model) -> None:
    at = positions(20, 3)
    samples = lessons(model.evaluator, at.own, at.opp)
    logits, value = model.evaluator(at.own, at.opp)
    legal = legal_table(at.own, at.opp)
    np.testing.assert_allclose(samples.policy.sum(1, dtype=np.float64), 1, atol=1e-2)
    assert not samples.policy[:, :64][~legal].any()
    best = np.where(legal, logits[:, :64], -np.inf).argmax(1)
    np.testing.assert_array_equal(samples.policy.argmax(1), best)
    np.testing.assert_allclose(samples.search_value, value, atol=1e-3)
    nothing = legal_policy(logits[:1], np.zeros((1, 64), bool))
    assert nothing[0, 64] == 1


def test_an_interrupted_course_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    at = positions(60, 4)
    teacher = Model(Path("teacher"), "0" * 64, {}, small_network())
    samples = lessons(teacher.evaluator, at.own, at.opp)
    course = Curriculum(rounds=3, steps=3, batch=16)
    whole = distil(teacher.network, samples, course, None, lambda *_: None)

    def stop(rounds: int, losses: object) -> None:
        if rounds == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distil(teacher.network, samples, course, tmp_path, stop)
    seen: list[int] = []
    gone_on = distil(
        teacher.network, samples, course, tmp_path, lambda rounds, _: seen.append(rounds)
    )
    assert seen == [3] and (tmp_path / STATE).is_file()
    for left, right in zip(whole.state_dict().values(), gone_on.state_dict().values(), strict=True):
        assert torch.equal(left, right)
    checkpoint.save(gone_on, tmp_path / "twin")
    assert isinstance(checkpoint.load(tmp_path / "twin").network, Network)


def test_a_course_brings_the_twin_nearer_to_its_teacher() -> None:
    at = positions(120, 5)
    teacher = Model(Path("teacher"), "0" * 64, {}, small_network())
    samples = lessons(teacher.evaluator, at.own, at.opp)
    losses: list[float] = []
    course = Curriculum(rounds=3, steps=20, batch=32)
    distil(teacher.network, samples, course, None, lambda _, found: losses.append(found.policy))
    assert losses[-1] < losses[0]


def test_positions_to_learn_from_are_different_and_a_run_without_replay_is_refused(
    model: Model, tmp_path: Path
) -> None:
    at = positions(10, 6)
    samples = lessons(model.evaluator, at.own, at.opp)
    (tmp_path / "replay").mkdir()
    for name in ("0000.npz", "0001.npz"):
        write_samples(tmp_path / "replay" / name, samples)
    own, opp = replay_of(tmp_path)
    assert sorted(zip(own, opp)) == sorted(set(zip(at.own, at.opp)))
    with pytest.raises(CheckpointError, match="no replay files"):
        replay_of(tmp_path / "nothing")
