"""Bags, mixtures of experts, similarities, log-sums and complex maps against their equations, in loops."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lrp
from lrp import rules
from lrp.ops.grouped import grouped_mm

torch.manual_seed(0)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *xs: Tensor) -> Tensor:
        return self.function(*xs)


class Bag(nn.Module):
    """Sums, means or maxima of vectors, and a linear layer."""

    def __init__(self, mode: str, padding: int | None = None) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(9, 4, mode=mode, padding_idx=padding).double()
        self.head = nn.Linear(4, 3, bias=False).double()
        nn.init.normal_(self.bag.weight)

    def forward(self, ids: Tensor, offsets: Tensor | None = None, weights: Tensor | None = None):  # type: ignore[no-untyped-def]
        return self.head(self.bag(ids, offsets, weights))


def closes(r: lrp.Relevance) -> None:
    """The ledger closes to 1e-9 of all that was booked."""
    parts = (*r.inputs, *r.bias.values(), r.stabilizer_total)
    moved = sum(float(t.abs().sum()) for t in parts)
    assert float(r.closure.abs().max()) <= 1e-9 * moved


def token_by_token(model: Bag, ids: list[int], padding: int | None, target: int) -> list[float]:
    """What each token of one bag contributes to a logit, number by number."""
    table, head = model.bag.weight.detach(), model.head.weight.detach()
    members = [place for place, word in enumerate(ids) if word != padding]
    found = [0.0] * len(ids)
    for d in range(4):
        values = {place: float(table[ids[place], d]) for place in members}
        if model.bag.mode == "max":
            winner = max(values, key=lambda place: values[place])
            values = {winner: values[winner]}
        share = 1 / len(members) if model.bag.mode == "mean" else 1.0
        for place, value in values.items():
            found[place] += value * share * float(head[target, d])
    return found


@pytest.mark.parametrize("padding", [None, 0])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_a_bag_pays_each_token_what_its_vector_contributes(mode: str, padding: int | None) -> None:
    model = Bag(mode, padding)
    ids = torch.tensor([[1, 5, 0, 2], [6, 8, 3, 0], [7, 4, 2, 0]])  # in a bag no word twice: a tie
    r = lrp.LRP(model, rules.Zero(), ids).attribute(ids, 2)
    wanted = [token_by_token(model, row, padding, 2) for row in ids.tolist()]
    torch.testing.assert_close(r.input, torch.tensor(wanted, dtype=torch.float64))
    closes(r)
    flat, offsets = ids[:, :3].reshape(-1), torch.tensor([0, 2, 2, 7])
    bags = [flat[:2], flat[2:7], flat[7:]]
    with_offsets = lrp.LRP(model, rules.Zero(), flat, offsets)
    r = with_offsets.attribute(flat, offsets, target=1)
    parts = [token_by_token(model, bag.tolist(), padding, 1) for bag in bags]
    joined = torch.cat([torch.tensor(part, dtype=torch.float64) for part in parts])
    torch.testing.assert_close(r.inputs[0], joined)
    closes(r)


def test_weights_of_a_bag_share_with_its_tokens() -> None:
    model, ids = Bag("sum"), torch.tensor([[1, 5, 0], [4, 8, 3]])
    weights = torch.rand(2, 3, dtype=torch.float64)
    r = lrp.LRP(model, rules.Zero(), ids, None, weights).attribute(ids, None, weights, target=1)
    vectors = model.bag.weight.detach()[ids] * weights[..., None]
    half = (vectors * model.head.weight.detach()[1]).sum(-1) / 2
    torch.testing.assert_close(r.inputs[0], half)
    torch.testing.assert_close(r.inputs[1], half)
    closes(r)


@torch.library.custom_op("lrp_twin::experts", mutates_args=())
def experts(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """Rows by the weight of their group."""
    group = torch.searchsorted(ends, torch.arange(len(x)), right=True)
    return torch.einsum("mj,mjk->mk", x, weight[group])


@experts.register_fake
def _(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[2])


lrp.register_operation("lrp_twin.experts.default", grouped_mm, kind="linear")


class Mixture(nn.Module):
    """Tokens [B, L, J] sorted by the expert of their largest score, multiplied, put back and weighted."""

    def __init__(self, multiply: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.multiply = multiply
        self.router = nn.Linear(8, 3)
        self.weight = nn.Parameter(torch.randn(3, 8, 16))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, 8)
        gate, expert = self.router(rows).softmax(-1).max(-1)
        order = expert.argsort()
        ends = F.one_hot(expert, 3).sum(0).cumsum(0).int()
        y = torch.relu(self.multiply(rows[order], self.weight, ends)) * gate[order][:, None]
        back = torch.empty_like(order).index_put((order,), torch.arange(len(order)))
        return y[back].reshape(x.shape[0], -1, 16).sum(1)


MIXED = [
    rules.Zero(),
    rules.ZPlus(),
    rules.Gamma(),
    rules.AlphaBeta(),
    rules.WSquare(),
    rules.Flat(),
]


@pytest.mark.parametrize("rule", MIXED, ids=lambda rule: type(rule).__name__)
def test_experts_are_the_linear_layers_of_their_tokens(rule: rules.Rule) -> None:
    model = Mixture(torch.ops.lrp_twin.experts).double()
    x = torch.randn(3, 4, 8, dtype=torch.float64)
    composite = lrp.Composite(("*experts*", rule), required=False)
    r = lrp.LRP(model, composite, x).attribute(x, 5)
    closes(r)
    wanted = torch.zeros_like(x)
    for b in range(3):
        for t in range(4):
            gate, expert = model.router(x[b, t]).softmax(-1).max(-1)
            layer = nn.Linear(8, 16, bias=False).double()
            layer.weight.data = model.weight.detach()[expert].T.contiguous()
            row = nn.Sequential(layer, nn.ReLU())
            alone = lrp.LRP(row, lrp.Composite(("0", rule)), x[b, t][None])
            wanted[b, t] = alone.attribute(x[b, t][None], 5).input[0] * gate.detach()
    torch.testing.assert_close(r.input, wanted, rtol=1e-9, atol=1e-12)
    for sample in range(3):
        one = lrp.LRP(model, composite, x).attribute(x[sample : sample + 1], 5)
        torch.testing.assert_close(one.stabilizer_total[0], r.stabilizer_total[sample])


def test_torchs_own_grouped_product_is_a_linear_layer_for_each_group() -> None:
    def multiply(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
        return torch._grouped_mm(x.bfloat16(), weight.bfloat16(), offs=ends).float()

    model, x = Mixture(multiply), torch.randn(3, 4, 8)
    r = lrp.LRP(model, "EpsilonPlus", x).attribute(x, 5)
    torch.testing.assert_close(r.target, model(x)[:, 5].detach(), rtol=2e-2, atol=2e-2)
    assert float(r.closure.abs().max()) < 2e-2 * float(r.input.abs().sum())


def test_a_cosine_is_a_product_of_two_unit_vectors() -> None:
    x, y = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(3, 1, dtype=torch.float64)
    model = Function(lambda x, y: F.cosine_similarity(x, y, dim=1).sum(1))
    both = (x, y.expand(2, 3, 4).contiguous())
    r = lrp.LRP(model, rules.Zero(), *both).attribute(*both)
    wanted = torch.zeros_like(x)
    for b in range(2):
        for j in range(4):
            sizes = math.sqrt(sum(x[b, :, j] ** 2)) * math.sqrt(sum(y[:, 0] ** 2))
            wanted[b, :, j] = x[b, :, j] * y[:, 0] / sizes / 2
    torch.testing.assert_close(r.inputs[0], wanted)
    torch.testing.assert_close(r.inputs[1], wanted)
    closes(r)
    points = torch.randn(5, 3, dtype=torch.float64)
    near = Function(lambda x: F.cosine_similarity(x[:, None], points, dim=-1))
    r = lrp.LRP(near, rules.Zero(), x[..., 0]).attribute(x[..., 0], 3)
    unit = points[3] / points[3].norm() / x[..., 0].norm(dim=1, keepdim=True)
    torch.testing.assert_close(r.input, x[..., 0] * unit)
    closes(r)


def test_a_bilinear_form_is_two_products_and_a_bias() -> None:
    model = nn.Bilinear(3, 4, 2).double()
    x, y = torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    r = lrp.LRP(model, rules.Zero(), x, y).attribute(x, y, target=1)
    weight, wanted = model.weight.detach()[1], torch.zeros_like(y)
    for b in range(2):
        for j in range(4):
            wanted[b, j] = sum(x[b, i] * weight[i, j] for i in range(3)) * y[b, j] / 2
    torch.testing.assert_close(r.inputs[1], wanted)
    torch.testing.assert_close(r.bias_total, model.bias.detach()[1].expand(2))
    closes(r)


@pytest.mark.parametrize("own", [False, True], ids=["logsumexp", "log_softmax"])
def test_a_log_of_sums_is_explained_by_its_first_order_expansion(own: bool) -> None:
    """R_j = x_j ∂f/∂x_j, and what that leaves (the entropy) is not conserved."""
    x = torch.randn(2, 4, dtype=torch.float64)
    model = Function(lambda x: x.log_softmax(1) if own else x.logsumexp(1, keepdim=True))
    explainer = lrp.LRP(model, rules.Zero(), x, start="activation")
    r = explainer.attribute(x, 2 if own else 0)
    wanted, entropy = torch.zeros_like(x), torch.zeros(2, dtype=torch.float64)
    for b in range(2):
        total = sum(math.exp(v) for v in x[b])
        for j in range(4):
            p = math.exp(x[b, j]) / total
            entropy[b] -= p * math.log(p)
            wanted[b, j] = x[b, j] * (float(j == 2) - p if own else p)
    torch.testing.assert_close(r.input, wanted)
    torch.testing.assert_close(r.stabilizer_total, -entropy if own else entropy)
    closes(r)


def fourier(x: Tensor) -> Tensor:
    return torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real.flatten(1)


ANGLES = torch.rand(4, 3, dtype=torch.float64)
FILTER = torch.randn(4, 4, dtype=torch.complex128)


def rotated(x: Tensor) -> Tensor:
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(ANGLES), ANGLES)).flatten(1)


def filtered(x: Tensor) -> Tensor:
    return torch.fft.irfft(torch.fft.rfft(x) * FILTER, n=6).flatten(1)


@pytest.mark.parametrize("function", [fourier, rotated, filtered], ids=lambda f: f.__name__)
def test_a_linear_map_through_complex_numbers_is_its_real_matrix(
    function: Callable[[Tensor], Tensor],
) -> None:
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    r = lrp.LRP(Function(function), "EpsilonPlus", x).attribute(x, 7)
    row = torch.stack([function(unit.reshape(1, 4, 6))[0, 7] for unit in torch.eye(24).double()])
    torch.testing.assert_close(r.input, x * row.reshape(4, 6))
    closes(r)
