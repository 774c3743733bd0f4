"""Explainers that travel: pickled, copied, and moved to another device or type, with the model they explain."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any, Self, SupportsIndex

import torch
from torch import Tensor, nn

from lrp.composites import Composite
from lrp.errors import InvalidInput, LRPError
from lrp.live import Live
from lrp.tracing.calls import Call
from lrp.tracing.capture import computed

COPYING = {"cloudpickle", "copy", "dill"}
"""Packages that copy more than pickle does, and that say for themselves what they cannot."""


class Portable:
    """What an explainer takes along: the model, the composite, the examples; what was captured is captured again."""

    model: nn.Module
    composite: Composite
    _examples: Call
    _live: Live

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_live"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._live = Live(self.model, self.composite)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy with a copy of the model; tensors that these keep with their history are copied without it."""
        state = self.__getstate__()
        memo.update({id(t): t.detach().clone() for t in computed(state)})
        other = memo[id(self)] = object.__new__(type(self))
        other.__setstate__(copy.deepcopy(state, memo))
        return other

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """As usual; raises LRPError, before anything is written, where a part of the explainer cannot be pickled."""
        if not _copied_otherwise():
            for name, part in self.__getstate__().items():
                _check(name.strip("_"), part)
        return super().__reduce_ex__(protocol)

    def to(
        self,
        *where: torch.device | torch.dtype | str | int,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """An explainer of a copy of the model on another device, in another floating point type, or both.

        The model itself stays where and what it is. Integers and masks among the inputs keep their type.
        Raises InvalidInput for what is no device and no floating point type; LRPError where the model cannot be copied.

        >>> import torch, lrp
        >>> explainer = lrp.LRP(torch.nn.Linear(3, 2), lrp.rules.Zero(), torch.rand(1, 3)).to(torch.float64)
        >>> explainer.attribute(torch.rand(4, 3, dtype=torch.float64), 1).input.dtype
        torch.float64
        """
        for place in where:
            if isinstance(place, torch.dtype):
                dtype = place
            else:
                device = place
        if dtype is not None and not dtype.is_floating_point:
            raise InvalidInput(f"an explainer goes to a floating point type, not to {dtype}")
        try:
            there = None if device is None else torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise InvalidInput(f"{device!r} is no device and no floating point type") from error
        other: Self = _copied(self)
        other.model.to(device=there, dtype=dtype)
        other._examples = other._examples.change(
            lambda x: x.to(device=there, dtype=dtype if x.is_floating_point() else None)
        )
        return other


def _copied(explainer: Any) -> Any:
    try:
        return copy.deepcopy(explainer)
    except Exception as error:
        name = type(explainer.model).__name__
        raise LRPError(f"the model {name} cannot be copied: {_reason(error)}") from error


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: bytes) -> int:
        return len(data)


class _Trial(pickle.Pickler):
    """Tries out whether something can be pickled; the numbers of tensors are left out."""

    def persistent_id(self, obj: Any) -> str | None:
        return "tensor" if isinstance(obj, Tensor) else None


def _check(name: str, part: Any) -> None:
    """Raises LRPError where a part of an explainer cannot be pickled."""
    try:
        _Trial(_Nowhere()).dump(part)
    except Exception as error:
        kind = type(part).__name__
        raise LRPError(
            f"the explainer's {name} ({kind}) cannot be pickled: {_reason(error)}; define its classes and functions "
            "at the top of a module"
        ) from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _copied_otherwise() -> bool:
    """Whether something else than pickle is copying: it stands on the stack."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__", "").split(".")[0] in COPYING:
            return True
    return False
