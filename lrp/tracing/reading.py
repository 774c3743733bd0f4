"""A program of torch.export read as a graph: regions put in line, casts of autocast written out, lines kept."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lrp.errors import InvalidInput, UnsupportedOperation
from lrp.tracing.compounds import written_out
from lrp.tracing.graph import SIZE, Free, Graph, Node, Param, Ref, rewrite

ROOT = "model"
"""The attribute under which the wrapper that is exported holds the model."""
REGIONS = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}
"""Operators of torch.export for `with` blocks, and the place of the block among their arguments."""
COMPOUND = (
    "LSTM",
    "GRU",
    "RNN",
    "MultiheadAttention",
    "TransformerEncoderLayer",
    "TransformerDecoderLayer",
)
"""torch's modules that are several operations."""
_OWN = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))
_LINE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in [^\n]+\n\s*(?P<text>[^\n]*)')


def foreign(file: str) -> bool:
    """Whether a file is neither torch's nor lrp's nor the standard library's: it is the model's."""
    if file.startswith((*_OWN, "<")) or "importlib" in file:
        return False
    return f"{os.sep}lib{os.sep}python" not in file or "-packages" in file


class Reader:
    """Reads one exported program."""

    def __init__(
        self,
        program: Any,
        batched: tuple[bool, ...],
    ) -> None:
        self.program, self.batched = program, batched
        self.nodes: list[Node] = []
        self.value: dict[Any, Any] = {}
        self.names: dict[str, int] = {}
        self.lifted: dict[str, Tensor] = {}
        self.batch: set[str] = set()

    def graph(
        self,
        input_names: tuple[str, ...],
        output_names: tuple[str, ...],
    ) -> Graph:
        """The graph, with the names of inputs and outputs."""
        signature = self.program.graph_signature
        parameters = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        constants = dict(getattr(signature, "inputs_to_lifted_tensor_constants", {}))
        held = {name: Param(_plain(path)) for name, path in parameters.items()}
        held |= {name: Param(path) for name, path in constants.items()}
        placeholders = [fx for fx in self.program.graph.nodes if fx.op == "placeholder"]
        user = [name for name in signature.user_inputs if isinstance(name, str)]
        entering = {fx.name: fx for fx in placeholders if fx.name not in held}
        self._find_batch([entering[name] for name in user])
        inputs = []
        for fx in placeholders:
            if fx.name in held:
                self.value[fx] = held[fx.name]
        for name, called in zip(user, input_names, strict=True):
            inputs.append(self._add(entering[name], "input", called))
        self._read(self.program.graph)
        results = self._results(signature)
        if results and all(isinstance(leaf, Param) for leaf in results):
            raise InvalidInput(
                "the model returns one of its parameters; only computed outputs can be explained"
            )
        return Graph(
            nodes=tuple(self.nodes),
            inputs=tuple(inputs),
            outputs=tuple(self._index(leaf) for leaf in results),
            output_names=output_names,
            input_shapes=tuple(self.nodes[i].shape or () for i in inputs),
            constants={n: self.program.constants[n] for n in constants.values()} | self.lifted,
            input_names=input_names,
        )

    def _find_batch(self, entering: Iterable[Any]) -> None:
        """The symbols that stand for the batch size."""
        for fx, own in zip(entering, self.batched, strict=True):
            shape = fx.meta["val"].shape
            if own and len(shape):
                self.batch |= _symbols(shape[0])

    def _results(self, signature: Any) -> list[Any]:
        named = {fx.name: value for fx, value in self.value.items()}
        specs = [s for s in signature.output_specs if s.kind.name == "USER_OUTPUT"]
        return [named[spec.arg.name] for spec in specs]

    def _index(self, leaf: Any) -> int:
        """The node of an output; of a parameter that is returned beside others, a node that holds it."""
        if isinstance(leaf, Ref):
            return leaf.index
        alias = torch.ops.aten.alias.default
        name = f"{leaf.name}.alias"
        operation = str(alias)
        node = Node(len(self.nodes), name, operation, alias, (leaf,), {}, "", "", None, False)
        self.nodes.append(node)
        return node.index

    def _read(
        self,
        graph: Any,
        module: Any = None,
        casts: bool = False,
    ) -> Any:
        """The operations of a graph or of a region; returns what a region returns."""
        for fx in graph.nodes:
            region = getattr(fx.target, "__name__", "") if fx.op == "call_function" else ""
            if fx.op in ("placeholder", "output"):
                continue
            if fx.op == "get_attr":
                owner = module if module is not None else self.program.graph_module
                self.value[fx] = self._attribute(owner, fx)
            elif region in REGIONS:
                self.value[fx] = self._region(fx, region, casts)
            elif fx.op != "call_function":
                reason = f"a graph node of kind {fx.op}"
                raise UnsupportedOperation(str(fx.target), _module(fx)[0], reason)
            elif fx.target is operator.getitem and isinstance(self.value[fx.args[0]], tuple):
                self.value[fx] = self.value[fx.args[0]][fx.args[1]]
            else:
                several = written_out(fx)
                if several is None:
                    self.value[fx] = self._operation(fx, casts)
                else:
                    self.value[fx] = self._inline(several, fx.all_input_nodes, casts)
        end = next(fx for fx in graph.nodes if fx.op == "output")
        return self._known(end.args[0])

    def _attribute(
        self,
        owner: Any,
        fx: Any,
    ) -> Any:
        found = owner
        for part in str(fx.target).split("."):
            found = getattr(found, part)
        if isinstance(found, Tensor):
            name = f"lifted.{len(self.lifted)}"
            self.lifted[name] = found
            return Param(name)
        return found

    def _region(
        self,
        fx: Any,
        region: str,
        casts: bool,
    ) -> tuple[Any, ...]:
        """A block under no_grad or autocast, its operations put in line."""
        place = REGIONS[region]
        if region == "wrap_with_autocast":
            casts = bool(fx.args[2])
        found = self._inline(self.value[fx.args[place]], fx.args[place + 1 :], casts)
        return found if isinstance(found, tuple) else (found,)

    def _inline(
        self,
        inner: Any,
        given: Iterable[Any],
        casts: bool,
    ) -> Any:
        """What the operations of another module return, put in line."""
        starts = [n for n in inner.graph.nodes if n.op == "placeholder"]
        for start, leaf in zip(starts, given, strict=True):
            self.value[start] = self._known(leaf)
        found = self._read(inner.graph, inner, casts)
        return tuple(found) if isinstance(found, list) else found

    def _known(self, tree: Any) -> Any:
        """Arguments of a region or what it returns, as values."""
        return rewrite(
            tree, lambda leaf: self.value[leaf] if isinstance(leaf, torch.fx.Node) else leaf
        )

    def _operation(
        self,
        fx: Any,
        casts: bool,
    ) -> Ref:
        operation = "getitem" if fx.target is operator.getitem else str(fx.target)
        if not isinstance(fx.target, torch._ops.OpOverload) and operation != "getitem":
            operation = getattr(fx.target, "__name__", operation)
        module, kind = _module(fx)
        wanted = fx.meta.get("val")
        cast: dict[Any, Any] = {}
        if casts and isinstance(wanted, Tensor) and wanted.is_floating_point():
            cast = self._casts(fx, operation, wanted.dtype)
        if isinstance(wanted, (int, torch.SymInt)):
            name = _unique(SIZE + (module or "the model"), self.names)
        else:
            name = _name(operation, module, kind, self.names)

        def argument(leaf: Any) -> Any:
            return cast.get(leaf, self.value[leaf]) if isinstance(leaf, torch.fx.Node) else leaf

        args, kwargs = rewrite(fx.args, argument), rewrite(fx.kwargs, argument)
        return Ref(self._add(fx, operation, name, args, kwargs))

    def _casts(
        self,
        fx: Any,
        original: str,
        dtype: torch.dtype,
    ) -> dict[Any, Any]:
        """Under autocast: the arguments of another floating point type than the result, cast to it."""
        found: dict[Any, Any] = {}
        if original.startswith(("aten.to.", "aten._to_copy")):
            return found
        for leaf in fx.all_input_nodes:
            value = leaf.meta.get("val")
            floating = isinstance(value, Tensor) and value.is_floating_point()
            if not floating or value.dtype == dtype:
                continue
            to = torch.ops.aten.to.dtype
            module, kind = _module(fx)
            name = _unique(f"{module}.to" if module else "to", self.names)
            shape = self._shape(value)
            operation = str(to)
            args = (self.value[leaf], dtype)
            place = len(self.nodes)
            node = Node(place, name, operation, to, args, {}, module, kind, shape, True)
            self.nodes.append(node)
            found[leaf] = Ref(node.index)
        return found

    def _add(
        self,
        fx: Any,
        operation: str,
        name: str,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> int:
        """A new node."""
        value = fx.meta.get("val")
        parts = value if isinstance(value, (tuple, list)) else (value,)
        module, kind = _module(fx)
        node = Node(
            index=len(self.nodes),
            name=_unique(name, self.names) if operation == "input" else name,
            operation=operation,
            function=fx.target,
            args=args,
            kwargs=kwargs or {},
            module=module,
            module_type=kind,
            shape=self._shape(value),
            floating=any(isinstance(v, Tensor) and v.is_floating_point() for v in parts),
            dtype=value.dtype if isinstance(value, Tensor) else None,
            line=_line(fx.meta.get("stack_trace") or ""),
        )
        self.nodes.append(node)
        self.value[fx] = Ref(node.index)
        return node.index

    def _shape(self, value: Any) -> tuple[int | str, ...] | None:
        """Sizes: numbers, text where the batch size enters, `Free` where only other sizes do."""
        if not isinstance(value, Tensor):
            return None
        return tuple(self._size(s) for s in value.shape)

    def _size(self, size: Any) -> int | str:
        symbols = _symbols(size)
        if not symbols:
            return int(size)
        return str(size) if symbols & self.batch else Free(size)


def _symbols(size: Any) -> set[str]:
    """Names of the symbols in a size."""
    if not isinstance(size, torch.SymInt):
        return set()
    return {str(s) for s in size.node.expr.free_symbols}


def _plain(path: str) -> str:
    """A path in the exported wrapper as a path in the model."""
    return "" if path == ROOT else path.removeprefix(f"{ROOT}.")


def _line(trace: str) -> str:
    """The innermost line of the model in a stack trace."""
    found = [m for m in _LINE.finditer(trace) if foreign(m["file"])]
    return "{file}, line {line}, `{text}`".format(**found[-1].groupdict()) if found else ""


def _module(fx: Any) -> tuple[str, str]:
    """The path (a second use ends in @1) and type of the module a traced operation came from."""
    stack = [
        (k, v)
        for k, v in (fx.meta.get("nn_module_stack") or {}).items()
        if k.startswith("L__self__") and v[0]
    ]
    if not stack:
        return "", ""
    key, (path, kind) = stack[-1]
    path = _plain(str(path))
    use = key.rsplit("@", 1)[1] if "@" in key else ""
    called = f"{path}@{use}" if use else path
    name = kind if isinstance(kind, str) else kind.__name__
    return called, str(name)


def _name(
    operation: str,
    module: str,
    kind: str,
    names: dict[str, int],
) -> str:
    """`conv1` for a module that is one operation, `block.add` for an operation of a larger module's forward."""
    parts = operation.split(".")
    short = parts[1 if len(parts) == 3 else 0].rstrip("_")
    simple = kind.startswith(("torch.nn.modules.", "torch.ao.")) and not kind.endswith(COMPOUND)
    name = module if simple and module else f"{module}.{short}" if module else short
    return _unique(name, names)


def _unique(
    name: str,
    names: dict[str, int],
) -> str:
    count = names.get(name, 0)
    names[name] = count + 1
    return name if count == 0 else f"{name}#{count}"
