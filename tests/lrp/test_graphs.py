"""Message passing: the nodes of a graph are one sample, its edges are constants, and the ledger is the graph's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import lrp

EDGES = torch.tensor([[0, 1, 2, 3, 0, 4], [1, 2, 3, 0, 2, 1]])
Passing = Callable[[Tensor, Tensor], Tensor]


class MessagePassing(nn.Module):
    """Two linear layers with messages along the edges between them."""

    def __init__(self, passing: Passing) -> None:
        super().__init__()
        self.a, self.b, self.passing = nn.Linear(4, 8), nn.Linear(8, 3), passing

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        return self.b(torch.relu(self.passing(self.a(x), edges)))


def to_edges(h: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """The messages [E, 8], and for each number of them the node that receives it."""
    messages = h.index_select(0, edges[0])
    return messages, edges[1].unsqueeze(-1).expand_as(messages)


def add(h: Tensor, edges: Tensor) -> Tensor:
    return torch.zeros_like(h).index_add(0, edges[1], h[edges[0]])


def add_to_self(h: Tensor, edges: Tensor) -> Tensor:
    return h.index_add(0, edges[1], h[edges[0]])


def add_to_constant(h: Tensor, edges: Tensor) -> Tensor:
    return torch.ones_like(h).index_add(0, edges[1], h[edges[0]])


def scatter_in_place(h: Tensor, edges: Tensor) -> Tensor:
    messages, nodes = to_edges(h, edges)
    return h.new_zeros(h.shape).scatter_add_(0, nodes, messages)


def put(h: Tensor, edges: Tensor) -> Tensor:
    return torch.zeros_like(h).index_put((edges[1],), h[edges[0]], accumulate=True)


def reduced(how: str) -> Passing:
    def passing(h: Tensor, edges: Tensor) -> Tensor:
        messages, nodes = to_edges(h, edges)
        return torch.zeros_like(h).scatter_reduce(0, nodes, messages, how, include_self=False)

    return passing


def normalised(h: Tensor, edges: Tensor) -> Tensor:
    """Kipf and Welling 2017, with self-loops."""
    ones = torch.ones(edges.shape[1], dtype=h.dtype)
    degree = torch.zeros(h.shape[0], dtype=h.dtype).index_add(0, edges[1], ones) + 1
    scale = degree.rsqrt()
    weights = (scale[edges[0]] * scale[edges[1]]).unsqueeze(-1)
    passed = torch.zeros_like(h).index_add(0, edges[1], h[edges[0]] * weights)
    return passed + h * (scale * scale).unsqueeze(-1)


def attention(h: Tensor, edges: Tensor) -> Tensor:
    """Weights of the edges from both their ends (Veličković et al. 2018, without its own parameters)."""
    scores = torch.tanh(h[edges[0]].sum(-1) + h[edges[1]].mean(-1)).exp()
    sums = torch.zeros(h.shape[0], dtype=h.dtype).index_add(0, edges[1], scores)
    weights = scores / (sums[edges[1]] + 1e-9)
    return torch.zeros_like(h).index_add(0, edges[1], h[edges[0]] * weights.unsqueeze(-1))


LINEAR: dict[str, Passing] = {
    "index_add": add,
    "index_add to the nodes": add_to_self,
    "index_add to a constant": add_to_constant,
    "scatter_add_": scatter_in_place,
    "index_put": put,
    "scatter_reduce sum": reduced("sum"),
    "scatter_reduce mean": reduced("mean"),
    "scatter_reduce amax": reduced("amax"),
    "degrees": normalised,
}
PASSING = {**LINEAR, "attention": attention}


def model(passing: Passing) -> MessagePassing:
    torch.manual_seed(0)
    return MessagePassing(passing).double().eval().requires_grad_(False)


def nodes(count: int = 5) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", PASSING)
def test_the_ledger_of_a_graph_closes(name: str) -> None:
    net, x = model(PASSING[name]), nodes()
    explainer = lrp.LRP(net, "EpsilonPlus", (x, EDGES))
    found = explainer.attribute((x, EDGES), lambda y: y[:, 1])
    assert float((found.target - net(x, EDGES)[:, 1].sum()).abs()) < 1e-12
    assert float(found.closure.abs()) < 1e-9
    assert found.inputs[0].shape == x.shape and not found.inputs[1].any()
    one = explainer.attribute((x, EDGES), target=(2, 1))
    assert float(one.closure.abs()) < 1e-9 and float(one.target) == float(net(x, EDGES)[2, 1])
    each = explainer.attribute_each((x, EDGES), [(2, 1)])
    assert torch.equal(each.inputs[0][0], one.inputs[0])


@pytest.mark.parametrize("name", LINEAR)
def test_lrp_0_of_messages_is_gradient_times_input(name: str) -> None:
    net, x = model(LINEAR[name]), nodes().requires_grad_(True)
    gradient = torch.autograd.grad(net(x, EDGES)[2, 1], x)[0]
    explainer = lrp.LRP(net, lrp.rules.Zero(), (x, EDGES))
    found = explainer.attribute((x, EDGES), target=(2, 1)).inputs[0]
    assert torch.allclose(found, gradient * x.detach(), rtol=0, atol=1e-12)


def test_relevance_stays_among_the_nodes_that_reach_the_target() -> None:
    """Node 2 hears of nodes 1 and 0 alone."""
    net, x = model(add), nodes()
    found = lrp.LRP(net, "EpsilonPlus", (x, EDGES)).attribute((x, EDGES), target=(2, 1))
    reached = found.inputs[0].abs().sum(1) > 0
    assert reached.tolist() == [True, True, False, False, False]


def test_another_graph_is_explained_by_the_same_explainer() -> None:
    net = model(add)
    explainer = lrp.LRP(net, "EpsilonPlus", (nodes(), EDGES))
    x, edges = nodes(7), torch.tensor([[6, 5, 4], [0, 1, 2]])
    found = explainer.attribute((x, edges), target=(0, 2))
    assert float(found.target) == float(net(x, edges)[0, 2]) and float(found.closure.abs()) < 1e-9


def test_weights_of_edges_and_the_graph_of_a_node_are_inputs_too() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor, edges: Tensor, weights: Tensor, graph: Tensor) -> Tensor:
            h = torch.relu(self.a(x))
            h = torch.zeros_like(h).index_add(0, edges[1], h[edges[0]] * weights.unsqueeze(-1))
            return self.b(torch.zeros(2, 8, dtype=x.dtype).index_add(0, graph, h))

    torch.manual_seed(0)
    call = (nodes(), EDGES, torch.rand(6, dtype=torch.float64), torch.tensor([0, 0, 1, 1, 1]))
    found = lrp.LRP(Pooled().double().eval(), "EpsilonPlus", call).attribute(call, target=(1, 2))
    assert float(found.closure.abs()) < 1e-9
    assert found.inputs[2].shape == (6,) and bool(found.inputs[2].any())


def test_a_product_of_rows_is_refused() -> None:
    with pytest.raises(lrp.UnsupportedOperation, match="reduces by prod"):
        lrp.LRP(model(reduced("prod")), "EpsilonPlus", (nodes(), EDGES))
