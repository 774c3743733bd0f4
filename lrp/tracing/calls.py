"""How a model is called: any arguments with the tensors among them, and the tensors among what it returns."""

from __future__ import annotations

import copy
import inspect
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from torch import Tensor, nn

from lrp.tracing.content import is_array, numbers, slots

_WHOLE = (type, FunctionType, MethodType, BuiltinFunctionType, ModuleType, nn.Module)
"""What stands for itself: nothing inside is looked at."""


@dataclass(frozen=True, eq=False)
class Call:
    """The arguments of one call, the tensors among them in order, and `form`: equal where only tensors differ.

    A tensor belongs to the batch if its first dimension is that of the first tensor. `packed`: whether the arguments
    were given as one tuple.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    tensors: tuple[Tensor, ...]
    form: Hashable
    packed: bool = False

    @classmethod
    def of(
        cls,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        packed: bool = False,
    ) -> Call:
        """The call with these arguments."""
        given, named = tuple(args), dict(kwargs)
        if not named and all(isinstance(x, Tensor) for x in given):
            return cls(given, named, given, len(given), packed)
        found: list[Tensor] = []
        form = _form((given, named), found, frozenset())
        return cls(given, named, tuple(found), form, packed)

    @property
    def batch(self) -> int:
        """The first dimension of the first tensor."""
        return self.tensors[0].shape[0]

    @cached_property
    def batched(self) -> tuple[bool, ...]:
        """Which tensors hold one part a sample."""
        size = self.tensors[0].shape[:1]
        return tuple(x.dim() > 0 and x.shape[:1] == size for x in self.tensors)

    @property
    def sizes(self) -> tuple[Any, ...]:
        """The shape of each tensor, without the batch where it belongs to it."""
        found: list[Any] = [self.batched]
        for x, own in zip(self.tensors, self.batched, strict=True):
            found.append(x.shape[own:])
        return tuple(found)

    def change(
        self,
        change: Callable[[Tensor], Tensor],
        batched: bool = False,
    ) -> Call:
        """The same call with every tensor changed, or with those of the batch."""
        tensors = []
        for x, own in zip(self.tensors, self.batched, strict=True):
            wanted = own or not batched
            tensors.append(change(x) if wanted else x)
        return self.put(tensors)

    def put(self, tensors: Sequence[Tensor]) -> Call:
        """The same call with other tensors; everything else is copied, so that the model may write into it."""
        args, kwargs = self.rebuilt(tensors)
        return Call(args, kwargs, tuple(tensors), self.form, self.packed)

    def like(
        self,
        leaves: Sequence[Tensor],
        names: Sequence[str],
    ) -> Any:
        """Something for each tensor, in the form of the arguments; None where an argument holds no tensor.

        One positional argument is that alone, several are a tuple; keywords are a dict, with the positional arguments
        under the names of their tensors.
        """
        if isinstance(self.form, int):
            return tuple(leaves) if self.packed or self.form > 1 else leaves[0]
        rest = deque(leaves)
        found, args = {}, []
        for argument in self.args:
            place = len(leaves) - len(rest)
            part = _like(argument, rest)
            args.append(part)
            if part is not None:
                found[names[place].partition(".")[0]] = part
        if not self.kwargs:
            return tuple(args) if self.packed or len(args) > 1 else args[0]
        for name, argument in self.kwargs.items():
            part = _like(argument, rest)
            if part is not None:
                found[name] = part
        return found

    def rebuilt(self, leaves: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with something else in each tensor's place."""
        if isinstance(self.form, int):
            return tuple(leaves), {}
        rest = iter(leaves)
        args, kwargs = _rebuilt((self.args, self.kwargs), rest)
        return args, kwargs

    def names(self, model: nn.Module) -> tuple[str, ...]:
        """A name for each tensor: its parameter of the model's forward, and its place inside that."""
        known = [f"input{i}" for i in range(len(self.args))]
        with suppress(TypeError, ValueError):
            for place, parameter in enumerate(inspect.signature(model.forward).parameters.values()):
                if parameter.kind > inspect.Parameter.POSITIONAL_OR_KEYWORD or place == len(known):
                    break
                known[place] = parameter.name
        given = dict(zip(known, self.args, strict=True))
        given.update(self.kwargs)
        found = {id(x): name for name, x in _walk(given, "", frozenset())}
        named = []
        for place, x in enumerate(self.tensors):
            named.append(found.get(id(x), f"input{place}"))
        return tuple(named)


def results(output: Any) -> tuple[tuple[str, ...], tuple[Tensor, ...]]:
    """Names and tensors of what a model returns: tensors, and those in tuples, lists, mappings and dataclasses.

    A name is a key, a field or a place, joined by dots. Other objects, such as caches, are no outputs.
    """
    found = list(_outputs(output, ""))
    names = tuple(name or "0" for name, _ in found)
    tensors = tuple(x for _, x in found)
    return names, tensors


def _outputs(
    value: Any,
    path: str,
) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        yield from _each(value.items(), path)
    elif isinstance(value, (tuple, list)):
        keys = getattr(value, "_fields", range(len(value)))
        yield from _each(zip(keys, value, strict=True), path)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _each(((f.name, getattr(value, f.name, None)) for f in fields(value)), path)


def _each(
    items: Any,
    path: str,
) -> Iterator[tuple[str, Tensor]]:
    for key, item in items:
        yield from _outputs(item, f"{path}.{key}" if path else str(key))


def _parts(value: Any) -> dict[Any, Any] | None:
    """What a container or an object holds; None for what stands for itself."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, list, deque)):
        return dict(enumerate(value))
    if isinstance(value, slice):
        return {"start": value.start, "stop": value.stop, "step": value.step}
    if isinstance(value, _WHOLE):
        return None
    found = {name: getattr(value, name) for name in slots(type(value)) if hasattr(value, name)}
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        return {**attributes, **found}
    return found or None


def _form(
    value: Any,
    found: list[Tensor],
    above: frozenset[int],
) -> Hashable:
    """A value without its tensors, which are added to `found` in order."""
    if isinstance(value, Tensor):
        found.append(value)
        return "tensor"
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return type(value), value
    if is_array(value):
        return type(value), numbers(value)
    if isinstance(value, (set, frozenset)):
        return type(value), frozenset(value)
    parts = None if id(value) in above else _parts(value)
    if parts is None:
        return (type(value), value if _hashable(value) else _Same(value))
    inside = above | {id(value)}
    forms = [_form(part, found, inside) for part in parts.values()]
    return type(value), tuple(parts), tuple(forms)


@dataclass(frozen=True)
class _Same:
    """Something that only equals itself."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _rebuilt(
    value: Any,
    leaves: Iterator[Any],
) -> Any:
    """The value with the next of `leaves` in each tensor's place, in the order of `_form`."""
    if isinstance(value, Tensor):
        return next(leaves)
    if type(value) is dict:
        return {key: _rebuilt(part, leaves) for key, part in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_rebuilt(part, leaves) for part in value)
    if _parts(value) is None:
        return value
    inside: list[Tensor] = []
    _form(value, inside, frozenset())
    return copy.deepcopy(value, {id(x): next(leaves) for x in inside})


def _like(
    value: Any,
    leaves: deque[Any],
) -> Any:
    """The next of `leaves` for each tensor in nested tuples, lists, mappings and objects; None where there is none."""
    if isinstance(value, Tensor):
        return leaves.popleft()
    parts = _parts(value)
    found = {key: _like(part, leaves) for key, part in (parts or {}).items()}
    if all(part is None for part in found.values()):
        return None
    if isinstance(value, (tuple, list)):
        return tuple(found.values())
    return found


def _walk(
    value: Any,
    path: str,
    above: frozenset[int],
) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    elif id(value) not in above:
        for key, part in (_parts(value) or {}).items():
            inside = above | {id(value)}
            below = f"{path}.{key}" if path else str(key)
            yield from _walk(part, below, inside)
