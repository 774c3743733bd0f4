"""Products of two signals: gates, quotients, softmax (Arras et al. 2019; Ali et al. 2022; Achtibat et al. 2024)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lrp.bias import BiasMode, settle
from lrp.errors import UnsupportedOperation
from lrp.ops.context import Execution, Flow, Linear1, Sent, Step, Unary, fitted, gain_at
from lrp.ops.registry import Lowering, always, constant_at_least_0, inherited, operation
from lrp.ops.sums import Mean, total
from lrp.rules import HalfAndHalf, Norm, Rule, SignalTakesAll, SoftmaxTaylor, Stop
from lrp.tracing.graph import Node


class Product(Step):
    """signal · gate, elementwise; `shares` says which part of R each factor takes (0, ½ or 1)."""

    def __init__(
        self, node: Node, factors: tuple[int, int], shares: tuple[float, float], rule: Rule
    ) -> None:
        super().__init__(node)
        self.factors, self.shares, self.rule = factors, shares, rule

    def backward(self, run: Execution, flow: Flow) -> Sent:
        s = gain_at(run, self.node, flow, run.values[self.node.index], self.rule)
        x, y = (run.values[i] for i in self.factors)
        back = []
        for index, value, other, share in zip(
            self.factors, (x, y), (y, x), self.shares, strict=True
        ):
            if share:
                gain = s * run.lift(other) * share
                back.append((index, Flow(fitted(gain, run.shape(value)))))
        return back


class GatedConstant(Unary):
    """gate · signal where the signal depends on no input (a GRU's initial state): all of it is bias relevance."""

    def __init__(self, node: Node, gate: int, mode: BiasMode) -> None:
        super().__init__(node, gate)
        self.mode = mode

    def backward(self, run: Execution, flow: Flow) -> Sent:
        r = flow.relevance(run.lift(run.values[self.node.index]))
        left = settle(run, self.node, r, self.mode)
        if left is None:
            return ()
        return ((self.source, Flow(rest=fitted(left, run.shape(run.values[self.source])))),)


class Quotient(Unary):
    """x / y of two signals: the denominator is held constant, as the deviation of a normalisation is."""

    def __init__(self, node: Node, numerator: int, denominator: Any) -> None:
        super().__init__(node, numerator)
        self.denominator = denominator

    def backward(self, run: Execution, flow: Flow) -> Sent:
        y = run.lift(run.resolve(self.denominator))
        x = run.values[self.source]
        s = gain_at(run, self.node, flow, run.values[self.node.index], Norm()) / y
        return ((self.source, Flow(fitted(s, run.shape(x)))),)


@operation("lrp.complement", "activation", always, gate=True)
def statistic(lowering: Lowering, node: Node) -> Step:
    return Statistic(node)


class Statistic(Step):
    """A function that only serves as gate or denominator (x², √x, 1/x, eˣ, variance): refuses relevance."""

    def backward(self, run: Execution, flow: Flow) -> Sent:
        reason = "it can only be a gate, a denominator or a last activation"
        raise UnsupportedOperation(self.node.operation, self.node.module, reason)


@operation("logsumexp logcumsumexp", "activation", gate=True)
@operation("log_softmax.int _log_softmax", "activation")
class Taylor(Linear1):
    """y = f(x) by its first-order expansion: R_j = x_j ∂f/∂x_j · R / y; what that leaves of R is not conserved."""

    def backward(self, run: Execution, flow: Flow) -> Sent:
        x = run.lift(run.values[self.source])
        y = run.values[self.node.index]
        s = gain_at(run, self.node, flow, y, Norm())
        gain = self.pull(run, s)
        arrived = torch.where(s == 0, 0.0, s * run.lift(y))
        given = torch.where(gain == 0, 0.0, gain * x)
        lost = run.per_sample(self.node, arrived) - run.per_sample(run.nodes[self.source], given)
        run.book_lost(self.node, lost)
        return ((self.source, Flow(gain)),)


class Homogeneous(Linear1):
    """f(c·x) = cᵈ·f(x), such as norms, deviations and products: R_j = x_j ∂f/∂x_j · R / (d·f), by Euler's theorem."""

    def backward(self, run: Execution, flow: Flow) -> Sent:
        s = gain_at(run, self.node, flow, run.values[self.node.index], Norm())
        gain = torch.nan_to_num(self.pull(run, s / self._degree(run)), 0.0, 0.0, 0.0)
        return ((self.source, Flow(gain)),)

    def _degree(self, run: Execution) -> int | Tensor:
        """d: how many numbers each product has, 2 for squares, else 1."""
        x = run.values[self.source]
        if self.node.operation == "aten.prod.dim_int":
            return int(x.shape[self.node.args[1]])
        if self.node.operation == "aten.cumprod.default":
            dim = self.node.args[1] % x.dim()
            counts = torch.arange(1, x.shape[dim] + 1, dtype=x.dtype, device=x.device)
            return counts.reshape([-1 if d == dim else 1 for d in range(x.dim())])
        return 2 if "var" in self.node.operation else 1


operation(
    "var.correction std.correction var.dim std.dim var_mean.correction std_mean.correction "
    "norm.ScalarOpt_dim linalg_vector_norm linalg_norm",
    "activation",
    gate=True,
)(Homogeneous)
operation("prod.dim_int cumprod", "product")(Homogeneous)


def shares(rule: Rule | None, *gates: bool) -> tuple[float, float]:
    """Which part of the relevance each of two factors takes: half or, beside a gate, all of it."""
    if isinstance(rule, HalfAndHalf) or gates[0] == gates[1]:
        return (0.5, 0.5)
    return (0.0, 1.0) if gates[0] else (1.0, 0.0)


def product_rule(lowering: Lowering, node: Node) -> Rule:
    """The layer's rule, or the default where that one is not for products."""
    rule = lowering.rule(node)
    return rule if isinstance(rule, (SignalTakesAll, HalfAndHalf)) else SignalTakesAll()


def _positive_product(lowering: Lowering, node: Node) -> bool:
    constants = [a for a in node.args[:2] if not lowering.is_signal(a)]
    return inherited(lowering, node) and all(map(constant_at_least_0, constants))


@operation("mul.Tensor mul.Scalar", "product", _positive_product)
def product(lowering: Lowering, node: Node) -> Step:
    x, y = node.args[:2]
    if lowering.is_signal(x) != lowering.is_signal(y):
        return Mean(node, lowering.source(node))
    rule = product_rule(lowering, node)
    factors = (x.index, y.index)
    return Product(node, factors, shares(rule, *(i in lowering.gates for i in factors)), rule)


@operation("lrp.gated", "product")
def gated(lowering: Lowering, node: Node) -> Step:
    signal, gate = node.args
    if not lowering.is_signal(signal):
        return GatedConstant(node, gate.index, lowering.mode(lowering.rule(node)))
    if not lowering.is_signal(gate):
        return Mean(node, signal.index)
    rule = product_rule(lowering, node)
    return Product(node, (signal.index, gate.index), shares(rule, False, True), rule)


@operation("div.Tensor div.Scalar", "product")
def quotient(lowering: Lowering, node: Node) -> Step:
    x, y = node.args[:2]
    if lowering.is_signal(x) and not lowering.is_signal(y):
        return Mean(node, x.index)
    return Quotient(node, x.index, y) if lowering.is_signal(x) else Statistic(node)


class Softmax(Unary):
    """y = softmax(x): R_x = x·(R − y·ΣR), or nothing goes further."""

    def __init__(self, node: Node, source: int, dim: int, rule: Rule) -> None:
        super().__init__(node, source)
        self.dim, self.rule = dim, rule

    def backward(self, run: Execution, flow: Flow) -> Sent:
        x = run.values[self.source]
        y = run.lift(run.values[self.node.index])
        r = flow.relevance(y)
        arrived = run.per_sample(self.node, r)
        if isinstance(self.rule, Stop):
            run.book_lost(self.node, arrived)
            return ()
        gain = r - y * r.sum(self.dim, keepdim=True)
        given = torch.where(gain == 0, 0.0, gain * run.lift(x))
        run.book_lost(self.node, arrived - run.per_sample(self.node, given))
        return ((self.source, Flow(gain)),)


@operation("softmax.int _softmax", "softmax", always, gate=True)
def softmax(lowering: Lowering, node: Node) -> Step:
    rule = lowering.rule(node) or SoftmaxTaylor()
    return Softmax(node, lowering.source(node), node.args[1], rule)


class Masked(Unary):
    """Scores under an attention mask: what is masked receives nothing; a mask of numbers is bias relevance."""

    def __init__(self, node: Node, source: int, mode: BiasMode) -> None:
        super().__init__(node, source)
        self.mode = mode

    def backward(self, run: Execution, flow: Flow) -> Sent:
        x = run.values[self.source]
        z = run.values[self.node.index]
        seen = torch.isfinite(z)
        offset = torch.where(seen, z - x, 0.0)
        flow = flow.map(lambda t: torch.where(run.lift(seen), t, 0.0))
        plain = torch.where(seen, z, 0.0)
        if self.mode == "ignore":
            flow, plain = Flow(rest=flow.relevance(run.lift(plain))), torch.where(seen, x, 0.0)
        s = gain_at(run, self.node, flow, plain, Norm())
        if self.mode == "ignore" or not bool(offset.any()):
            return ((self.source, Flow(s)),)
        left = settle(run, self.node, s * run.lift(offset), self.mode)
        return ((self.source, Flow(s, left)),)


@operation("lrp.masked", "route")
def masked(lowering: Lowering, node: Node) -> Step:
    x, y = node.args
    if lowering.is_signal(x) and lowering.is_signal(y):
        return total(lowering, node, (x, 1.0), (y, 1.0), rule=None)
    return Masked(node, lowering.source(node), lowering.mode(None))
