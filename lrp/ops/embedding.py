"""Looking tokens up in a table: the relevance of a token is the sum of the relevance of its vector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from lrp.errors import InvalidInput
from lrp.ops.flow import Flow
from lrp.ops.run import Run
from lrp.ops.step import Step
from lrp.tracing.graph import Graph, Node, Ref

OPERATION = "aten.embedding.default"


class Embedding(Step):
    """Vectors [..., D] of integer tokens [...]: each token receives the sum over its vector."""

    def __init__(self, node: Node, source: int) -> None:
        super().__init__(node)
        self.source = source

    def forward(self, run: Run) -> Any:
        table, ids = (run.resolve(a) for a in self.node.args[:2])
        if bool((ids < 0).any()) or bool((ids >= table.shape[0]).any()):
            raise InvalidInput(f"token ids of {self.node.name} are 0 to {table.shape[0] - 1}")
        return super().forward(run)

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        value: Tensor = run.lift(run.values[self.node.index])
        return ((self.source, Flow(rest=flow.relevance(value).sum(-1))),)


def tokens(graph: Graph) -> frozenset[int]:
    """The integer inputs, each of which must be looked up in an embedding.

    Raises InvalidInput for any other integer input.
    """
    looked_up = {
        node.args[1].index
        for node in graph.nodes
        if node.operation == OPERATION and isinstance(node.args[1], Ref)
    }
    found = {i for i in graph.inputs if not graph.nodes[i].floating and graph.nodes[i].integral}
    for index in found - looked_up:
        raise InvalidInput(
            f"input {graph.nodes[index].name} holds integers, but the model does not look them up in an embedding: "
            "inputs are floating point, token ids that go straight into an embedding, or bool masks"
        )
    return frozenset(found)
