"""How to teach lrp an operation or a module of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor, nn

from lrp.errors import LRPError, UnsupportedOperation
from lrp.ops.activations import Activation
from lrp.ops.context import Execution, Flow, Sent, Step
from lrp.ops.registry import OPERATIONS, Build, Lowering, Operation, always, never
from lrp.ops.routing import Route
from lrp.ops.sums import mean
from lrp.tracing.capture import MODULES
from lrp.tracing.graph import Graph, Node, Param, Ref, as_function

Propagate = Callable[[Sequence[Tensor], Tensor, Tensor], Sequence[Tensor]]


def activation(lowering: Lowering, node: Node) -> Step:
    """Build for a pointwise function: R_in = R_out."""
    return Activation(node, lowering.source(node))


def route(lowering: Lowering, node: Node) -> Step:
    """Build for an operation whose every output copies one input."""
    return Route(node, lowering.source(node))


def average(lowering: Lowering, node: Node) -> Step:
    """Build for a linear operation of one signal without bias: the ε rule with its own weights."""
    return mean(lowering, node)


class Custom(Step):
    """A step whose relevance is propagated by a function of one's own."""

    def __init__(
        self,
        node: Node,
        sources: tuple[int, ...],
        propagate: Propagate,
    ) -> None:
        super().__init__(node)
        self.sources, self.propagate = sources, propagate

    def backward(self, run: Execution, flow: Flow) -> Sent:
        z = run.lift(run.values[self.node.index])
        inputs = [run.lift(run.values[i]).expand(run.shape(run.values[i])) for i in self.sources]
        r = flow.relevance(z)
        sent = self.propagate(inputs, z.expand(r.shape), r)
        if len(sent) != len(inputs) or any(
            s.shape != x.shape for s, x in zip(sent, inputs, strict=False)
        ):
            shapes = [tuple(x.shape) for x in inputs]
            raise LRPError(
                f"the rule of {self.node.name} must return one tensor like each input: {shapes}"
            )
        rest = run.per_sample(self.node, r)
        for index, s in zip(self.sources, sent, strict=True):
            rest = rest - run.per_sample(run.nodes[index], s)
        run.book_lost(self.node, rest)
        return [(index, Flow(rest=s)) for index, s in zip(self.sources, sent, strict=True)]


def custom(propagate: Propagate) -> Build:
    """Build from a function (inputs, output, relevance of the output) → relevance of each input.

    What the function does not hand on is booked in the ledger's stabilizer column.
    """

    def make(lowering: Lowering, node: Node) -> Step:
        sources = tuple(ref for ref in node.refs if ref in lowering.signal)
        return Custom(node, sources, propagate)

    return make


def register_operation(
    operation: str,
    make: Build,
    *,
    kind: str = "custom",
    nonnegative: bool = False,
) -> None:
    """Teaches lrp an ATen or custom operation, for every model captured from now on.

    operation: its full name, as the UnsupportedOperation error gives it.
    make: `activation`, `route`, `average`, `custom(function)`, or a function (lowering, node) → Step.
    kind: what composites see; nonnegative: whether its values are always ≥ 0.

    >>> import lrp
    >>> lrp.register_operation("aten.hardshrink.default", lrp.activation, kind="activation")
    """
    OPERATIONS[operation] = Operation(kind, make, always if nonnegative else never)


def register_module(
    module: type[nn.Module],
    make: Build | Propagate,
    *,
    kind: str = "custom",
) -> None:
    """Makes every module of this type one layer with a rule of its own, whatever operations it is made of.

    make: a function (inputs, output, relevance) → relevance of each input, or a Build made by `custom`.

    >>> import torch, lrp
    >>> class Square(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x * x
    >>> lrp.register_module(Square, lambda inputs, output, relevance: [relevance])
    """
    name = f"{module.__module__}.{module.__qualname__}"
    MODULES[name] = MODULES.get(name, 0) + 1
    build = make if getattr(make, "__qualname__", "").startswith("custom.") else custom(make)  # type: ignore[arg-type]
    OPERATIONS[f"module:{name}"] = Operation(kind, build)  # type: ignore[arg-type]


def collapsed(graph: Graph, types: dict[str, str]) -> Graph:
    """The graph with the nodes of each registered module joined into one; `types`: class name by module path."""
    for root in sorted(path for path, name in types.items() if name in MODULES):
        uses = {_use(node) for node in graph.nodes if _inside(node, root)}
        for use in sorted(uses):
            graph = _joined(graph, root, use, types[root])
    return graph


def _use(node: Node) -> str:
    """Which use of its module a node belongs to: "" for the first one."""
    return node.module.partition("@")[2].partition(".")[0]


def _inside(node: Node, root: str) -> bool:
    plain = ".".join(part.partition("@")[0] for part in node.module.split("."))
    inside = plain == root or plain.startswith(root + ".") or root == ""
    return inside and node.operation != "input"


def _joined(graph: Graph, root: str, use: str, name: str) -> Graph:
    """One use of one module as one node."""
    inner = [node for node in graph.nodes if _inside(node, root) and _use(node) == use]
    members = {node.index for node in inner}
    readers = graph.consumers()
    ends = [n for n in inner if n.index in graph.outputs or set(readers[n.index]) - members]
    if len(ends) != 1:
        reason = f"it has {len(ends)} outputs; a registered module has one"
        raise UnsupportedOperation(f"module:{name}", root, reason)
    refs = [ref for node in inner for ref in node.refs]
    outer = list(dict.fromkeys(ref for ref in refs if ref not in members))
    params = list(dict.fromkeys(name for node in inner for name in node.params))
    whole = replace(
        ends[0],
        name=f"{root}@{use}" if use else root or name.rpartition(".")[2],
        operation=f"module:{name}",
        function=as_function(inner, ends[0].index, [*outer, *params]),
        args=(*(Ref(i) for i in outer), *(Param(p) for p in params)),
        kwargs={},
    )
    kept = [whole if node is ends[0] else node for node in graph.nodes]
    return graph.keep(node for node in kept if node is whole or node.index not in members)


__all__ = ["activation", "average", "custom", "register_module", "register_operation", "route"]
