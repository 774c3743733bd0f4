"""Operations whose every output copies one of several candidates: maxima, max pooling, `where`, `maximum`, masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lrp.compiler import Build, Compiler
from lrp.ops.flow import Flow
from lrp.ops.operations import Linear1
from lrp.ops.run import Run, divided, stabilised
from lrp.ops.step import Step
from lrp.rules import AsAverage, Flat, Rule, WinnerTakesAll
from lrp.tracing.graph import Node, Ref

Average = Callable[[Tensor], Tensor]


class MaxPool(Linear1):
    """Max pooling: the winner takes all, or the pooling is explained as an average (`AsAverage`), or flat."""

    def __init__(self, node: Node, source: int, rule: Rule, average: Average) -> None:
        super().__init__(node, source)
        self.rule, self.average = rule, average

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        x, z = run.values[self.source], run.values[self.node.index]
        if isinstance(self.rule, (AsAverage, Flat)):
            flat = isinstance(self.rule, Flat)
            d = self.average(torch.ones_like(x) if flat else x)
            r = flow.relevance(run.lift(z))
            stable = stabilised(d, run.epsilon_of(self.node, self.rule, d))
            s, dropped = divided(r, run.lift(stable))
            if dropped.dim():
                run.book_stabilizer(self.node, dropped)
            if self.rule.epsilon > 0:
                run.book_stabilizer(self.node, s * run.lift(stable - d))
            sent = run.vjp(self.average, x, s)
            return ((self.source, Flow(rest=sent) if flat else Flow(sent)),)
        back = [None if t is None else self.pull(run, t) for t in (flow.gain, flow.rest)]
        return ((self.source, Flow(back[0], back[1])),)


def _max_pool(compiler: Compiler, node: Node, average: Average) -> Step:
    return MaxPool(node, compiler.source(node), compiler.rule(node) or WinnerTakesAll(), average)


def max_pool(dims: int) -> Build:
    """Max pooling over windows; its average does not count padding."""
    pool: Callable[..., Tensor] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[dims]

    def build(compiler: Compiler, node: Node) -> Step:
        args = list(node.args[1:]) + [None] * 5
        kernel = args[0]
        stride = args[1] if args[1] else kernel
        padding = args[2] if args[2] is not None else 0
        ceil = bool(args[4] if args[4] is not None else node.kwargs.get("ceil_mode", False))
        return _max_pool(compiler, node, lambda x: pool(x, kernel, stride, padding, ceil, False))

    return build


def adaptive_max_pool(dims: int) -> Build:
    """Max pooling to a given size."""
    pool: Callable[..., Tensor] = {
        1: F.adaptive_avg_pool1d,
        2: F.adaptive_avg_pool2d,
        3: F.adaptive_avg_pool3d,
    }[dims]
    return lambda compiler, node: _max_pool(compiler, node, lambda x: pool(x, node.args[1]))


def extremum(compiler: Compiler, node: Node) -> Step:
    """The largest or smallest value along dimensions: max(dim), min(dim), amax, amin."""
    places = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", [])
    keep = bool(node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False))
    return _max_pool(compiler, node, lambda x: x.mean(places or None, keepdim=keep))


class Choice(Step):
    """Each output copies one of several candidates; what a constant candidate takes is booked as bias relevance."""

    def __init__(
        self, node: Node, candidates: tuple[int, ...], signals: tuple[bool, ...], mode: str
    ) -> None:
        super().__init__(node)
        self.candidates, self.signals, self.mode = candidates, signals, mode

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        z = run.values[self.node.index]
        args = list(run.resolve(self.node.args))
        back = []
        for place, signal in zip(self.candidates, self.signals, strict=True):
            value = torch.as_tensor(args[place], dtype=z.dtype, device=z.device)
            if not signal:
                value = value.expand(z.shape)
            gain, rest = (
                None if t is None else run.vjp(self._of(place, args), value, t)
                for t in (flow.gain, flow.rest)
            )
            if signal:
                back.append((self.node.args[place].index, Flow(gain, rest)))
                continue
            claimed = torch.zeros_like(run.lift(z)) if rest is None else rest
            if gain is not None:
                claimed = claimed + torch.where(gain == 0, 0.0, gain * run.lift(value))
            if self.mode == "sink":
                run.book_bias(self.node, claimed)
            else:
                run.book_stabilizer(self.node, claimed)
        return back

    def _of(self, place: int, args: list[Any]) -> Callable[[Tensor], Tensor]:
        """The operation as a function of one candidate."""
        return lambda x: self.node.function(*args[:place], x, *args[place + 1 :])


def choice(
    function: Callable[..., Tensor], order: tuple[int, ...], candidates: tuple[int, ...]
) -> Build:
    """Build for `function` of the node's arguments taken in `order`; `candidates` are places in that order."""

    def build(compiler: Compiler, node: Node) -> Step:
        args = tuple(node.args[i] for i in order)
        signals = tuple(compiler.is_signal(args[i]) for i in candidates)
        return Choice(
            replace(node, function=function, args=args, kwargs={}),
            candidates,
            signals,
            compiler.mode(None),
        )

    return build


def overwritten(base: Tensor, source: Tensor) -> Tensor:
    """The source in the shape of what it is copied over."""
    return source.to(base.dtype).expand(base.shape)


def scattered(compiler: Compiler, node: Node) -> Step:
    """Values written into parts of a tensor: slice_scatter, select_scatter, scatter, index_put."""
    candidates = tuple(i for i, a in enumerate(node.args) if _numbers(compiler, a))
    signals = tuple(compiler.is_signal(node.args[i]) for i in candidates)
    function = node.function
    plain = replace(node, function=lambda *args: function(*args, **node.kwargs), kwargs={})
    return Choice(plain, candidates, signals, compiler.mode(None))


def _numbers(compiler: Compiler, argument: Any) -> bool:
    if isinstance(argument, Ref):
        return compiler.graph.nodes[argument.index].floating
    return isinstance(argument, Tensor) and argument.is_floating_point()
