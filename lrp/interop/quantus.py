"""LRP as the `explain_func` of Quantus, which hands over and takes back NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lrp.assignment import Composite
from lrp.explainer import LRP
from lrp.rules import Rule


def explain(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    composite: Composite | Rule | str | Callable[..., Composite] = "EpsilonPlus",
    device: str | None = None,
    **options: Any,
) -> Any:
    """Relevance like the inputs [B, ...], an array, for one class a sample: targets [B].

    composite: the rules (`explain_func_kwargs={"composite": ...}`). device: where the model is. options: others that
    Quantus adds; they change nothing.

    >>> import torch
    >>> model, x = torch.nn.Linear(4, 3), torch.rand(2, 4).numpy()
    >>> explain(model, x, [0, 2]).shape
    (2, 4)
    """
    weight = next(model.parameters(), torch.zeros(()))
    x = torch.as_tensor(inputs, dtype=weight.dtype, device=device or weight.device)
    places = torch.as_tensor(targets, device=x.device)
    return LRP(model, composite, x).attribute(x, target=places).input.cpu().numpy()
