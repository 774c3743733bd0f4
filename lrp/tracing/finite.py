"""Whether numbers are finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import torch
from torch import Tensor

from lrp.errors import InvalidInput


def is_finite(t: Tensor) -> bool:
    """Whether all numbers are: their sum is finite, or each of them where that overflows."""
    return isfinite(abs(t.detach().sum().item())) or bool(torch.isfinite(t).all())


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
