"""One compiled operation: computes its value, then sends the relevance of its value back to its sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from lrp.ops.flow import Flow
from lrp.ops.run import Run
from lrp.tracing.graph import Node, Ref, leaves


class Step(ABC):
    """A node together with its rule; holds parameters derived from the model, no state of any explanation."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.reads: tuple[int, ...] = node.refs
        self._refs = tuple((i, a.index) for i, a in enumerate(node.args) if isinstance(a, Ref))
        self._direct = not node.kwargs and not any(
            isinstance(leaf, Ref)
            for a in node.args
            if isinstance(a, (tuple, list, dict))
            for leaf in leaves(a)
        )

    def forward(self, run: Run) -> Any:
        """The node's value, from the values of earlier nodes."""
        if not self._direct:
            return self.node.function(*run.resolve(self.node.args), **run.resolve(self.node.kwargs))
        args = list(self.node.args)
        for place, index in self._refs:
            args[place] = run.values[index]
        return self.node.function(*args)

    @abstractmethod
    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        """Pairs of a source's index and the relevance it receives; what nobody receives is booked in the ledger."""


class Static(Step):
    """A value that depends on no input (sizes, masks, constants shaped by the batch): receives no relevance."""

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        return ()
