"""An affine layer with its rule and its bias mode: the one place where relevance is divided by a denominator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from lrp.affine import Affine
from lrp.bias import BiasMode
from lrp.flow import Flow
from lrp.graph import Node
from lrp.rules import AffineRule, Flat, Side, Term
from lrp.run import Run, divided, stabilised
from lrp.step import Step


@dataclass
class _Saved:
    """What the forward pass leaves for the backward pass: the denominators, without stabilizer, by side."""

    sums: list[Tensor | None]


class AffineStep(Step):
    """Computes z = a·w + b and redistributes R_k by the sides of a rule."""

    def __init__(
        self, node: Node, source: int, layer: Affine, rule: AffineRule, mode: BiasMode, nonnegative: bool
    ) -> None:
        super().__init__(node)
        self.reads = (source,)
        self.source, self.layer, self.rule, self.mode = source, layer, rule, mode
        self.flat = isinstance(rule, Flat)
        self.sides = () if self.flat else rule.sides(layer, nonnegative)
        self.epsilon = rule.epsilon
        self._fan_in: dict[tuple[int, ...], Tensor] = {}
        self._stack = self._stacked()

    def _stacked(self) -> tuple[Tensor, Tensor | None, list[int]] | None:
        """Weights and biases of z and of every side that needs its own pass, in one tensor: one wide pass for all."""
        wide = [i for i, side in enumerate(self.sides) if not side.is_output]
        plain = all(len(self.sides[i].terms) == 1 and self.sides[i].terms[0].part == "a" for i in wide)
        if not wide or not plain or not self.layer.stackable:
            return None
        weights = [self.layer.weight] + [self.sides[i].terms[0].weight for i in wide]
        if self.layer.bias is None:
            return torch.cat(weights), None, wide
        zero = torch.zeros_like(self.layer.bias)
        biases = [self.layer.bias] + [self._denominator_bias(self.sides[i], zero) for i in wide]
        return torch.cat(weights), torch.cat(biases), wide

    def _denominator_bias(self, side: Side, zero: Tensor) -> Tensor:
        return zero if side.bias is None or self.mode == "ignore" else side.bias

    def forward(self, run: Run) -> Tensor:
        x, layer = run.values[self.source], self.layer
        sums: list[Tensor | None] = [None] * len(self.sides)
        if self._stack is not None:
            weight, bias, wide = self._stack
            z, *rest = layer.apply(x, weight, bias).chunk(len(wide) + 1, dim=layer.channel_dim)
            for i, part in zip(wide, rest, strict=True):
                sums[i] = part
        elif self.mode == "ignore" and layer.bias is not None and any(side.is_output for side in self.sides):
            linear = layer.apply(x, layer.weight)
            z = linear + layer.at_output(layer.bias)
            sums = [linear if side.is_output else None for side in self.sides]
        else:
            z = layer.apply(x, layer.weight, layer.bias)
        for i, side in enumerate(self.sides):
            if sums[i] is None and not side.is_output:
                sums[i] = self._sum(x, side)
        run.saved[self.node.index] = _Saved(sums)
        return z

    def _sum(self, x: Tensor, side: Side) -> Tensor:
        """Σ_j num_jk + β_k of one side."""
        bias = None if self.mode == "ignore" else side.bias
        total: Tensor | None = None
        for term in side.terms:
            part = self.layer.apply(_part(x, term), term.weight, bias if total is None else None)
            total = part if total is None else total + part
        assert total is not None
        return total

    def fan_in(self, shape: tuple[int, ...]) -> Tensor:
        """Number of unpadded inputs of each output, cached by input shape."""
        key = shape[1:]
        found = self._fan_in.get(key)
        if found is None:
            found = self._fan_in[key] = self.layer.fan_in(shape)
        return found

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        x, z = run.values[self.source], run.values[self.node.index]
        shape = run.shape(x)
        if self.flat:
            share, dropped = divided(flow.relevance(run.lift(z)), self.fan_in(tuple(x.shape)))
            if dropped.dim():
                run.book_stabilizer(self.node, dropped)
            return ((self.source, Flow(rest=self.layer.spread(share, shape))),)
        saved: _Saved = run.saved[self.node.index]
        collected = _Collected(self, run, x, shape)
        relevance: Tensor | None = None
        for side, total in zip(self.sides, saved.sums, strict=True):
            if self._undivided(side, flow):
                assert flow.gain is not None
                collected.add(side, None, flow.gain, 0.0, None)
                continue
            relevance = flow.relevance(run.lift(z)) if relevance is None else relevance
            d = z if total is None else total
            collected.share(side, relevance, d, z)
        return ((self.source, collected.flow()),)

    def _undivided(self, side: Side, flow: Flow) -> bool:
        """Whether R / S(z) is the gain itself: ε = 0 and the denominator is z."""
        return (
            side.is_output and self.epsilon == 0 and flow.rest is None and (self.mode != "ignore" or side.bias is None)
        )


class _Collected:
    """The shares of one layer's sides, summed: gains per sign of the input, rests, and the ledger's entries."""

    def __init__(self, step: AffineStep, run: Run, x: Tensor, shape: tuple[int, ...]) -> None:
        self.step, self.run, self.x, self.shape = step, run, x, shape
        self.gain: Tensor | None = None
        self.gain_positive: Tensor | None = None
        self.gain_negative: Tensor | None = None
        self.rest: Tensor | None = None

    def share(self, side: Side, relevance: Tensor, d: Tensor, z: Tensor) -> None:
        """One side: s = share · R / S(d), then its terms."""
        step, run = self.step, self.run
        arrived = relevance if side.share == 1 else relevance * side.share
        if side.when != "always":
            keep = run.lift(z >= 0 if side.when == "z>=0" else z < 0)
            arrived = torch.where(keep, arrived, 0.0)
            d = torch.where(z >= 0 if side.when == "z>=0" else z < 0, d, float(side.sign))
        sign = 0 if step.mode == "ignore" and side.when != "always" else side.sign
        epsilon = self._epsilon(d)
        stable = stabilised(d, epsilon, sign)
        if step.epsilon == 0 or step.rule.relative:
            s, dropped = divided(arrived, run.lift(stable))
            if dropped.dim():
                run.book_stabilizer(step.node, dropped)
        else:
            s = arrived / run.lift(stable)
        self.add(side, d, s, epsilon, stable)

    def _epsilon(self, d: Tensor) -> float | Tensor:
        if not self.step.rule.relative or self.step.epsilon == 0:
            return float(self.step.epsilon)
        layout, batch = self.run.layout(self.step.node), self.run.batch
        rms = (layout.sum(d.square(), batch) * (batch / d.numel())).sqrt() * self.step.epsilon
        return layout.spread(rms, d)

    def add(self, side: Side, d: Tensor | None, s: Tensor, epsilon: float | Tensor, stable: Tensor | None) -> None:
        """Sends s through the side's terms and books the stabilizer's and the bias's shares."""
        step, run, layer = self.step, self.run, self.step.layer
        if d is not None and stable is not None and not (isinstance(epsilon, float) and epsilon == 0):
            if isinstance(epsilon, float) and side.sign > 0:
                run.book_lost(step.node, run.per_sample(step.node, s) * epsilon)
            else:
                run.book_stabilizer(step.node, s * run.lift(stable - d))
        for term in side.terms:
            self._term(term, layer.adjoint(s, term.weight, self.shape))
        if side.bias is None or step.mode == "ignore":
            return
        claimed = layer.at_output(side.bias) * s
        if step.mode == "absorb":
            run.book_stabilizer(step.node, claimed)
        elif step.mode == "sink":
            run.book_bias(step.node, claimed)
        elif step.mode == "project":
            run.book_projection(step.node, claimed)
        elif step.mode == "uniform":
            share, dropped = divided(claimed, step.fan_in(tuple(self.x.shape)))
            self._rest(layer.spread(share, self.shape))
            if dropped.dim():
                run.book_stabilizer(step.node, dropped)
        else:
            self._proportional(side, claimed)

    def _proportional(self, side: Side, claimed: Tensor) -> None:
        layer, size = self.step.layer, None
        for term in side.terms:
            part = layer.apply(_part(self.x, term).abs(), term.weight.abs())
            size = part if size is None else size + part
        assert size is not None
        t, dropped = divided(claimed, self.run.lift(size))
        if dropped.dim():
            self.run.book_stabilizer(self.step.node, dropped)
        for term in side.terms:
            sent = layer.adjoint(t, term.weight.abs(), self.shape)
            if term.part == "a":
                sent = sent * self.run.lift(self.x.sign())
            elif term.part == "a-":
                sent = -sent
            elif term.part == "const" and term.value is not None:
                sent = sent * term.value.sign()
            self._term(term, sent)

    def _term(self, term: Term, sent: Tensor) -> None:
        if term.part == "a":
            self.gain = _plus(self.gain, sent)
        elif term.part == "a+":
            self.gain_positive = _plus(self.gain_positive, sent)
        elif term.part == "a-":
            self.gain_negative = _plus(self.gain_negative, sent)
        elif term.part == "const" and term.value is not None:
            self._rest(sent * term.value)
        else:
            self._rest(sent)

    def _rest(self, r: Tensor) -> None:
        self.rest = _plus(self.rest, r)

    def flow(self) -> Flow:
        """The relevance of the layer's input."""
        gain = self.gain
        if self.gain_positive is not None and self.gain_negative is not None:
            signed = torch.where(self.run.lift(self.x) >= 0, self.gain_positive, self.gain_negative)
            gain = _plus(gain, signed)
        return Flow(gain, self.rest)


def _plus(x: Tensor | None, y: Tensor) -> Tensor:
    return y if x is None else x + y


def _part(x: Tensor, term: Term) -> Tensor:
    """The input of a term: a, its positive or negative part, ones, or a constant."""
    if term.part == "a":
        return x
    if term.part == "a+":
        return x.clamp(min=0)
    if term.part == "a-":
        return x.clamp(max=0)
    if term.part == "const" and term.value is not None:
        return term.value.expand(x.shape)
    return x.new_ones((1, *x.shape[1:]))
