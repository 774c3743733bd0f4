"""Sums, averages, and products with constants."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lrp.bias import BiasMode, settle
from lrp.errors import UnsupportedOperation
from lrp.ops.context import Execution, Flow, Linear1, Sent, Step, divided_at, fitted, gain_at
from lrp.ops.registry import Lowering, constant_at_least_0, inherited, operation
from lrp.rules import Flat, Norm, Rule
from lrp.tracing.graph import Node, Ref


class Mean(Linear1):
    """Averages, sums, products with constants: the ε rule with the operation's own weights; flat: equal shares."""

    def __init__(
        self,
        node: Node,
        source: int,
        rule: Rule | None = None,
    ) -> None:
        super().__init__(node, source)
        self.rule = rule if isinstance(rule, (Flat, Norm)) else Norm()

    def backward(
        self,
        run: Execution,
        flow: Flow,
    ) -> Sent:
        z = run.values[self.node.index]
        if isinstance(self.rule, Flat):
            counts = run.lift(self.function(run)(torch.ones_like(run.values[self.source])))
            share = divided_at(run, self.node, flow.relevance(run.lift(z)), counts)
            return ((self.source, Flow(rest=self.pull(run, share))),)
        s = gain_at(run, self.node, flow, z, self.rule)
        return ((self.source, Flow(self.pull(run, s))),)


@operation(
    "neg cumsum diff trapezoid.dx upsample_bicubic2d.vec _upsample_bicubic2d_aa.vec col2im lrp.linear_map",
    "average",
)
@operation(
    "mean.dim mean sum.dim_IntList sum nansum var_mean.correction[1] std_mean.correction[1] "
    "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d upsample_nearest1d.vec upsample_nearest2d.vec upsample_nearest3d.vec "
    "_upsample_nearest_exact1d.vec _upsample_nearest_exact2d.vec _upsample_nearest_exact3d.vec upsample_linear1d.vec "
    "upsample_bilinear2d.vec _upsample_bilinear2d_aa.vec upsample_trilinear3d.vec grid_sampler grid_sampler_2d "
    "grid_sampler_3d",
    "average",
    inherited,
)
def mean(lowering: Lowering, node: Node) -> Step:
    """Build for a mean: every element has the same share."""
    return Mean(node, lowering.source(node), lowering.rule(node))


class Sum(Step):
    """x + α·y of two signals, or of a signal and a constant, whose share is the layer's bias relevance."""

    def __init__(
        self,
        node: Node,
        terms: tuple[tuple[Any, float], ...],
        signals: frozenset[int],
        rule: Rule,
        mode: BiasMode,
    ) -> None:
        super().__init__(node)
        self.signals = [(t.index, factor) for t, factor in terms if _among(t, signals)]
        self.constants = [(t, factor) for t, factor in terms if not _among(t, signals)]
        self.rule, self.mode = rule, mode

    def backward(
        self,
        run: Execution,
        flow: Flow,
    ) -> Sent:
        z = run.values[self.node.index]
        if isinstance(self.rule, Flat):
            return self._evenly(run, flow.relevance(run.lift(z)))
        constants = [run.resolve(term) * factor for term, factor in self.constants]
        if constants and self.mode == "ignore":
            flow, z, constants = Flow(rest=flow.relevance(run.lift(z))), z - constants[0], []
        s = gain_at(run, self.node, flow, z, self.rule)
        back = []
        for index, factor in self.signals:
            sent = s if factor == 1 else s * factor
            back.append((index, Flow(fitted(sent, run.shape(run.values[index])))))
        for constant in constants:
            left = settle(run, self.node, s * constant, self.mode)
            if left is not None:
                back += self._evenly(run, left)
        return back

    def _evenly(
        self,
        run: Execution,
        r: Tensor,
    ) -> list[tuple[int, Flow]]:
        share = r / len(self.signals)
        return [(i, Flow(rest=fitted(share, run.shape(run.values[i])))) for i, _ in self.signals]


def _among(term: Any, signals: frozenset[int]) -> bool:
    return isinstance(term, Ref) and term.index in signals


def total(
    lowering: Lowering,
    node: Node,
    *terms: tuple[Any, float],
    rule: Rule | None,
) -> Step:
    """The step of Σ factor · term."""
    signals = frozenset(t.index for t, _ in terms if lowering.is_signal(t))
    return Sum(node, terms, signals, rule or Norm(), lowering.mode(rule))


def _alpha(node: Node) -> float:
    return float(node.kwargs.get("alpha", node.args[2] if len(node.args) > 2 else 1))


def _positive_sum(lowering: Lowering, node: Node) -> bool:
    constants = [t for t in node.args[:2] if not lowering.is_signal(t)]
    positive = all(map(constant_at_least_0, constants)) and _alpha(node) >= 0
    return positive and inherited(lowering, node)


@operation("add.Tensor add.Scalar", "sum", _positive_sum)
def add(lowering: Lowering, node: Node) -> Step:
    x, y = node.args[:2]
    return total(lowering, node, (x, 1.0), (y, _alpha(node)), rule=lowering.rule(node))


@operation("sub.Tensor sub.Scalar", "sum")
def subtract(lowering: Lowering, node: Node) -> Step:
    x, y = node.args[:2]
    return total(lowering, node, (x, 1.0), (y, -_alpha(node)), rule=lowering.rule(node))


@operation("rsub.Scalar rsub.Tensor", "sum")
def subtracted_from(lowering: Lowering, node: Node) -> Step:
    """c − α·x."""
    x, c = node.args[:2]
    return total(lowering, node, (c, 1.0), (x, -_alpha(node)), rule=lowering.rule(node))


class Accumulated(Step):
    """Rows of a source added into a base, or reduced with it: each takes its part, a constant's is bias relevance."""

    def __init__(
        self, node: Node, places: tuple[int, ...], constants: tuple[int, ...], mode: BiasMode
    ) -> None:
        super().__init__(node)
        self.places, self.constants, self.mode = places, constants, mode

    def backward(
        self,
        run: Execution,
        flow: Flow,
    ) -> Sent:
        s = gain_at(run, self.node, flow, run.values[self.node.index], Norm())
        back = []
        for place in self.places:
            index = self.node.args[place].index
            back.append((index, Flow(self._pulled(run, place, s))))
        for place in self.constants:
            args = list(run.resolve(self.node.args))
            if bool(args[place].any()):
                claimed = self._pulled(run, place, s) * run.lift(args[place])
                if place:
                    args[0], args[place] = torch.zeros_like(s), claimed
                    claimed = self.node.function(*args)
                left = settle(run, self.node, claimed, self.mode)
                back += [] if left is None else self._evenly(run, left)
        return back

    def _pulled(
        self,
        run: Execution,
        place: int,
        s: Tensor,
    ) -> Tensor:
        """The adjoint with respect to one argument, the others held."""
        args = list(run.resolve(self.node.args))
        kwargs = run.resolve(self.node.kwargs)

        def function(x: Tensor) -> Tensor:
            return self.node.function(*args[:place], x, *args[place + 1 :], **kwargs)  # type: ignore[no-any-return]

        return run.vjp(function, args[place], s)

    def _evenly(
        self,
        run: Execution,
        left: Tensor,
    ) -> list[tuple[int, Flow]]:
        """A constant's share, in equal parts to all that is added to it."""
        index = self.node.args[self.places[0]].index
        shape = run.shape(run.values[index])
        parts = run.values[index].numel() / run.batch
        each = run.per_sample(self.node, left) / parts
        like = left.new_zeros(()).expand(shape)
        spread = run.layout(run.nodes[index]).spread(each, like).expand(shape)
        return [(index, Flow(rest=spread))]


ADDED = {"index_add": 3, "scatter_add": 3, "index_put": 2, "scatter_reduce": 3}


@operation("index_add scatter_add scatter_reduce.two", "average", inherited)
def accumulated(lowering: Lowering, node: Node) -> Step:
    """Sums, means and extrema of rows by number: the messages of a graph's edges."""
    name = node.operation.split(".")[1]
    both = (0, ADDED[name])
    places = tuple(place for place in both if lowering.is_signal(node.args[place]))
    constants = tuple(place for place in both if place not in places)
    how = node.args[4] if name == "scatter_reduce" else "sum"
    if how == "prod" or (how != "sum" and constants and constants[0]):
        raise UnsupportedOperation(node.operation, node.module, f"it reduces by {how}")
    return Accumulated(node, places, constants, lowering.mode(None))
