"""One compiled operation: computes its value, then sends the relevance of its value back to its sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from lrp.flow import Flow
from lrp.graph import Node
from lrp.run import Run


class Step(ABC):
    """A node together with its rule; holds parameters derived from the model, no state of any explanation."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.reads: tuple[int, ...] = node.refs

    def forward(self, run: Run) -> Any:
        """The node's value, from the values of earlier nodes."""
        return self.node.function(*run.resolve(self.node.args), **run.resolve(self.node.kwargs))

    @abstractmethod
    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        """Pairs of a source's index and the relevance it receives; what nobody receives is booked in the ledger."""


class Static(Step):
    """A value that depends on no input (sizes, masks, constants shaped by the batch): receives no relevance."""

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        return ()


def lost(run: Run, node: Node, arrived: Tensor, *given: Tensor) -> None:
    """Books arrived − Σ given [each T·B] as lost in this layer."""
    rest = arrived
    for g in given:
        rest = rest - g
    run.book_lost(node, rest)
