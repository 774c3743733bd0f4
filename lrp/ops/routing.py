"""Rearrangements: every output is one input, somewhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lrp.bias import BiasMode, settle
from lrp.ops.context import Execution, Flow, Linear1, Sent, Step, Unary
from lrp.ops.registry import Lowering, inherited, operation
from lrp.tracing.graph import Node


class Transparent(Unary):
    """The identity: dropout in eval, contiguous, clone; also an output activation that is explained before it."""

    def forward(self, run: Execution) -> Any:
        return run.values[self.source]

    def backward(self, run: Execution, flow: Flow) -> Sent:
        return ((self.source, flow),)


@operation(
    "dropout feature_dropout alpha_dropout contiguous clone alias lift_fresh_copy",
    "route",
    inherited,
)
def identity(lowering: Lowering, node: Node) -> Step:
    return Transparent(node, lowering.source(node))


@operation(
    "view reshape _unsafe_view flatten.using_ints unflatten.int squeeze squeeze.dim squeeze.dims unsqueeze",
    "route",
    inherited,
)
class Reshape(Unary):
    """The same numbers in another shape."""

    def backward(self, run: Execution, flow: Flow) -> Sent:
        shape = run.shape(run.values[self.source])
        return ((self.source, flow.map(lambda t: t.reshape(shape))),)


class Permute(Unary):
    """permute and transpose, with the batch left in front."""

    def __init__(self, node: Node, source: int, inverse: tuple[int, ...]) -> None:
        super().__init__(node, source)
        self.inverse = inverse

    def backward(self, run: Execution, flow: Flow) -> Sent:
        return ((self.source, flow.map(lambda t: t.permute(self.inverse))),)


@operation("permute transpose.int t numpy_T", "route", inherited)
def permute(lowering: Lowering, node: Node) -> Step:
    source = lowering.source(node)
    rank = lowering.rank(source)
    order = list(range(rank))
    if node.operation == "aten.permute.default":
        order = [d % rank for d in node.args[1]]
    elif node.operation == "aten.transpose.int":
        i = node.args[1] % rank
        j = node.args[2] % rank
        order[i], order[j] = order[j], order[i]
    else:
        order.reverse()
    return Permute(node, source, tuple(order.index(d) for d in range(rank)))


@operation(
    "slice.Tensor select.int expand index_select flip roll repeat repeat_interleave.self_int "
    "repeat_interleave.self_Tensor as_strided cummax cummin tile broadcast_to "
    "pixel_shuffle pixel_unshuffle channel_shuffle index.Tensor gather take_along_dim swapaxes movedim.int "
    "movedim.intlist mT rot90 unfold im2col diagonal diag_embed tril triu topk sort median.dim kthvalue max_unpool2d "
    "max_unpool3d reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d to.dtype to.device "
    "to.dtype_layout _to_copy chunk "
    "split.Tensor split_with_sizes unbind.int split.sizes tensor_split.sections tensor_split.indices",
    "route",
    inherited,
)
class Route(Linear1):
    """Slices, selections, expansions, paddings, rolls: every output copies one input; gains and rests alike go back."""

    def backward(self, run: Execution, flow: Flow) -> Sent:
        return ((self.source, flow.map(lambda t: self.pull(run, t))),)


@operation("expand_as view_as type_as reshape_as to.other", "route", carrier=0)
def like(lowering: Lowering, node: Node) -> Step:
    """The first argument in the shape or type of the second."""
    return Route(node, node.args[0].index)


def overwritten(base: Tensor, source: Tensor) -> Tensor:
    """The source in the shape and the type of what it is copied over; relevance of integers stays what it is."""
    moved = source.is_floating_point() and not base.is_floating_point()
    return (source if moved else source.to(base.dtype)).expand(base.shape)


@operation("copy fill.Tensor fill.Scalar", "route", carrier=1)
def copied(lowering: Lowering, node: Node) -> Step:
    """The second argument in the place of the first."""
    plain = replace(node, function=overwritten, args=node.args[:2], kwargs={})
    return Route(plain, node.args[1].index)


class Narrow(Unary):
    """A contiguous part along one dimension; the rest of the source receives nothing from here."""

    def __init__(self, node: Node, source: int, dim: int, start: int, length: int) -> None:
        super().__init__(node, source)
        self.dim, self.start, self.length = dim, start, length

    def forward(self, run: Execution) -> Tensor:
        return run.values[self.source].narrow(self.dim, self.start, self.length)  # type: ignore[no-any-return]

    def backward(self, run: Execution, flow: Flow) -> Sent:
        shape = run.shape(run.values[self.source])

        def widened(t: Tensor) -> Tensor:
            wide = t.new_zeros(shape)
            wide.narrow(self.dim, self.start, self.length).copy_(t)
            return wide

        return ((self.source, flow.map(widened)),)


@operation("narrow", "route", inherited)
def narrow(lowering: Lowering, node: Node) -> Step:
    _, dim, start, length = node.args
    if not all(isinstance(v, int) for v in (dim, start, length)) or start < 0:
        return Route(node, lowering.source(node))
    return Narrow(node, lowering.source(node), dim, start, length)


class Cat(Step):
    """Concatenation or stacking: each signal takes back its own part, a constant's part is bias relevance.

    Where the mode hands that on, the signals share it evenly along the dimension of the concatenation.
    """

    def __init__(
        self, node: Node, parts: tuple[tuple[Any, bool], ...], dim: int, mode: BiasMode
    ) -> None:
        super().__init__(node)
        self.parts, self.dim, self.mode = parts, dim, mode
        self.stacked = "stack" in node.operation

    def backward(self, run: Execution, flow: Flow) -> Sent:
        z = run.values[self.node.index]
        dim = self.dim % z.dim()
        values = [run.resolve(part) for part, _ in self.parts]
        sizes = [1 if self.stacked else value.shape[dim] for value in values]
        if not all(signal for _, signal in self.parts):
            flow = self._without_constants(run, flow, z, sizes, dim)
        gains, rests = (
            [None] * len(sizes) if t is None else torch.split(t, sizes, dim)
            for t in (flow.gain, flow.rest)
        )
        back = []
        for (part, signal), gain, rest in zip(self.parts, gains, rests, strict=True):
            if signal:
                own = Flow(gain, rest)
                back.append(
                    (part.index, own.map(lambda t: t.squeeze(dim)) if self.stacked else own)
                )
        return back

    def _without_constants(
        self, run: Execution, flow: Flow, z: Tensor, sizes: list[int], dim: int
    ) -> Flow:
        """The flow with the constants' relevance settled."""
        places = [
            torch.full((n,), signal) for n, (_, signal) in zip(sizes, self.parts, strict=True)
        ]
        signal = torch.cat(places).to(z.device)
        signal = signal.reshape([-1 if d == dim else 1 for d in range(z.dim())])
        claimed = torch.where(signal, 0.0, flow.relevance(run.lift(z)))
        left = settle(run, self.node, claimed, self.mode)
        if left is None:
            return flow
        share = left.sum(dim, keepdim=True) / signal.sum() * signal
        return Flow(flow.gain, share if flow.rest is None else flow.rest + share)


@operation("cat stack", "route", inherited)
def cat(lowering: Lowering, node: Node) -> Step:
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    parts = tuple((part, lowering.is_signal(part)) for part in node.args[0])
    return Cat(node, parts, dim, lowering.mode(None))
