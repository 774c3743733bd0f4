"""A captured graph and a composite made into steps: constants evaluated, BatchNorm folded, rules given to layers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from lrp.bias import BiasMode
from lrp.composites import DEFAULTS, Composite, Layer
from lrp.errors import InvalidInput, UnsupportedOperation
from lrp.ops.embedding import OPERATION as EMBEDDING
from lrp.ops.embedding import tokens
from lrp.ops.step import Static, Step
from lrp.rules import Rule
from lrp.tracing.graph import Graph, Node, Param, Ref, leaves, rewrite

Build = Callable[["Compiler", Node], Step]


@dataclass(frozen=True)
class Operation:
    """What the catalogue knows of an operation: its kind, how to make its step, and whether its value is ≥ 0."""

    kind: str
    build: Build
    nonnegative: Callable[[Compiler, Node], bool] = lambda compiler, node: False


CATALOGUE: dict[str, Operation] = {}


@dataclass(frozen=True)
class Program:
    """Everything compiled from one graph, one composite and one state of the parameters."""

    graph: Graph
    steps: Mapping[int, Step]
    constants: Mapping[int, Any]
    names: Mapping[str, int]
    layers: tuple[Layer, ...]

    def path(self, outputs: tuple[int, ...]) -> tuple[Step, ...]:
        """The steps that lead to these nodes, in order of computation."""
        needed, stack = set(), list(outputs)
        while stack:
            index = stack.pop()
            if index in needed or index not in self.steps:
                continue
            needed.add(index)
            stack.extend(self.steps[index].reads)
        return tuple(self.steps[i] for i in sorted(needed))


class Compiler:
    """Turns the nodes of a graph into steps; one use, one program."""

    def __init__(
        self, graph: Graph, tensors: Mapping[str, Tensor], composite: Composite, model: nn.Module
    ) -> None:
        self.graph, self.tensors, self.composite = graph, tensors, composite
        self.modules = dict(model.named_modules())
        self.readers = graph.consumers()
        self.constants: dict[int, Any] = {}
        self.signal: set[int] = set()
        self.positive: set[int] = set()
        self.gates: set[int] = set()
        self.tokens = tokens(graph)
        self.steps: dict[int, Step] = {}
        self.names: dict[str, int] = {}
        self._classify()
        self.layers = self._layers()

    def _classify(self) -> None:
        """Finds the nodes that carry signal from an input and evaluates those that depend on parameters alone."""
        for node in self.graph.nodes:
            if node.operation == "input":
                if node.floating:
                    self.signal.add(node.index)
            elif not node.refs or all(ref in self.constants for ref in node.refs):
                _deterministic(node)
                with torch.no_grad():
                    self.constants[node.index] = node.function(
                        *self.value(node.args), **self.value(node.kwargs)
                    )
            elif (node.operation == EMBEDDING and any(ref in self.tokens for ref in node.refs)) or (
                node.floating
                and node.operation not in STATIC
                and any(ref in self.signal for ref in node.refs)
            ):
                self.signal.add(node.index)

    def value(self, tree: Any) -> Any:
        """Arguments with parameters and constants put in; references to other nodes stay."""

        def known(leaf: Any) -> Any:
            if isinstance(leaf, Param):
                return self.tensors[leaf.name]
            if isinstance(leaf, Ref) and leaf.index in self.constants:
                return self.constants[leaf.index]
            return leaf

        return rewrite(tree, known)

    def tensor(self, node: Node, argument: Any, what: str) -> Tensor:
        """A parameter of the operation; UnsupportedOperation if it depends on the input."""
        found = self.value(argument)
        if not isinstance(found, Tensor):
            raise UnsupportedOperation(
                node.operation, node.module, f"its {what} is computed from the input"
            )
        return found.detach()

    def optional(self, node: Node, argument: Any, what: str) -> Tensor | None:
        """Like `tensor`, for a parameter that may be None."""
        return None if argument is None else self.tensor(node, argument, what)

    def is_signal(self, argument: Any) -> bool:
        """Whether the argument is a node that carries signal from an input."""
        return isinstance(argument, Ref) and argument.index in self.signal

    def source(self, node: Node) -> int:
        """The one signal the operation reads; UnsupportedOperation if there are several."""
        found = [ref for ref in node.refs if ref in self.signal]
        if len(found) != 1:
            reason = f"{len(found)} of its arguments depend on the input"
            raise UnsupportedOperation(node.operation, node.module, reason)
        return found[0]

    def rank(self, index: int) -> int:
        """Number of dimensions of a node's value."""
        shape = self.graph.nodes[index].shape
        return len(shape) if shape is not None else 0

    def rule(self, node: Node) -> Rule | None:
        """The composite's rule for this layer, else the default of its kind."""
        layer = self._layer_of[node.index]
        return self.composite.rule_for(layer) or DEFAULTS.get(layer.kind)

    def mode(self, rule: Rule | None) -> BiasMode:
        """The rule's bias mode, else the composite's."""
        return (rule.bias if rule is not None else None) or self.composite.bias

    def only_reader(self, index: int) -> bool:
        """Whether the node has one reader and is no output of the model."""
        return len(self.readers[index]) == 1 and index not in self.graph.outputs

    def _kind(self, index: int) -> str:
        """The kind of a signal node; a product with one signal is a linear layer."""
        node = self.graph.nodes[index]
        kind = CATALOGUE[node.operation].kind
        signals = sum(self.is_signal(leaf) for leaf in leaves(node.args))
        return "linear" if kind == "matmul" and signals == 1 else kind

    def _layers(self) -> tuple[Layer, ...]:
        known = [i for i in sorted(self.signal) if self.graph.nodes[i].operation in CATALOGUE]
        kinds = {i: self._kind(i) for i in known}
        weighted = [i for i, kind in kinds.items() if kind in ("conv", "linear")]
        convolutions = [i for i in weighted if kinds[i] == "conv"]
        before: dict[int, bool] = {}
        for node in self.graph.nodes:
            before[node.index] = any(before[r] or r in weighted for r in node.refs)
        after: dict[int, bool] = {}
        for node in reversed(self.graph.nodes):
            after[node.index] = any(after[r] or r in weighted for r in self.readers[node.index])
        self._layer_of: dict[int, Layer] = {}
        for i, kind in kinds.items():
            node = self.graph.nodes[i]
            if kind in ("route", "input"):
                continue
            place = weighted.index(i) if i in weighted else None
            self._layer_of[i] = Layer(
                node.name,
                kind,
                node.operation,
                self.modules.get(node.module.split("@")[0]),
                place,
                len(weighted),
                place is not None and not before[i],
                place is not None and not after[i],
                bisect_right(convolutions, i),
                len(convolutions),
            )
        return tuple(self._layer_of.values())

    def compile(self) -> Program:
        """The program. Raises UnsupportedOperation or CompositeError."""
        for node in self.graph.nodes:
            if node.index in self.signal:
                self._supported(node)
            elif node.index not in self.constants:
                _deterministic(node)
        self.composite.check(self.layers)
        for node in self.graph.nodes:
            if node.operation == "input" or node.index in self.constants:
                continue
            self.steps[node.index] = self._step(node)
        for index, step in self.steps.items():
            self.names[step.node.name] = index
        return Program(self.graph, self.steps, self.constants, self.names, self.layers)

    def _supported(self, node: Node) -> None:
        """Raises UnsupportedOperation for a signal without a rule, or one that mixes the samples of a batch."""
        for reader in self.readers[node.index]:
            found = self.graph.nodes[reader]
            if found.dtype is not None and found.dtype.is_complex:
                raise UnsupportedOperation(
                    found.operation, found.module, "complex numbers carry no relevance"
                )
        if node.operation == "input":
            return
        if node.operation not in CATALOGUE:
            raise UnsupportedOperation(node.operation, node.module)
        sizes = node.shape
        if (
            self.graph.batch_symbols
            and sizes is not None
            and not any(isinstance(size, str) for size in sizes)
        ):
            reads = [self.graph.nodes[ref].shape for ref in node.refs if ref in self.signal]
            if any(
                shape is not None and any(isinstance(size, str) for size in shape)
                for shape in reads
            ):
                raise UnsupportedOperation(
                    node.operation, node.module, "it mixes the samples of a batch"
                )

    def _step(self, node: Node) -> Step:
        known = replace(node, args=self.value(node.args), kwargs=self.value(node.kwargs))
        if node.index not in self.signal:
            return Static(known)
        operation = CATALOGUE[node.operation]
        step = operation.build(self, known)
        if operation.nonnegative(self, known):
            self.positive.add(node.index)
        if self._is_gate(node, operation.kind):
            self.gates.add(node.index)
        return step

    def _is_gate(self, node: Node, kind: str) -> bool:
        """Whether a product with a signal leaves the signal everything: it scales, and is made of what scales."""
        if node.operation in GATES:
            return True
        signals = [ref for ref in node.refs if ref in self.signal]
        if kind in ("route", "sum", "average", "product", "activation", "maxpool"):
            bounded = (
                kind == "sum"
                and len(signals) == 1
                and self.graph.nodes[signals[0]].operation in BOUNDED
            )
            return bounded or all(ref in self.gates for ref in signals)
        return False


STATIC = {
    "aten.sym_size.int",
    "aten.zeros_like.default",
    "aten.ones_like.default",
    "aten.full_like.default",
    "aten.new_zeros.default",
    "aten.new_ones.default",
    "aten.new_full.default",
    "aten.detach.default",
    "aten.detach_.default",
    "aten.empty_like.default",
    "aten.rand_like.default",
}


GATES = {
    "aten.sigmoid.default",
    "aten.hardsigmoid.default",
    "aten.softmax.int",
    "lrp.complement",
    "aten.rsqrt.default",
    "aten._softmax.default",
    "aten.reciprocal.default",
    "aten.exp.default",
    "aten.pow.Tensor_Scalar",
    "aten.square.default",
    "aten.sqrt.default",
    "aten.abs.default",
    "aten.sign.default",
    "aten.var.correction",
    "aten.std.correction",
    "aten.var.dim",
    "aten.std.dim",
    "aten.norm.ScalarOpt_dim",
    "aten.linalg_vector_norm.default",
    "aten.linalg_norm.default",
    "aten.logsumexp.default",
}
"""Operations whose value scales what it is multiplied with and takes no relevance from a product."""
BOUNDED = {"aten.tanh.default", "aten.erf.default"}
"""1 + tanh(x) and 1 + erf(x), as in GELU written out, scale as well."""


def _deterministic(node: Node) -> None:
    """Raises UnsupportedOperation for an operation that draws random numbers."""
    if (
        torch.Tag.nondeterministic_seeded in getattr(node.function, "tags", ())
        and "dropout" not in node.operation
    ):
        raise UnsupportedOperation(
            node.operation, node.module, "it is random: two passes would not be the same model"
        )


def finite(tensors: Mapping[str, Tensor]) -> None:
    """Raises InvalidInput if a parameter or buffer is not finite."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InvalidInput(
                f"parameter {name} contains NaN or Inf; only finite weights can be explained"
            )
