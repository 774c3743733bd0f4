"""The operations that lrp knows: each is registered, with its kind and its flags, in the file that has its step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from lrp.bias import BiasMode
from lrp.errors import UnsupportedOperation
from lrp.ops.context import Step
from lrp.rules import Rule
from lrp.tracing.canonizers import RULES
from lrp.tracing.graph import Graph, Node, Param, Ref, rewrite


class Lowering(ABC):
    """What may be asked while a node is made into a step: its signals, its parameters, its rule."""

    def __init__(self, graph: Graph, tensors: Mapping[str, Tensor]) -> None:
        self.graph, self.tensors = graph, tensors
        self.constants: dict[int, Any] = {}
        self.signal: set[int] = set()
        self.positive: set[int] = set()
        self.gates: set[int] = set()

    @abstractmethod
    def rule(self, node: Node) -> Rule | None:
        """The composite's rule for this layer, else the default of its kind."""

    @abstractmethod
    def mode(self, rule: Rule | None) -> BiasMode:
        """The rule's bias mode, else the composite's."""

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
            reason = f"its {what} is computed from the input"
            raise UnsupportedOperation(node.operation, node.module, reason)
        return found if torch.is_grad_enabled() else found.detach()

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
        return len(self.graph.nodes[index].shape or ())


Build = Callable[[Lowering, Node], Step]
Test = Callable[[Lowering, Node], bool]


def never(lowering: Lowering, node: Node) -> bool:
    """Its value may be negative."""
    return False


def always(lowering: Lowering, node: Node) -> bool:
    """Its value is ≥ 0."""
    return True


def inherited(lowering: Lowering, node: Node) -> bool:
    """Its value is ≥ 0 if every signal it reads is ≥ 0."""
    return all(ref in lowering.positive for ref in node.refs if ref in lowering.signal)


@dataclass(frozen=True)
class Operation:
    """What is known of an operation: its kind, how to make its step, whether its value is ≥ 0.

    gate: its value only scales what it is multiplied with and takes no relevance from a product;
    bounded: 1 + its value does (1 + tanh, 1 + erf, as in GELU written out);
    carrier: the place of the one argument whose numbers it holds, where others only give a shape or a type.
    """

    kind: str
    build: Build
    nonnegative: Test = never
    gate: bool = False
    bounded: bool = False
    carrier: int | None = None


OPERATIONS: dict[str, Operation] = RULES
Made = TypeVar("Made", bound=Callable[..., Step])


def operation(
    names: str, kind: str, nonnegative: Test = never, **flags: Any
) -> Callable[[Made], Made]:
    """Registers what makes the step of some operations: a Build, or the class of a step of one signal.

    names: words; one without an overload means aten's `.default`; one with two dots, or of lrp, is whole. flags: those
    of Operation.
    """

    def register(made: Made) -> Made:
        build = unary(made) if isinstance(made, type) else made
        for word in names.split():
            full = f"aten.{word}" if "." in word else f"aten.{word}.default"
            named = word.startswith("lrp.") or word.count(".") == 2
            OPERATIONS[word if named else full] = Operation(kind, build, nonnegative, **flags)
        return made

    return register


def unary(step: Callable[[Node, int], Step]) -> Build:
    """Build for an operation of one signal."""
    return lambda lowering, node: step(node, lowering.source(node))


def arguments_of(node: Node, names: str, **defaults: Any) -> Sequence[Any]:
    """The arguments of these names, in order: positional ones, then keywords, then defaults (None)."""
    given = dict(zip(names.split(), node.args, strict=False))
    known = {**defaults, **node.kwargs, **given}
    return [known.get(name) for name in names.split()]


def constant_at_least_0(argument: Any) -> bool:
    """Whether an argument is a known number or tensor, nowhere below 0."""
    return not isinstance(argument, Ref) and bool(torch.as_tensor(argument).ge(0).all())
