"""The learner's Winograd convolutions and residual tower against torch's plain ones in float64."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from othello.network.architecture import Architecture, Network
from othello.network.cpu.autograd import winograd_tower
from othello.network.cpu.convolution import (
    Floats,
    Normalised,
    Rectified,
    Slope,
    board_layout,
    convolve,
    convolve_backward,
    plain,
    rectify_gradient,
)
from othello.training.config import LearnerSettings
from othello.training.learner import Learner
from tests.othello.networks import enliven

SIZES = st.sampled_from([4, 6, 8])
CHANNELS = st.sampled_from([1, 3, 8, 16, 20, 48, 64])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def close(found: np.ndarray | Tensor, wanted: np.ndarray | Tensor, tolerance: float = 1e-4) -> bool:
    """Whether the largest error is within `tolerance` of the largest number."""
    found, wanted = (torch.as_tensor(tensor).detach().double() for tensor in (found, wanted))
    return found.shape == wanted.shape and bool(
        (found - wanted).abs().max() <= tolerance * wanted.abs().max()
    )


def channels_first(array: Floats, channels: int) -> Tensor:
    """[B, N², padded C] -> float64 [B, C, N, N]."""
    batch, size = len(array), round(array.shape[1] ** 0.5)
    return (
        torch.from_numpy(array)
        .double()
        .view(batch, size, size, -1)
        .permute(0, 3, 1, 2)[:, :channels]
    )


@settings(max_examples=40)
@given(
    size=SIZES,
    c=CHANNELS,
    k=CHANNELS,
    batch=st.integers(1, 11),
    chunk=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_a_convolution_and_its_gradients_are_those_of_the_plain_sums(
    size: int, c: int, k: int, batch: int, chunk: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    wide = -(-c // 8) * 8

    def draw(*shape: int) -> Floats:  # sixteenths: scale · x + shift is exact, and so is its sign
        return (random.standard_normal(shape) * 16).round().astype(np.float32) / 16

    boards, error, weight = draw(batch, c, size, size), draw(batch, k, size, size), draw(k, c, 3, 3)
    skip, before, mean_before = (
        board_layout(draw(batch, c, size, size)),
        board_layout(boards),
        draw(wide),
    )
    source = Rectified(board_layout(boards), draw(wide), draw(wide))
    coefficients = draw(3, -(-k // 8) * 8)

    def by_channel(numbers: Floats, count: int) -> Tensor:
        return torch.from_numpy(numbers[:count]).double().view(-1, 1, 1)

    x = torch.from_numpy(boards).double() * by_channel(source.scale, c) + by_channel(
        source.shift, c
    )
    x.requires_grad_()
    w = torch.from_numpy(weight).double().requires_grad_()
    rectified = F.relu(x)
    slow = F.conv2d(rectified, w, padding=1)
    y, mean, variance = convolve(size, source, weight, chunk)
    assert close(channels_first(y, k), slow) and not y[..., k:].any()
    assert (
        np.abs(mean[:k] - slow.mean((0, 2, 3)).detach().numpy()).max()
        <= 1e-5 * slow.abs().max().item()
    )
    assert close(variance[:k], slow.var((0, 2, 3), correction=0))

    a, b, offset = (by_channel(row, k) for row in coefficients)
    dy = (a * torch.from_numpy(error) + b * slow + offset).detach()
    ((dy * slow).sum() + (channels_first(skip, c) * rectified).sum()).backward()
    found, g, sums = convolve_backward(
        size,
        Slope(board_layout(error), y, coefficients),
        source,
        weight,
        Normalised(before, mean_before),
        skip,
        chunk=chunk,
    )
    assert g is not None and w.grad is not None and x.grad is not None
    assert close(found, w.grad) and close(channels_first(g, c), x.grad)
    weighted = x.grad * (torch.from_numpy(boards) - by_channel(mean_before, c))
    scale = float(x.grad.abs().sum() + weighted.abs().sum())
    for row, wanted in zip(sums, (x.grad, weighted)):
        assert np.abs(row[:c] - wanted.sum((0, 2, 3)).numpy()).max() <= 1e-5 * scale


def test_the_variance_survives_a_mean_a_thousand_times_larger() -> None:
    x = (1000 + np.random.default_rng(0).standard_normal((50, 8, 8, 8))).astype(np.float32)
    weight = np.zeros((8, 8, 3, 3), np.float32)
    weight[range(8), range(8), 1, 1] = 1
    y, mean, variance = convolve(8, plain(board_layout(x)), weight)
    assert np.allclose(mean, y.mean((0, 1), dtype=np.float64), rtol=1e-6)
    assert np.allclose(variance, y.var((0, 1), dtype=np.float64), rtol=1e-4)


def test_a_gradient_passes_where_the_rectified_input_is_positive_and_nowhere_else() -> None:
    dz, x, y = (
        np.random.default_rng(seed).standard_normal((3, 16, 8)).astype(np.float32)
        for seed in range(3)
    )
    mean = np.linspace(-1, 1, 8, dtype=np.float32)
    g, sums = rectify_gradient(
        dz, Rectified(x, np.full(8, -2, np.float32), mean), Normalised(y, mean)
    )
    assert np.array_equal(g, np.where(-2 * x + mean > 0, dz, 0))
    assert np.allclose(sums, [g.sum((0, 1)), (g * (y - mean)).sum((0, 1))], atol=1e-4)


def lively(**architecture: int) -> Network:
    """A network in training mode in which every parameter matters."""
    network = Network(Architecture(**architecture))
    enliven(network, 3)
    return network.train()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("size", "blocks", "channels", "batch"),
    [(8, 2, 48, 9), (6, 1, 20, 13), (4, 3, 16, 10), (8, 0, 3, 5), (8, 1, 64, 6)],
)
def test_the_tower_is_the_networks_own_with_its_gradients_and_running_statistics(
    size: int, blocks: int, channels: int, batch: int, layout: torch.memory_format
) -> None:
    network = lively(size=size, blocks=blocks, channels=channels)
    slow = copy.deepcopy(network).double()
    network.to(memory_format=layout)  # type: ignore[call-overload]
    planes = (
        torch.rand(batch, 4, size, size, generator=torch.Generator().manual_seed(1)) > 0.6
    ).float()
    out, wanted = (
        winograd_tower(network, planes.contiguous(memory_format=layout)),
        slow._tower(planes.double()),
    )
    assert close(out, wanted)
    gradient = torch.randn(out.shape, generator=torch.Generator().manual_seed(2))
    out.backward(gradient)
    wanted.backward(gradient.double())
    for (name, parameter), twin in zip(network.named_parameters(), slow.parameters()):
        assert (parameter.grad is None) == (twin.grad is None), name
        assert parameter.grad is None or close(parameter.grad, twin.grad), name
    for (name, buffer), twin in zip(network.named_buffers(), slow.buffers()):
        assert close(buffer, twin), name


def test_the_tower_is_the_same_bit_for_bit_every_time_and_whatever_its_memory_held() -> None:
    network = lively(size=4, channels=16, blocks=2)
    planes = torch.rand(37, 4, 4, 4)
    found = []
    for noise in (0.0, float("nan")):
        rubbish = [np.full((36, 16 * 16 + 16), noise, np.float32) for _ in range(20)]
        del rubbish  # as the workspaces are, so that these may lie where it was
        twin = copy.deepcopy(network)
        winograd_tower(twin, planes).square().sum().backward()
        found.append(
            [p.grad for p in twin.parameters() if p.grad is not None] + list(twin.buffers())
        )
    assert len(found[0]) > 15 and all(torch.equal(first, second) for first, second in zip(*found))


def test_the_backward_pass_uses_the_weights_of_the_forward_pass() -> None:
    network = lively(size=4, channels=8, blocks=1)
    planes = torch.rand(6, 4, 4, 4)
    grads = []
    for late in (False, True):
        twin = copy.deepcopy(network)
        loss = winograd_tower(twin, planes).square().sum()
        if late:
            with torch.no_grad():
                for parameter in twin.parameters():
                    parameter.mul_(2)
        loss.backward()
        grads.append(twin.stem.weight.grad)
    assert torch.equal(grads[0], grads[1])


@pytest.mark.parametrize(
    "name", ["stem.weight", "stem_norm.bias", "blocks.1.conv1.weight", "blocks.1.norm2.weight"]
)
def test_a_nan_in_any_weight_shows_in_the_output_and_in_the_gradients(name: str) -> None:
    network = lively(size=4, channels=8, blocks=2)
    with torch.no_grad():
        network.get_parameter(name).view(-1)[3] = float("nan")
    out = winograd_tower(network, torch.rand(6, 4, 4, 4))
    out.sum().backward()
    assert bool(out.isnan().any()) and network.stem.weight.grad is not None
    assert bool(network.stem.weight.grad.isnan().any())


@pytest.mark.parametrize("wrong", ["evaluation", "double", "planes"])
def test_the_tower_refuses_what_it_cannot_do(wrong: str) -> None:
    network, planes = lively(size=4, channels=8, blocks=1), torch.rand(2, 4, 4, 4)
    if wrong == "evaluation":
        network.eval()
    elif wrong == "double":
        network, planes = network.double(), planes.double()
    else:
        planes.requires_grad_()
    with pytest.raises(ValueError, match="the Winograd tower"):
        winograd_tower(network, planes)


def test_a_learner_steps_alike_with_either_tower() -> None:
    random = np.random.default_rng(0)
    batch = (
        (random.random((24, 4, 6, 6)) > 0.5).astype(np.float32),
        random.dirichlet(np.ones(37), 24).astype(np.float32),
        random.uniform(-1, 1, 24).astype(np.float32),
        random.uniform(-1, 1, 24).astype(np.float32),
    )
    network = lively(size=6, blocks=2, channels=16)
    learners = [Learner(copy.deepcopy(network), LearnerSettings()) for _ in range(2)]
    assert learners[0].tower is winograd_tower
    learners[1].tower = None
    legal = torch.ones(24, 37, dtype=torch.bool)
    figures = [learner._step(batch, legal, 1) for learner in learners]
    assert np.allclose(*figures, rtol=1e-4)
    for first, second in zip(
        learners[0].average.state_dict().values(), learners[1].average.state_dict().values()
    ):
        assert torch.allclose(first, second, atol=1e-4)
