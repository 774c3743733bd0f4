"""What is explained: an index per sample, a linear function of the outputs, or an initial relevance; through what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from lrp.compiler import Program
from lrp.errors import InvalidTarget
from lrp.ops.context import Execution, Flow, Layout
from lrp.tracing.graph import Node

Target: TypeAlias = (
    "int | str | tuple[int | str, ...] | Sequence[Any] | Tensor | Callable[[Any], Tensor] | None"
)
LARGEST = "argmax"


class Outputs(tuple[Tensor, ...]):
    """Several outputs of a model in order, also by key or field name: `y[0]`, `y["logits"]`, `y.logits`."""

    names: tuple[str, ...]

    def __new__(
        cls,
        names: Sequence[str],
        outputs: Sequence[Tensor],
    ) -> Outputs:
        """The outputs under their names."""
        made = super().__new__(cls, outputs)
        made.names = tuple(names)
        return made

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key not in self.names:
            raise InvalidTarget(f"no output {key!r}: outputs are {', '.join(self.names)}")
        return super().__getitem__(self.names.index(key))

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]  # type: ignore[no-any-return]


def seeds(
    target: Any,
    outputs: Sequence[Tensor],
    names: Sequence[str],
    batch: int,
    layouts: Sequence[Layout],
) -> tuple[list[Flow | None], Tensor]:
    """The relevance each output starts with (None: a function does not read it) and the target's value [B].

    outputs: tensors [B, ...]; names: theirs where a function receives several of them; layouts: where samples lie.
    """
    if callable(target) and not isinstance(target, Tensor):
        return _function(target, outputs, names, batch, layouts)
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
        return [Flow(rest=r)], layouts[0].sum(r, batch)
    _check_samples(y, batch, layouts[0])
    place = _index(target, y, batch).unsqueeze(1)
    gain = y.new_zeros(y.shape)
    gain.view(batch, -1).scatter_(1, place, 1.0)
    return [Flow(gain=gain)], y.reshape(batch, -1).gather(1, place).squeeze(1)


def _check_samples(y: Tensor, batch: int, layout: Layout) -> None:
    """Raises InvalidTarget for an output whose rows are not the samples."""
    if not y.dim() or y.shape[0] != batch or layout != Layout():
        raise InvalidTarget(
            f"the output has shape {tuple(y.shape)}: its rows are not the samples; give a function of it, such as "
            "lambda y: y[0, :, 1] where samples are columns"
        )


def seeds_of_graph(
    target: Any,
    outputs: Sequence[Tensor],
    names: Sequence[str],
    batch: int,
    layouts: Sequence[Layout],
) -> tuple[list[Flow | None], Tensor]:
    """The same where the inputs are one sample, a graph: targets are of its rows, and their values are added up.

    A tuple may be a place in the whole output, (node, class).
    """
    y = outputs[0]
    entry = isinstance(target, tuple) and len(outputs) == 1 and len(target) == y.dim()
    if entry:
        flows, value = seeds(target, [y.unsqueeze(0)], names, 1, layouts)
        return [None if f is None else f.map(lambda t: t.squeeze(0)) for f in flows], value
    flows, value = seeds(target, outputs, names, y.shape[0] if y.dim() else 1, layouts)
    return flows, value.sum().reshape(batch)


def _index(
    target: Any,
    y: Tensor,
    batch: int,
) -> Tensor:
    """Flat positions [B] in the output of each sample."""
    sizes = tuple(y.shape[1:])
    count = y[0].numel()
    if target is None:
        if count != 1:
            raise InvalidTarget(
                f"the output has {count} values a sample: give a target, an index below {count}"
            )
        return torch.zeros(batch, dtype=torch.long, device=y.device)
    if type(target) is int and len(sizes) < 2 and -count <= target < count:
        return torch.full((batch,), target % count, device=y.device)
    if isinstance(target, str):
        target = (target,) * max(len(sizes), 1)
    if isinstance(target, tuple) and all(map(_is_place, target)):
        return _positions([target] * batch, y)
    if isinstance(target, list) and all(isinstance(one, tuple) for one in target):
        if len(target) != batch:
            raise InvalidTarget(f"one tuple a sample means {batch} of them, not {len(target)}")
        return _positions(target, y)
    if isinstance(target, list) and target and not all(map(_is_index, target)):
        raise InvalidTarget(f"a list of targets holds one index or one tuple a sample: {target}")
    if isinstance(target, bool) or not isinstance(target, (int, list, Tensor)):
        raise InvalidTarget(
            "a target is an index, a tensor of one index a sample, a function of the outputs, "
            f"or an initial relevance; not {type(target).__name__}"
        )
    index = _integers(torch.as_tensor(target, device=y.device))
    if len(sizes) > 1 and index.shape == (batch, len(sizes)):
        return _positions([tuple(row) for row in index.tolist()], y)
    if len(sizes) > 1:
        raise InvalidTarget(
            f"the output has shape {sizes} a sample: give a tuple of {len(sizes)} indices"
        )
    if index.dim() > 1 or (index.dim() == 1 and index.shape[0] != batch):
        raise InvalidTarget(f"one index a sample means shape [{batch}], not {list(index.shape)}")
    if bool((index >= count).any()) or bool((index < -count).any()):
        raise InvalidTarget(
            f"target {index.tolist()} is out of range for an output of {count} values"
        )
    return (index.long() % count).expand(batch)


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_place(value: Any) -> bool:
    return isinstance(value, (int, str))


def _integers(index: Tensor) -> Tensor:
    if index.dtype.is_floating_point or index.dtype == torch.bool or index.is_complex():
        raise InvalidTarget(f"indices are integers, not {index.dtype}")
    return index


def _positions(
    targets: Sequence[tuple[Any, ...]],
    y: Tensor,
) -> Tensor:
    """Flat positions [B] of one tuple a sample, in which "argmax" stands for the places of the largest value."""
    sizes = tuple(y.shape[1:]) or (1,)
    places = torch.arange(y[0].numel(), device=y.device).reshape(sizes)
    found = []
    for sample, target in zip(y.reshape(-1, *sizes), targets, strict=True):
        if len(target) != len(sizes):
            raise _no_position(target, sizes)
        cut: list[Any] = []
        for index, size in zip(target, sizes, strict=True):
            free = index == LARGEST
            cut.append(slice(None) if free else _within(index, size, target, sizes))
        numbers = sample[tuple(cut)].reshape(-1)
        best = numbers.argmax() if LARGEST in target else 0
        chosen = places[tuple(cut)].reshape(-1)
        found.append(chosen[best])
    return torch.stack(found)


def _within(
    index: Any,
    size: int,
    target: tuple[Any, ...],
    sizes: tuple[int, ...],
) -> int:
    if not _is_index(index) or not -size <= index < size:
        raise _no_position(target, sizes)
    return int(index) % size


def _no_position(
    target: tuple[Any, ...],
    sizes: tuple[int, ...],
) -> InvalidTarget:
    """What is wrong with a tuple that is no position."""
    words = [i for i in target if isinstance(i, str) and i != LARGEST]
    if words:
        return InvalidTarget(f"the one word that is a target is {LARGEST!r}, not str {words[0]!r}")
    return InvalidTarget(f"target {target} is no position in an output of shape {sizes} a sample")


def each_index(
    indices: Any,
    y: Tensor,
    batch: int,
    layout: Layout,
) -> Tensor:
    """Flat positions [T] in an output [B, ...]; None means all."""
    _check_samples(y, batch, layout)
    count, sizes = y[0].numel(), tuple(y.shape[1:])
    if indices is None:
        return torch.arange(count, device=y.device)
    if isinstance(indices, (list, tuple)) and indices and isinstance(indices[0], (list, tuple)):
        if not _even(indices):
            raise InvalidTarget(f"tuples of indices are equally long, not {indices!r}")
        indices = torch.tensor([tuple(row) for row in indices])
    chosen = torch.as_tensor(indices, device=y.device)
    if chosen.dim() == 2 and chosen.shape[1] == len(sizes) > 1 and len(chosen):
        rows = _integers(chosen).tolist()
        return torch.cat([_positions([tuple(row)], y[:1]) for row in rows])
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


def _even(rows: Sequence[Any]) -> bool:
    """Whether tuples of integers are equally long."""
    lengths = {len(row) for row in rows if isinstance(row, (list, tuple))}
    return len(lengths) == 1 and all(_is_index(i) for row in rows for i in row)


def one_hot(
    indices: Tensor,
    y: Tensor,
) -> Tensor:
    """Gains [T·B, ...] that start from one index of the output for each target."""
    gain = y.new_zeros((len(indices), y.shape[0], y[0].numel()))
    gain[torch.arange(len(indices), device=y.device), :, indices] = 1.0
    return gain.reshape(-1, *y.shape[1:])


def _function(
    target: Callable[[Any], Tensor],
    outputs: Sequence[Tensor],
    names: Sequence[str],
    batch: int,
    layouts: Sequence[Layout],
) -> tuple[list[Flow | None], Tensor]:
    with torch.enable_grad():
        leaves = [y.detach().clone().requires_grad_(y.is_floating_point()) for y in outputs]
        value = target(Outputs(names, leaves) if names else leaves[0])
        if not isinstance(value, Tensor) or tuple(value.shape) != (batch,):
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InvalidTarget(
                f"a target function returns one number a sample, shape [{batch}], not {got}"
            )
        if not value.requires_grad:
            raise InvalidTarget("the target function does not depend on the outputs")
        known = [y for y in leaves if y.requires_grad]
        gains = iter(torch.autograd.grad(value.sum(), known, allow_unused=True))
    value = value.detach()
    total, size = torch.zeros_like(value), torch.zeros_like(value)
    flows: list[Flow | None] = []
    for y, layout in zip(leaves, layouts, strict=True):
        g = next(gains) if y.requires_grad else None
        flows.append(None if g is None else Flow(gain=g))
        if g is None:
            continue
        y = y.detach()
        total = total + layout.sum(g * y, batch)
        size = size + layout.sum((g * y).abs(), batch)
    apart = (total - value).abs()
    allowed = 1e-4 * (size + value.abs()) + 1e-12
    if not bool((apart <= allowed).all()):
        raise InvalidTarget(
            "the target function is not linear in the outputs (its value differs from gradient × output); "
            "use weighted sums of outputs"
        )
    return flows, value


def channel_dim(
    node: Node,
    value: Tensor,
) -> int:
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
        sizes = [1] * value.dim()
        sizes[dim] = -1
        found[index] = mask.reshape(sizes)
    return found
