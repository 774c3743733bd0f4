"""Products of two signals: gates, attention, softmax (Arras et al. 2019; Ali et al. 2022; Achtibat et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from lrp.errors import UnsupportedOperation
from lrp.ops.flow import Flow
from lrp.ops.operations import gain_at
from lrp.ops.run import Run
from lrp.ops.step import Step
from lrp.rules import HalfAndHalf, Rule, SignalTakesAll, Stop
from lrp.tracing.graph import Node, Ref


class Product(Step):
    """signal · gate, elementwise; `shares` says which part of R each factor takes (0, ½ or 1).

    A signal that depends on no input (a GRU's initial state) leaves its share to the layer's bias relevance.
    """

    def __init__(
        self, node: Node, factors: tuple[Any, Any], shares: tuple[float, float], epsilon: float
    ) -> None:
        super().__init__(node)
        self.factors, self.shares, self.epsilon = factors, shares, epsilon

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        z = run.values[self.node.index]
        s = gain_at(run, self.node, flow, z, self.epsilon)
        x, y = (run.resolve(f) for f in self.factors)
        back = []
        for factor, value, other, share in zip(
            self.factors, (x, y), (y, x), self.shares, strict=True
        ):
            if share == 0:
                continue
            gain = s * run.lift(other) * share
            if isinstance(factor, Ref):
                shape = run.shape(value)
                back.append(
                    (factor.index, Flow(gain if gain.shape == shape else gain.sum_to_size(shape)))
                )
        return back


class GatedConstant(Step):
    """gate · signal where the signal depends on no input: everything is the layer's bias relevance."""

    def __init__(self, node: Node, mode: str) -> None:
        super().__init__(node)
        self.mode = mode

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        r = flow.relevance(run.lift(run.values[self.node.index]))
        if self.mode == "sink":
            run.book_bias(self.node, r)
        else:
            run.book_stabilizer(self.node, r)
        return ()


class MatMul(Step):
    """a @ b of two signals; `shares` as in Product."""

    def __init__(
        self, node: Node, factors: tuple[int, int], shares: tuple[float, float], epsilon: float
    ) -> None:
        super().__init__(node)
        self.factors, self.shares, self.epsilon = factors, shares, epsilon

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        z = run.values[self.node.index]
        s = gain_at(run, self.node, flow, z, self.epsilon)
        a, b = (run.values[i] for i in self.factors)
        back = []
        if self.shares[0]:
            sent = torch.matmul(s, run.lift(b).transpose(-2, -1)) * self.shares[0]
            back.append((self.factors[0], Flow(_fitted(sent, run.shape(a)))))
        if self.shares[1]:
            sent = torch.matmul(run.lift(a).transpose(-2, -1), s) * self.shares[1]
            back.append((self.factors[1], Flow(_fitted(sent, run.shape(b)))))
        return back


def _fitted(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    return t if tuple(t.shape) == shape else t.sum_to_size(shape)


class Softmax(Step):
    """y = softmax(x): R_x = x·(R − y·ΣR), or nothing goes further."""

    def __init__(self, node: Node, source: int, dim: int, rule: Rule) -> None:
        super().__init__(node)
        self.source, self.dim, self.rule = source, dim, rule

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        x, y = run.values[self.source], run.lift(run.values[self.node.index])
        r = flow.relevance(y)
        arrived = run.per_sample(self.node, r)
        if isinstance(self.rule, Stop):
            run.book_lost(self.node, arrived)
            return ()
        gain = r - y * r.sum(self.dim, keepdim=True)
        given = torch.where(gain == 0, 0.0, gain * run.lift(x))
        run.book_lost(self.node, arrived - run.per_sample(self.node, given))
        return ((self.source, Flow(gain)),)


class Masked(Step):
    """Scores under an attention mask: what is masked receives nothing, a mask of numbers is a constant."""

    def __init__(self, node: Node, source: int) -> None:
        super().__init__(node)
        self.source = source

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        x, z = run.values[self.source], run.values[self.node.index]
        fine = run.lift(torch.isfinite(z))
        gain = None if flow.gain is None else torch.where(fine, flow.gain, 0.0)
        if flow.rest is not None:
            s = torch.where(fine, flow.rest / run.lift(torch.where(z == 0, 1.0, z)), 0.0)
            gain = s if gain is None else gain + s
        assert gain is not None
        offset = torch.where(torch.isfinite(z), z - x, 0.0)
        run.book_stabilizer(self.node, gain * run.lift(offset))
        return ((self.source, Flow(gain)),)


def shares(rule: Rule | None, gates: tuple[bool, bool]) -> tuple[float, float]:
    """Which part of the relevance each factor takes: half and half, or the signal all where one factor is a gate."""
    if isinstance(rule, HalfAndHalf) or gates[0] == gates[1]:
        return (0.5, 0.5)
    return (0.0, 1.0) if gates[0] else (1.0, 0.0)


def epsilon_of(rule: Rule | None) -> float:
    """The stabilizer of a rule for products."""
    return rule.epsilon if isinstance(rule, (SignalTakesAll, HalfAndHalf)) else 0.0


class Quotient(Step):
    """x / y of two signals: the denominator is held constant, as the deviation of a normalisation is."""

    def __init__(self, node: Node, numerator: int, denominator: Any) -> None:
        super().__init__(node)
        self.numerator, self.denominator = numerator, denominator

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        y, x = run.lift(run.resolve(self.denominator)), run.values[self.numerator]
        s = gain_at(run, self.node, flow, run.values[self.node.index], 0.0) / y
        return ((self.numerator, Flow(_fitted(s, run.shape(x)))),)


class Statistic(Step):
    """A function that only serves as gate or denominator (x², √x, 1/x, eˣ, variance): refuses relevance."""

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        reason = "it can only be a gate, a denominator or a last activation"
        raise UnsupportedOperation(self.node.operation, self.node.module, reason)
