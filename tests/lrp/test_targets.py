"""Targets of outputs with several dimensions: a tuple for all samples or one for each, the largest, several at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import lrp

LENGTH, WORDS = 4, 6


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, WORDS)).double().eval()


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(2, LENGTH, 3, generator=torch.Generator().manual_seed(1)).double()


@pytest.fixture(scope="module")
def explainer(model: nn.Module, x: Tensor) -> lrp.LRP:
    return lrp.LRP(model, "EpsilonPlus", x)


def places(targets: list[tuple[int, int]]) -> Tensor:
    """An initial relevance of 1 at one place a sample, as a target function."""
    chosen = torch.zeros(len(targets), LENGTH, WORDS, dtype=torch.float64)
    for sample, (i, j) in enumerate(targets):
        chosen[sample, i, j] = 1
    return chosen


@pytest.mark.parametrize("form", ["list", "tensor"])
def test_a_tuple_a_sample(model: nn.Module, explainer: lrp.LRP, x: Tensor, form: str) -> None:
    wanted = [(2, 5), (-1, 0)]
    r = explainer.attribute(x, wanted if form == "list" else torch.tensor(wanted))
    weights = places([(2, 5), (3, 0)])
    expected = explainer.attribute(x, lambda y: (y * weights).sum((1, 2)))
    torch.testing.assert_close(r.target, (model(x) * weights).sum((1, 2)).detach())
    torch.testing.assert_close(r.input, expected.input)


def test_the_largest_whole_and_at_a_position(
    model: nn.Module, explainer: lrp.LRP, x: Tensor
) -> None:
    y = model(x).detach()
    best = explainer.attribute(x, "argmax")
    torch.testing.assert_close(best.target, y.flatten(1).amax(1))
    last = explainer.attribute(x, (-1, "argmax"))
    torch.testing.assert_close(last.target, y[:, -1].amax(-1))
    own = explainer.attribute(x, [(0, "argmax"), ("argmax", 2)])
    torch.testing.assert_close(own.target, torch.stack([y[0, 0].max(), y[1, :, 2].max()]))
    each = y[:, -1].argmax(-1)
    expected = explainer.attribute(x, [(-1, int(i)) for i in each])
    torch.testing.assert_close(last.input, expected.input)


@pytest.mark.parametrize("form", ["list", "tensor"])
def test_each_of_several_positions_of_a_sequence(explainer: lrp.LRP, x: Tensor, form: str) -> None:
    wanted = [(2, 5), (-1, 0), (0, 3)]
    r = explainer.attribute_each(x, wanted if form == "list" else torch.tensor(wanted))
    assert r.input.shape == (3, *x.shape)
    for place, target in enumerate(wanted):
        torch.testing.assert_close(r.input[place], explainer.attribute(x, target).input)
    whole = explainer.attribute_each(x)
    assert whole.input.shape == (LENGTH * WORDS, *x.shape)
    torch.testing.assert_close(whole.input[2 * WORDS + 5], r.input[0])


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ([(0, 1)], "2 of them, not 1"),
        ([(0, 1), (0, 6)], "no position"),
        ([(0, 1), 3], "one index or one tuple"),
        ((0, "best"), "not str 'best'"),
        ((0, True), "no position"),
        ((0, 1, 2), "no position"),
        (3, "a tuple of 2 indices"),
        (torch.tensor([1, 2]), "a tuple of 2 indices"),
    ],
)
def test_positions_that_are_not_there_are_refused(
    explainer: lrp.LRP, x: Tensor, target: object, says: str
) -> None:
    with pytest.raises(lrp.InvalidTarget, match=says):
        explainer.attribute(x, target)


@pytest.mark.parametrize("indices", [[(0, 6)], [(0, 1), (2,)], [(0.5, 1)], torch.rand(2, 2)])
def test_several_positions_that_are_not_there_are_refused(
    explainer: lrp.LRP, x: Tensor, indices: object
) -> None:
    with pytest.raises(lrp.InvalidTarget):
        explainer.attribute_each(x, indices)
