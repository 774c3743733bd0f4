"""A module captured as a list of operations, through torch.export, without touching the module."""

from __future__ import annotations

import copy
import inspect
import logging
import operator
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from lrp.errors import InvalidInput, LRPError, UnsupportedOperation
from lrp.tracing.graph import Graph, Node, Param, Ref, rewrite

EXPORTING = threading.RLock()
"""Held while torch.export has PyTorch's own classes patched, and by who reads what a model is made of."""
NOISY = ("torch.export", "torch.fx.experimental.symbolic_shapes", "torch._export.non_strict_utils")


def unwrapped(model: nn.Module) -> nn.Module:
    """The module itself behind torch.compile or DataParallel."""
    while isinstance(model, nn.DataParallel) or isinstance(
        getattr(model, "_orig_mod", None), nn.Module
    ):
        model = model.module if isinstance(model, nn.DataParallel) else getattr(model, "_orig_mod")  # noqa: B009
    return model


def twin(model: nn.Module, buffers: bool = False) -> nn.Module:
    """A copy of the module's structure in eval mode that shares the module's parameters and, unless copied, buffers.

    torch.export swaps parameters while it traces; doing that to a twin leaves the model alone.
    """
    shared: dict[int, Any] = {id(t): t for t in model.parameters()}
    shared.update({id(t): t.detach().clone() if buffers else t for t in model.buffers()})
    for module in model.modules():
        shared.update(
            {id(t): t for t in vars(module).values() if isinstance(t, Tensor) and not t.is_leaf}
        )
    try:
        other = copy.deepcopy(model, dict(shared))
    except Exception as error:
        raise LRPError(f"the model's structure cannot be copied for capture: {error}") from error
    for module in other.modules():
        module.training = False
        if isinstance(module, (nn.TransformerEncoder, nn.TransformerDecoder)):
            vars(module)["forward"] = _mask_as_it_is(module.forward)
    return other


def _mask_as_it_is(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A transformer's forward that uses its mask without looking into it for being causal, which reads data."""
    parameters = inspect.signature(forward)

    def call(*args: Any, **kwargs: Any) -> Any:
        given = parameters.bind(*args, **kwargs)
        for hint in ("is_causal", "tgt_is_causal"):
            if hint in parameters.parameters and given.arguments.get(hint) is None:
                given.arguments[hint] = False
        return forward(*given.args, **given.kwargs)

    return call


MODULES: dict[str, int] = {}
"""Full names of module types that are one layer with a rule of their own; see lrp.registration."""


def capture(model: nn.Module, inputs: tuple[Tensor, ...]) -> Graph:
    """The operations of `model` on inputs like these (each [B, ...]), with a free batch size where the model has one.

    The model is explained as in eval mode whatever its mode is; the mode is not switched.
    Raises UnsupportedOperation if the model cannot be traced (data-dependent Python control flow).
    """
    graph = _captured(model, tuple(_at_least_two(x.detach()) for x in inputs))
    alone = inputs[0].shape[0] == 1 and not graph.batch_symbols
    return _captured(model, tuple(x.detach() for x in inputs)) if alone else graph


def _no_compilation() -> AbstractContextManager[object]:
    """Numba's compiler lock where Numba is loaded: torch.export replaces `max`, `min` and `math.pow` for all threads.

    A function that another thread compiled meanwhile would be typed with the replacement, and refused.
    """
    compiler = sys.modules.get("numba.core.compiler_lock")
    if compiler is None:
        return nullcontext()
    lock: AbstractContextManager[object] = compiler.global_compiler_lock
    return lock


def _captured(model: nn.Module, examples: tuple[Tensor, ...]) -> Graph:
    """The operations of `model` on exactly these examples, with a free batch size if they hold two samples or more."""
    with EXPORTING, _no_compilation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loggers = [logging.getLogger(name) for name in NOISY]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            other = twin(model)
            shapes = _free_batch(other.forward, examples)
            program = torch.export.export(other, examples, dynamic_shapes=shapes, strict=False)
            if _writes_through_views(program.graph):
                program = program.run_decompositions({})
            spec = program.call_spec.out_spec
            outputs = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
        except LRPError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            where = f"{_line(error)}: {reason}"
            raise UnsupportedOperation("tracing", type(model).__name__, where) from error
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
    return _from_program(program, outputs)


def _line(error: BaseException) -> str:
    """The innermost line that is neither torch's nor lrp's on the way to an error."""
    own = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))
    found = "its forward"
    chain: BaseException | None = error
    while chain is not None:
        for frame in traceback.extract_tb(chain.__traceback__):
            inside = frame.filename.startswith((*own, "<")) or "importlib" in frame.filename
            if not inside and f"{os.sep}lib{os.sep}python" not in frame.filename:
                found = f"{frame.filename}, line {frame.lineno}, `{frame.line}`"
        chain = chain.__cause__
    return found


def _writes_through_views(graph: Any) -> bool:
    """Whether an operation writes into a tensor that shares its memory with another one that the graph names."""

    def aliases(node: Any, written: bool) -> bool:
        schema = getattr(node.target, "_schema", None)
        found = (
            [r.alias_info for r in schema.returns if r.alias_info is not None]
            if schema is not None
            else []
        )
        return any(info.is_write is written for info in found)

    for node in graph.nodes:
        if node.op == "call_function" and aliases(node, written=True):
            target = node.args[0]
            readers = [user for user in target.users if user is not node]
            if aliases(target, written=False) or any(
                aliases(user, written=False) for user in readers
            ):
                return True
    return False


def _free_batch(forward: Callable[..., Any], examples: tuple[Tensor, ...]) -> dict[str, Any]:
    """For each argument of `forward`: its first dimension is free; `*args` are one argument."""
    given = inspect.signature(forward).bind(*examples).arguments
    free: dict[str, Any] = pytree.tree_map_only(
        Tensor, lambda x: {0: torch.export.Dim.AUTO}, dict(given)
    )
    return free


def _at_least_two(x: Tensor) -> Tensor:
    """An example with two samples or more: torch.export takes a batch of one for a constant."""
    return torch.cat([x, x]) if x.dim() and x.shape[0] == 1 else x


def _from_program(program: Any, outputs: Any) -> Graph:
    signature = program.graph_signature
    parameters = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    constants = dict(getattr(signature, "inputs_to_lifted_tensor_constants", {}))
    user_inputs = [name for name in signature.user_inputs if isinstance(name, str)]
    nodes: list[Node] = []
    index_of: dict[str, Any] = {}
    input_of: dict[str, int] = {}
    names: dict[str, int] = {}
    for fx in program.graph.nodes:
        if fx.op == "placeholder" and fx.name in parameters:
            index_of[fx.name] = Param(parameters[fx.name])
        elif fx.op == "placeholder" and fx.name in constants:
            index_of[fx.name] = Param(constants[fx.name])
        elif fx.op in ("placeholder", "call_function"):
            node = _node(fx, len(nodes), index_of, names)
            nodes.append(node)
            index_of[fx.name] = Ref(node.index)
            if fx.op == "placeholder":
                input_of[fx.name] = node.index
        elif fx.op != "output":
            raise UnsupportedOperation(
                str(fx.target), _module(fx)[0], f"a graph node of kind {fx.op}"
            )
    inputs = tuple(input_of[name] for name in user_inputs)
    results = [
        index_of[spec.arg.name]
        for spec in signature.output_specs
        if spec.kind.name == "USER_OUTPUT"
    ]
    if not all(isinstance(ref, Ref) for ref in results):
        raise InvalidInput(
            "the model returns one of its parameters; only computed outputs can be explained"
        )
    return Graph(
        nodes=tuple(nodes),
        inputs=inputs,
        outputs=tuple(ref.index for ref in results),
        output_names=_output_names(outputs),
        input_shapes=tuple(nodes[i].shape or () for i in inputs),
        constants={name: program.constants[name] for name in constants.values()},
    )


def _output_names(outputs: Any) -> tuple[str, ...]:
    """A name for each output: its key in a dict, its field in a named tuple, else its position."""
    if hasattr(outputs, "_fields"):
        return tuple(outputs._fields)
    if isinstance(outputs, dict) and all(isinstance(v, int) for v in outputs.values()):
        return tuple(str(key) for key in outputs)
    paths, _ = pytree.tree_flatten_with_path(outputs)
    return tuple(".".join(_key(k) for k in path) or "0" for path, _ in paths)


def _key(key: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _module(fx: Any) -> tuple[str, str]:
    """The path (a second use ends in @1) and type of the module a traced operation came from."""
    stack = [
        (k, v)
        for k, v in (fx.meta.get("nn_module_stack") or {}).items()
        if k.startswith("L__self__")
    ]
    if not stack:
        return "", ""
    key, (path, kind) = stack[-1]
    use = key.rsplit("@", 1)[1] if "@" in key else ""
    return (f"{path}@{use}" if use else str(path)), str(
        kind if isinstance(kind, str) else kind.__name__
    )


def _node(
    fx: Any,
    index: int,
    index_of: dict[str, Any],
    names: dict[str, int],
) -> Node:
    value = fx.meta.get("val")
    shape = None
    if isinstance(value, Tensor):
        shape = tuple(int(str(s)) if str(s).isdigit() else str(s) for s in value.shape)
    module, kind = _module(fx)

    def argument(leaf: Any) -> Any:
        return index_of[leaf.name] if isinstance(leaf, torch.fx.Node) else leaf

    args = rewrite(tuple(list(a) if isinstance(a, list) else a for a in fx.args), argument)
    kwargs = rewrite(dict(fx.kwargs), argument)
    operation = "getitem" if fx.target is operator.getitem else str(fx.target)
    if fx.op == "placeholder":
        operation = "input"
    if not isinstance(fx.target, torch._ops.OpOverload) and operation not in ("input", "getitem"):
        operation = getattr(fx.target, "__name__", operation)
    name = _name(fx, operation, module, kind, names)
    floating = isinstance(value, Tensor) and value.is_floating_point()
    if isinstance(value, (tuple, list)):
        floating = any(isinstance(v, Tensor) and v.is_floating_point() for v in value)
    dtype = value.dtype if isinstance(value, Tensor) else None
    return Node(
        index, name, operation, fx.target, args, kwargs, module, kind, shape, floating, dtype
    )


def _name(
    fx: Any,
    operation: str,
    module: str,
    kind: str,
    names: dict[str, int],
) -> str:
    """`conv1` for a module that is one operation, `block.add` for an operation of a larger module's forward."""
    if operation == "input":
        name = str(fx.name)
    else:
        short = operation.removeprefix("aten.").split(".")[0].rstrip("_")
        simple = kind.startswith(("torch.nn.modules.", "torch.ao.")) and not kind.endswith(
            (
                "LSTM",
                "GRU",
                "RNN",
                "MultiheadAttention",
                "TransformerEncoderLayer",
                "TransformerDecoderLayer",
            )
        )
        name = module if simple and module else f"{module}.{short}" if module else short
    count = names.get(name, 0)
    names[name] = count + 1
    return name if count == 0 else f"{name}#{count}"
