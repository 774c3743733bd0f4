"""What a model holds and returns: whether its numbers are finite, and those of a graph the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lrp.errors import InvalidInput, UnsupportedOperation
from lrp.tracing.calls import Call, results

TOLERANCE = {torch.float64: 1e-7, torch.float32: 2e-3}
"""How far the graph's outputs may lie from the model's, of the largest one; 0.1 for shorter types."""


def called(
    model: nn.Module,
    call: Call,
) -> tuple[Tensor, ...]:
    """The tensors that a copy of the model returns."""
    given = call.change(Tensor.clone)
    return results(model(*given.args, **given.kwargs))[1]


def close(
    found: Any,
    wanted: Tensor,
) -> bool:
    """Whether two outputs are equal up to rounding; what is not finite is judged elsewhere."""
    if not isinstance(found, Tensor) or found.shape != wanted.shape:
        return False
    if not is_finite(wanted):
        return True
    if not wanted.is_floating_point():
        return bool((found == wanted).all())
    size = float(wanted.abs().max()) if wanted.numel() else 0.0
    apart = float((found - wanted).abs().max()) if wanted.numel() else 0.0
    return apart <= TOLERANCE.get(wanted.dtype, 0.1) * size + 1e-6


def is_finite(t: Tensor) -> bool:
    """Whether all numbers are: their sum is finite, or each of them where that overflows."""
    return isfinite(abs(t.detach().sum().item())) or bool(torch.isfinite(t).all())


def check_made(model: nn.Module) -> None:
    """Raises InvalidInput where a lazy module has no weights yet, UnsupportedOperation where a part is quantised."""
    for name, module in model.named_modules():
        home = type(module).__module__
        if home.startswith("torch.ao.nn.") and ".quantized." in home and ".reference." not in home:
            reason = (
                "it computes with packed integers, whose operations cannot be followed; explain the floating point "
                "model that was quantised"
            )
            kind = f"{home}.{type(module).__qualname__}"
            raise UnsupportedOperation(kind, name, reason, registrable=False)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise InvalidInput(
                f"{name} has no shape yet: call the model once, so that it makes its weights"
            )


def check_weights(tensors: Mapping[str, Tensor]) -> None:
    """Raises InvalidInput if a parameter or buffer is not finite."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not is_finite(tensor):
            raise InvalidInput(
                f"parameter {name} contains NaN or Inf; only finite weights can be explained"
            )


def check_outputs(values: Sequence[Tensor]) -> None:
    """Raises InvalidInput if an explained output is not finite."""
    if not all(map(is_finite, values)):
        raise InvalidInput(
            "the model's output is not finite for these inputs; nothing can be explained"
        )
