"""αβ and γ on a ≥ 0: two products in one, forwards and backwards."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from lrp.bias import BiasMode
from lrp.ops.activations import mask
from lrp.ops.affine import AffineStep, Shares, quotient
from lrp.ops.affine_maps import Affine
from lrp.ops.context import Execution, Flow, Sent
from lrp.rules import AffineRule, AlphaBeta, Gamma, Side


class PairStep(AffineStep):
    """Two products side by side along the channels; of the two sides' shares one adjoint makes the input's."""

    @staticmethod
    def kind(rule: AffineRule, layer: Affine, mode: BiasMode) -> type[AffineStep]:
        """The step of a layer with a ≥ 0: one of these where both sides are there, each with an ε of known size."""
        if not rule.epsilon > 0 or rule.relative or layer.paired is None:
            return AffineStep
        if isinstance(rule, AlphaBeta) and rule.beta != 0:
            return AlphaBetaStep
        return GammaStep if isinstance(rule, Gamma) and mode != "ignore" else AffineStep

    def products(self, run: Execution) -> Tensor:
        """Both products, beside each other."""
        weight, bias = self.made("pair", self._pair)
        return self.layer.apply(run.values[self.source], weight, bias)

    def _pair(self) -> tuple[Tensor, Tensor]:
        """The weights and the biases of both products."""
        weights, biases = zip(*self.parts(), strict=True)
        return self._beside(weights), torch.cat(biases)

    def _beside(self, weights: tuple[Tensor, ...]) -> Tensor:
        return self.layer.laid(torch.cat(weights, self.layer.paired or 0))

    @abstractmethod
    def parts(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The weight and the bias of each product."""

    def shift(self, side: Side) -> Tensor:
        """±ε of a side, for each unit [K]."""
        units = self.layer.weight.shape[self.layer.paired or 0]
        return self.layer.weight.new_full((units,), self.foreseen(side))

    def _back(self) -> tuple[Tensor, tuple[Tensor | None, ...], Tensor]:
        """The weights and biases of both sides times their shares; [2K, 2]: what of each unit biases and ±ε take."""
        sides = self.sides()
        biases = tuple(None if side.bias is None else side.bias * side.share for side in sides)
        lost = torch.cat([self.shift(side) * side.share for side in sides])
        kept = [bias for bias in biases if bias is not None and self.mode != "ignore"]
        ledger = torch.stack([torch.cat(kept), lost], 1) if kept else lost.unsqueeze(1)
        weights = tuple(side.terms[0].weight * side.share for side in sides)
        return self._beside(weights), biases, ledger

    def give(self, shares: Shares, both: Tensor) -> Sent:
        """What the source receives of R / S(d) of both sides, beside each other; the ledger is kept."""
        weight, biases, ledger = self.made("back", self._back)
        shares.gain = self.layer.adjoint(both, weight, shares.shape)
        sums = shares.sums(both)
        if sums is None:
            parts = both.chunk(2, self.layer.channels)
            for side, part, bias in zip(self.sides(), parts, biases, strict=True):
                shares.book(side, part, bias, side.share * self.foreseen(side))
        else:
            shares.book_sums(sums, ledger)
        return ((self.source, shares.flow()),)


class AlphaBetaStep(PairStep):
    """Z⁺ and Z⁻, whose sum is z."""

    def parts(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        positive, negative = self.sides()
        return self._part(positive), self._part(negative)

    def _part(self, side: Side) -> tuple[Tensor, Tensor]:
        bias = None if self.mode == "ignore" else side.bias
        shift = self.shift(side)
        return side.terms[0].weight, shift if bias is None else bias + shift

    def forward(self, run: Execution) -> Tensor:
        sums = run.saved[self.node.index] = self.products(run)
        first, second = sums.chunk(2, self.layer.channels)
        z: Tensor = first + second
        kept = self.layer.bias if self.mode == "ignore" else None
        return z if kept is None else z + self.layer.at_output(kept, z.dim())

    def backward(self, run: Execution, flow: Flow) -> Sent:
        z = run.lift(run.values[self.node.index])
        dim = self.layer.channels % z.dim()
        parts = torch.unflatten(run.lift(run.saved[self.node.index]), dim, (2, -1))
        relevance = flow.relevance(z).unsqueeze(dim)
        own = run.lean and not run.shared
        both = torch.div(relevance, parts, out=parts) if own else relevance / parts
        shares = Shares(self, run, run.values[self.source])
        return self.give(shares, both.flatten(dim, dim + 1))


class GammaStep(PairStep):
    """z and γQ + ε with Q = p(w)a + p(b): the denominators are z + γQ where z ≥ 0, else z + γ(z − Q)."""

    def parts(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        above, weight, bias = self.sides()[0], self.layer.weight, self.layer.bias
        more = self.shift(above)
        own = torch.zeros_like(more)
        if bias is not None and above.bias is not None:
            own, more = bias, above.bias - bias + more
        return (weight, own), (above.terms[0].weight - weight, more)

    def forward(self, run: Execution) -> Tensor:
        z, run.saved[self.node.index] = self.products(run).chunk(2, self.layer.channels)
        return z

    def backward(self, run: Execution, flow: Flow) -> Sent:
        z = run.lift(run.values[self.node.index])
        more = run.lift(run.saved[self.node.index])
        shares = Shares(self, run, run.values[self.source])
        epsilon = self.rule.epsilon
        if flow.rectified:
            s = quotient(flow.relevance(z), (z + more).clamp_(min=epsilon))
            shares.send(self.sides()[0], s, epsilon)
            return ((self.source, shares.flow()),)
        assert isinstance(self.rule, Gamma)
        size = F.leaky_relu(z, -1 - self.rule.gamma).add_(more)
        s = quotient(flow.relevance(z), size)
        return self.give(shares, self._halves(s, z))

    def _halves(self, s: Tensor, z: Tensor) -> Tensor:
        """s where z ≥ 0 and −s where z < 0, beside each other, 0 elsewhere; written there unless differentiated."""
        tiny, dim = -torch.finfo(z.dtype).tiny, self.layer.channels % z.dim()
        if torch.is_grad_enabled():
            up = mask(s, z, tiny)
            return torch.cat([up, up - s], dim)
        shape = [size * 2 if d == dim else size for d, size in enumerate(s.shape)]
        last = s.dim() == 4 and s.is_contiguous(memory_format=torch.channels_last)
        form = torch.channels_last if last else torch.contiguous_format
        both = torch.empty(shape, dtype=s.dtype, device=s.device, memory_format=form)
        up, down = both.chunk(2, dim)
        torch.ops.aten.threshold_backward.grad_input(s, z, tiny, grad_input=up)
        torch.sub(up, s, out=down)
        return both
