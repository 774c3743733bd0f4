"""Canonizers: rewrite a captured graph so that every node is something a rule can handle.

Tuple results become one node for each item, expansions (attention, recurrent layers) become several nodes,
in-place operations become plain ones, and nodes that no output needs are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

import torch

from lrp.tracing.graph import Graph, Node, Ref, rewrite

Size = int | str


class Writer:
    """Builds the new list of nodes; `ref` says where an old node's value is now."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.ref: dict[int, Any] = {}
        self.names: dict[str, int] = {}

    def moved(self, tree: Any) -> Any:
        """Arguments with old references replaced by new ones."""
        return rewrite(tree, lambda leaf: self.ref[leaf.index] if isinstance(leaf, Ref) else leaf)

    def copy(self, node: Node) -> Ref:
        """The node as it is, with its references moved."""
        new = replace(
            node, index=len(self.nodes), args=self.moved(node.args), kwargs=self.moved(node.kwargs)
        )
        self.nodes.append(new)
        return Ref(new.index)

    def emit(
        self,
        origin: Node,
        name: str,
        operation: str,
        args: Sequence[Any],
        shape: Sequence[Size] | None,
        function: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> Ref:
        """A new node that belongs to the module of `origin`; args hold new references.

        operation: a full name (aten's without overload means `.default`); function: what it computes if not aten's.
        """
        if function is None:
            operation = operation if operation.count(".") == 2 else f"{operation}.default"
            function = attrgetter(operation.removeprefix("aten."))(torch.ops.aten)
        base = f"{origin.name}.{name}"
        count = self.names.get(base, 0)
        self.names[base] = count + 1
        node = Node(
            len(self.nodes),
            base if count == 0 else f"{base}#{count}",
            operation,
            function,
            tuple(args),
            kwargs,
            origin.module,
            origin.module_type,
            None if shape is None else tuple(shape),
            True,
        )
        self.nodes.append(node)
        return Ref(node.index)

    def graph_of(self, graph: Graph) -> Graph:
        """The old graph with the new nodes."""
        return replace(
            graph,
            nodes=tuple(self.nodes),
            inputs=tuple(self.ref[i].index for i in graph.inputs),
            outputs=tuple(self.ref[i].index for i in graph.outputs),
        )

    def shape(self, argument: Any) -> tuple[Size, ...]:
        """The shape of a new reference's value."""
        assert isinstance(argument, Ref)
        return self.nodes[argument.index].shape or ()


RULES: dict[str, Any] = {}
"""Operations that have a rule, filled by lrp.ops.registry."""
Expansion = Callable[[Writer, Node], Any]
EXPANSIONS: dict[str, Expansion] = {}
"""Operations that are rewritten as several nodes: the function returns the new reference, or a tuple of them."""


def canonical(graph: Graph) -> Graph:
    """The graph in the form that the catalogue knows."""
    writer = Writer(graph)
    originals: dict[int, Node] = {}
    for node in graph.nodes:
        originals[node.index] = node
        if node.operation == "getitem":
            parent, item = node.args
            found = writer.ref[parent.index]
            writer.ref[node.index] = (
                found[item] if isinstance(found, tuple) else _item(writer, node, originals, item)
            )
        elif node.operation in EXPANSIONS:
            writer.ref[node.index] = EXPANSIONS[node.operation](writer, node)
        else:
            plain = _without_empty_parts(graph, _in_place_as_plain(node))
            writer.ref[node.index] = writer.copy(plain)
    return alive(writer.graph_of(graph))


def _item(
    writer: Writer,
    node: Node,
    originals: dict[int, Node],
    item: int,
) -> Ref:
    """One item of an operation that returns a tuple, as a node of its own."""
    parent = originals[node.args[0].index]

    def function(*args: Any, **kwargs: Any) -> Any:
        return parent.function(*args, **kwargs)[item]

    suffix = "" if parent.operation in SPLITS or item == 0 else f"[{item}]"
    index = len(writer.nodes)
    writer.nodes.append(
        Node(
            index,
            f"{parent.name}[{item}]" if parent.operation in SPLITS else parent.name,
            parent.operation + suffix,
            function,
            writer.moved(parent.args),
            writer.moved(parent.kwargs),
            parent.module,
            parent.module_type,
            node.shape,
            node.floating,
            node.dtype,
            node.line,
        )
    )
    return Ref(index)


SPLITS = {
    "aten.chunk.default",
    "aten.split.Tensor",
    "aten.split_with_sizes.default",
    "aten.unbind.int",
    "aten.split.sizes",
    "aten.tensor_split.sections",
    "aten.tensor_split.indices",
}


SYNONYMS = {
    "absolute": "abs",
    "clip": "clamp",
    "concat": "cat",
    "concatenate": "cat",
    "divide": "div",
    "multiply": "mul",
    "negative": "neg",
    "subtract": "sub",
    "true_divide": "div",
}
"""Other names that torch has for an operation."""


def _in_place_as_plain(node: Node) -> Node:
    """relu_ as relu: nothing reads the old value, because tracing replaced it; view as reshape; multiply as mul."""
    if node.operation in ("aten.view.default", "aten._unsafe_view.default"):
        return replace(node, function=torch.ops.aten.reshape.default)
    parts = node.operation.split(".")
    if (
        len(parts) != 3
        or parts[0] != "aten"
        or parts[1].endswith("__")
        or not (parts[1].endswith("_") or parts[1] in SYNONYMS)
    ):
        return node
    name = parts[1].rstrip("_")
    name = SYNONYMS.get(name, name)
    packet = getattr(torch.ops.aten, name, None)
    overload = getattr(packet, parts[2], None) if packet is not None else None
    if overload is None:
        return node
    return replace(node, operation=f"aten.{name}.{parts[2]}", function=overload)


def _without_empty_parts(graph: Graph, node: Node) -> Node:
    """A concatenation without the parts of shape [0], which torch lets stand beside parts of any rank.

    Of one part alone it is that part, which need not be held twice.
    """
    if node.operation != "aten.cat.default" or len(node.shape or ()) < 2:
        return node
    parts, *rest = node.args
    full = [
        part for part in parts if not isinstance(part, Ref) or graph.nodes[part.index].shape != (0,)
    ]
    if len(full) == 1 and isinstance(full[0], Ref):
        alias = torch.ops.aten.alias.default
        return replace(node, operation=str(alias), function=alias, args=(full[0],), kwargs={})
    return replace(node, args=(full, *rest))


def alive(graph: Graph) -> Graph:
    """Without the nodes that neither the outputs nor the inputs need."""
    needed, stack = set(graph.inputs), list(graph.outputs)
    while stack:
        index = stack.pop()
        if index not in needed:
            needed.add(index)
            stack.extend(graph.nodes[index].refs)
    return graph.keep(graph.nodes[index] for index in sorted(needed))
