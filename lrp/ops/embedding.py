"""Looking tokens up in a table: the relevance of a token is the sum of the relevance of its vector."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lrp.errors import InvalidInput
from lrp.ops.context import Execution, Flow, Sent, Step, Unary, fitted
from lrp.ops.registry import Lowering, inherited, operation
from lrp.ops.routing import Route
from lrp.ops.sums import Mean
from lrp.tracing.graph import Node


class Embedding(Unary):
    """Vectors [..., D] of integer tokens [...]: each token receives the sum over its vector."""

    def forward(self, run: Execution) -> Any:
        table, ids = (run.resolve(a) for a in self.node.args[:2])
        if bool((ids < 0).any()) or bool((ids >= table.shape[0]).any()):
            raise InvalidInput(f"token ids of {self.node.name} are 0 to {table.shape[0] - 1}")
        return super().forward(run)

    def backward(self, run: Execution, flow: Flow) -> Sent:
        value: Tensor = run.lift(run.values[self.node.index])
        return ((self.source, Flow(rest=flow.relevance(value).sum(-1))),)


@operation("embedding", "route")
def embedding(lowering: Lowering, node: Node) -> Embedding:
    return Embedding(node, node.args[1].index)


class Relabelled(Step):
    """Arithmetic on token ids: the new id stands for the old ones, which share its relevance evenly."""

    def __init__(self, node: Node, sources: tuple[int, ...]) -> None:
        super().__init__(node)
        self.sources = sources

    def backward(self, run: Execution, flow: Flow) -> Sent:
        share = flow.relevance(run.lift(run.values[self.node.index])) / len(self.sources)
        shapes = [run.shape(run.values[index]) for index in self.sources]
        parts = [Flow(rest=fitted(share, shape)) for shape in shapes]
        return tuple(zip(self.sources, parts, strict=True))


@operation("lrp.bag", "average", inherited)
def bag(lowering: Lowering, node: Node) -> Step:
    """Sums or means of vectors, bag by bag."""
    return Mean(node, node.args[0].index, lowering.rule(node))


@operation("lrp.largest_of_bag", "route", inherited)
def largest_of_bag(lowering: Lowering, node: Node) -> Step:
    """The largest value of each place among a bag's vectors."""
    return Route(node, node.args[0].index)
