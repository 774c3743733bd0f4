"""A module captured as a list of operations, through torch.export, without touching the module."""

from __future__ import annotations

import copy
import inspect
import logging
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from lrp.errors import InvalidInput, LRPError, UnsupportedOperation
from lrp.tracing.calls import Call, results
from lrp.tracing.content import slots
from lrp.tracing.graph import Graph
from lrp.tracing.hooks import Quiet, silence
from lrp.tracing.reading import Reader, foreign

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


def twin(
    model: nn.Module,
    buffers: bool = False,
) -> nn.Module:
    """A copy of the module's structure in eval mode that shares the module's parameters and, unless copied, buffers.

    What cannot be copied, such as a lock, is shared too. torch.export swaps parameters while it traces; doing that to a
    twin leaves the model alone.
    """
    shared: dict[int, Any] = {id(t): t for t in model.parameters()}
    for t in model.buffers():
        shared[id(t)] = t.detach().clone() if buffers else t
    shared |= {id(t): t for t in computed(model)}
    try:
        other = copy.deepcopy(model, dict(shared))
    except Exception:
        other = _copied_in_part(model, shared)
    for module in other.modules():
        module.training = False
        if isinstance(module, (nn.TransformerEncoder, nn.TransformerDecoder)):
            vars(module)["forward"] = _mask_as_it_is(module.forward)
    return other


def _copied_in_part(model: nn.Module, shared: dict[int, Any]) -> nn.Module:
    """A copy of the module that shares what refuses to be copied."""
    for value in reversed(list(reachable(model))):
        if not isinstance(value, nn.Module):
            try:
                copy.deepcopy(value, dict(shared))
            except Exception:
                shared[id(value)] = value
    try:
        return copy.deepcopy(model, dict(shared))
    except Exception as error:
        raise LRPError(f"the model's structure cannot be copied for capture: {error}") from error


def computed(owner: Any) -> Iterator[Tensor]:
    """Tensors that were computed with a gradient and are kept in an object's attributes, which refuse to be copied."""
    return (x for x in reachable(owner) if isinstance(x, Tensor) and not x.is_leaf)


def reachable(owner: Any) -> Iterator[Any]:
    """An object and all that its attributes, their items and their attributes hold, each once."""
    pending: list[Any] = [owner]
    seen: dict[int, Any] = {}
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        yield value
        if isinstance(value, (type, ModuleType, FunctionType, Tensor)):
            continue
        if isinstance(value, dict):
            pending += dict.values(value)  # as stored: a class's own may compute them
        elif isinstance(value, (list, tuple, set, deque)):
            pending += value
        else:
            pending += getattr(value, "__dict__", {}).values()
            pending += (getattr(value, name, None) for name in slots(type(value)))


def _mask_as_it_is(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A transformer's forward that uses its mask without looking into it for being causal, which reads data."""
    parameters = inspect.signature(forward)

    def call(
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        given = parameters.bind(*args, **kwargs)
        for hint in ("is_causal", "tgt_is_causal"):
            if hint in parameters.parameters and given.arguments.get(hint) is None:
                given.arguments[hint] = False
        return forward(*given.args, **given.kwargs)

    return call


MODULES: dict[str, int] = {}
"""Full names of module types that are one layer with a rule of their own; see lrp.registration."""


class _Found:
    """What is learned of a call while it is traced; torch.export puts lists and dicts back as they were."""

    names: tuple[str, ...] = ()


class _Exported(nn.Module):
    """What torch.export sees: the model as a function of the tensors of one call, and its outputs as a list."""

    def __init__(
        self,
        model: nn.Module,
        call: Call,
    ) -> None:
        super().__init__()
        self.model, self.call, self.found = model, call, _Found()

    def forward(self, *tensors: Tensor) -> list[Tensor]:
        args, kwargs = self.call.rebuilt(tensors)
        self.found.names, tensors = results(self.model(*args, **kwargs))
        if not tensors:
            raise InvalidInput("the model returns no tensor; there is nothing to explain")
        return list(tensors)


def capture(
    model: nn.Module,
    call: Call,
    quiet: Quiet = frozenset(),
    free: Sequence[frozenset[int]] = (),
    fixed: bool = False,
) -> Graph:
    """The operations of `model` in calls like this one, with a free batch size where the model has one.

    fixed: whether the batch size is to be this call's in any case.

    The model is explained as in eval mode whatever its mode is; the mode is not switched. `quiet`: hooks to leave out.
    free: for each tensor, dimensions besides the batch whose size is to be free too, where the model has them so.
    Raises UnsupportedOperation if the model cannot be traced (data-dependent Python control flow).
    """
    free = free or (frozenset(),) * len(call.tensors)
    if fixed:
        return _exported(model, call, quiet, (False,) * len(call.tensors), free)
    graph = _captured(model, call.change(_at_least_two, batched=True), quiet, free)
    alone = call.batch == 1 and not graph.batch_symbols
    return _captured(model, call, quiet, free) if alone else graph


def _no_compilation() -> AbstractContextManager[object]:
    """Numba's compiler lock where Numba is loaded: torch.export replaces `max`, `min` and `math.pow` for all threads.

    A function that another thread compiled meanwhile would be typed with the replacement, and refused.
    """
    compiler = sys.modules.get("numba.core.compiler_lock")
    if compiler is None:
        return nullcontext()
    lock: AbstractContextManager[object] = compiler.global_compiler_lock
    return lock


def _captured(
    model: nn.Module,
    call: Call,
    quiet: Quiet,
    free: Sequence[frozenset[int]],
) -> Graph:
    """The operations of `model` in exactly this call, with a free batch size if it holds two samples or more.

    Where the model fixes the batch size of some inputs, that of all of them is fixed.
    """
    graph = _exported(model, call, quiet, call.batched, free)
    pairs = zip(graph.input_shapes, call.batched, strict=True)
    fixed = {isinstance(shape[0], int) for shape, own in pairs if own}
    if len(fixed) < 2:
        return graph
    none = (False,) * len(call.batched)
    return _exported(model, call, quiet, none, free)


def _exported(
    model: nn.Module,
    call: Call,
    quiet: Quiet,
    batched: tuple[bool, ...],
    free: Sequence[frozenset[int]],
) -> Graph:
    """The operations, with a free batch size in those inputs, and those dimensions free."""
    with EXPORTING, _no_compilation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loggers = [logging.getLogger(name) for name in NOISY]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            other = twin(model)
            silence(other, quiet)
            exported = _Exported(other, call).eval()
            tensors = tuple(x.detach() for x in call.tensors)
            shapes = []
            for own, dims in zip(batched, free, strict=True):
                shapes.append(dict.fromkeys({*dims, 0} if own else dims, torch.export.Dim.AUTO))
            sizes = (tuple(shapes),)
            program = torch.export.export(exported, tensors, dynamic_shapes=sizes, strict=False)
            if _writes_through_views(program.graph) or _is_vectorised(program.graph):
                program = program.run_decompositions({})
        except LRPError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            where = f"{_line(error)}: {reason}"
            raise UnsupportedOperation("tracing", type(model).__name__, where) from error
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
    return Reader(program, batched).graph(call.names(model), exported.found.names)


def _line(error: BaseException) -> str:
    """The innermost line that is neither torch's nor lrp's on the way to an error."""
    found = "its forward"
    chain: BaseException | None = error
    while chain is not None:
        for frame in traceback.extract_tb(chain.__traceback__):
            if foreign(frame.filename):
                found = f"{frame.filename}, line {frame.lineno}, `{frame.line}`"
        chain = chain.__cause__
    return found


def _writes_through_views(graph: Any) -> bool:
    """Whether an operation writes into a tensor that shares its memory with another one that the graph names."""

    def aliases(
        node: Any,
        written: bool,
    ) -> bool:
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


def _is_vectorised(graph: Any) -> bool:
    """Whether torch.vmap's own calls stand in the graph, between which operations see other shapes."""
    targets = [node.target for node in graph.nodes if node.op == "call_function"]
    return any("functorch" in str(getattr(target, "__module__", "")) for target in targets)


def _at_least_two(x: Tensor) -> Tensor:
    """An example with two samples or more: torch.export takes a batch of one for a constant."""
    if x.dim() and x.shape[0] == 1:
        return torch.cat([x, x])
    return x
