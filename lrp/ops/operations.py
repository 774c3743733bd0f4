"""Operations that are not affine layers: activations, rearrangements, sums, averages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from lrp.ops.flow import Flow
from lrp.ops.run import Run, divided, stabilised
from lrp.ops.step import Static, Step
from lrp.rules import Flat, Rule
from lrp.tracing.graph import Node, Ref, rewrite

__all__ = [
    "Activation",
    "Cat",
    "Mean",
    "Narrow",
    "Permute",
    "Relu",
    "Reshape",
    "Route",
    "Static",
    "Sum",
    "Transparent",
]


class Unary(Step):
    """A step whose relevance goes to one source."""

    def __init__(self, node: Node, source: int) -> None:
        super().__init__(node)
        self.source = source


class Transparent(Unary):
    """The identity: dropout in eval, contiguous, clone; also an output activation that is explained before it."""

    def forward(self, run: Run) -> Any:
        return run.values[self.source]

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        return ((self.source, flow),)


class Relu(Unary):
    """max(x, 0): the gain is masked, R_in = R_out."""

    def forward(self, run: Run) -> Tensor:
        return torch.relu(run.values[self.source])

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        gain = flow.gain
        if gain is not None:
            gain = _mask(gain, run.lift(run.values[self.node.index]), 0)
        return ((self.source, Flow(gain, flow.rest)),)


_mask: Callable[[Tensor, Tensor, float], Tensor] = torch.ops.aten.threshold_backward.default


class Activation(Unary):
    """Any other pointwise function: R_in = R_out, whatever its shape."""

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        return ((self.source, Flow(rest=flow.relevance(run.lift(run.values[self.node.index])))),)


class Reshape(Unary):
    """view, reshape, flatten, squeeze, unsqueeze: the same numbers in another shape."""

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        shape = run.shape(run.values[self.source])
        back = [None if t is None else t.reshape(shape) for t in (flow.gain, flow.rest)]
        return ((self.source, Flow(back[0], back[1])),)


class Permute(Unary):
    """permute and transpose, with the batch left in front."""

    def __init__(self, node: Node, source: int, inverse: tuple[int, ...]) -> None:
        super().__init__(node, source)
        self.inverse = inverse

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        back = [None if t is None else t.permute(self.inverse) for t in (flow.gain, flow.rest)]
        return ((self.source, Flow(back[0], back[1])),)


class Linear1(Step):
    """A linear operation of one tensor argument, through torch's own adjoint."""

    def __init__(self, node: Node, source: int) -> None:
        super().__init__(node)
        self.source = source

    def function(self, run: Run) -> Callable[[Tensor], Tensor]:
        """The operation as a function of the source alone."""
        node = self.node

        def call(x: Tensor) -> Tensor:
            def value(leaf: Any) -> Any:
                if not isinstance(leaf, Ref):
                    return leaf
                return x if leaf.index == self.source else run.values[leaf.index]

            return node.function(*rewrite(node.args, value), **rewrite(node.kwargs, value))  # type: ignore[no-any-return]

        return call

    def pull(self, run: Run, s: Tensor) -> Tensor:
        """The adjoint applied to s."""
        return run.vjp(self.function(run), run.values[self.source], s)


class Route(Linear1):
    """Slices, selections, expansions, paddings, rolls: every output copies one input; gains and rests alike go back."""

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        back = [None if t is None else self.pull(run, t) for t in (flow.gain, flow.rest)]
        return ((self.source, Flow(back[0], back[1])),)


class Narrow(Unary):
    """A contiguous part along one dimension; the rest of the source receives nothing from here."""

    def __init__(self, node: Node, source: int, dim: int, start: int, length: int) -> None:
        super().__init__(node, source)
        self.dim, self.start, self.length = dim, start, length

    def forward(self, run: Run) -> Tensor:
        return run.values[self.source].narrow(self.dim, self.start, self.length)  # type: ignore[no-any-return]

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        shape = run.shape(run.values[self.source])

        def widened(t: Tensor | None) -> Tensor | None:
            if t is None:
                return None
            wide = t.new_zeros(shape)
            wide.narrow(self.dim, self.start, self.length).copy_(t)
            return wide

        return ((self.source, Flow(widened(flow.gain), widened(flow.rest))),)


class Cat(Step):
    """Concatenation or stacking: each signal takes back its own part, a constant's part goes to the stabilizer."""

    def __init__(
        self, node: Node, parts: tuple[Any, ...], signals: tuple[int, ...], dim: int, stacked: bool
    ) -> None:
        super().__init__(node)
        self.parts, self.signals, self.dim, self.stacked = parts, signals, dim, stacked

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        z = run.values[self.node.index]
        dim = self.dim % z.dim()
        sizes = [1 if self.stacked else run.resolve(part).shape[dim] for part in self.parts]
        gains, rests = (self._split(t, sizes, dim) for t in (flow.gain, flow.rest))
        values = self._split(z, sizes, dim, squeeze=False)
        back = []
        for part, gain, rest, value in zip(self.parts, gains, rests, values, strict=True):
            if isinstance(part, Ref) and part.index in self.signals:
                back.append((part.index, Flow(gain, rest)))
            elif value is not None and value.numel():
                shape = run.shape(value)
                r = Flow(
                    None if gain is None else gain.reshape(shape),
                    None if rest is None else rest.reshape(shape),
                )
                run.book_stabilizer(self.node, r.relevance(run.lift(value)))
        return back

    def _split(
        self, t: Tensor | None, sizes: list[int], dim: int, squeeze: bool = True
    ) -> list[Tensor | None]:
        if t is None:
            return [None] * len(sizes)
        parts = torch.split(t, sizes, dim)
        return [part.squeeze(dim) if self.stacked and squeeze else part for part in parts]


class Mean(Linear1):
    """Averages, sums, products with constants: the ε rule with the operation's own weights; flat: equal shares."""

    def __init__(self, node: Node, source: int, rule: Rule) -> None:
        super().__init__(node, source)
        self.rule = rule

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        z = run.values[self.node.index]
        if isinstance(self.rule, Flat):
            ones = torch.ones_like(run.values[self.source])
            counts = self.function(run)(ones)
            share, dropped = divided(flow.relevance(run.lift(z)), run.lift(counts))
            if dropped.dim():
                run.book_stabilizer(self.node, dropped)
            return ((self.source, Flow(rest=self.pull(run, share))),)
        s = gain_at(run, self.node, flow, z, self.rule.epsilon)
        return ((self.source, Flow(self.pull(run, s))),)


def gain_at(run: Run, node: Node, flow: Flow, z: Tensor, epsilon: float) -> Tensor:
    """R / S(z): the gain itself where ε = 0; books the stabilizer's share."""
    gain = flow.gain
    if gain is not None and epsilon > 0:
        d = run.lift(stabilised(z, epsilon))
        product = gain * run.lift(z) / d
        run.book_stabilizer(node, product * (d - run.lift(z)))
        gain = product
    if flow.rest is None:
        assert gain is not None
        return gain
    d = run.lift(stabilised(z, epsilon))
    s, dropped = divided(flow.rest, d)
    if dropped.dim():
        run.book_stabilizer(node, dropped)
    if epsilon > 0:
        run.book_stabilizer(node, s * (d - run.lift(z)))
    return s if gain is None else gain + s


class Sum(Step):
    """x + α·y of two signals, or of a signal and a constant, whose share is the layer's bias relevance."""

    def __init__(
        self,
        node: Node,
        terms: tuple[tuple[Any, float], ...],
        signals: tuple[int, ...],
        rule: Rule,
        mode: str,
    ) -> None:
        super().__init__(node)
        self.terms, self.signals, self.rule, self.mode = terms, signals, rule, mode

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        z = run.values[self.node.index]
        if isinstance(self.rule, Flat):
            return self._equal(run, flow.relevance(run.lift(z)))
        s = gain_at(run, self.node, flow, z, self.rule.epsilon)
        back = []
        for term, factor in self.terms:
            value = run.resolve(term)
            if isinstance(term, Ref) and term.index in self.signals:
                back.append(
                    (term.index, Flow(_fitted(s if factor == 1 else s * factor, run.shape(value))))
                )
                continue
            claimed = s * (value * factor)
            if self.mode == "sink":
                run.book_bias(self.node, claimed)
            elif self.mode == "project":
                run.book_projection(self.node, claimed)
            else:
                run.book_stabilizer(self.node, claimed)
        return back

    def _equal(self, run: Run, r: Tensor) -> Iterable[tuple[int, Flow]]:
        targets = [t.index for t, _ in self.terms if isinstance(t, Ref) and t.index in self.signals]
        share = r / len(targets)
        return [(i, Flow(rest=_fitted(share, run.shape(run.values[i])))) for i in targets]


def _fitted(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sums over the dimensions that broadcasting added or stretched."""
    return t if tuple(t.shape) == shape else t.sum_to_size(shape)
