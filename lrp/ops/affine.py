"""An affine layer with its rule and its bias mode: the one place where relevance is divided by a denominator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lrp.bias import BiasMode, settle
from lrp.ops.activations import mask
from lrp.ops.affine_maps import Affine
from lrp.ops.budget import Budget
from lrp.ops.context import Execution, Flow, Sent, Unary, added, divided_at, stabilised
from lrp.rules import AffineRule, Flat, Side, Term
from lrp.tracing.graph import Node


class AffineStep(Unary):
    """Computes z = a·w + b and redistributes R_k by the sides of a rule.

    It holds one weight; what a rule makes of it lives only while relevance passes, unless the budget allows more.
    """

    budget: Budget | None = None

    def __init__(
        self,
        node: Node,
        source: int,
        layer: Affine,
        rule: AffineRule,
        mode: BiasMode,
        nonnegative: bool,
    ) -> None:
        super().__init__(replace(node, args=(), kwargs={}), source)
        self.reads = (source,)
        bias = layer.bias
        if bias is not None and not bias.requires_grad and not bool(bias.any()):
            bias = None
        self.layer = replace(layer, weight=layer.laid(layer.weight), bias=bias)
        self.rule = rule
        self.mode = mode
        self.nonnegative = nonnegative
        self.bias_parts: dict[str, Tensor] = {}
        self._fan_in: dict[tuple[int, ...], Tensor] = {}
        self._made: dict[str, Any] = {}

    def forward(self, run: Execution) -> Tensor:
        return self.layer.apply(run.values[self.source], self.layer.weight, self.layer.bias)

    def sides(self, rectified: bool = False) -> tuple[Side, ...]:
        """The rule's sides, without those of z < 0 where nothing arrives there."""
        rule, layer = self.rule, self.layer
        found: tuple[Side, ...] = self.made("sides", lambda: rule.sides(layer, self.nonnegative))
        return tuple(side for side in found if side.when != "z<0" or not rectified)

    def made(self, key: str, make: Callable[[], Any]) -> Any:
        """What the rule makes of the weight, kept where there is room."""
        found = self._made.get(key)
        if found is None:
            found = make()
            if self.budget is not None and self.budget.take(found, self.layer.weight):
                self._made[key] = found
        return found

    def foreseen(self, side: Side) -> float:
        """The stabilizer ±ε of a side's denominator where its sign is known and ε is a number, else 0."""
        unknown = side.when != "always" and self.mode == "ignore"
        return 0.0 if unknown or self.rule.relative else side.sign * self.rule.epsilon

    def total(self, x: Tensor, side: Side) -> Tensor:
        """Σ_j num_jk + β_k of one side, with the stabilizer where it is foreseen."""
        shift = self.foreseen(side)
        bias = None if self.mode == "ignore" else side.bias
        if bias is not None and shift:
            given = bias
            bias = self.made(f"bias where {side.when}, {side.sign}", lambda: given + shift)
        total: Tensor | None = None
        for term in side.terms:
            part = self.layer.apply(term.input(x), term.weight, bias if total is None else None)
            total = part if total is None else total + part
        assert total is not None
        return total if bias is not None or shift == 0 else total + shift

    def fan_in(self, shape: tuple[int, ...]) -> Tensor:
        """Number of unpadded inputs of each output, cached by input shape; never 0, where nothing can arrive."""
        key = shape[1:]
        found = self._fan_in.get(key)
        if found is None:
            found = self._fan_in[key] = self.layer.fan_in(shape)
        return found

    def backward(self, run: Execution, flow: Flow) -> Sent:
        x = run.values[self.source]
        z = run.values[self.node.index]
        if isinstance(self.rule, Flat):
            return ((self.source, self._evenly(run, flow.relevance(run.lift(z)), x)),)
        shares = Shares(self, run, x)
        relevance: Tensor | None = None
        for side in self.sides(flow.rectified):
            own = side.is_output and (self.mode != "ignore" or side.bias is None)
            if own and flow.rest is None and flow.gain is not None and not self.rule.relative:
                shares.damp(side, flow.gain, z)
                continue
            d = z if own else self.total(x, side)
            relevance = flow.relevance(run.lift(z)) if relevance is None else relevance
            shares.divide(side, relevance, d, z)
        return ((self.source, shares.flow()),)

    def _evenly(self, run: Execution, r: Tensor, x: Tensor) -> Flow:
        counts = self.fan_in(tuple(x.shape))
        stable = counts
        if self.rule.epsilon > 0:
            size = counts.square().mean().sqrt() if self.rule.relative else 1.0
            stable = counts + self.rule.epsilon * size
        share = r / stable
        if not bool(stable.all()):
            share = divided_at(run, self.node, r, stable)
        if self.rule.epsilon > 0:
            run.book_stabilizer(self.node, r - share * counts)
        return Flow(rest=self.layer.spread(share, run.shape(x)))


class Shares:
    """What one layer gives to its input, summed over the sides, while the ledger is kept."""

    def __init__(self, step: AffineStep, run: Execution, x: Tensor) -> None:
        self.step = step
        self.run = run
        self.x = x
        self.shape = run.shape(x)
        self.gain: Tensor | None = None
        self.positive: Tensor | None = None
        self.negative: Tensor | None = None
        self.rest: Tensor | None = None

    def damp(self, side: Side, gain: Tensor, z: Tensor) -> None:
        """LRP-ε on a gain: s = gain · z/S(z) = gain · |z| / (|z| + ε)."""
        if self.step.rule.epsilon == 0:
            self.send(side, gain)
            return
        size = z.abs()
        factor = size / (size + self.step.rule.epsilon)
        s = gain * self.run.lift(factor)
        self.run.book_lost(self.step.node, self.run.dot(self.step.node, gain - s, self.run.lift(z)))
        self.send(side, s)

    def divide(self, side: Side, relevance: Tensor, d: Tensor, z: Tensor) -> None:
        """s = R / S(d), where z has the sign that the side is for; d is written over if its ε is foreseen."""
        step = self.step
        run = self.run
        shift = self.step.foreseen(side)
        arrived = relevance
        if side.when != "always":
            arrived = mask(relevance, run.lift(z), -torch.finfo(z.dtype).tiny)
            arrived = arrived if side.when == "z>=0" else relevance - arrived
        if shift:
            if side.when != "always":
                d = d.clamp_(min=shift) if shift > 0 else d.clamp_(max=shift)
            s = _scaled_quotient(arrived, run.lift(d), side.share)
        else:
            stable = run.lift(stabilised(d, run.epsilon_of(step.node, step.rule, d)))
            s = divided_at(run, step.node, arrived * side.share, stable)
            if step.rule.epsilon > 0:
                run.book_stabilizer(step.node, s * (stable - run.lift(d)))
        self.send(side, s, shift)

    def send(self, side: Side, s: Tensor, shift: float = 0.0) -> None:
        """Sends s through the side's terms and deals with its bias, and with a stabilizer ±ε."""
        for term in side.terms:
            self._receive(term, self.step.layer.adjoint(s, term.weight, self.shape))
        self.book(side, s, side.bias, shift)

    def book(self, side: Side, s: Tensor, bias: Tensor | None, shift: float) -> None:
        """What the bias and the stabilizer ±ε take of s: s times each of them."""
        step = self.step
        run = self.run
        layer = self.step.layer
        bias = None if step.mode == "ignore" else bias
        sums = self.sums(s)
        if sums is not None and bias is not None and shift:
            key = f"ledger where {side.when}, {side.sign}"
            ledger = step.made(key, lambda: torch.stack([bias, torch.full_like(bias, shift)], 1))
            self.book_sums(sums, ledger)
            return
        if shift:
            total = run.per_sample(step.node, s) if sums is None else sums.sum(1)
            run.book_lost(step.node, total * shift)
        if bias is None:
            return
        if sums is None:
            self.settle(side, layer.at_output(bias, s.dim()) * s)
        else:
            self.book_claim(sums @ bias)

    def sums(self, s: Tensor) -> Tensor | None:
        """[T·B, K]: sums by channel where the ledger needs no more of s, which nobody else takes."""
        step = self.step
        run = self.run
        short = run.lean and step.mode in ("sink", "absorb", "ignore")
        return run.by_channel(step.node, s, step.layer.channels) if short else None

    def book_sums(self, sums: Tensor, ledger: Tensor) -> None:
        """Books what of sums [T·B, K] the biases take, if there are any, and ±ε: columns of `ledger` [K, 1 or 2]."""
        *kept, lost = (sums @ ledger).unbind(1)
        self.run.book_lost(self.step.node, lost)
        for claimed in kept:
            self.book_claim(claimed)

    def book_claim(self, claimed: Tensor) -> None:
        """Books a bias's claim [T·B] where it goes to no input."""
        book = self.run.book_lost if self.step.mode == "absorb" else self.run.book_kept
        book(self.step.node, claimed)

    def settle(self, side: Side, claimed: Tensor) -> None:
        """Books what a side's bias claims, or hands it to the inputs, as the mode says."""
        step = self.step
        run = self.run
        layer = self.step.layer
        left = settle(run, step.node, claimed, step.mode)
        if left is None:
            return
        if step.mode == "proportional":
            self._proportionally(side, left)
        else:
            share = divided_at(run, step.node, left, step.fan_in(tuple(self.x.shape)))
            self._add_rest(layer.spread(share, self.shape))

    def _proportionally(self, side: Side, claimed: Tensor) -> None:
        """β·s to the inputs in proportion to the size of their contributions on this side."""
        layer = self.step.layer
        size = None
        for term in side.terms:
            part = layer.apply(term.input(self.x).abs(), term.weight.abs())
            size = part if size is None else size + part
        assert size is not None
        t = divided_at(self.run, self.step.node, claimed, self.run.lift(size))
        for term in side.terms:
            sent = layer.adjoint(t, term.weight.abs(), self.shape)
            if term.part == "a":
                sent = sent * self.run.lift(self.x.sign())
            elif term.part == "a-":
                sent = -sent
            elif term.part == "const" and term.value is not None:
                sent = sent * term.value.sign()
            self._receive(term, sent)

    def _receive(self, term: Term, sent: Tensor) -> None:
        if term.part == "a":
            self.gain = added(self.gain, sent)
        elif term.part == "a+":
            self.positive = added(self.positive, sent)
        elif term.part == "a-":
            self.negative = added(self.negative, sent)
        elif term.part == "const" and term.value is not None:
            self._add_rest(sent * term.value)
        else:
            self._add_rest(sent)

    def _add_rest(self, r: Tensor) -> None:
        self.rest = added(self.rest, r)

    def flow(self) -> Flow:
        """The relevance of the layer's input."""
        if self.positive is not None and self.negative is not None:
            signed = torch.where(self.run.lift(self.x) >= 0, self.positive, self.negative)
            self.gain = added(self.gain, signed)
        return Flow(self.gain, self.rest)


def quotient(r: Tensor, d: Tensor) -> Tensor:
    """r / d, written over d, which nobody else reads, unless it is to be differentiated."""
    alike = r.shape == d.shape and r.dtype == d.dtype
    return torch.div(r, d, out=d) if alike and not torch.is_grad_enabled() else r / d


def _scaled_quotient(r: Tensor, d: Tensor, share: float) -> Tensor:
    """share · r / d in one pass, written over d."""
    return quotient(r, d) if share == 1 else torch.addcdiv(d.new_zeros(()), r, d, value=share)
