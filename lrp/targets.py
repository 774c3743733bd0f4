"""What is explained: an index per sample, a linear function of the outputs, or an initial relevance; through what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from lrp.compiler import Program
from lrp.errors import InvalidTarget
from lrp.ops.context import Execution, Flow
from lrp.tracing.graph import Node

Target: TypeAlias = "int | tuple[int, ...] | Tensor | Callable[[Any], Tensor] | None"


def seeds(
    target: Any,
    outputs: Sequence[Tensor],
    whole: bool,
    batch: int,
) -> tuple[list[Flow], Tensor]:
    """The relevance each output starts with and the target's value [B].

    outputs: tensors [B, ...]; whole: a function receives all of them as a tuple, not just the one.
    """
    if callable(target) and not isinstance(target, Tensor):
        return _function(target, outputs, whole, batch)
    if len(outputs) != 1:
        raise InvalidTarget(
            f"the model has {len(outputs)} outputs: choose one with output=NAME_OR_INDEX, or give a function of all"
        )
    y = outputs[0]
    if isinstance(target, Tensor) and target.is_floating_point():
        if target.shape != y.shape:
            shapes = f"{tuple(y.shape)}, not {tuple(target.shape)}"
            raise InvalidTarget(f"an initial relevance has the output's shape {shapes}")
        if not bool(torch.isfinite(target).all()):
            raise InvalidTarget("the initial relevance contains NaN or Inf")
        r = target.to(y)
        return [Flow(rest=r)], r.reshape(batch, -1).sum(1)
    gain = y.new_zeros(y.shape)
    flat = gain.view(batch, -1)
    index = _index(target, y, batch)
    rows = torch.arange(batch, device=y.device)
    flat[rows, index] = 1.0
    return [Flow(gain=gain)], y.reshape(batch, -1)[rows, index]


def _index(target: Any, y: Tensor, batch: int) -> Tensor:
    """Flat positions [B] in the output of each sample."""
    sizes = tuple(y.shape[1:])
    count = y[0].numel() if batch else 0
    if target is None:
        if count != 1:
            raise InvalidTarget(
                f"the output has {count} values a sample: give a target, an index below {count}"
            )
        return torch.zeros(batch, dtype=torch.long, device=y.device)
    if isinstance(target, tuple) and all(isinstance(i, int) for i in target):
        if len(target) != len(sizes) or any(
            not -s <= i < s for i, s in zip(target, sizes, strict=False)
        ):
            raise InvalidTarget(
                f"target {target} is no position in an output of shape {sizes} a sample"
            )
        flat = 0
        for i, s in zip(target, sizes, strict=True):
            flat = flat * s + i % s
        return torch.full((batch,), flat, dtype=torch.long, device=y.device)
    if isinstance(target, bool) or not isinstance(target, (int, Tensor)):
        raise InvalidTarget(
            "a target is an index, a tensor of one index a sample, a function of the outputs, "
            f"or an initial relevance; not {type(target).__name__}"
        )
    if len(sizes) > 1:
        raise InvalidTarget(
            f"the output has shape {sizes} a sample: give a tuple of {len(sizes)} indices"
        )
    index = torch.as_tensor(target, device=y.device)
    if index.dtype.is_floating_point or index.dtype == torch.bool or index.is_complex():
        raise InvalidTarget(f"indices are integers, not {index.dtype}")
    if index.dim() > 1 or (index.dim() == 1 and index.shape[0] != batch):
        raise InvalidTarget(f"one index a sample means shape [{batch}], not {list(index.shape)}")
    if bool((index >= count).any()) or bool((index < -count).any()):
        raise InvalidTarget(
            f"target {index.tolist()} is out of range for an output of {count} values"
        )
    return (index.long() % count).expand(batch)


def each_index(indices: Any, y: Tensor) -> Tensor:
    """Positions [T] in an output [B, K]; None means all K."""
    count = y[0].numel()
    if indices is None:
        return torch.arange(count, device=y.device)
    chosen = torch.as_tensor(indices, device=y.device)
    if (
        chosen.dim() != 1
        or chosen.numel() == 0
        or chosen.dtype.is_floating_point
        or chosen.dtype == torch.bool
    ):
        raise InvalidTarget(f"indices are a sequence of integers, not {indices!r}")
    if bool((chosen >= count).any()) or bool((chosen < -count).any()):
        raise InvalidTarget(
            f"indices {chosen.tolist()} are out of range for an output of {count} values"
        )
    return chosen.long() % count


def one_hot(indices: Tensor, y: Tensor) -> Tensor:
    """Gains [T·B, ...] that start from one index of the output for each target."""
    gain = y.new_zeros((len(indices), y.shape[0], y[0].numel()))
    gain[torch.arange(len(indices), device=y.device), :, indices] = 1.0
    return gain.reshape(-1, *y.shape[1:])


def _function(
    target: Callable[[Any], Tensor],
    outputs: Sequence[Tensor],
    whole: bool,
    batch: int,
) -> tuple[list[Flow], Tensor]:
    with torch.enable_grad():
        leaves = [y.detach().clone().requires_grad_(True) for y in outputs]
        value = target(tuple(leaves) if whole else leaves[0])
        if not isinstance(value, Tensor) or tuple(value.shape) != (batch,):
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InvalidTarget(
                f"a target function returns one number a sample, shape [{batch}], not {got}"
            )
        if not value.requires_grad:
            raise InvalidTarget("the target function does not depend on the outputs")
        gains = torch.autograd.grad(value.sum(), leaves, allow_unused=True)
    value = value.detach()
    flows, total, size = [], torch.zeros_like(value), torch.zeros_like(value)
    for y, gain in zip(outputs, gains, strict=True):
        g = torch.zeros_like(y) if gain is None else gain
        flows.append(Flow(gain=g))
        total = total + (g * y).reshape(batch, -1).sum(1)
        size = size + (g * y).abs().reshape(batch, -1).sum(1)
    if not bool(((total - value).abs() <= 1e-4 * (size + value.abs()) + 1e-12).all()):
        raise InvalidTarget(
            "the target function is not linear in the outputs (its value differs from gradient × output); "
            "use weighted sums of outputs"
        )
    return flows, value


def channel_dim(node: Node, value: Tensor) -> int:
    """Which dimension of a layer's output counts its channels: the last one of sequences [B, L, D]."""
    return 1 if value.dim() != 3 or "Conv" in node.module_type else 2


def masks(
    through: Mapping[str, Sequence[int] | Tensor],
    program: Program,
    run: Execution,
) -> dict[int, Tensor]:
    """Boolean masks, by node, of the units through which relevance may pass."""
    found: dict[int, Tensor] = {}
    for name, units in through.items():
        index = program.names.get(name)
        value = run.values[index] if index is not None else None
        if index is None or not isinstance(value, Tensor):
            layers = ", ".join(layer.name for layer in program.layers)
            raise InvalidTarget(f"no layer {name!r} leads to this output; layers: {layers}")
        if isinstance(units, Tensor) and units.dtype == torch.bool:
            if units.shape != value.shape[1:]:
                raise InvalidTarget(
                    f"a mask for {name!r} has shape {tuple(value.shape[1:])}, not {tuple(units.shape)}"
                )
            found[index] = units.expand(value.shape)[:1]
            continue
        dim = channel_dim(program.graph.nodes[index], value)
        channels = torch.as_tensor(units, dtype=torch.long)
        count = value.shape[dim]
        if (
            channels.dim() != 1
            or bool((channels >= count).any())
            or bool((channels < -count).any())
        ):
            raise InvalidTarget(
                f"channels of {name!r} are 0 to {count - 1}, not {channels.tolist()}"
            )
        mask = torch.zeros(count, dtype=torch.bool, device=value.device)
        mask[channels % count] = True
        found[index] = mask.reshape([-1 if d == dim else 1 for d in range(value.dim())])
    return found
