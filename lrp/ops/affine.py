"""An affine layer with its rule and its bias mode: the one place where relevance is divided by a denominator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from lrp.bias import BiasMode
from lrp.ops.affine_maps import Affine, Back
from lrp.ops.flow import Flow
from lrp.ops.run import Run, divided, stabilised
from lrp.ops.step import Step
from lrp.rules import AffineRule, Flat, Side, Term
from lrp.tracing.graph import Node


class AffineStep(Step):
    """Computes z = a·w + b and redistributes R_k by the sides of a rule.

    Where every side is one product of the whole input (a ≥ 0 is known, or the rule is ε), the passes of all sides
    are one wide pass, with the stabilizer already in its bias.
    """

    def __init__(
        self,
        node: Node,
        source: int,
        layer: Affine,
        rule: AffineRule,
        mode: BiasMode,
        nonnegative: bool,
    ) -> None:
        super().__init__(node)
        self.reads = (source,)
        if layer.bias is not None and not bool(layer.bias.any()):
            layer = replace(layer, bias=None)
        self.source, self.layer, self.rule, self.mode = source, layer, rule, mode
        self.epsilon, self.flat = rule.epsilon, isinstance(rule, Flat)
        self.weight = layer.laid(layer.weight)
        self.sides = () if self.flat else rule.sides(layer, nonnegative)
        self.bias_parts: dict[str, Tensor] = {}
        self._fan_in: dict[tuple[int, ...], Tensor] = {}
        self._back: dict[int, Back] = {
            id(term): layer.backwards(term.weight) for side in self.sides for term in side.terms
        }
        self._wide = self._widened()
        self.joint = self._joined()

    def _widened(self) -> tuple[Tensor, Tensor | None, bool] | None:
        """Weight and bias of one pass for z and all sides, and whether z is the sum of the sides instead."""
        own = [side for side in self.sides if not side.is_output]
        plain = all(len(side.terms) == 1 and side.terms[0].part == "a" for side in own)
        if not own or not plain or not self.layer.stackable:
            return None
        complete = {side.sign for side in own} == {1, -1} and all(
            side.when == "always" for side in own
        )
        weights = [side.terms[0].weight for side in own]
        shifts = [self._shift(side) for side in own]
        if not complete:
            weights = [self.layer.weight, *weights]
            shifts = [self._vector(self.layer.bias), *shifts]
        bias = torch.cat(shifts)
        return self.layer.laid(torch.cat(weights)), bias if bool(bias.any()) else None, complete

    def _vector(self, bias: Tensor | None) -> Tensor:
        if bias is not None:
            return bias
        channels = self.layer.weight.shape[0]
        return torch.zeros(channels, dtype=self.layer.weight.dtype, device=self.layer.weight.device)

    def _shift(self, side: Side) -> Tensor:
        """What a wide pass adds to a side's sum: its bias, and its stabilizer where that is known."""
        bias = self._vector(None if self.mode == "ignore" else side.bias)
        return bias + self.epsilon * side.sign if self._foreseen(side) else bias

    def _foreseen(self, side: Side) -> bool:
        """Whether S(t) = t ± ε is known before t is: its sign is, and ε is a number."""
        return (
            side.when == "always" and side.sign != 0 and self.epsilon > 0 and not self.rule.relative
        )

    def _joined(self) -> Back | None:
        """One adjoint for several sides that are each one product of the whole input."""
        plain = all(len(side.terms) == 1 and side.terms[0].part == "a" for side in self.sides)
        if len(self.sides) < 2 or not plain or not self.layer.stackable:
            return None
        return self.layer.backwards(torch.cat([side.terms[0].weight for side in self.sides]))

    def forward(self, run: Run) -> Tensor:
        x, layer = run.values[self.source], self.layer
        sums: list[Tensor | None] = [None] * len(self.sides)
        own = [i for i, side in enumerate(self.sides) if not side.is_output]
        if self._wide is not None:
            weight, bias, complete = self._wide
            parts = layer.apply(x, weight, bias).chunk(
                len(own) + (not complete), dim=layer.channel_dim
            )
            z = parts[0] + parts[1] if complete else parts[0]
            if complete and self.mode == "ignore" and layer.bias is not None:
                z = z + layer.at_output(layer.bias, z.dim())
            for i, part in zip(own, parts if complete else parts[1:], strict=True):
                sums[i] = part
        else:
            if self.mode == "ignore" and layer.bias is not None and len(own) < len(self.sides):
                linear = layer.apply(x, self.weight)
                z = linear + layer.at_output(layer.bias, linear.dim())
                sums = [linear if side.is_output else None for side in self.sides]
            else:
                z = layer.apply(x, self.weight, layer.bias)
            for i in own:
                sums[i] = self._sum(x, self.sides[i])
        run.saved[self.node.index] = sums
        return z

    def _sum(self, x: Tensor, side: Side) -> Tensor:
        """Σ_j num_jk + β_k of one side."""
        bias = None if self.mode == "ignore" else side.bias
        total: Tensor | None = None
        for term in side.terms:
            part = self.layer.apply(part_of(x, term), term.weight, bias if total is None else None)
            total = part if total is None else total + part
        assert total is not None
        return total

    def fan_in(self, shape: tuple[int, ...]) -> Tensor:
        """Number of unpadded inputs of each output, cached by input shape; never 0, where nothing can arrive."""
        key = shape[1:]
        found = self._fan_in.get(key)
        if found is None:
            found = self._fan_in[key] = self.layer.fan_in(shape)
        return found

    def backward(self, run: Run, flow: Flow) -> Iterable[tuple[int, Flow]]:
        x, z = run.values[self.source], run.values[self.node.index]
        if self.flat:
            return ((self.source, self._evenly(run, flow.relevance(run.lift(z)), x)),)
        shares = Shares(self, run, x)
        relevance: Tensor | None = None
        for side, total in zip(self.sides, run.saved[self.node.index], strict=True):
            if (
                side.is_output
                and flow.rest is None
                and flow.gain is not None
                and self._unbiased(side)
            ):
                if self.epsilon == 0:
                    shares.send(side, flow.gain)
                    continue
                if not self.rule.relative:
                    shares.damp(side, flow.gain, z)
                    continue
            relevance = flow.relevance(run.lift(z)) if relevance is None else relevance
            shares.divide(side, relevance, z if total is None else total, z, self._wide is not None)
        return ((self.source, shares.flow()),)

    def _unbiased(self, side: Side) -> bool:
        """Whether the denominator is z itself."""
        return self.mode != "ignore" or side.bias is None

    def _evenly(self, run: Run, r: Tensor, x: Tensor) -> Flow:
        counts = self.fan_in(tuple(x.shape))
        share = r / counts
        if not bool(counts.all()):
            share, dropped = divided(r, counts)
            if dropped.dim():
                run.book_stabilizer(self.node, dropped)
        return Flow(rest=self.layer.spread(share, run.shape(x)))


class Shares:
    """What one layer gives to its input, summed over the sides, while the ledger is kept."""

    def __init__(self, step: AffineStep, run: Run, x: Tensor) -> None:
        self.step, self.run, self.x, self.shape = step, run, x, run.shape(x)
        self.gain: Tensor | None = None
        self.positive: Tensor | None = None
        self.negative: Tensor | None = None
        self.rest: Tensor | None = None
        self.waiting: list[Tensor] = []

    def damp(self, side: Side, gain: Tensor, z: Tensor) -> None:
        """LRP-ε on a gain: s = gain · z/S(z) = gain · |z| / (|z| + ε)."""
        size = z.abs()
        factor = size.div_(size + self.step.epsilon)
        s = gain * self.run.lift(factor)
        self.run.book_lost(self.step.node, self.run.dot(self.step.node, gain - s, self.run.lift(z)))
        self.send(side, s)

    def divide(self, side: Side, relevance: Tensor, d: Tensor, z: Tensor, wide: bool) -> None:
        """s = share · R / S(d); d already holds the stabilizer where a wide pass could foresee it."""
        step, run = self.step, self.run
        arrived = relevance if side.share == 1 else relevance * side.share
        if wide and step._foreseen(side) and not side.is_output:
            s = arrived / run.lift(d)
            run.book_lost(step.node, run.per_sample(step.node, s) * (step.epsilon * side.sign))
            self.send(side, s)
            return
        sign = side.sign
        if side.when != "always":
            keep = z >= 0 if side.when == "z>=0" else z < 0
            arrived = arrived * run.lift(keep)
            sign = 0 if step.mode == "ignore" else sign
            d = torch.where(keep, d, d.new_full((), float(side.sign)))
        epsilon = run.epsilon_of(step.node, step.rule, d)
        stable = stabilised(d, epsilon, sign)
        if step.epsilon == 0 or step.rule.relative:
            s, dropped = divided(arrived, run.lift(stable))
            if dropped.dim():
                run.book_stabilizer(step.node, dropped)
        else:
            s = arrived / run.lift(stable)
        if step.epsilon > 0:
            run.book_stabilizer(step.node, s * run.lift(stable - d))
        self.send(side, s)

    def send(self, side: Side, s: Tensor) -> None:
        """Sends s through the side's terms and deals with its bias."""
        step, run, layer = self.step, self.run, self.step.layer
        if step.joint is not None:
            self.waiting.append(s)
        else:
            for term in side.terms:
                self._receive(term, step._back[id(term)](s, self.shape))
        if side.bias is None or step.mode == "ignore":
            return
        claimed = layer.at_output(side.bias, s.dim()) * s
        if step.mode == "sink":
            run.book_bias(step.node, claimed)
        elif step.mode == "absorb":
            run.book_stabilizer(step.node, claimed)
        elif step.mode == "project":
            run.book_projection(step.node, claimed)
        elif step.mode == "uniform":
            share, dropped = divided(claimed, step.fan_in(tuple(self.x.shape)))
            self._add_rest(layer.spread(share, self.shape))
            if dropped.dim():
                run.book_stabilizer(step.node, dropped)
        else:
            self._proportionally(side, claimed)

    def _proportionally(self, side: Side, claimed: Tensor) -> None:
        """β·s to the inputs in proportion to the size of their contributions on this side."""
        layer, size = self.step.layer, None
        for term in side.terms:
            part = layer.apply(part_of(self.x, term).abs(), term.weight.abs())
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
            self._receive(term, sent)

    def _receive(self, term: Term, sent: Tensor) -> None:
        if term.part == "a":
            self.gain = _plus(self.gain, sent)
        elif term.part == "a+":
            self.positive = _plus(self.positive, sent)
        elif term.part == "a-":
            self.negative = _plus(self.negative, sent)
        elif term.part == "const" and term.value is not None:
            self._add_rest(sent * term.value)
        else:
            self._add_rest(sent)

    def _add_rest(self, r: Tensor) -> None:
        self.rest = _plus(self.rest, r)

    def flow(self) -> Flow:
        """The relevance of the layer's input."""
        if self.waiting and self.step.joint is not None:
            s = torch.cat(self.waiting, self.step.layer.channel_dim)
            self.gain = _plus(self.gain, self.step.joint(s, self.shape))
        if self.positive is not None and self.negative is not None:
            signed = torch.where(self.run.lift(self.x) >= 0, self.positive, self.negative)
            self.gain = _plus(self.gain, signed)
        return Flow(self.gain, self.rest)


def _plus(x: Tensor | None, y: Tensor) -> Tensor:
    return y if x is None else x + y


def part_of(x: Tensor, term: Term) -> Tensor:
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
