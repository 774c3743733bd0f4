"""Graphs that are remembered for a model: for its next explainers, and for calls of other sizes."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from torch import nn

from lrp.tracing.calls import Call
from lrp.tracing.content import Content
from lrp.tracing.graph import Graph

KEPT = 4
"""Graphs that are remembered for one model; of more, the newest."""
SIZES = 8
"""Graphs that one explainer keeps, each for one size of inputs or for many; of more, the newest."""
FREE_SIZES = 1024
"""Sizes of inputs that one explainer has compared with the model and remembers; of more, the newest."""
_LOCK = threading.Lock()
_SHARED: weakref.WeakKeyDictionary[nn.Module, list[tuple[Any, Graph | None]]] = (
    weakref.WeakKeyDictionary()
)


class Known:
    """What one explainer remembers, and what all explainers of its model do."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._own: list[tuple[Any, Graph | None]] = []

    def of(self, key: Any) -> list[Graph | None]:
        """The graphs of calls of this kind, newest first; None stands for sizes that could not be made free."""
        with _LOCK:
            everything = [*self._own, *_SHARED.get(self._model, [])]
        return [graph for other, graph in reversed(everything) if other == key]

    def add(self, key: Any, graph: Graph | None, content: Content) -> None:
        """Remembers a graph; for all explainers of the model where it holds nothing known by identity alone."""
        with _LOCK:
            shared = content.complete and not content.own and not (graph and graph.constants)
            known = _SHARED.setdefault(self._model, []) if shared else self._own
            known.append((key, graph))
            kinds = ([one for one in known if one[1] is None], [one for one in known if one[1]])
            known[:] = [one for kind in kinds for one in kind[-KEPT:]]


def freed(graph: Graph, call: Call) -> tuple[frozenset[int], ...] | None:
    """For each tensor of a call the dimensions that must be free for the graph to take it; None where that is not all.

    Besides the batch, whose size stays what it is in the graph; a size of 1 is a model's special case.
    """
    found = []
    for shape, x, own in zip(graph.input_shapes, call.tensors, call.batched, strict=True):
        if len(shape) != x.dim():
            return None
        dims = set()
        for dim, (size, now) in enumerate(zip(shape, x.shape, strict=True)):
            if (own and dim == 0) or size == now:
                continue
            if now < 2 or size == 1:
                return None
            dims.add(dim)
        found.append(frozenset(dims))
    return tuple(found) if any(found) else None


def alike(graph: Graph, other: Graph) -> bool:
    """Whether two graphs are the same operations in the same places, whatever their sizes."""
    return _operations(graph) == _operations(other)


def _operations(graph: Graph) -> list[tuple[str, str]]:
    return [(node.name, node.operation) for node in graph.nodes if not node.is_size]


def newest(entries: dict[Any, Any]) -> dict[Any, Any]:
    """Of what was captured for sizes of inputs that of the newest graphs and sizes."""
    found = list(entries.items())[-FREE_SIZES:]
    graphs = list(dict.fromkeys(id(entry.graph) for _, entry in reversed(found)))[:SIZES]
    return {key: entry for key, entry in found if id(entry.graph) in graphs}
