"""Adaptive maxima, choices, einsum and grouped queries against what they are made of."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lrp
from lrp import rules


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *xs: Tensor) -> Tensor:
        return self.function(*xs)


def explain(function: Callable[..., Tensor], x: Tensor, rule: object = None) -> lrp.Relevance:
    return lrp.LRP(Function(function), rule or rules.Zero(), x).attribute(
        x, lambda y: y.flatten(1).sum(1)
    )


POOLS = {
    1: (F.adaptive_max_pool1d, F.adaptive_avg_pool1d, 3, (2, 8)),
    2: (F.adaptive_max_pool2d, F.adaptive_avg_pool2d, (2, 3), (2, 5, 6)),
    3: (F.adaptive_max_pool3d, F.adaptive_avg_pool3d, 2, (1, 3, 4, 3)),
}


@pytest.mark.parametrize("dims", POOLS)
def test_adaptive_max_pooling_pays_the_winner_or_the_average(dims: int) -> None:
    largest, average, size, shape = POOLS[dims]
    x = (
        torch.rand(2, *shape, generator=torch.Generator().manual_seed(dims), dtype=torch.float64)
        + 0.1
    )
    leaf = x.clone().requires_grad_(True)
    (winners,) = torch.autograd.grad(largest(leaf, size).sum(), leaf)
    torch.testing.assert_close(explain(lambda x: largest(x, size), x).input, x * winners)
    shared = explain(
        lambda x: largest(x, size), x, lrp.Composite(("maxpool", rules.AsAverage(epsilon=0.0)))
    )
    (spread,) = torch.autograd.grad(average(leaf, size), leaf, largest(x, size) / average(x, size))
    torch.testing.assert_close(shared.input, x * spread)


DILATED = {
    "1-d": (nn.MaxPool1d(2, 2, dilation=2), (2, 9)),
    "1-d, padded": (nn.MaxPool1d(3, 1, padding=1, dilation=3), (2, 9)),
    "1-d, ceiled": (nn.MaxPool1d(2, 3, dilation=3, ceil_mode=True), (1, 11)),
    "2-d": (nn.MaxPool2d((2, 3), (1, 2), padding=(1, 1), dilation=(3, 1)), (2, 6, 7)),
    "3-d": (nn.MaxPool3d(2, 2, dilation=(1, 2, 1)), (1, 3, 5, 4)),
}


def windows(pool: nn.Module, shape: tuple[int, ...]) -> dict[tuple[int, ...], list[tuple]]:
    """For each output place the places of the input that max pooling compares there, one by one."""
    found: dict[tuple[int, ...], list[tuple]] = {}
    for place in itertools.product(*map(range, shape)):
        x = torch.full((1, 1, *shape), -1.0)
        x[(0, 0, *place)] = 1.0
        for at in (pool(x)[0, 0] > 0).nonzero().tolist():
            found.setdefault(tuple(at), []).append(place)
    return found


@pytest.mark.parametrize("name", DILATED)
def test_dilated_max_pooling_as_an_average_pays_the_members_of_its_windows(name: str) -> None:
    pool, (channels, *sizes) = DILATED[name]
    x = torch.rand(2, channels, *sizes, dtype=torch.float64) + 0.1
    rule = lrp.Composite(("maxpool", rules.AsAverage(epsilon=0.0)))
    r = lrp.LRP(pool, rule, x).attribute(x, lambda y: y.flatten(1).sum(1))
    expected = torch.zeros_like(x)
    arrived = pool(x)
    for at, members in windows(pool, tuple(sizes)).items():
        total = sum(x[(slice(None), slice(None), *place)] for place in members)
        for place in members:
            here = (slice(None), slice(None), *place)
            expected[here] += x[here] / total * arrived[(slice(None), slice(None), *at)]
    torch.testing.assert_close(r.input, expected)
    assert float(r.closure.abs().max()) < 1e-12


WINNERS = {
    "max": lambda x: x.max(2).values,
    "amax": lambda x: x.amax(2),
    "amin": lambda x: x.amin(2),
    "maximum": lambda x: torch.maximum(x, 0.5 * x.flip(2)),
    "where": lambda x: torch.where(x > 0, x, 0.1 * x),
    "masked_fill": lambda x: x.masked_fill(x < 0, 0.0),
    "topk": lambda x: x.topk(2, 2).values,
    "unpooled": lambda x: F.max_unpool1d(*F.max_pool1d(x, 2, return_indices=True), 2),
}


@pytest.mark.parametrize("name", WINNERS)
def test_a_choice_pays_what_it_copies(name: str) -> None:
    """Piecewise linear without constants: gradient × input."""
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    leaf = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(WINNERS[name](leaf).sum(), leaf)
    r = explain(WINNERS[name], x)
    torch.testing.assert_close(r.input, x * gradient)
    assert r.closure.abs().max() < 1e-12


def test_what_a_constant_candidate_takes_is_bias_relevance() -> None:
    x = torch.tensor([[1.0, -2.0, 3.0]])
    r = explain(lambda x: torch.where(x > 0, x, torch.tensor(0.25)), x)
    assert r.input.tolist() == [[1.0, 0.0, 3.0]] and r.bias_total.tolist() == [0.25]


EQUATIONS = {"bnd,od->bno": (3, 6), "bd,od->bo": (6,), "bnd,od->bon": (3, 6)}


@pytest.mark.parametrize("equation", EQUATIONS)
@pytest.mark.parametrize(
    "rule",
    [rules.ZPlus(), rules.Gamma(), rules.AlphaBeta(), rules.WSquare(), rules.Flat()],
    ids=lambda r: type(r).__name__,
)
def test_einsum_with_a_weight_is_a_linear_layer_under_every_rule(
    equation: str, rule: rules.Rule
) -> None:
    x = torch.randn(
        2, *EQUATIONS[equation], generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    layer = nn.Linear(6, 4, bias=False).double()

    class Einsum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = layer.weight

        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum(equation, x, self.weight)

    expected = lrp.LRP(layer, rule, x).attribute(x, lambda y: y.flatten(1).sum(1))
    found = lrp.LRP(Einsum(), rule, x).attribute(x, lambda y: y.flatten(1).sum(1))
    torch.testing.assert_close(found.input, expected.input, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "rule", [rules.SignalTakesAll(), rules.HalfAndHalf()], ids=lambda r: type(r).__name__
)
def test_einsum_of_two_signals_is_their_matrix_product(rule: rules.Rule) -> None:
    x = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    composite = lrp.Composite(("matmul", rule))
    found = explain(
        lambda x: torch.einsum("bij,bjd->bid", torch.einsum("bid,bjd->bij", x, x).softmax(-1), x),
        x,
        composite,
    )
    expected = explain(lambda x: (x @ x.transpose(1, 2)).softmax(-1) @ x, x, composite)
    torch.testing.assert_close(found.input, expected.input)


def test_grouped_queries_are_repeated_keys_and_values() -> None:
    def grouped(x: Tensor) -> Tensor:
        q, k, v = x[:, :4], x[:, 4:6], x[:, 6:]
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    def repeated(x: Tensor) -> Tensor:
        q, k, v = x[:, :4], x[:, 4:6].repeat_interleave(2, 1), x[:, 6:].repeat_interleave(2, 1)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    x = torch.randn(2, 8, 3, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    halves = lrp.Composite(("matmul", rules.HalfAndHalf()))
    found, expected = explain(grouped, x, halves), explain(repeated, x, halves)
    torch.testing.assert_close(found.target, grouped(x).flatten(1).sum(1))
    torch.testing.assert_close(found.input, expected.input)


WRITTEN_OUT: dict[str, Callable[[Tensor], Tensor]] = {
    "vstack": lambda x: torch.vstack([x[:, 0].T, x[:, 1].T]).T,
    "column_stack": lambda x: torch.column_stack([x[:, 0], x.flatten(1)]),
    "dstack": lambda x: torch.dstack([x, 2 * x]),
    "atleast_3d": lambda x: torch.atleast_3d(x[:, 0]),
    "hsplit": lambda x: torch.hsplit(x, 3)[1],
    "matrix_norm": lambda x: torch.linalg.matrix_norm(x),
    "multi_dot": lambda x: torch.linalg.multi_dot([x[:, 0], WEIGHT, WEIGHT.T]),
    "vecdot": lambda x: torch.linalg.vecdot(x, WEIGHT[:, 0]),
    "nanmean": lambda x: torch.nanmean(x, 1),
    "cumulative_trapezoid": lambda x: torch.cumulative_trapezoid(x, dim=2),
    "std_mean": lambda x: sum(torch.std_mean(x, 2)),
    "var_mean": lambda x: torch.var_mean(x, 2)[1],
    "aminmax": lambda x: sum(torch.aminmax(x, dim=2)),
    "swapdims": lambda x: x.swapdims(1, 2),
    "repeat_interleave": lambda x: x.repeat_interleave(torch.tensor([1, 0, 2]), dim=1),
    "as_strided": lambda x: x.contiguous().as_strided((2, 3), (12, 2)),
    "index_copy": lambda x: x.index_copy(1, torch.tensor([0, 2]), 2 * x[:, :2]),
    "index_fill": lambda x: x.index_fill(1, torch.tensor([0]), 0.0),
    "masked_scatter": lambda x: x.masked_scatter(x > 9, x).masked_scatter(EVEN, x[:, :, :2]),
    "rrelu": lambda x: F.rrelu(x, 0.2, 0.2),
    "zero_": lambda x: torch.cat([x.clone().zero_(), x], 1),
}
WEIGHT = torch.randn(4, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
EVEN = torch.tensor([True, False, True, False]).expand(2, 3, 4)


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_what_is_made_of_other_operations_or_moves_numbers_is_explained(name: str) -> None:
    """Each is homogeneous of degree 1 in its input: gradient × input."""
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    leaf = x.clone().requires_grad_(True)
    if name == "aminmax" and torch.__version__ < "2.10":
        pytest.skip("this torch has no derivative of aminmax")
    (gradient,) = torch.autograd.grad(WRITTEN_OUT[name](leaf).sum(), leaf)
    r = explain(lambda x: WRITTEN_OUT[name](x).reshape(len(x), -1), x)
    torch.testing.assert_close(r.input, x * gradient)
    assert r.closure.abs().max() < 1e-12
