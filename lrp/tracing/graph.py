"""A model as a list of operations: nodes in order of computation, and what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ref:
    """An argument that is the value of an earlier node."""

    index: int


@dataclass(frozen=True)
class Param:
    """An argument that is a parameter, a buffer or a constant of the model, by its name."""

    name: str


SIZE = "size of "
"""How names of nodes begin whose value is a size."""


class Free(str):
    """A size that is free but has nothing to do with the batch: a length, a height."""


def _of_batch(size: int | str) -> bool:
    """Whether the batch size enters a size."""
    return isinstance(size, str) and not isinstance(size, Free)


@dataclass(frozen=True)
class Node:
    """One operation: what is computed, from which nodes, in which module.

    `shape` holds integers and symbols, `Free` ones where the batch size does not enter; it is None for numbers and
    tuples. `line`: where in the model it is written.
    """

    index: int
    name: str
    operation: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    module: str
    module_type: str
    shape: tuple[int | str, ...] | None
    floating: bool
    dtype: torch.dtype | None = None
    line: str = ""

    @property
    def integral(self) -> bool:
        """Whether the value is a tensor of integers (not of booleans)."""
        return self.dtype is not None and not (
            self.floating or self.dtype.is_complex or self.dtype == torch.bool
        )

    @property
    def is_size(self) -> bool:
        """Whether the value is a size, computed from the inputs' shapes."""
        return self.name.startswith(SIZE)

    @property
    def free(self) -> bool:
        """Whether the batch size enters the shape."""
        return any(map(_of_batch, self.shape or ()))

    @property
    def refs(self) -> tuple[int, ...]:
        """Indices of the nodes this one reads, in order, each once."""
        found: dict[int, None] = {}
        for leaf in leaves((self.args, self.kwargs)):
            if isinstance(leaf, Ref):
                found[leaf.index] = None
        return tuple(found)

    @property
    def params(self) -> tuple[str, ...]:
        """Names of the parameters, buffers and constants this node reads."""
        return tuple(
            leaf.name for leaf in leaves((self.args, self.kwargs)) if isinstance(leaf, Param)
        )


@dataclass(frozen=True)
class Graph:
    """A captured module: nodes in order of computation, where its inputs enter and its outputs leave."""

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    output_names: tuple[str, ...]
    input_shapes: tuple[tuple[int | str, ...], ...]
    constants: dict[str, Tensor] = field(default_factory=dict)
    input_names: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    """Layers that became part of another one (a folded BatchNorm), and that one's name."""

    @property
    def batch_symbols(self) -> frozenset[str]:
        """Symbols that stand for the batch size; empty if the model fixed its batch size."""
        return frozenset(str(s[0]) for s in self.input_shapes if s and _of_batch(s[0]))

    def takes(self, shapes: Iterable[Iterable[int]]) -> bool:
        """Whether inputs of these shapes fit: a symbol is one number everywhere, a `Free` one not 1."""
        found: dict[str, int] = {}
        for wanted, shape in zip(self.input_shapes, map(tuple, shapes), strict=True):
            if len(wanted) != len(shape):
                return False
            for size, now in zip(wanted, shape, strict=True):
                if isinstance(size, int):
                    same = size == now
                else:
                    same = found.setdefault(size, now) == now and (now > 1 or _of_batch(size))
                if not same:
                    return False
        return True

    @property
    def batch_first(self) -> bool:
        """Whether every tensor that depends on the batch has it as its whole first dimension."""
        symbols = self.batch_symbols
        if not symbols:
            return False
        for node in self.nodes:
            if node.shape is None:
                continue
            if any(map(_of_batch, node.shape[1:])):
                return False
            if node.shape and _of_batch(node.shape[0]) and node.shape[0] not in symbols:
                return False
        return True

    def keep(self, nodes: Iterable[Node]) -> Graph:
        """The graph with these of its nodes, or others in their places, numbered anew."""
        kept = tuple(nodes)
        place = {node.index: new for new, node in enumerate(kept)}

        def change(leaf: Any) -> Any:
            return Ref(place[leaf.index]) if isinstance(leaf, Ref) else leaf

        renumbered = [
            replace(n, index=i, args=rewrite(n.args, change), kwargs=rewrite(n.kwargs, change))
            for i, n in enumerate(kept)
        ]
        return replace(
            self,
            nodes=tuple(renumbered),
            inputs=tuple(place[i] for i in self.inputs),
            outputs=tuple(place[i] for i in self.outputs),
        )

    def consumers(self) -> dict[int, list[int]]:
        """For each node, the indices of the nodes that read it."""
        readers: dict[int, list[int]] = {node.index: [] for node in self.nodes}
        for node in self.nodes:
            for ref in node.refs:
                readers[ref].append(node.index)
        return readers


def leaves(tree: Any) -> list[Any]:
    """The leaves of nested tuples, lists and dicts, in order."""
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in leaves(item)]
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in leaves(item)]
    return [tree]


def rewrite(tree: Any, change: Callable[[Any], Any]) -> Any:
    """The same nested tuples, lists and dicts with every leaf changed."""
    if isinstance(tree, tuple):
        return tuple(rewrite(item, change) for item in tree)
    if isinstance(tree, list):
        return [rewrite(item, change) for item in tree]
    if isinstance(tree, dict):
        return {key: rewrite(item, change) for key, item in tree.items()}
    return change(tree)


def as_function(
    inner: Sequence[Node],
    end: int,
    given: Sequence[int | str],
) -> Callable[..., Any]:
    """Some nodes as one function of the values and parameters `given`, which returns node `end`'s value."""

    def function(*values: Any) -> Any:
        known: dict[Any, Any] = dict(zip(given, values, strict=True))

        def value(leaf: Any) -> Any:
            if isinstance(leaf, Ref):
                return known[leaf.index]
            return known[leaf.name] if isinstance(leaf, Param) else leaf

        for node in inner:
            args = rewrite(node.args, value)
            kwargs = rewrite(node.kwargs, value)
            known[node.index] = node.function(*args, **kwargs)
        return known[end]

    return function
