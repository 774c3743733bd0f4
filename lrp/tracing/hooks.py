"""Hooks of a model: those that only look on are left out of what is captured, so none of them sees a fake tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, TypeAlias

from torch import nn

Place: TypeAlias = "tuple[str, str, Any]"
"""A module's path, the attribute that holds its hooks, and the hook's key."""
Quiet: TypeAlias = "frozenset[Place]"
KINDS = ("_forward_hooks", "_forward_pre_hooks")


def _hooks(model: nn.Module) -> Iterator[tuple[Place, MutableMapping[Any, Any]]]:
    """The hooks that are not torch's own (weight norm is one of those: it computes a weight)."""
    for path, module in model.named_modules():
        for kind in KINDS:
            held = getattr(module, kind)
            for key, hook in held.items():
                origin = getattr(hook, "__module__", None) or type(hook).__module__
                if not origin.startswith("torch."):
                    yield (path, kind, key), held


def hooked(model: nn.Module) -> bool:
    """Whether a model has hooks that are not torch's own."""
    return next(_hooks(model), None) is not None


def quiet(
    model: nn.Module,
    call: Callable[[nn.Module], object],
) -> Quiet:
    """The hooks of `model`, a copy, that return nothing when it is called on real tensors.

    What returns something is part of the function that the model computes.
    """
    loud: set[Place] = set()
    found = list(_hooks(model))

    def watched(
        place: Place,
        hook: Callable[..., Any],
    ) -> Callable[..., Any]:
        def run(
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            result = hook(*args, **kwargs)
            if result is not None:
                loud.add(place)
            return result

        return run

    for place, held in found:
        held[place[2]] = watched(place, held[place[2]])
    call(model)
    return frozenset(place for place, _ in found) - loud


def silence(
    model: nn.Module,
    places: Quiet,
) -> None:
    """Takes these hooks off a copy of the model."""
    for place, held in list(_hooks(model)):
        if place in places:
            del held[place[2]]
