"""What a model may read beside its own parts: PyTorch's settings, the environment, and what cannot be watched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dis import get_instructions
from functools import partial
from types import CodeType, ModuleType
from typing import Any

import torch

OPAQUE = {"eval", "exec", "globals", "locals", "open", "input", "__import__"}
"""Built-in functions that may read anything: a model that calls one is compared with its graph in every call."""
READERS = {"read_text", "read_bytes", "import_module"}
"""Methods and functions that do the same."""
CHANGING = {"random", "_random", "time", "datetime", "secrets", "uuid"}
"""Modules whose functions give something else in every call."""
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}
_SETTINGS: tuple[Callable[[], Any], ...] = (
    torch.get_default_dtype,
    torch.get_num_threads,
    torch.are_deterministic_algorithms_enabled,
    partial(torch.is_autocast_enabled, "cpu"),
    partial(torch.is_autocast_enabled, "cuda"),
)


def settings() -> tuple[Any, ...]:
    """PyTorch's settings that a model's result may depend on."""
    return tuple(setting() for setting in _SETTINGS)


def environment() -> Mapping[Any, Any]:
    """The environment's variables, in a mapping that changes with it."""
    return getattr(os.environ, "_data", os.environ)  # type: ignore[no-any-return]


def names_of(code: CodeType) -> Iterator[str]:
    """Names that a function's code and the functions written in it mention."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_of(constant)


def spoken(code: CodeType) -> set[str]:
    """Those names, and the texts with which `getattr` may be called."""
    names = set(names_of(code))
    return names | set(_texts(code)) if "getattr" in names else names


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts(constant)


def is_own(code: CodeType) -> bool:
    """Whether code is a user's and not an installed package's, most of which no model calls."""
    return "-packages" not in code.co_filename


def is_opaque(function: Any, names: set[str]) -> bool:
    """Whether a function calls what may read anything."""
    scope = function.__globals__
    if names & READERS or any(_changes(scope[name], names) for name in names & scope.keys()):
        return True
    return any(name not in scope and _loads(function.__code__, name) for name in names & OPAQUE)


def _changes(value: Any, names: set[str]) -> bool:
    """Whether a global value is, or comes from, what gives something else in every call."""
    if isinstance(value, ModuleType):
        inside = {"sys": "modules", "numpy": "random"}.get(value.__name__)
        return value.__name__ in CHANGING or inside in names
    held = getattr(value, "__self__", None)
    return getattr(value, "__module__", None) in CHANGING or type(held).__module__ in CHANGING


def _loads(code: CodeType, name: str) -> bool:
    """Whether a name is read as a global one, and not as an attribute."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    calls = {"LOAD_GLOBAL", "LOAD_NAME"}
    own = any(i.argval == name and i.opname in calls for i in get_instructions(code))
    return own or any(_loads(constant, name) for constant in inner)
