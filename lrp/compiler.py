"""A captured graph and a composite made into steps: constants evaluated, rules given to layers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

import lrp.ops.contractions
import lrp.ops.grouped
import lrp.ops.linear_layers
import lrp.ops.normalization
import lrp.ops.routing
import lrp.ops.selections  # noqa: F401  (each fills the registry)
from lrp.bias import BiasMode
from lrp.composites import DEFAULTS, Composite, Layer
from lrp.errors import MIXES, InvalidTarget, UnsupportedOperation
from lrp.ops.affine import AffineStep
from lrp.ops.budget import Budget
from lrp.ops.context import Execution, Flow, Layout, Sent, Static, Step
from lrp.ops.embedding import Relabelled
from lrp.ops.registry import OPERATIONS, Lowering
from lrp.rules import Rule
from lrp.tracing.attention import CAUSAL
from lrp.tracing.graph import Graph, Node, leaves
from lrp.tracing.tokens import EMBEDDING, passes_messages, tokens


@dataclass(frozen=True)
class Program:
    """Everything compiled from one graph, one composite and one state of the parameters."""

    graph: Graph
    steps: Mapping[int, Step]
    constants: Mapping[int, Any]
    """Outputs that depend on no input; other constants are in the steps that read them."""
    names: Mapping[str, int]
    layers: tuple[Layer, ...]
    whole: bool = False
    """Whether the inputs are one sample, such as the nodes and edges of a graph, and not a batch of them."""
    _paths: dict[Any, tuple[Step, ...]] = field(default_factory=dict, init=False, repr=False)

    def path(
        self,
        outputs: tuple[int, ...],
        relevant: bool = False,
    ) -> tuple[Step, ...]:
        """The steps that lead to these nodes, in order of computation; `relevant`: not past what makes constants."""
        found = self._paths.get((outputs, relevant))
        if found is None:
            found = self._paths[outputs, relevant] = self._path(outputs, relevant)
        return found

    def _path(self, outputs: tuple[int, ...], relevant: bool) -> tuple[Step, ...]:
        needed, stack = set(), list(outputs)
        while stack:
            index = stack.pop()
            if index in needed or index not in self.steps:
                continue
            needed.add(index)
            if not (relevant and makes_constants(self.steps[index])):
                stack.extend(self.steps[index].reads)
        return tuple(self.steps[i] for i in sorted(needed))

    def explains(self, index: int) -> bool:
        """Whether a node depends on an input through operations that carry relevance."""
        return index in self.graph.inputs or (
            index in self.steps and not isinstance(self.steps[index], Static)
        )

    def refused(
        self,
        outputs: tuple[int, ...],
    ) -> UnsupportedOperation | None:
        """Why these outputs cannot be explained; None if they can."""
        relevant = self.path(outputs, relevant=True)
        for step in self.path(outputs):
            if isinstance(step, Refused) and (step in relevant or is_random(step.node)):
                return step.error
        return None

    def check(self) -> None:
        """Raises UnsupportedOperation where no output can be explained."""
        refused = [self.refused((i,)) for i in self.graph.outputs]
        if refused and all(refused) and refused[0] is not None:
            raise refused[0]


class Refused(Step):
    """An operation that cannot be explained: computed where an output needs it, an error where that is explained."""

    def __init__(
        self,
        node: Node,
        error: UnsupportedOperation,
    ) -> None:
        super().__init__(node)
        self.error = error

    def backward(
        self,
        run: Execution,
        flow: Flow,
    ) -> Sent:
        raise self.error


class Compiler(Lowering):
    """Turns the nodes of a graph into steps; one use, one program."""

    def __init__(
        self, graph: Graph, tensors: Mapping[str, Tensor], composite: Composite, model: nn.Module
    ) -> None:
        super().__init__(graph, tensors)
        self.composite, self.modules = composite, dict(model.named_modules())
        self.readers = graph.consumers()
        self.tokens = tokens(graph)
        self.message_passing = passes_messages(graph, self.tokens)
        self.steps: dict[int, Step] = {}
        self._classify()
        self.layers = self._layers()

    def _classify(self) -> None:
        """Finds the nodes that carry signal from an input and evaluates those that depend on parameters alone."""
        for node in self.graph.nodes:
            if node.operation == "input":
                if node.floating or node.index in self.tokens:
                    self.signal.add(node.index)
            elif not node.refs or all(ref in self.constants for ref in node.refs):
                if not is_random(node):
                    args, kwargs = self.value(node.args), self.value(node.kwargs)
                    self.constants[node.index] = node.function(*args, **kwargs)
            elif self._carries(node):
                self.signal.add(node.index)

    def _carries(self, node: Node) -> bool:
        """Whether a node hands signal on: floating numbers made of signal, and ids on their way to an embedding."""
        if node.operation == EMBEDDING:
            return any(ref in self.tokens for ref in node.refs)
        carrying = node.index in self.tokens or (node.floating and node.operation not in STATIC)
        known = OPERATIONS.get(node.operation)
        if known is not None and known.carrier is not None and node.index not in self.tokens:
            return node.floating and self.is_signal(node.args[known.carrier])
        own = (r for r in node.refs if node.index in self.tokens or r not in self.tokens)
        return carrying and any(ref in self.signal for ref in own)

    def rule(self, node: Node) -> Rule | None:
        """The composite's rule for this layer, else the default of its kind."""
        layer = self._layer_of[node.index]
        return self.composite.rule_for(layer) or DEFAULTS.get(layer.kind)

    def mode(self, rule: Rule | None) -> BiasMode:
        """The rule's bias mode, else the composite's."""
        return (rule.bias if rule is not None else None) or self.composite.bias

    def _kind(self, index: int) -> str:
        """The kind of a signal node; a product with one signal is a linear layer."""
        node = self.graph.nodes[index]
        kind = OPERATIONS[node.operation].kind
        signals = sum(self.is_signal(leaf) for leaf in leaves(node.args))
        return "linear" if kind == "matmul" and signals == 1 else kind

    def _layers(self) -> tuple[Layer, ...]:
        known = [i for i in sorted(self.signal) if self.graph.nodes[i].operation in OPERATIONS]
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
        """The program. Raises CompositeError, and UnsupportedOperation where no output can be explained."""
        self.composite.check(self.layers)
        for node in self.graph.nodes:
            if node.operation == "input" or node.index in self.constants:
                continue
            known = replace(node, args=self.value(node.args), kwargs=self.value(node.kwargs))
            try:
                self._supported(node)
                self.steps[node.index] = self._step(known)
            except UnsupportedOperation as error:
                self.steps[node.index] = Refused(known, error.at(node.line))
        self._share_memory()
        names = {step.node.name: index for index, step in self.steps.items()}
        for alias, name in self.graph.aliases.items():
            names[alias] = names[name]
        shown = {i: value for i, value in self.constants.items() if i in self.graph.outputs}
        program = Program(self.graph, self.steps, shown, names, self.layers, self.message_passing)
        program.check()
        return program

    def _share_memory(self) -> None:
        """Lets the steps keep what rules make of their weights, as long as there is room."""
        affine = [step for step in self.steps.values() if isinstance(step, AffineStep)]
        budget = Budget(self.tensors.values(), [step.layer.weight for step in affine])
        for step in affine:
            step.budget = budget

    def _supported(self, node: Node) -> None:
        """Raises UnsupportedOperation for a signal without a rule, or one that mixes the samples of a batch."""
        if is_random(node):
            reason = "it is random: two passes would not be the same model"
            raise UnsupportedOperation(node.operation, node.module, reason, registrable=False)
        reads = [self.graph.nodes[ref] for ref in node.refs if ref in self.signal]
        if node.dtype is not None and node.dtype.is_complex and reads:
            reason = "complex numbers carry no relevance"
            raise UnsupportedOperation(node.operation, node.module, reason, registrable=False)
        if node.index not in self.signal:
            return
        if node.operation not in OPERATIONS and node.index not in self.tokens:
            raise UnsupportedOperation(node.operation, node.module)
        fixed = node.shape is not None and not node.free
        batched = bool(self.graph.batch_symbols) and not self.message_passing
        if batched and fixed and any(read.free for read in reads):
            raise UnsupportedOperation(node.operation, node.module, MIXES, registrable=False)

    def _step(self, node: Node) -> Step:
        if node.index not in self.signal:
            return Static(node)
        found = OPERATIONS.get(node.operation)
        cast = node.operation.startswith(("aten.to.", "aten._to_copy."))
        if found is None or (node.index in self.tokens and (cast or found.kind != "route")):
            return Relabelled(node, tuple(ref for ref in node.refs if ref in self.signal))
        step = found.build(self, node)
        if found.nonnegative(self, node):
            self.positive.add(node.index)
        if found.gate or self._is_gate(node, found.kind):
            self.gates.add(node.index)
        return step

    def _is_gate(
        self,
        node: Node,
        kind: str,
    ) -> bool:
        """Whether a product with a signal leaves the signal everything: it is made of what scales."""
        signals = [ref for ref in node.refs if ref in self.signal]
        if kind in ("route", "sum", "average", "product", "activation", "maxpool"):
            before = OPERATIONS.get(self.graph.nodes[signals[0]].operation)
            shifted = kind == "sum" and len(signals) == 1 and before is not None and before.bounded
            return shifted or all(ref in self.gates for ref in signals)
        return False


STATIC = {
    "aten.sym_size.int",
    "aten.zero.default",
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
    "aten.sign.default",
    "aten.sgn.default",
    CAUSAL,
}


def is_random(node: Node) -> bool:
    """Whether an operation draws random numbers, as dropout does where it stays on in eval mode."""
    if "dropout" in node.operation:
        return all(node.args[1:3])
    if node.operation == "aten.rrelu.default":
        return any(node.args[3:4])
    return torch.Tag.nondeterministic_seeded in getattr(node.function, "tags", ())


def makes_constants(step: Step) -> bool:
    """Whether an operation makes a constant of what it reads, whatever that is."""
    exact = step.node.integral or step.node.dtype == torch.bool
    return isinstance(step, Static) and (exact or step.node.operation in STATIC)


@dataclass(frozen=True)
class Plan:
    """What one explanation propagates through."""

    program: Program
    steps: tuple[Step, ...]
    chosen: tuple[int, ...]
    names: tuple[str, ...]
    conditions: Mapping[int, Tensor]
    flat: Program | None
    layouts: Mapping[int, Layout]

    @property
    def graph(self) -> Graph:
        """The captured operations."""
        return self.program.graph


def check_explained(
    program: Program,
    chosen: tuple[int, ...],
) -> None:
    """Raises InvalidTarget for a constant, UnsupportedOperation for what an operation without a rule leads to."""
    for index in chosen:
        if not program.explains(index):
            _check_complex(program, index)
            name = program.graph.nodes[index].name
            raise InvalidTarget(
                f"{name} depends on no input through operations that carry relevance"
            )
    refused = program.refused(chosen)
    if refused is not None:
        raise refused


def _check_complex(program: Program, index: int) -> None:
    """Raises UnsupportedOperation where complex numbers made of a signal lead to a node."""
    for step in program.path((index,)):
        node = step.node
        made = node.dtype is not None and node.dtype.is_complex
        if made and any(map(program.explains, step.reads)):
            reason = "no relevance passes through its complex numbers"
            raise UnsupportedOperation(node.operation, node.module, reason).at(node.line)
