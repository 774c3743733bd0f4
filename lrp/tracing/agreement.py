"""What a model itself returns, and whether a graph's outputs are the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lrp.tracing.calls import Call, results
from lrp.tracing.finite import is_finite

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
