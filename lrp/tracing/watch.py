"""A cheap test whether a model is still what it was: its modules, attributes, hooks, functions, tensors."""

from __future__ import annotations

import gc
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from itertools import chain
from operator import attrgetter, is_, itemgetter, methodcaller
from types import CodeType, MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from lrp.tracing.ambient import settings

WHOLE = 1024
"""Numbers of a tensor that are compared one by one; of a larger one its first `WHOLE`, and of all tensors `ALL`."""
ALL = 1 << 14
RAW = (bytearray, memoryview, array)
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
HOOKED = {
    "_forward_hooks_with_kwargs": "_forward_hooks",
    "_forward_hooks_always_called": "_forward_hooks",
    "_forward_pre_hooks_with_kwargs": "_forward_pre_hooks",
}
"""Attributes that only say how the hooks in another one are called."""
_VALUES: Callable[[Any], Iterable[Any]] = methodcaller("values")
_FUNCTION = attrgetter("__code__", "__defaults__", "__kwdefaults__")
_VERSION = attrgetter("_version")


def registered(model: nn.Module) -> tuple[Tensor, ...]:
    """Parameters and buffers, each once."""
    found: dict[int, Tensor] = {}
    for module in model.modules():
        for tensor in chain(module._parameters.values(), module._buffers.values()):
            if tensor is not None:
                found[id(tensor)] = tensor
    return tuple(found.values())


def counted(model: nn.Module) -> tuple[Tensor, ...]:
    """Parameters and buffers without what BatchNorms count their batches by, which no pass in eval mode reads."""
    own = [m for m in model.modules() if type(m).__module__ == nn.BatchNorm2d.__module__]
    idle = {id(m._buffers.get("num_batches_tracked")) for m in own}
    return tuple(t for t in registered(model) if id(t) not in idle)


def read(attributes: dict[str, Any]) -> list[str]:
    """Those attributes of a module that its forward pass may read."""
    return [
        n for n in attributes if n not in IDLE and (n not in HOOKED or attributes.get(HOOKED[n]))
    ]


class Values:
    """The contents of tensors as they are now, by address, version and layout, and byte by byte where small.

    A write through `.data` or NumPy leaves no version: it is seen where it reaches a number that is compared.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._placed = tuple(t for t in tensors if _plain(t))
        parts, whole = _parts(self._placed)
        self._counted = tuple(t for t in tensors if not t.is_inference() and id(t) not in whole)
        near = [part for part in parts if part.device.type == "cpu"]
        self._near = [part.numpy().data for part in near]
        self._far = [(part, part.clone()) for part in parts if part.device.type != "cpu"]
        self._places = self._look()
        self._bytes = b"".join(self._near)

    def same(self) -> bool:
        """Whether no tensor has changed since. Numbers are read where all tensors still lie where they lay."""
        return (
            self._look() == self._places
            and b"".join(self._near) == self._bytes
            and all(torch.equal(*pair) for pair in self._far)
        )

    def _look(self) -> list[Any]:
        placed = self._placed
        return [
            *map(Tensor.data_ptr, placed),
            *map(Tensor.stride, placed),
            *map(Tensor.numel, placed),
            *map(_VERSION, self._counted),
        ]


def _plain(t: Tensor) -> bool:
    """Whether the tensor is one block of memory that can be read."""
    if type(t) not in (Tensor, nn.Parameter, nn.Buffer) and not isinstance(t, nn.Parameter):
        return False
    return t.layout == torch.strided and t.device.type != "meta" and not t.is_quantized


def _parts(tensors: Sequence[Tensor]) -> tuple[list[Tensor], set[int]]:
    """Views of the numbers that are compared, as bytes, small tensors first; the ids of tensors compared as a whole."""
    parts = []
    whole = set()
    left = ALL
    with torch.inference_mode(False), torch.no_grad():
        for t in sorted(tensors, key=Tensor.numel):
            if not t.numel() or t.is_conj() or t.is_neg():
                continue
            count = min(t.numel(), WHOLE, max(left, 1))
            left -= count
            flat = t.detach()
            flat = flat.view(-1) if flat.is_contiguous() else flat.as_strided((_reach(flat),), (1,))
            parts.append(flat[:count].view(torch.uint8))
            if count == flat.numel():
                whole.add(id(t))
    return parts, whole


def _reach(t: Tensor) -> int:
    """Numbers from a tensor's first to its last one in memory."""
    return 1 + sum((size - 1) * stride for size, stride in zip(t.shape, t.stride(), strict=True))


class Guards:
    """What was found where, to be compared by identity: containers, objects, functions, names, arrays, tensors."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.modules: list[dict[str, Any]] = []
        self.mappings: list[Any] = []
        self.sequences: list[Any] = []
        self.sets: list[Any] = []
        self.functions: list[Any] = []
        self.cells: list[Any] = []
        self.names: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self.slots: list[tuple[Any, str]] = []
        self.arrays: list[Any] = []
        self.tensors: list[Tensor] = []
        self.contexts: list[ContextVar[Any]] = []

    def name(self, scope: dict[str, Any], name: str) -> Any:
        """The value of a name in a scope that a function reads, from now on compared."""
        value = scope[name]
        self.names.setdefault(id(scope), (scope, {}))[1][name] = value
        return value

    def close(self) -> None:
        """Notes what is held now."""
        mappings = [_inner(m) for m in self.mappings]
        self._dicts = [m for m in mappings if type(m) is dict and m]
        self._others = [m for m in mappings if type(m) is not dict and len(m)]
        self._roots = (*self.objects, *self._dicts, *self.sequences, *self.cells)
        self._sized = (*mappings, *self.sequences, *self.sets, *self.modules, vars(Tensor))
        self._sets = [(s, frozenset(s)) for s in self.sets if len(s)]
        self._read = [(m, _getter(m)) for m in self.modules]
        for scope, found in self.names.values():
            self._read.append((scope, itemgetter(*found, next(iter(found)))))
        self._arrays = [(part, _bytes(part)) for part in map(_part, self.arrays)]
        self._held = Values(self.tensors)
        self._found = self._now()
        by_identity = [i for i, value in enumerate(self._found) if not _by_value(value)]
        self._chosen = itemgetter(0, 0, *by_identity)
        self._identities = self._chosen(self._found)

    def same(self) -> bool:
        """Whether all of it is still there, the same objects in the same places."""
        try:
            now = self._now()
            return (
                now == self._found
                and all(map(is_, self._chosen(now), self._identities))
                and all(now == then for now, then in self._sets)
                and all(_bytes(part) == then for part, then in self._arrays)
                and (not self.tensors or self._held.same())
            )
        except Exception:  # what stands where something else stood may not be comparable
            return False

    def _now(self) -> list[Any]:
        """Everything that is held, in one list."""
        now = [
            *gc.get_referents(*self._roots),
            *map(len, self._sized),
            *chain.from_iterable(self._dicts),
            *chain.from_iterable(map(_VALUES, self._others)),
            *chain.from_iterable(self._others),
            *chain.from_iterable(map(_FUNCTION, self.functions)),
            *(context.get(None) for context in self.contexts),
            *settings(),
            *(getattr(o, name) for o, name in self.slots),
        ]
        for attributes, get in self._read:
            now += get(attributes)
        return now


def _getter(attributes: dict[str, Any]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Reads those attributes of a module that its forward pass may read, at least two."""
    return itemgetter(*read(attributes), "_parameters")


def _inner(mapping: Any) -> Any:
    """The dict behind a class's attributes: its values are found in one step."""
    return gc.get_referents(mapping)[0] if isinstance(mapping, MappingProxyType) else mapping


def _by_value(value: Any) -> bool:
    """Whether nothing but this value equals it, or what does does the same in its place (an empty dict for another).

    A tensor of several numbers equals nothing: comparing it with another one gives no truth value.
    """
    kind = type(value)
    if kind is tuple:
        return all(map(_by_value, value))
    if kind in (dict, OrderedDict, list, set):
        return not value
    if kind in (Tensor, nn.Parameter):
        return bool(value.numel() > 1)
    if kind is float:
        return bool(value)  # 0.0 equals -0.0
    return kind in (int, bool, str, bytes, CodeType) or kind.__eq__ is object.__eq__  # type: ignore[comparison-overlap]


def _bytes(part: Any) -> bytes:
    return bytes(part) if isinstance(part, RAW) else part.tobytes()  # type: ignore[no-any-return]


def _part(array: Any) -> Any:
    """The numbers of an array that are compared: all of a small one, evenly spaced ones of a larger one."""
    if isinstance(array, RAW):
        return array
    step = -(-array.size // ALL)
    if step <= 1 or not array.ndim:
        return array
    return array.reshape(-1)[::step] if array.flags.c_contiguous else array[::step]
