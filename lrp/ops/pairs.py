"""αβ on a ≥ 0: positive and negative contributions in one product, forwards and backwards."""

from __future__ import annotations

import torch
from torch import Tensor

from lrp.ops.affine import AffineStep, Shares
from lrp.ops.affine_maps import Affine
from lrp.ops.context import Execution, Flow, Sent
from lrp.rules import AffineRule, AlphaBeta


class PairStep(AffineStep):
    """Z⁺ and Z⁻ side by side along the channels: their sum is z, and one adjoint takes both shares back."""

    @staticmethod
    def fits(rule: AffineRule, layer: Affine, nonnegative: bool) -> bool:
        """Whether both sides are there, each with one product and a stabilizer of known size."""
        known = isinstance(rule, AlphaBeta) and rule.beta != 0 and rule.epsilon > 0
        return known and nonnegative and not rule.relative and layer.paired is not None

    def forward(self, run: Execution) -> Tensor:
        weight, bias = self.made("pair", self._pair)
        sums = self.layer.apply(run.values[self.source], weight, bias)
        run.saved[self.node.index] = sums
        first, second = sums.chunk(2, self._channels(sums))
        z: Tensor = first + second
        kept = self.layer.bias if self.mode == "ignore" else None
        return z if kept is None else z + self.layer.at_output(kept, z.dim())

    def _pair(self) -> tuple[Tensor, Tensor]:
        """The weights [p(w); n(w)], and the biases with the stabilizers ±ε."""
        sides, paired = self._sides(), self.layer.paired or 0
        weight = torch.cat([side.terms[0].weight for side in sides], paired)
        shift = weight.new_tensor([self.foreseen(side) for side in sides])
        total = shift.repeat_interleave(weight.shape[paired] // 2)
        biases = [side.bias for side in sides if side.bias is not None]
        if biases and self.mode != "ignore":
            total = total + torch.cat(biases)
        return weight, total

    def _back(self) -> tuple[Tensor, list[Tensor]]:
        """The weights [α p(w); −β n(w)], and α p(b) and −β n(b) where there is a bias."""
        sides = self._sides()
        parts = [side.terms[0].weight * side.share for side in sides]
        biases = [side.bias * side.share for side in sides if side.bias is not None]
        return torch.cat(parts, self.layer.paired or 0), biases

    def _channels(self, z: Tensor) -> int:
        return self.layer.channels % z.dim()

    def backward(self, run: Execution, flow: Flow) -> Sent:
        if self.mode == "proportional":
            return super().backward(run, flow)
        x, z = run.values[self.source], run.values[self.node.index]
        sums = run.lift(run.saved[self.node.index])
        dim = self._channels(sums)
        relevance = flow.relevance(run.lift(z)).unsqueeze(dim)
        parts = relevance / torch.unflatten(sums, dim, (2, -1))
        weight, biases = self.made("back", self._back)
        first, second = parts.unbind(dim)
        self._book(run, first, second)
        shares = Shares(self, run, x)
        shares.gain = self.layer.adjoint(parts.flatten(dim, dim + 1), weight, shares.shape)
        if biases and self.mode != "ignore":
            at = [self.layer.at_output(bias, first.dim()) for bias in biases]
            shares.settle(self._sides()[0], torch.addcmul(first * at[0], second, at[1]))
        return ((self.source, shares.flow()),)

    def _book(self, run: Execution, first: Tensor, second: Tensor) -> None:
        """What ±ε takes of both sides."""
        rule = self.rule
        assert isinstance(rule, AlphaBeta)
        lost = run.per_sample(self.node, first) * rule.alpha
        lost = lost + run.per_sample(self.node, second) * rule.beta
        run.book_lost(self.node, lost * rule.epsilon)
