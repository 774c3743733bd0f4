"""Which integers of a graph are token ids: they lead into an embedding, whose relevance is theirs."""

from __future__ import annotations

from lrp.tracing.graph import Graph, Node, Ref, leaves

EMBEDDING = "aten.embedding.default"
BAGS = ("lrp.bag", "lrp.largest_of_bag")
COUNTED = (
    *("aten.cumsum", "aten.sum", "aten.argmax", "aten.argmin", "aten.argsort", "aten.bincount"),
    *("aten.new_", "aten.zeros_like", "aten.ones_like", "aten.full_like", "aten.empty_like"),
)
"""How operations begin whose integers are counts, places or constants, not ids."""
OVERWRITING = ("aten.copy.", "aten.fill.")
"""Operations that hold the numbers of their second argument alone."""

INDEXED = ("index", "index_select", "gather", "index_add", "index_put", "scatter", "scatter_add")
"""Operations that read or write rows by numbers; those that reduce are beside them."""


def passes_messages(graph: Graph, ids: frozenset[int]) -> bool:
    """Whether rows are read or written by integers among the inputs: the edges of a graph whose nodes are the rows."""
    made: set[int] = set()
    for node in graph.nodes:
        own = node.operation == "input" or any(ref in made for ref in node.refs)
        if own and node.integral and node.index not in ids:
            made.add(node.index)
    return any(_rows(node) in made for node in graph.nodes)


def _rows(node: Node) -> int | None:
    """The node of the numbers by which an operation reads or writes rows, along the first dimension."""
    if node.operation.startswith(BAGS) and isinstance(node.args[2], Ref):
        return node.args[2].index
    name = node.operation.split(".")[1] if node.operation.startswith("aten.") else ""
    if name not in (*INDEXED, "scatter_reduce", "index_reduce") or not node.floating:
        return None
    places = node.args[1] if name in ("index", "index_put") else node.args[2:3]
    if name not in ("index", "index_put") and node.args[1] != 0:
        return None
    first = places[0] if places else None
    return first.index if isinstance(first, Ref) else None


def tokens(graph: Graph) -> frozenset[int]:
    """The integer inputs that are looked up in an embedding, and what lies between them and it.

    Ids may be moved (view, transpose, slices) and relabelled (an offset, a clamp) on the way. Other integers, such as
    masks, indices and positions made of sizes, are constants.
    """
    made: set[int] = set()
    for node in graph.nodes:
        held = leaves(node.args[node.operation.startswith(OVERWRITING) :])
        own = node.operation == "input" or any(isinstance(x, Ref) and x.index in made for x in held)
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
