"""An affine layer with its rule and its bias mode: the one place where relevance is divided by a denominator."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lrp.bias import BiasMode, settle
from lrp.errors import RuleError
from lrp.ops.activations import Activation
from lrp.ops.affine_maps import Affine, Back
from lrp.ops.context import Execution, Flow, Sent, Step, Unary, added, divided_at, stabilised
from lrp.ops.registry import Lowering
from lrp.rules import AffineRule, Flat, Pass, Side, Term
from lrp.tracing.graph import Node


class AffineStep(Unary):
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
        super().__init__(node, source)
        self.reads = (source,)
        if layer.bias is not None and not layer.bias.requires_grad and not bool(layer.bias.any()):
            layer = replace(layer, bias=None)
        self.layer, self.rule, self.mode = layer, rule, mode
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

    def forward(self, run: Execution) -> Tensor:
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
            part = self.layer.apply(term.input(x), term.weight, bias if total is None else None)
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

    def backward(self, run: Execution, flow: Flow) -> Sent:
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

    def _evenly(self, run: Execution, r: Tensor, x: Tensor) -> Flow:
        counts = self.fan_in(tuple(x.shape))
        stable = counts
        if self.epsilon > 0:
            size = counts.square().mean().sqrt() if self.rule.relative else 1.0
            stable = counts + self.epsilon * size
        share = r / stable
        if not bool(stable.all()):
            share = divided_at(run, self.node, r, stable)
        if self.epsilon > 0:
            run.book_stabilizer(self.node, r - share * counts)
        return Flow(rest=self.layer.spread(share, run.shape(x)))


class Shares:
    """What one layer gives to its input, summed over the sides, while the ledger is kept."""

    def __init__(self, step: AffineStep, run: Execution, x: Tensor) -> None:
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

    def divide(
        self,
        side: Side,
        relevance: Tensor,
        d: Tensor,
        z: Tensor,
        wide: bool,
    ) -> None:
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
            s = divided_at(run, step.node, arrived, run.lift(stable))
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
        left = settle(run, step.node, layer.at_output(side.bias, s.dim()) * s, step.mode)
        if left is None:
            return
        if step.mode == "proportional":
            self._proportionally(side, left)
        else:
            share = divided_at(run, step.node, left, step.fan_in(tuple(self.x.shape)))
            self._add_rest(layer.spread(share, self.shape))

    def _proportionally(self, side: Side, claimed: Tensor) -> None:
        """β·s to the inputs in proportion to the size of their contributions on this side."""
        layer, size = self.step.layer, None
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
        if self.waiting and self.step.joint is not None:
            s = torch.cat(self.waiting, self.step.layer.channel_dim)
            self.gain = added(self.gain, self.step.joint(s, self.shape))
        if self.positive is not None and self.negative is not None:
            signed = torch.where(self.run.lift(self.x) >= 0, self.positive, self.negative)
            self.gain = added(self.gain, signed)
        return Flow(self.gain, self.rest)


def affine_step(
    lowering: Lowering,
    node: Node,
    source: int,
    layer: Affine,
) -> Step:
    """The step of an affine layer under the composite's rule. Raises RuleError for a rule of other layers."""
    rule = lowering.rule(node)
    if isinstance(rule, AffineRule):
        positive = source in lowering.positive
        return AffineStep(node, source, layer, rule, lowering.mode(rule), positive)
    shapes = (node.shape, lowering.graph.nodes[source].shape)
    if isinstance(rule, Pass) and shapes[0] == shapes[1]:
        return Activation(node, source)
    reason = f": its output {shapes[0]} has another shape than its input {shapes[1]}"
    raise RuleError(
        f"{type(rule).__name__} is no rule for the affine layer {node.name}"
        + (reason if isinstance(rule, Pass) else "")
    )
