"""Models that no one here wrote for lrp are captured unmodified and every unit of relevance is accounted for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lrp
from tests.lrp import networks


@pytest.mark.parametrize("kind", networks.ALL, ids=lambda kind: kind.__name__)
def test_every_architecture_is_captured_unmodified_and_closes(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model = kind().double()
    networks.randomise(model, 1)
    model.train()
    x = torch.randn(3, *kind.shape, dtype=torch.float64)
    for mode in lrp.bias.MODES:
        explainer = lrp.LRP(model, lrp.composites.EpsilonPlus(bias=mode), x[:1])
        for output in range(len(explainer.graph.outputs)):
            r = explainer.attribute(
                x, lambda y: y.flatten(1)[:, 0] if y.dim() > 1 else y, output=output
            )
            assert r.input.shape == x.shape and bool(torch.isfinite(r.input).all())
            moved = max(t.abs().sum().item() for t in r.layers.values())
            assert r.closure.abs().max().item() <= 1e-10 * max(moved, 1e-30)
            for name in r.layers if mode == "sink" else ():
                assert bool(
                    (r.closure_of(name).abs() <= 1e-12 * r.layers[name].abs().sum()).all()
                ), name
    assert model.training


@pytest.mark.parametrize("kind", networks.ALL, ids=lambda kind: kind.__name__)
def test_the_captured_graph_computes_what_the_model_computes_at_any_batch_size(
    kind: type[nn.Module],
) -> None:
    torch.manual_seed(0)
    model = kind().double().eval()
    networks.randomise(model, 2)
    explainer = lrp.LRP(
        model, "EpsilonPlus", torch.randn(2, *kind.shape, dtype=torch.float64), start="activation"
    )
    for batch in (1, 5):
        x = torch.randn(batch, *kind.shape, dtype=torch.float64)
        for output, expected in enumerate(networks.outputs_before_activation(model, x)):
            if kind is networks.AlphaZeroGeneralLike and output == 0:
                continue  # a log-softmax is only explained from before it
            r = explainer.attribute(
                x, lambda y: y.flatten(1).sum(1) if y.dim() > 1 else y, output=output
            )
            torch.testing.assert_close(
                r.target, expected.reshape(batch, -1).sum(1), rtol=1e-10, atol=1e-12
            )


def test_a_residual_sum_written_as_plus_does_not_double_relevance() -> None:
    class Residual(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            for _ in range(6):
                x = x + x
            return x.sum(1)

    r = lrp.LRP(Residual(), lrp.rules.Zero(), torch.rand(1, 4)).attribute(torch.ones(1, 4))
    assert torch.equal(r.input, torch.full((1, 4), 64.0))


def test_a_module_used_twice_is_two_layers() -> None:
    model = networks.Reused().double()
    explainer = lrp.LRP(model, "EpsilonPlus", torch.rand(1, 4, dtype=torch.float64))
    assert {"shared", "shared@1"} <= set(explainer.layers)


def test_value_outputs_are_explained_before_tanh_unless_asked_otherwise() -> None:
    model = networks.PostActivation().double().eval()
    x = torch.randn(2, *networks.PostActivation.shape, dtype=torch.float64)
    value = model(x)[1].detach()
    before = lrp.LRP(model, "EpsilonPlus", x).attribute(x, output=1)
    after = lrp.LRP(model, "EpsilonPlus", x, start="activation").attribute(x, output=1)
    torch.testing.assert_close(before.target, torch.atanh(value))
    torch.testing.assert_close(after.target, value)


def test_an_lstm_equals_its_equations_with_signals_taking_all() -> None:
    """One layer, two steps, LRP-ε by hand (Arras et al. 2019)."""
    torch.manual_seed(3)
    lstm = nn.LSTM(2, 3, batch_first=True).double()

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = lstm

        def forward(self, x: Tensor) -> Tensor:
            return self.lstm(x)[0][:, -1]

    x = torch.randn(1, 2, 2, dtype=torch.float64)
    eps = 1e-3
    r = lrp.LRP(Last(), lrp.Composite(("linear", lrp.rules.Epsilon(epsilon=eps))), x).attribute(
        x, 1
    )

    w_ih, w_hh, b = lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0 + lstm.bias_hh_l0
    with torch.no_grad():
        h, c, gates = torch.zeros(3).double(), torch.zeros(3).double(), []
        for t in range(2):
            z = w_ih @ x[0, t] + w_hh @ h + b
            i, f, g, o = z[:3].sigmoid(), z[3:6].sigmoid(), z[6:9].tanh(), z[9:].sigmoid()
            gates.append((z[6:9], f * c, i * g, h))
            c = f * c + i * g
            h = o * c.tanh()
        relevance_c = torch.zeros(3).double()
        relevance_c[1] = h[1]
        expected = torch.zeros(2, 2).double()
        for t in (1, 0):
            z, kept, new, before = gates[t]
            total = kept + new
            to_g = relevance_c * new / total
            s = to_g / (z + eps * torch.where(z < 0, -1.0, 1.0))
            expected[t] = x[0, t] * (w_ih[6:9].T @ s)
            relevance_c = relevance_c * kept / total + before * (w_hh[6:9].T @ s)
    torch.testing.assert_close(r.input[0], expected, rtol=1e-9, atol=1e-12)


def test_attention_gives_all_to_the_values_by_default_and_half_on_request() -> None:
    class Attention(nn.Module):
        def forward(self, q: Tensor, v: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(q, q, v).sum((1, 2))

    q, v = torch.randn(2, 3, 4).double(), torch.randn(2, 3, 4).double()
    r = lrp.LRP(Attention(), lrp.rules.Zero(), (q, v)).attribute((q, v))
    weights = F.softmax(q @ q.transpose(1, 2) / 2, -1)
    torch.testing.assert_close(r.input[1], v * weights.sum(1)[..., None])
    assert not bool(r.input[0].any())
    halves = lrp.Composite(
        ("matmul", lrp.rules.HalfAndHalf()), ("softmax", lrp.rules.SoftmaxTaylor())
    )
    half = lrp.LRP(Attention(), halves, (q, v)).attribute((q, v))
    torch.testing.assert_close(half.input[1], r.input[1] / 2)
    assert bool(half.input[0].any())
    assert half.closure.abs().max() < 1e-10


def test_a_layer_norm_is_linear_with_its_deviation_held_constant() -> None:
    norm = nn.LayerNorm(5).double()
    with torch.no_grad():
        norm.weight.copy_(torch.rand(5) + 0.5)
        norm.bias.copy_(torch.randn(5))
    x = torch.randn(2, 5).double()
    r = lrp.LRP(norm, lrp.rules.Zero(), x).attribute(x, 2)
    sigma = (x.var(1, unbiased=False, keepdim=True) + norm.eps).sqrt()
    matrix = (torch.eye(5).double() - 0.2)[:, 2] * norm.weight.detach()[2]
    torch.testing.assert_close(r.input, x * matrix / sigma, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(r.bias_total, norm.bias.detach()[2].expand(2))


def test_max_pooling_pays_the_winner_or_the_average() -> None:
    class Pool(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.max_pool2d(x, 2).sum((1, 2, 3))

    x = torch.tensor([[[[1.0, 3.0], [2.0, 4.0]]]])
    winner = lrp.LRP(Pool(), lrp.rules.Zero(), x).attribute(x)
    assert winner.input.tolist() == [[[[0.0, 0.0], [0.0, 4.0]]]]
    average = lrp.LRP(
        Pool(), lrp.Composite(("maxpool", lrp.rules.AsAverage(epsilon=0.0))), x
    ).attribute(x)
    torch.testing.assert_close(average.input, x * 0.4)
