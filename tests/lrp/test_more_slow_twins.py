"""`project`, GRU, GroupNorm and uneven padding against slow twins: explicit matrices, one time step, one group each."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import lrp
from lrp import composites, rules
from tests.lrp.networks import randomise
from tests.lrp.test_rules_against_twins import RULES
from tests.lrp.twins import Dense, explain, explain_batch, sgn

EPSILON = 1e-3


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flat_matrix(dense: Dense) -> Tensor:
    """F[j, k] = 1 / N_k where k reads j: the flat rule as a matrix from outputs to inputs."""
    return dense.connected.double() / dense.connected.sum(0)


@pytest.mark.parametrize("seed", range(4))
def test_project_sends_each_bias_through_the_flat_matrices_of_its_own_layer_and_of_those_below(
    seed: int,
) -> None:
    """Three layers by hand: R_bias of layer i reaches the input as F₁ ⋯ F_i R_bias; a ReLU passes it on."""
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(3, 4, 3, stride=2, padding=1, dilation=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 3),
    ).double()
    randomise(net, seed)
    x = torch.randn(2, 2, 4, 4, generator=generator(seed), dtype=torch.float64)
    composite = lrp.Composite(
        (composites.first, rules.ZPlus(epsilon=EPSILON)),
        ("conv", rules.Gamma(0.3, epsilon=EPSILON)),
        ("linear", rules.Epsilon(epsilon=EPSILON)),
        bias="project",
    )
    found = lrp.LRP(net, composite, x).attribute(x, 1)

    shapes = [(2, 4, 4), (3, 4, 4), (16,)]
    layers = [net[0], net[2], net[5]]
    names, options = ["ZPlus", "Gamma", "Epsilon"], [{}, {"gamma": 0.3}, {}]
    dense = [Dense.of(layer, shape) for layer, shape in zip(layers, shapes, strict=True)]
    expected, lost = [], []
    for sample in x:
        values = [sample.reshape(-1)]
        for d in dense[:2]:
            values.append((values[-1] @ d.w + d.b).clamp(min=0))
        r = torch.zeros(3, dtype=torch.float64)
        r[1] = (values[2] @ dense[2].w + dense[2].b)[1]
        biases, swallowed = [], torch.zeros((), dtype=torch.float64)
        for d, name, a, more in zip(
            dense[::-1], names[::-1], values[::-1], options[::-1], strict=True
        ):
            r, kept, stabilizer = explain(d, name, a, r, "sink", epsilon=EPSILON, **more)
            biases.append(kept)
            swallowed = swallowed + stabilizer
        sent = torch.zeros_like(biases[0])
        for d, kept in zip(dense[::-1], biases, strict=True):
            sent = flat_matrix(d) @ (sent + kept)
        expected.append((r + sent).reshape(sample.shape))
        lost.append(swallowed)
    torch.testing.assert_close(found.input, torch.stack(expected), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.stabilizer_total, torch.stack(lost), rtol=1e-9, atol=1e-12)
    assert not found.bias


def test_project_takes_equal_shares_at_residual_sums_and_pooling() -> None:
    """h = x + F(x), then average pooling: flat halves at the sum and spreads evenly over each window."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = nn.Linear(4, 4), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(nn.functional.avg_pool1d(x + self.inner(x), 2))

    net = Net().double()
    randomise(net, 0)
    x = torch.randn(1, 1, 4, generator=generator(3), dtype=torch.float64)
    sink, project = (
        lrp.LRP(net, rules.Epsilon(bias=mode), x).attribute(x, (0, 1))
        for mode in ("sink", "project")
    )
    pool = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]).double() / 2
    at_sum = pool @ torch.full((2,), 0.5).double() * sink.bias_of("head")
    at_inner = at_sum / 2 + sink.bias["inner"].reshape(-1)
    expected = sink.input.reshape(-1) + at_sum / 2 + at_inner.mean()
    torch.testing.assert_close(project.input.reshape(-1), expected, rtol=1e-9, atol=1e-12)


def epsilon_step(w: Tensor, b: Tensor, a: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    """LRP-ε of z = W a + b: relevance of a, and of b."""
    z = w @ a + b
    s = r / (z + EPSILON * sgn(z))
    return a * (w.T @ s), b * s


@pytest.mark.parametrize("seed", range(3))
def test_a_gru_equals_its_equations_step_by_step_with_signals_taking_all(seed: int) -> None:
    """r, u = σ(..); n = tanh(W x + b + r(V h + c)); h' = (1 − u) n + u h; gates take nothing (Arras et al. 2019)."""
    width, length = 3, 4
    gru = nn.GRU(2, width, batch_first=True).double()
    randomise(gru, seed)

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = gru

        def forward(self, x: Tensor) -> Tensor:
            return self.gru(x)[0][:, -1]

    x = torch.randn(2, length, 2, generator=generator(seed), dtype=torch.float64)
    composite = lrp.Composite(("linear", rules.Epsilon(epsilon=EPSILON)))
    found = lrp.LRP(Last(), composite, x).attribute(x, 1)

    w, v, b, c = (
        t.detach() for t in (gru.weight_ih_l0, gru.weight_hh_l0, gru.bias_ih_l0, gru.bias_hh_l0)
    )
    news = slice(2 * width, None)
    for i in range(2):
        h, saved = torch.zeros(width).double(), []
        for t in range(length):
            zx, zh = w @ x[i, t] + b, v @ h + c
            reset, update = ((zx + zh)[k * width : (k + 1) * width].sigmoid() for k in (0, 1))
            new = (zx[news] + reset * zh[news]).tanh()
            saved.append((h, zx[news], reset * zh[news], (1 - update) * new, update * h))
            h = (1 - update) * new + update * h
        relevance = torch.zeros(width).double()
        relevance[1] = h[1]
        expected, kept = torch.zeros(length, 2).double(), torch.zeros(()).double()
        for t in reversed(range(length)):
            before, from_x, from_h, fresh, carried = saved[t]
            to_new = relevance * fresh / (fresh + carried)
            part = to_new / (from_x + from_h)
            expected[t], bias_x = epsilon_step(w[news], b[news], x[i, t], part * from_x)
            to_before, bias_h = torch.zeros(width).double(), part * from_h
            if (
                t > 0
            ):  # the first hidden state is 0: r·c depends on no input, it is a bias as a whole
                to_before, bias_h = epsilon_step(v[news], c[news], before, part * from_h)
            relevance = relevance * carried / (fresh + carried) + to_before
            kept = kept + bias_x.sum() + bias_h.sum()
        torch.testing.assert_close(found.input[i], expected, rtol=1e-8, atol=1e-11)
        torch.testing.assert_close(found.bias_total[i], kept, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("mode", ["sink", "absorb", "ignore", "uniform", "proportional", "project"])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_group_norm_equals_the_matrix_of_each_group(groups: int, mode: str) -> None:
    """y = A x + β with A = γ/σ (1 − 11ᵀ/n) inside a group, σ held constant."""
    norm = nn.GroupNorm(groups, 4).double()
    with torch.no_grad():
        norm.weight.copy_(torch.randn(4, generator=generator(groups)))
        norm.bias.copy_(torch.randn(4, generator=generator(groups + 9)))
    x = torch.randn(2, 4, 2, 3, generator=generator(5), dtype=torch.float64)
    r = torch.randn(2, 4, 2, 3, generator=generator(6), dtype=torch.float64)
    found = lrp.LRP(norm, rules.Epsilon(epsilon=EPSILON, bias=mode), x).attribute(x, r)
    size, n = 24, 24 // groups
    same = torch.arange(size) // n == (torch.arange(size) // n)[:, None]
    scale, shift = (t.detach().repeat_interleave(6) for t in (norm.weight, norm.bias))
    for i in range(2):
        a = x[i].reshape(-1)
        sigma = torch.cat(
            [(part.var(unbiased=False) + norm.eps).sqrt().expand(n) for part in a.split(n)]
        )
        w = (torch.eye(size).double() - same.double() / n) * (scale / sigma)
        dense = Dense(w, same, shift)
        torch.testing.assert_close(a @ w + shift, norm(x[i : i + 1]).detach().reshape(-1))
        how = "sink" if mode == "project" else mode
        inputs, kept, lost = explain(dense, "Epsilon", a, r[i].reshape(-1), how, epsilon=EPSILON)
        if mode == "project":
            inputs, kept = inputs + flat_matrix(dense) @ kept, torch.zeros_like(kept)
        torch.testing.assert_close(found.input[i].reshape(-1), inputs, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(found.bias_total[i], kept.sum(), rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(found.stabilizer_total[i], lost, rtol=1e-9, atol=1e-11)


UNEVEN = {
    "conv1d": (lambda: nn.Conv1d(2, 3, 4, padding="same"), (2, 6)),
    "conv1d dilated": (lambda: nn.Conv1d(2, 4, 2, padding="same", dilation=3, groups=2), (2, 7)),
    "conv2d": (lambda: nn.Conv2d(2, 3, 2, padding="same"), (2, 3, 4)),
    "conv2d one side even": (lambda: nn.Conv2d(2, 3, (3, 4), padding="same"), (2, 4, 4)),
    "conv3d": (lambda: nn.Conv3d(1, 2, (2, 1, 2), padding="same"), (1, 2, 2, 3)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("mode", ["sink", "uniform", "proportional"])
@pytest.mark.parametrize("name", UNEVEN)
def test_every_rule_equals_its_twin_where_the_same_padding_is_uneven(name: str, mode: str) -> None:
    make, shape = UNEVEN[name]
    layer = make().double()
    randomise(layer, 1)
    x = torch.randn(2, *shape, generator=generator(2), dtype=torch.float64)
    for net in (nn.Sequential(nn.Identity(), layer), nn.Sequential(nn.ReLU(), layer)):
        a = net[0](x)
        r = torch.randn(layer(x).shape, generator=generator(3), dtype=torch.float64)
        for rule, (made, options) in RULES.items():
            found = lrp.LRP(net, lrp.Composite((lambda layer: True, made), bias=mode), x).attribute(
                x, r
            )
            inputs, kept, lost = explain_batch(Dense.of(layer, shape), rule, a, r, mode, **options)
            scale = max(1.0, inputs.abs().max().item())
            torch.testing.assert_close(found.input, inputs, rtol=1e-9, atol=1e-11 * scale)
            torch.testing.assert_close(
                sum(found.bias.values(), torch.zeros_like(kept)), kept, rtol=1e-9, atol=1e-11
            )
            torch.testing.assert_close(found.stabilizer_total, lost, rtol=1e-9, atol=1e-10 * scale)
