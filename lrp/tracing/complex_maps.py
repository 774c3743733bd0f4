"""Linear maps through complex numbers (Fourier transforms, rotations of pairs): each becomes one real node."""

from __future__ import annotations

from dataclasses import replace

from lrp.tracing.graph import Graph, Node, Param, Ref, as_function

LINEAR = (
    "fft_",
    "real",
    "imag",
    "view_as_",
    "conj",
    "_conj",
    "resolve_",
    "neg",
    "mul",
    "einsum",
    "matmul",
    "bmm",
    "reshape",
    "flatten",
    "unsqueeze",
    "squeeze",
    "slice",
    "narrow",
    "permute",
    "transpose",
    "expand",
    "clone",
    "contiguous",
    "constant_pad_nd",
    "pad",
)
"""How the names begin of operations that are linear in one complex argument, the others being constants."""


def real_maps(graph: Graph) -> Graph:
    """The graph in which what leads from real numbers through complex ones to real ones is one node.

    Only where each operation on the way is linear in the one argument that depends on an input.
    """
    if not any(_is_complex(node) for node in graph.nodes):
        return graph
    reached = set(graph.inputs)
    for node in graph.nodes:
        if any(ref in reached for ref in node.refs):
            reached.add(node.index)
    nodes = [_whole(graph, node, reached) for node in graph.nodes]
    return replace(graph, nodes=tuple(nodes))


def _is_complex(node: Node) -> bool:
    return node.dtype is not None and node.dtype.is_complex


def _whole(graph: Graph, end: Node, reached: set[int]) -> Node:
    """A real node with the complex ones before it in it; the node itself where there are none or one is not linear."""
    chain, source = [end], _before(end, reached)
    while source is not None and _is_complex(graph.nodes[source]):
        chain.insert(0, graph.nodes[source])
        source = _before(chain[0], reached)
    if source is None or len(chain) == 1 or _is_complex(end):
        return end
    inside = {node.index for node in chain}
    refs = dict.fromkeys(ref for node in chain for ref in node.refs if ref not in inside)
    params = dict.fromkeys(name for node in chain for name in node.params)
    return replace(
        end,
        operation="lrp.linear_map",
        function=as_function(chain, end.index, [*refs, *params]),
        args=(*map(Ref, refs), *map(Param, params)),
        kwargs={},
    )


def _before(node: Node, reached: set[int]) -> int | None:
    """The one argument that depends on an input, of a linear operation; None elsewhere."""
    name = node.operation.removeprefix("aten.")
    found = [ref for ref in node.refs if ref in reached]
    return found[0] if len(found) == 1 and name.startswith(LINEAR) else None
