"""Which integers of a graph are token ids: they lead into an embedding, whose relevance is theirs."""

from __future__ import annotations

from lrp.tracing.graph import Graph, Node, Ref

EMBEDDING = "aten.embedding.default"
COUNTED = ("aten.cumsum", "aten.sum", "aten.argmax", "aten.argmin", "aten.argsort", "aten.bincount")
"""Operations whose integers are counts or places, not ids."""


def tokens(graph: Graph) -> frozenset[int]:
    """The integer inputs that are looked up in an embedding, and what lies between them and it.

    Ids may be moved (view, transpose, slices) and relabelled (an offset, a clamp) on the way. Other integers, such as
    masks, indices and positions made of sizes, are constants.
    """
    made: set[int] = set()
    for node in graph.nodes:
        own = node.operation == "input" or any(ref in made for ref in node.refs)
        if own and node.integral and not node.operation.startswith(COUNTED):
            made.add(node.index)
    found: set[int] = set()
    stack = [ref for node in graph.nodes for ref in _looked_up(node)]
    while stack:
        index = stack.pop()
        if index in made and index not in found:
            found.add(index)
            stack.extend(graph.nodes[index].refs)
    return frozenset(found)


def _looked_up(node: Node) -> tuple[int, ...]:
    ids = node.args[1] if node.operation == EMBEDDING else None
    return (ids.index,) if isinstance(ids, Ref) else ()
