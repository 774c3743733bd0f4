"""Operations whose every output copies one of several candidates: maxima, max pooling, `where`, `maximum`, masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lrp.bias import BiasMode, settle
from lrp.ops.context import Execution, Flow, Linear1, Sent, Step, divided_at, stabilised
from lrp.ops.registry import Build, Lowering, arguments_of, inherited, operation
from lrp.ops.routing import Route
from lrp.ops.sums import accumulated
from lrp.rules import AsAverage, Flat, Rule, WinnerTakesAll
from lrp.tracing.graph import Node

Average = Callable[[Tensor], Tensor]
POOLS: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
LARGEST: dict[int, Callable[..., Tensor]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
SUMMED: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
ADAPTIVE: dict[int, Callable[..., Tensor]] = {
    1: F.adaptive_avg_pool1d,
    2: F.adaptive_avg_pool2d,
    3: F.adaptive_avg_pool3d,
}


class MaxPool(Linear1):
    """Max pooling: the winner takes all, or the pooling is explained as an average (`AsAverage`), or flat."""

    def __init__(
        self,
        node: Node,
        source: int,
        rule: Rule | None,
        average: Average,
    ) -> None:
        super().__init__(node, source)
        self.rule, self.average = rule or WinnerTakesAll(), average

    def backward(
        self,
        run: Execution,
        flow: Flow,
    ) -> Sent:
        if not isinstance(self.rule, (AsAverage, Flat)):
            return ((self.source, flow.map(lambda t: self.pull(run, t))),)
        x = run.values[self.source]
        z = run.values[self.node.index]
        flat = isinstance(self.rule, Flat)
        d = self.average(torch.ones_like(x) if flat else x)
        stable = stabilised(d, run.epsilon_of(self.node, self.rule, d))
        s = divided_at(run, self.node, flow.relevance(run.lift(z)), run.lift(stable))
        if self.rule.epsilon > 0:
            run.book_stabilizer(self.node, s * run.lift(stable - d))
        sent = run.vjp(self.average, x, s)
        return ((self.source, Flow(rest=sent) if flat else Flow(sent)),)


def dilated_average(
    x: Tensor,
    sizes: Sequence[list[int]],
    ceil: bool,
) -> Tensor:
    """The averages over the windows that max pooling compares; like there, padding is no member of a window."""
    kernel, stride, padding, dilation = sizes
    dims = len(kernel)
    like = LARGEST[dims](x[:1, :1].detach(), kernel, stride, padding, dilation, ceil)
    sides: list[int] = []
    for i in reversed(range(dims)):
        reach = (like.shape[2 + i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1
        sides += [padding[i], max(0, reach - x.shape[2 + i] - padding[i])]
    ones = x.new_ones((1, 1, *kernel))

    def total(t: Tensor) -> Tensor:
        summed = SUMMED[dims](F.pad(t, sides), ones, stride=stride, dilation=dilation)
        for i in range(dims):
            summed = summed.narrow(2 + i, 0, like.shape[2 + i])
        return summed

    single = x.reshape(-1, 1, *x.shape[2:])
    counts = total(torch.ones_like(single[:1]))
    return (total(single) / counts).reshape(*x.shape[:2], *like.shape[2:])


def max_pool(dims: int) -> Build:
    """Max pooling over windows; its average does not count padding."""

    def build(lowering: Lowering, node: Node) -> Step:
        names = "input kernel_size stride padding dilation ceil_mode"
        kernel, stride, padding, dilation, ceil = arguments_of(node, names)[1:]

        def wide(value: Any) -> list[int]:
            values = [value] if isinstance(value, int) else list(value)
            return values * dims if len(values) == 1 else values

        sizes = [wide(v) for v in (kernel, stride or kernel, padding or 0, dilation or 1)]

        def average(x: Tensor) -> Tensor:
            if sizes[3] != [1] * dims:
                return dilated_average(x, sizes, bool(ceil))
            return POOLS[dims](x, *sizes[:3], bool(ceil), False)

        return MaxPool(node, lowering.source(node), lowering.rule(node), average)

    return build


def adaptive_max_pool(dims: int) -> Build:
    """Max pooling to a given size."""
    return lambda lowering, node: MaxPool(
        node, lowering.source(node), lowering.rule(node), lambda x: ADAPTIVE[dims](x, node.args[1])
    )


for _n in (1, 2, 3):
    operation(f"max_pool{_n}d max_pool{_n}d_with_indices", "maxpool", inherited)(max_pool(_n))
    operation(f"adaptive_max_pool{_n}d", "maxpool", inherited)(adaptive_max_pool(_n))


@operation("max.dim min.dim amax amin aminmax aten.aminmax.default[1]", "maxpool", inherited)
def extremum(lowering: Lowering, node: Node) -> Step:
    """The largest or smallest value along dimensions."""
    places, keep = arguments_of(node, "input dim keepdim", dim=[], keepdim=False)[1:]

    def average(x: Tensor) -> Tensor:
        return x.mean(places if isinstance(places, int) else places or None, keepdim=bool(keep))

    return MaxPool(node, lowering.source(node), lowering.rule(node), average)


class Choice(Step):
    """Each output copies one of several candidates; what a constant candidate takes is bias relevance.

    Where the mode hands that on, the signals beside the constant share it evenly; where no signal stands beside it
    (a constant that a signal is written into), all signals of the sample do.
    """

    def __init__(
        self, node: Node, candidates: tuple[int, ...], signals: tuple[bool, ...], mode: BiasMode
    ) -> None:
        super().__init__(node)
        self.mode = mode
        places = list(zip(candidates, signals, strict=True))
        self.signals = [(place, node.args[place].index) for place, signal in places if signal]
        self.constants = [place for place, signal in places if not signal]

    def backward(
        self,
        run: Execution,
        flow: Flow,
    ) -> Sent:
        args = self._candidates(run, flow)
        back = []
        for place, index in self.signals:
            back.append((index, self._sent(run, flow, place, args, run.values[index])))
        for place in self.constants:
            left = settle(run, self.node, self._claimed(run, flow, place, args), self.mode)
            if left is not None:
                back += self._evenly(run, left)
        return back

    def _candidates(self, run: Execution, flow: Flow) -> list[Any]:
        """The arguments; token ids as numbers of the relevance's type, through which relevance can be pulled."""
        args = list(run.resolve(self.node.args))
        if not run.values[self.node.index].is_floating_point():
            like = flow.relevance(run.lift(run.values[self.node.index]))
            for place in (*self.constants, *(place for place, _ in self.signals)):
                args[place] = torch.as_tensor(args[place]).to(like)
        return args

    def _claimed(
        self,
        run: Execution,
        flow: Flow,
        place: int,
        args: list[Any],
    ) -> Tensor:
        """What a constant takes of each output."""
        z = run.values[self.node.index]
        value = torch.as_tensor(args[place], dtype=z.dtype, device=z.device).expand(z.shape)
        sent = self._sent(run, flow, place, args, value)
        taken = torch.zeros_like(run.lift(z)) if sent.rest is None else sent.rest
        if sent.gain is None:
            return taken
        return taken + torch.where(sent.gain == 0, 0.0, sent.gain * run.lift(value))

    def _sent(
        self,
        run: Execution,
        flow: Flow,
        place: int,
        args: list[Any],
        value: Tensor,
    ) -> Flow:
        """What one candidate receives."""

        def chosen(x: Tensor) -> Tensor:
            return self.node.function(*args[:place], x, *args[place + 1 :])  # type: ignore[no-any-return]

        return flow.map(lambda t: run.vjp(chosen, value, t))

    def _evenly(
        self,
        run: Execution,
        left: Tensor,
    ) -> list[tuple[int, Flow]]:
        shapes = [run.shape(run.values[index]) for _, index in self.signals]
        if all(_beside(shape, tuple(left.shape)) for shape in shapes):
            share = left / len(shapes)
            parts = [share.sum_to_size(shape) for shape in shapes]
        else:
            count = sum(run.values[index].numel() for _, index in self.signals) / run.batch
            each = run.per_sample(self.node, left) / count
            parts = []
            for (_, index), shape in zip(self.signals, shapes, strict=True):
                like = left.new_zeros(()).expand(shape)
                parts.append(run.layout(run.nodes[index]).spread(each, like).expand(shape))
        return [(i, Flow(rest=part)) for (_, i), part in zip(self.signals, parts, strict=True)]


def _beside(
    shape: tuple[int, ...],
    whole: tuple[int, ...],
) -> bool:
    """Whether a tensor of `shape` broadcasts to `whole`."""
    ends = zip(reversed(shape), reversed(whole), strict=False)
    return len(shape) <= len(whole) and all(a in (1, b) for a, b in ends)


def choice(
    function: Callable[..., Tensor], order: tuple[int, ...], candidates: tuple[int, ...]
) -> Build:
    """Build for `function` of the node's arguments taken in `order`; `candidates` are places in that order."""

    def build(lowering: Lowering, node: Node) -> Step:
        args = tuple(node.args[i] for i in order)
        signals = tuple(lowering.is_signal(args[i]) for i in candidates)
        plain = replace(node, function=function, args=args, kwargs={})
        return Choice(plain, candidates, signals, lowering.mode(None))

    return build


operation("where.self where.ScalarOther where.ScalarSelf where.Scalar", "route")(
    choice(torch.where, (0, 1, 2), (1, 2))
)
operation("masked_fill.Scalar masked_fill.Tensor", "route")(choice(torch.where, (1, 2, 0), (1, 2)))
operation("maximum max.other fmax", "route")(choice(torch.maximum, (0, 1), (0, 1)))
operation("minimum min.other fmin", "route")(choice(torch.minimum, (0, 1), (0, 1)))


class Written(Choice):
    """Values written into parts of a tensor: which output copies which candidate does not depend on the values."""

    def _claimed(
        self,
        run: Execution,
        flow: Flow,
        place: int,
        args: list[Any],
    ) -> Tensor:
        z = run.values[self.node.index]
        known = list(args)
        for other in (*self.constants, *(place for place, _ in self.signals)):
            value = torch.as_tensor(args[other], device=z.device)
            known[other] = torch.full_like(value, float(other == place), dtype=z.dtype)
        return flow.relevance(run.lift(z)) * run.lift(self.node.function(*known))


SOURCES = {"scatter": 3, "index_put": 2, "index_copy": 3, "index_fill": 3, "masked_scatter": 2}
"""Where the written values stand among the arguments, if not behind the tensor that is written into."""


@operation(
    "slice_scatter select_scatter diagonal_scatter scatter.src scatter.value index_put index_copy "
    "index_fill.int_Scalar index_fill.int_Tensor masked_scatter",
    "route",
)
def written(lowering: Lowering, node: Node) -> Step:
    name = node.operation.split(".")[1]
    if name == "index_put" and len(node.args) > 3 and node.args[3]:
        return accumulated(lowering, node)
    function, kwargs = node.function, node.kwargs

    def write(*args: Any) -> Tensor:
        if name == "scatter":
            base, dim, index, source = args
            return torch.scatter(base, dim, index, torch.as_tensor(source).expand(index.shape))
        if name == "index_fill":
            return torch.index_fill(*args)
        return function(*args, **kwargs)  # type: ignore[no-any-return]

    candidates = (0, SOURCES.get(name, 1))
    signals = tuple(lowering.is_signal(node.args[i]) for i in candidates)
    plain = replace(node, function=write, kwargs={})
    return Written(plain, candidates, signals, lowering.mode(None))


def _padded(
    value: Any,
    x: Tensor,
    sizes: Sequence[int],
) -> Tensor:
    """x with a constant around it."""
    return F.pad(x, list(sizes), value=float(value))


def _padding(node: Node) -> float:
    """The number that is put around the input."""
    place = 2 if "constant" in node.operation else 3
    value = node.args[place] if len(node.args) > place else node.kwargs.get("value")
    return float(value or 0)


def _positive_padding(lowering: Lowering, node: Node) -> bool:
    return _padding(node) >= 0 and inherited(lowering, node)


@operation("pad constant_pad_nd", "route", _positive_padding)
def pad(lowering: Lowering, node: Node) -> Step:
    """Zeros, copies of the input (reflect, replicate, circular), or a constant, whose share is bias relevance."""
    value, source = _padding(node), lowering.source(node)
    if value == 0:
        return Route(node, source)
    args = (value, node.args[0], tuple(node.args[1]))
    plain = replace(node, function=_padded, args=args, kwargs={})
    return Written(plain, (0, 1), (False, True), lowering.mode(None))
