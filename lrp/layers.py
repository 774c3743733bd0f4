"""What a composite may ask about a layer, and the usual questions as selectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from lrp.errors import CompositeError

KINDS = (
    "linear",
    "conv",
    "norm",
    "sum",
    "average",
    "maxpool",
    "activation",
    "product",
    "matmul",
    "softmax",
    "custom",
)


@dataclass(frozen=True)
class Layer:
    """What a composite may ask about a layer.

    kind: one of KINDS. position: 0-based place among the convolutions and linear layers in order of computation,
    None for other kinds. first / last: no convolution or linear layer lies between it and the inputs / the outputs.
    depth: how many of the model's `convolutions` come up to this layer, itself included, in order of computation.
    """

    name: str
    kind: str
    operation: str
    module: nn.Module | None
    position: int | None
    count: int
    first: bool
    last: bool
    depth: int = 0
    convolutions: int = 0


Selector = Callable[[Layer], bool]


@dataclass(frozen=True)
class Named:
    """Matches layers whose name fits a pattern; must match at least one."""

    pattern: str

    def __call__(self, layer: Layer) -> bool:
        return fnmatchcase(layer.name, self.pattern)


def named(pattern: str) -> Selector:
    """Layers whose name fits the shell-style pattern: `named("blocks.*.conv1")`."""
    return Named(pattern)


@dataclass(frozen=True)
class _OfKind:
    kinds: tuple[str, ...]

    def __call__(self, layer: Layer) -> bool:
        return layer.kind in self.kinds


def kind(*kinds: str) -> Selector:
    """Layers of these kinds, however they were called: `kind("conv")` sees nn.Conv2d and F.conv2d alike."""
    for k in kinds:
        if k not in KINDS:
            raise CompositeError(f"unknown kind of layer {k!r}; known: {', '.join(KINDS)}")
    return _OfKind(kinds)


@dataclass(frozen=True)
class _OfType:
    types: tuple[type[nn.Module], ...]

    def __call__(self, layer: Layer) -> bool:
        return isinstance(layer.module, self.types)


def of_type(*types: type[nn.Module]) -> Selector:
    """Layers computed by modules of these types."""
    return _OfType(types)


def first(layer: Layer) -> bool:
    """Convolutions and linear layers that read the inputs directly."""
    return layer.first


def last(layer: Layer) -> bool:
    """Convolutions and linear layers that no other one follows."""
    return layer.last


@dataclass(frozen=True)
class _Nth:
    position: int

    def __call__(self, layer: Layer) -> bool:
        place = self.position % max(layer.count, 1)
        return layer.position is not None and layer.position == place


def nth(position: int) -> Selector:
    """The convolution or linear layer at this place in order of computation; negative from the end."""
    return _Nth(position)


def everything(layer: Layer) -> bool:
    """Every layer."""
    return True


def selector_of(selector: Selector | str | type[nn.Module]) -> Selector:
    if isinstance(selector, str):
        return kind(selector) if selector in KINDS else named(selector)
    if isinstance(selector, type):
        if issubclass(selector, nn.Module):
            return of_type(selector)
    elif callable(selector):
        return selector
    raise CompositeError(
        f"a selector is a function of a Layer, a kind, a name pattern or a module type: {selector!r}"
    )
