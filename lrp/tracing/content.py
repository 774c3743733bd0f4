"""What a model is made of, written down as a list that equals another one if the models do the same."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from lrp.tracing.ambient import ENVIRONMENT, environment, is_opaque, is_own, names_of, spoken
from lrp.tracing.watch import ALL, RAW, Guards, read, registered

LIMIT = 100_000
"""Objects that are looked at; of a larger model the rest is not seen."""
_ATOMS = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    torch.dtype,
    torch.device,
    torch.layout,
    CodeType,
)
_OPEN = {"collections", "types", "argparse", "functools", "dataclasses", "typing"}
_SKIPPED = {
    "__dict__",
    "__weakref__",
    "__doc__",
    "__module__",
    "__annotations__",
    "_abc_impl",
    "__firstlineno__",
    "__dataclass_fields__",  # what they say stands in the class's defaults and in its methods
    "__dataclass_params__",
}
_CALLED = {"__call__", "_call_impl", "__getattr__", "_wrapped_call_impl"}
_UNCALLED = {"__init_subclass__", "__repr__", "__del__", "__deepcopy__", "__reduce__"}
"""Special methods that a forward pass does not call without naming them."""
_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_forward_hooks_with_kwargs",
    "_global_forward_hooks_always_called",
)


class Content:
    """A model's content: `facts`, equal where two models compute the same, and `guards` to see that it changes.

    Parameters and buffers count by shape and type only. `own`: whether something is known by its identity alone;
    `complete`: whether everything was looked at.
    """

    def __init__(self, model: nn.Module) -> None:
        self.facts: list[Any] = []
        self.modes: list[bool] = [module.training for module in model.modules()]
        self.guards = Guards()
        self.own = False
        self._opaque = False
        self._homes = {type(module).__module__ for module in model.modules()}
        self._kept: list[Any] = []
        self._seen: dict[int, int] = {}
        self._registered = {id(t) for t in registered(model)}
        self._queue: deque[Any] = deque()
        self._spoken: set[str] = set()
        self._unspoken: dict[str, list[Any]] = {}
        self._note(model)
        for name in _HOOKS:
            self._note(getattr(nn.modules.module, name, None))
        while self._queue and len(self._kept) < LIMIT:
            self.facts.append(self._fact(self._queue.popleft()))
        self.complete = not self._queue and not self._opaque
        self.guards.close()

    def _note(self, value: Any) -> Any:
        """What stands for a value in the facts about the one that holds it."""
        kind = type(value)
        if isinstance(value, _ATOMS):
            return kind, repr(value) if isinstance(value, (float, complex)) else value
        place = self._seen.get(id(value))
        if place is None:
            place = self._seen[id(value)] = len(self._seen)
            self._kept.append(value)
            self._queue.append(value)
        return place

    def _notes(self, values: Any) -> tuple[Any, ...]:
        return tuple(map(self._note, values))

    def _fact(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, MethodType):
            return "method", self._notes((value.__func__, value.__self__))
        if isinstance(value, (staticmethod, classmethod)):
            return "static", self._note(value.__func__)
        if isinstance(value, property):
            return "property", self._notes((value.fget, value.fset))
        if isinstance(value, partial):
            return "partial", self._notes((value.func, value.args, value.keywords))
        if isinstance(value, BuiltinFunctionType):
            return self._builtin(value)
        if isinstance(value, ContextVar):
            self.guards.contexts.append(value)
            return "context", self._note(value.get(None))
        if isinstance(value, ModuleType):
            return "module", value.__name__
        if is_array(value):
            self.guards.arrays.append(value)
            return "array", numbers(value)
        return self._container(value)

    def _tensor(self, value: Tensor) -> Any:
        looks = (type(value), value.dtype, tuple(value.shape), value.device, value.layout)
        if id(value) in self._registered:
            return "parameter", looks
        self.guards.tensors.append(value)
        plain = (
            value.layout == torch.strided and value.device.type != "meta" and not value.is_quantized
        )
        if not plain or value.numel() > ALL:
            return "tensor", looks, value.stride() if plain else (), self._identity(value)
        with torch.inference_mode(False), torch.no_grad():
            return "tensor", looks, value.stride(), repr(value.detach().reshape(-1).tolist())

    def _identity(self, value: Any) -> Any:
        self.own = True
        return id(value)

    def _builtin(self, value: Any) -> Any:
        holder = value.__self__
        holder = None if isinstance(holder, ModuleType) or holder is None else self._note(holder)
        return "builtin", getattr(value, "__module__", ""), value.__qualname__, holder

    def _class(self, value: type) -> Any:
        """A class: what its attributes are; of a library's class the functions by name only."""
        name = f"{value.__module__}.{value.__qualname__}"
        above = () if _library(_home(type(value))) else (type(value),)
        bases = self._notes((*value.__mro__[1:-1], *above))
        attributes = {k: v for k, v in vars(value).items() if k not in _SKIPPED}
        if not _library(_home(value)):
            self.guards.mappings.append(vars(value))
            noted = tuple(self._attribute(k, v) for k, v in attributes.items())
            return "class", name, tuple(attributes), noted, bases
        found = {
            k: v
            for k, v in attributes.items()
            if k in _CALLED or ("forward" in k and not k.startswith("register_"))
        }
        for key in found:
            self.guards.name(vars(value), key)  # type: ignore[arg-type]
        plain = (v if isinstance(v, (FunctionType, *_ATOMS)) else None for v in found.values())
        return "class", name, tuple(found), self._notes(plain), bases

    def _attribute(self, name: str, value: Any) -> Any:
        """What stands for a class's attribute: of an installed package's function its code, until its name is met."""
        code = getattr(_inside(value), "__code__", None)
        called = name in _CALLED or "forward" in name or name in self._spoken
        unnamed = name[:2] == "__" and name not in _UNCALLED
        if code is None or is_own(code) or called or unnamed:
            return self._note(value)
        self._unspoken.setdefault(name, []).append(value)
        return type(value).__name__, code

    def _speak(self, names: set[str]) -> None:
        """Functions that were met under these names are followed from now on."""
        for name in names & self._unspoken.keys():
            self._notes(self._unspoken.pop(name))
        self._spoken |= names

    def _function(self, value: Any) -> Any:
        """A function: its code, defaults, closure, and the values of the global names that its code reads."""
        self.guards.functions.append(value)
        library = _library(_home(value))
        parts: list[Any] = [self._notes((value.__defaults__, value.__kwdefaults__))]
        if value.__dict__ and not library:
            parts.append(self._note(value.__dict__))
        for cell in value.__closure__ or ():
            try:
                parts.append(self._note(cell.cell_contents))
                self.guards.cells.append(cell)
            except ValueError:
                parts.append("empty")
        names = set(names_of(value.__code__))
        if not library and (value.__module__ in self._homes or is_own(value.__code__)):
            names = spoken(value.__code__)
            self._opaque |= is_opaque(value, names)
            for name in sorted(names & sys.modules.keys() - value.__globals__.keys()):
                self._module(sys.modules[name], names - {name}, parts, False)
            if names & ENVIRONMENT:
                self.guards.mappings.append(environment())
        else:
            names.discard("getattr")
        self._speak(names)
        self._scope(value.__globals__, names, parts, library)
        return "function", value.__code__, tuple(parts)

    def _scope(
        self,
        scope: dict[str, Any],
        names: set[str],
        parts: list[Any],
        library: bool,
    ) -> None:
        """The values of these names; of a module, those of its names that occur too (`F.relu`)."""
        for name in sorted(names & scope.keys()):
            value = self.guards.name(scope, name)
            if isinstance(value, ModuleType):
                if vars(value) is not scope:
                    self._module(value, names - {name}, parts, library)
            elif library or _library(_home(value)):
                parts.append((name, id(value) if not isinstance(value, _ATOMS) else value))
                self._kept.append(value)
            else:
                parts.append((name, self._note(value)))

    def _module(
        self,
        module: ModuleType,
        names: set[str],
        parts: list[Any],
        library: bool,
    ) -> None:
        """The values of those names in a module; all of a library's where `getattr` may read any of them."""
        scope = vars(module)
        shallow = library or _library(module.__name__)
        anything = shallow and not library and "getattr" in names
        if module is not torch and not anything and not _standard(module.__name__):
            self._scope(scope, names, parts, shallow)
        elif module is torch or not _standard(module.__name__):
            for name in sorted(scope.keys() if anything else names & scope.keys()):
                value = self.guards.name(scope, name)
                if not isinstance(value, ModuleType):
                    parts.append((name, id(value)))

    def _container(self, value: Any) -> Any:
        """Mappings, sequences, sets, and objects with attributes; anything else counts as itself."""
        kind, parts = type(value), []
        if isinstance(value, Mapping) and _is_plain(kind):
            self.guards.mappings.append(value)
            parts += [self._notes(value.keys()), self._notes(value.values())]
        elif isinstance(value, dict):
            parts += [self._notes(dict.keys(value)), self._notes(dict.values(value))]
        elif isinstance(value, (tuple, list, deque)):
            if not isinstance(value, tuple):
                self.guards.sequences.append(value)
            parts.append(self._notes(value))
        elif isinstance(value, (set, frozenset)):
            self.guards.sets.append(value)
            parts.append(tuple(sorted(map(repr, value))))
        known = bool(parts)
        attributes = _attributes(value)
        if attributes is not None and (attributes or not known):
            self.guards.objects.append(value)
            module = isinstance(value, nn.Module)
            (self.guards.modules if module else self.guards.mappings).append(attributes)
            kept = read(attributes) if module else attributes
            parts += [tuple(kept), self._notes(attributes[k] for k in kept), self._note(kind)]
            known = True
        for name in slots(kind):
            if hasattr(value, name):
                self.guards.slots.append((value, name))
                parts.append((name, self._note(getattr(value, name))))
                known = True
        return (kind.__qualname__, *parts) if known else (kind.__qualname__, self._identity(value))


def _inside(value: Any) -> Any:
    """The function in a static or class method or in a property."""
    return value.fget if isinstance(value, property) else getattr(value, "__func__", value)


def _is_plain(kind: type) -> bool:
    """Whether a mapping's values lie there: a class's own `values` may compute or import what they name."""
    maker = next(base for base in kind.__mro__ if "values" in vars(base))
    return _library(maker.__module__)


def is_array(value: Any) -> bool:
    """A NumPy array or scalar of numbers, or Python's own arrays of them."""
    if isinstance(value, RAW):
        return True
    kind = type(value)
    return (
        kind.__module__.partition(".")[0] == "numpy"
        and hasattr(value, "tobytes")
        and not value.dtype.hasobject
    )


def numbers(array: Any) -> tuple[Any, ...]:
    """An array's type, shape and bytes."""
    if isinstance(array, RAW):
        return (bytes(array),)
    return str(array.dtype), array.shape, array.tobytes()


def _home(value: Any) -> str:
    """The name of the module that something comes from; some extensions hold the module itself there."""
    found = getattr(value, "__module__", None)
    return found if isinstance(found, str) else ""


def _standard(module: str) -> bool:
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names and top != "__main__"


def _library(module: str) -> bool:
    """Whether this is PyTorch, NumPy or the standard library."""
    return module.partition(".")[0] in ("torch", "numpy", "builtins") or _standard(module)


def _attributes(value: Any) -> dict[str, Any] | None:
    """The attributes of an object; None for objects of the standard library such as locks, files and loggers."""
    module = type(value).__module__
    if _standard(module) and module.partition(".")[0] not in _OPEN:
        return None
    found = getattr(value, "__dict__", None)
    return found if isinstance(found, dict) else None


def slots(kind: type) -> Iterator[str]:
    """Names of the slots of a class that is not a library's."""
    for base in kind.__mro__:
        if not _library(base.__module__):
            names = base.__dict__.get("__slots__", ())
            for name in (names,) if isinstance(names, str) else names:
                if name not in ("__dict__", "__weakref__"):
                    yield f"_{base.__name__.lstrip('_')}{name}" if name[:2] == "__" else name
