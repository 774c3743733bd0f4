"""A cheap test whether a model is still what it was: its modules, attributes, hooks, functions, tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import attrgetter, is_, itemgetter, methodcaller
from typing import Any

import torch
from torch import Tensor, nn

WHOLE = 1024
"""Numbers of a tensor that are compared one by one; of a larger one its first `WHOLE`, and of all tensors `ALL`."""
ALL = 1 << 14
IDLE = {
    "training",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_is_full_backward_hook",
    "_non_persistent_buffers_set",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
}
"""Attributes of every module that no forward pass in eval mode depends on."""
_VALUES: Callable[[Any], Iterable[Any]] = methodcaller("values")
_FUNCTION = attrgetter("__code__", "__defaults__", "__kwdefaults__")
_CELL = attrgetter("cell_contents")
_VERSION = attrgetter("_version")


def registered(model: nn.Module) -> tuple[Tensor, ...]:
    """Parameters and buffers, each once."""
    found: dict[int, Tensor] = {}
    for module in model.modules():
        for tensor in chain(module._parameters.values(), module._buffers.values()):
            if tensor is not None:
                found[id(tensor)] = tensor
    return tuple(found.values())


class Values:
    """The contents of tensors as they are now, by address, version and layout, and number by number where small.

    A write through `.data` or NumPy leaves no version: it is seen where it reaches a number that is compared.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = tuple(tensors)
        self._counted = tuple(t for t in tensors if not t.is_inference())
        self._placed = tuple(t for t in tensors if _plain(t))
        self._versions = list(map(_VERSION, self._counted))
        self._places = list(map(Tensor.data_ptr, self._placed))
        self._strides = list(map(Tensor.stride, self._placed))
        self._types = [(t.dtype, t.shape) for t in self._placed]
        self._parts = _parts(self._placed)
        self._contents = [torch.cat(parts) for parts in self._parts]

    def same(self) -> bool:
        """Whether no tensor has changed since."""
        if list(map(_VERSION, self._counted)) != self._versions:
            return False
        if list(map(Tensor.data_ptr, self._placed)) != self._places:
            return False
        if list(map(Tensor.stride, self._placed)) != self._strides:
            return False
        with torch.inference_mode(False), torch.no_grad():
            return all(
                _equal(torch.cat(parts), contents)
                for parts, contents in zip(self._parts, self._contents, strict=True)
            )


def _plain(t: Tensor) -> bool:
    """Whether the tensor is one block of memory that can be read."""
    if type(t) not in (Tensor, nn.Parameter, nn.Buffer) and not isinstance(t, nn.Parameter):
        return False
    return t.layout == torch.strided and t.device.type != "meta" and not t.is_quantized


def _equal(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) or (
        a.is_floating_point() and torch.equal(a.nan_to_num(), b.nan_to_num())
    )


def _parts(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Views of the numbers that are compared, one list for each type and device; small tensors first."""
    groups: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    left = ALL
    with torch.inference_mode(False), torch.no_grad():
        for t in sorted(tensors, key=Tensor.numel):
            if not t.numel():
                continue
            count = min(t.numel(), WHOLE, max(left, 1))
            left -= count
            flat = t.detach()
            flat = flat.view(-1) if flat.is_contiguous() else flat.as_strided((_reach(flat),), (1,))
            groups.setdefault((t.dtype, t.device), []).append(flat[:count])
    return list(groups.values())


def _reach(t: Tensor) -> int:
    """Numbers from a tensor's first to its last one in memory."""
    return 1 + sum((size - 1) * stride for size, stride in zip(t.shape, t.stride(), strict=True))


class Guards:
    """What was found where, to be compared by identity: containers, objects, functions, names, arrays, tensors."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.modules: list[dict[str, Any]] = []
        self.typed: list[Any] = []
        self.mappings: list[Any] = []
        self.sequences: list[Any] = []
        self.sets: list[Any] = []
        self.functions: list[Any] = []
        self.cells: list[Any] = []
        self.names: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self.slots: list[tuple[Any, str, Any]] = []
        self.arrays: list[Any] = []
        self.tensors: list[Tensor] = []

    def name(self, scope: dict[str, Any], name: str) -> Any:
        """The value of a name in a scope that a function reads, from now on compared."""
        value = scope[name]
        self.names.setdefault(id(scope), (scope, {}))[1][name] = value
        return value

    def close(self) -> None:
        """Notes what is held now."""
        self._dicts = list(map(vars, self.objects))
        self._types = list(map(type, self.typed))
        filled = [m for m in self.mappings if len(m)]
        self._modules = [(m, _getter(m)) for m in self.modules]
        self._sizes = list(map(len, self.modules))
        self._found = list(chain.from_iterable(get(m) for m, get in self._modules))
        self._empty = [c for c in (*self.mappings, *self.sequences, *self.sets) if not len(c)]
        self._mappings = filled
        self._keys = list(chain.from_iterable(filled))
        self._values = list(chain.from_iterable(map(_VALUES, filled)))
        self._sequences = [s for s in self.sequences if len(s)]
        self._items = list(chain.from_iterable(self._sequences))
        self._lengths = list(map(len, self._sequences))
        self._sets = [(s, frozenset(s)) for s in self.sets if len(s)]
        self._functions = list(chain.from_iterable(map(_FUNCTION, self.functions)))
        self._cells = list(map(_CELL, self.cells))
        self._scopes = [
            (
                scope,
                itemgetter(*found),
                tuple(found.values()) if len(found) > 1 else (next(iter(found.values())),),
            )
            for scope, found in self.names.values()
        ]
        self._arrays = [(part, part.tobytes()) for part in map(_part, self.arrays)]
        self._held = Values(self.tensors)

    def same(self) -> bool:
        """Whether all of it is still there, the same objects in the same places."""
        try:
            return self._same()
        except (KeyError, AttributeError, ValueError, TypeError, RuntimeError):
            return False

    def _same(self) -> bool:
        return (
            all(map(is_, map(vars, self.objects), self._dicts))
            and all(map(is_, map(type, self.typed), self._types))
            and not any(self._empty)
            and list(map(len, self.modules)) == self._sizes
            and all(map(is_, chain.from_iterable(g(m) for m, g in self._modules), self._found))
            and _identical(list(chain.from_iterable(map(_VALUES, self._mappings))), self._values)
            and list(chain.from_iterable(self._mappings)) == self._keys
            and _identical(list(chain.from_iterable(self._sequences)), self._items)
            and list(map(len, self._sequences)) == self._lengths
            and all(now == then for now, then in self._sets)
            and _identical(
                list(chain.from_iterable(map(_FUNCTION, self.functions))), self._functions
            )
            and all(map(is_, map(_CELL, self.cells), self._cells))
            and all(
                _identical(_tuple(get(scope), found), found) for scope, get, found in self._scopes
            )
            and all(getattr(o, name) is value for o, name, value in self.slots)
            and all(part.tobytes() == then for part, then in self._arrays)
            and (not self.tensors or self._held.same())
        )


def _getter(attributes: dict[str, Any]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Reads those attributes of a module that its forward pass may read, at least two."""
    return itemgetter(*(name for name in attributes if name not in IDLE), "_parameters")


def _tuple(got: Any, found: tuple[Any, ...]) -> tuple[Any, ...]:
    return got if len(found) > 1 else (got,)


def _identical(now: Sequence[Any], then: Sequence[Any]) -> bool:
    return len(now) == len(then) and all(map(is_, now, then))


def _part(array: Any) -> Any:
    """The numbers of an array that are compared: all of a small one, evenly spaced ones of a larger one."""
    if isinstance(array, bytearray):
        return memoryview(array)
    step = -(-array.size // ALL)
    if step <= 1 or not array.ndim:
        return array
    return array.reshape(-1)[::step] if array.flags.c_contiguous else array[::step]
