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
        first, second = sums.chunk(2, self.layer.channels)
        z: Tensor = first + second
        kept = self.layer.bias if self.mode == "ignore" else None
        return z if kept is None else z + self.layer.at_output(kept, z.dim())

    def _pair(self) -> tuple[Tensor, Tensor]:
        """The weights [p(w); n(w)], and the biases with the stabilizers ±ε."""
        sides = self._sides()
        paired = self.layer.paired or 0
        weight = torch.cat([side.terms[0].weight for side in sides], paired)
        shift = weight.new_tensor([self.foreseen(side) for side in sides])
        total = shift.repeat_interleave(weight.shape[paired] // 2)
        biases = [side.bias for side in sides if side.bias is not None]
        if biases and self.mode != "ignore":
            total = total + torch.cat(biases)
        return weight, total

    def _back(self) -> tuple[Tensor, tuple[Tensor | None, ...], Tensor]:
        """The weights [α p(w); −β n(w)], α p(b) and −β n(b), and [2K, 2]: what of each unit biases and ±ε take."""
        sides = self._sides()
        parts = [side.terms[0].weight * side.share for side in sides]
        biases = [None if side.bias is None else side.bias * side.share for side in sides]
        weight = torch.cat(parts, self.layer.paired or 0)
        shifts = weight.new_tensor([side.share * self.foreseen(side) for side in sides])
        lost = shifts.repeat_interleave(weight.shape[self.layer.paired or 0] // 2)
        kept = [bias for bias in biases if bias is not None and self.mode != "ignore"]
        ledger = torch.stack([torch.cat(kept), lost], 1) if kept else lost.unsqueeze(1)
        return weight, tuple(biases), ledger

    def backward(self, run: Execution, flow: Flow) -> Sent:
        x = run.values[self.source]
        z = run.values[self.node.index]
        sums = run.lift(run.saved[self.node.index])
        dim = self.layer.channels % z.dim()
        relevance = flow.relevance(run.lift(z)).unsqueeze(dim)
        parts = torch.unflatten(sums, dim, (2, -1))
        own = run.lean and not run.shared
        parts = torch.div(relevance, parts, out=parts) if own else relevance / parts
        both = parts.flatten(dim, dim + 1)
        weight, biases, ledger = self.made("back", self._back)
        shares = Shares(self, run, x)
        shares.gain = self.layer.adjoint(both, weight, shares.shape)
        by_unit = shares.sums(both)
        if by_unit is None:
            for side, part, bias in zip(self._sides(), parts.unbind(dim), biases, strict=True):
                shares.book(side, part, bias, side.share * self.foreseen(side))
        else:
            *kept, lost = (by_unit @ ledger).unbind(1)
            run.book_lost(self.node, lost)
            for claimed in kept:
                shares.book_claim(claimed)
        return ((self.source, shares.flow()),)
