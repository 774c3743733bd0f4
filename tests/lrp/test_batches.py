"""Models that know their batch size, that take samples apart, and that mix them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import lrp

SIZE = 3
Forward = Callable[["Counted", Tensor], Tensor]


class Counted(nn.Module):
    """A function of features between two linear layers, in a model built for `size` samples."""

    def __init__(self, forward: Forward, size: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 3)
        self.middle, self.size = forward, size
        self.register_buffer("rows", torch.arange(size))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, 3]."""
        return self.b(self.middle(self, x))


def written_row_by_row(m: Counted, x: Tensor) -> Tensor:
    found = torch.empty(m.size, 4, dtype=x.dtype)
    for i in range(m.size):
        found[i] = m.a(x[i])
    return found


def written_by_number(m: Counted, x: Tensor) -> Tensor:
    found = m.a(x).clone()
    found[torch.arange(m.size), x.argmax(1)] = 0
    return found


def added_by_number(m: Counted, x: Tensor) -> Tensor:
    places = torch.arange(4).expand(m.size, 4)
    return torch.zeros(m.size, 4, dtype=x.dtype).scatter_add(1, places, m.a(x))


COUNTED: dict[str, Forward] = {
    "index": lambda m, x: m.a(x)[torch.arange(m.size), x.argmax(1)].unsqueeze(1).expand(-1, 4),
    "index_select": lambda m, x: m.a(x).index_select(0, m.rows),
    "gather": lambda m, x: m.a(x).gather(1, (m.rows[:, None] + torch.arange(4)) % 4),
    "zeros": lambda m, x: torch.cat([m.a(x), torch.zeros(m.size, 1, dtype=x.dtype)], 1)[:, 1:],
    "narrow": lambda m, x: m.a(x).narrow(0, 0, m.size),
    "view": lambda m, x: m.a(x).view(m.size * 2, 2).view(m.size, 4),
    "written by number": written_by_number,
    "added by number": added_by_number,
    "written row by row": written_row_by_row,
    "one after another": lambda m, x: torch.stack([m.a(row) * 0.5 for row in x]),
    "in parts of one": lambda m, x: torch.cat([torch.relu(m.a(row)) for row in x.split(1)]),
}


@pytest.mark.parametrize("size", [SIZE, 1])
@pytest.mark.parametrize("name", COUNTED)
def test_a_model_for_one_batch_size_carries_gradient_times_input(name: str, size: int) -> None:
    torch.manual_seed(0)
    model = Counted(COUNTED[name], size).double().eval()
    x = torch.randn(size, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[:, 1].sum(), x)
    explainer = lrp.LRP(model, lrp.rules.Zero(), x.detach())
    r = explainer.attribute(x.detach(), 1, layers=True)
    torch.testing.assert_close(r.input, gradient * x, rtol=0, atol=1e-12)
    assert float(r.closure.abs().max()) < 1e-12
    for layer in r.layers:
        assert float(r.closure_of(layer).abs().max()) < 1e-12
    each = explainer.attribute_each(x.detach(), [0, 1])
    torch.testing.assert_close(each.input[1], r.input)


def test_each_sample_taken_apart_has_a_stabilizer_of_its_own() -> None:
    torch.manual_seed(0)
    model = Counted(COUNTED["one after another"], SIZE).double().eval()
    x = torch.randn(SIZE, 4, dtype=torch.float64)
    rule = lrp.rules.Epsilon(epsilon=0.3, relative=True)
    whole = Counted(lambda m, x: m.a(x) * 0.5, SIZE).double().eval()
    whole.load_state_dict(model.state_dict())
    found, expected = (lrp.LRP(m, rule, x).attribute(x, 1) for m in (model, whole))
    torch.testing.assert_close(found.input, expected.input)
    torch.testing.assert_close(found.stabilizer_total, expected.stabilizer_total)


MIXED: dict[str, Forward] = {
    "flip": lambda m, x: m.a(x).flip(0),
    "roll": lambda m, x: x - x.roll(1, 0),
    "cumsum": lambda m, x: m.a(x).cumsum(0),
    "softmax": lambda m, x: m.a(x).softmax(0),
    "sort": lambda m, x: m.a(x).sort(0)[0],
    "order": lambda m, x: m.a(x)[torch.arange(len(x) - 1, -1, -1)],
    "mean": lambda m, x: x - x.mean(0, keepdim=True),
    "products": lambda m, x: (x @ x.T) @ x,
    "neighbours": lambda m, x: torch.stack([m.a(x[i] + x[i - 1]) for i in range(m.size)]),
}


@pytest.mark.parametrize("name", MIXED)
def test_a_model_that_mixes_samples_is_refused(name: str) -> None:
    x = torch.randn(SIZE, 4)
    with pytest.raises(lrp.UnsupportedOperation, match=r"mixes the samples"):
        lrp.LRP(Counted(MIXED[name], SIZE).eval(), lrp.rules.Zero(), x)


def test_statistics_of_the_batch_that_are_detached_are_constants() -> None:
    model = Counted(lambda m, x: x - x.mean(0, keepdim=True).detach(), SIZE).eval()
    x = torch.randn(SIZE, 4)
    r = lrp.LRP(model, lrp.rules.Zero(), x).attribute(x, 1)
    torch.testing.assert_close(r.input, x * model.b.weight[1])


def test_numbers_made_of_the_input_are_looked_up_while_it_is_tried_out() -> None:
    """Where the batch lies is found with samples of NaN, which no table has a row for."""
    table = torch.randn(8, 4)
    model = Counted(lambda m, x: m.a(x) + table[(x.sigmoid()[:, 0] * 8).long()], SIZE).eval()
    x = torch.randn(SIZE, 4)
    r = lrp.LRP(model, lrp.rules.Zero(), x).attribute(x, 1)
    torch.testing.assert_close(r.target, model(x)[:, 1].detach())


class InColumns(nn.Module):
    """Logits of every step, as recurrent networks lay them out: steps, then samples."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [L, B, 3] of x [B, L, 4]."""
        return self.b(torch.relu(self.a(x.transpose(0, 1))))


@pytest.mark.parametrize(("batch", "length"), [(2, 3), (3, 3), (1, 3), (2, 1)])
def test_samples_that_are_columns_of_an_output_are_not_taken_for_rows(
    batch: int, length: int
) -> None:
    torch.manual_seed(0)
    model, x = InColumns().double().eval(), torch.randn(batch, length, 4, dtype=torch.float64)
    explainer = lrp.LRP(model, lrp.rules.Zero(), x)
    for target in ((0, 1), "argmax", [(0, 1)] * batch):
        with pytest.raises(lrp.InvalidTarget, match="rows are not the samples"):
            explainer.attribute(x, target)
    with pytest.raises(lrp.InvalidTarget, match="rows are not the samples"):
        explainer.attribute_each(x, [(0, 1)])
    r = explainer.attribute(x, lambda y: y[0, :, 1])
    torch.testing.assert_close(r.target, model(x)[0, :, 1].detach())
    assert float(r.closure.abs().max()) < 1e-12 and not r.input[:, 1:].any()
    initial = torch.rand(length, batch, 3, dtype=torch.float64)
    given = explainer.attribute(x, initial)
    torch.testing.assert_close(given.target, initial.sum((0, 2)))
    assert float(given.closure.abs().max()) < 1e-12
