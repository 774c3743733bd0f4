"""The rules of LRP as data: which contributions share the relevance, and what the bias adds to the denominator.

Letters: `a` input, `w` weight, `b` bias, z = Σ a w + b, p(t) = max(t, 0), n(t) = min(t, 0), S(t) = t + ε·sgn(t)
with sgn(0) = +1. A rule for an affine layer is a list of sides; each side gives
R_j = Σ_k share · num_jk R_k / S(Σ num + β).
Sources: Bach et al. 2015; Montavon et al. 2017 and 2019 (the LRP overview, section 10.2); Lapuschkin et al. 2019
(flat); Kohlbrenner et al. 2020 (composites).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from lrp.bias import BiasMode, checked_mode
from lrp.errors import RuleError
from lrp.ops.affine_maps import Affine

Part = Literal["a", "a+", "a-", "one", "const"]


@dataclass(frozen=True)
class Term:
    """One product of the numerator: a part of the input times a weight; `const` takes its input from `value`."""

    part: Part
    weight: Tensor
    value: Tensor | None = None

    def input(self, x: Tensor) -> Tensor:
        """This term's part of the layer's input."""
        if self.part == "a":
            return x
        if self.part == "a+":
            return p(x)
        if self.part == "a-":
            return n(x)
        if self.part == "const" and self.value is not None:
            one = self.value.dim() < x.dim()
            return self.value.expand(1, *x.shape[1:]) if one else self.value.expand(x.shape)
        return x.new_ones((1, *x.shape[1:]))


@dataclass(frozen=True)
class Side:
    """Contributions that share one denominator: Σ terms + bias, times `share` of the arriving relevance.

    `sign` is the denominator's sign where it is known (0: unknown); `when` keeps only outputs with z ≥ 0 or z < 0;
    `is_output` says that the terms are exactly the layer's own z, so the forward pass has computed them.
    """

    terms: tuple[Term, ...]
    bias: Tensor | None
    share: float = 1.0
    sign: int = 0
    when: Literal["always", "z>=0", "z<0"] = "always"
    is_output: bool = False


def p(t: Tensor) -> Tensor:
    """max(t, 0)."""
    return t.clamp(min=0)


def n(t: Tensor) -> Tensor:
    """min(t, 0)."""
    return t.clamp(max=0)


def _p(t: Tensor | None) -> Tensor | None:
    return None if t is None else p(t)


def _n(t: Tensor | None) -> Tensor | None:
    return None if t is None else n(t)


@dataclass(frozen=True)
class Rule(ABC):  # noqa: B024
    """How one layer redistributes relevance.

    epsilon: the stabilizer, ≥ 0, signed; with `relative` it is multiplied by rms(z) of each sample.
    bias: this layer's bias mode (see lrp.bias); None takes the composite's.
    """

    epsilon: float = field(default=1e-6, kw_only=True)
    relative: bool = field(default=False, kw_only=True)
    bias: BiasMode | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not (self.epsilon >= 0 and self.epsilon < float("inf")):
            raise RuleError(f"epsilon must be a finite number ≥ 0, not {self.epsilon!r}")
        checked_mode(self.bias)


@dataclass(frozen=True)
class AffineRule(Rule):
    """A rule for affine layers: its sides, and so its denominators and numerators, in one list."""

    @abstractmethod
    def sides(self, layer: Affine, nonnegative: bool) -> tuple[Side, ...]:
        """The sides for this layer; `nonnegative` says that the graph proves a ≥ 0."""


def _signed(plus: Tensor, minus: Tensor, nonnegative: bool) -> tuple[Term, ...]:
    """p(a)·plus + n(a)·minus, without the second product where a ≥ 0."""
    if nonnegative:
        return (Term("a", plus),)
    return (Term("a+", plus), Term("a-", minus))


@dataclass(frozen=True)
class Epsilon(AffineRule):
    """LRP-ε: R_j = Σ_k a_j w_jk R_k / S(z_k) (Bach et al. 2015, eq. 58).

    ε takes the sign of z: without it there is a pole at z = −ε.
    """

    def sides(self, layer: Affine, nonnegative: bool) -> tuple[Side, ...]:
        return (Side((Term("a", layer.weight),), layer.bias, is_output=True),)


@dataclass(frozen=True)
class Zero(Epsilon):
    """LRP-0: LRP-ε with ε = 0 (Bach et al. 2015, eq. 56); relevance where z = 0 goes to the stabilizer."""

    epsilon: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True)
class ZPlus(AffineRule):
    """z⁺: R_j = Σ_k (p(a)p(w) + n(a)n(w)) R_k / S(same sum + p(b)) (Montavon et al. 2017, for signed inputs).

    Weights and inputs are both split, so that negative inputs count where their product is positive.
    """

    def sides(self, layer: Affine, nonnegative: bool) -> tuple[Side, ...]:
        terms: tuple[Term, ...] = (Term("a", p(layer.weight)),)
        if not nonnegative:
            terms = (Term("a+", terms[0].weight), Term("a-", n(layer.weight)))
        return (Side(terms, _p(layer.bias), sign=1),)


@dataclass(frozen=True)
class AlphaBeta(AffineRule):
    """αβ, α − β = 1: α·positive·R/S(Z⁺) − β·negative·R/S(Z⁻), each side by its own sum (Bach et al. 2015, eq. 60).

    A neuron with an empty side loses that side's share to the stabilizer column of the ledger.
    """

    alpha: float = 2.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.alpha >= 0 and self.beta >= 0 and abs(self.alpha - self.beta - 1) <= 1e-9):
            raise RuleError(
                f"alpha − beta must be 1 with both ≥ 0, not alpha={self.alpha!r}, beta={self.beta!r}"
            )

    def sides(self, layer: Affine, nonnegative: bool) -> tuple[Side, ...]:
        plus, minus, b = p(layer.weight), n(layer.weight), layer.bias
        positive = Side(_signed(plus, minus, nonnegative), _p(b), share=self.alpha, sign=1)
        negative = Side(_signed(minus, plus, nonnegative), _n(b), share=-self.beta, sign=-1)
        return tuple(side for side in (positive, negative) if side.share != 0)


@dataclass(frozen=True)
class Gamma(AffineRule):
    """γ: z ≥ 0 takes p(a)(w + γp(w)) + n(a)(w + γn(w)), z < 0 the mirror image (Montavon et al. 2019; Andéol 2021).

    For a ≥ 0 and z ≥ 0 this is the overview paper's a(w + γp(w)). The sign test uses the true z, bias included.
    """

    gamma: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.gamma >= 0 and self.gamma < float("inf")):
            raise RuleError(f"gamma must be a finite number ≥ 0, not {self.gamma!r}")

    def sides(self, layer: Affine, nonnegative: bool) -> tuple[Side, ...]:
        def parts(t: Tensor | None) -> tuple[Tensor, Tensor] | tuple[None, None]:
            """t + γp(t), and t + γn(t)."""
            if t is None:
                return None, None
            return torch.add(t, p(t), alpha=self.gamma), torch.add(t, n(t), alpha=self.gamma)

        up, down = parts(layer.weight)
        above, below = parts(layer.bias)
        assert up is not None and down is not None
        return (
            Side(_signed(up, down, nonnegative), above, when="z>=0", sign=1),
            Side(_signed(down, up, nonnegative), below, when="z<0", sign=-1),
        )


@dataclass(frozen=True)
class WSquare(AffineRule):
    """w²: R_j = Σ_k w²_jk / Σ_j w²_jk · R_k, without the input (Montavon et al. 2017, eq. 12).

    `square_bias` puts b² into the denominator.
    """

    square_bias: bool = False
    epsilon: float = field(default=0.0, kw_only=True)

    def sides(self, layer: Affine, nonnegative: bool) -> tuple[Side, ...]:
        b = layer.bias.square() if self.square_bias and layer.bias is not None else None
        return (Side((Term("one", layer.weight.square()),), b, sign=1),)


@dataclass(frozen=True)
class Flat(AffineRule):
    """Flat: R_j = Σ_k R_k / (N_k + ε), N_k the number of unpadded inputs of k (Lapuschkin et al. 2019, supplement)."""

    epsilon: float = field(default=0.0, kw_only=True)

    def sides(self, layer: Affine, nonnegative: bool) -> tuple[Side, ...]:
        return (Side((Term("one", torch.ones_like(layer.weight)),), None, sign=1),)


@dataclass(frozen=True)
class ZBox(AffineRule):
    """zᴮ for inputs in a box [l, h]: R_j = Σ_k (a w − l p(w) − h n(w)) R_k / S(Σ_j …) (Montavon et al. 2017, eq. 15).

    low and high: numbers, or tensors that broadcast against one input (without batch). The bias cancels.
    """

    low: float | Tensor = 0.0
    high: float | Tensor = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        low = torch.as_tensor(self.low)
        high = torch.as_tensor(self.high)
        if not (
            bool(torch.isfinite(low).all())
            and bool(torch.isfinite(high).all())
            and bool((low <= high).all())
        ):
            raise RuleError("low must be finite and nowhere above high")

    def sides(self, layer: Affine, nonnegative: bool) -> tuple[Side, ...]:
        w = layer.weight
        low = torch.as_tensor(self.low, dtype=w.dtype, device=w.device)
        high = torch.as_tensor(self.high, dtype=w.dtype, device=w.device)
        ends = ((p(w), -low), (n(w), -high))
        consts = (Term("const", weight, value) for weight, value in ends if bool(value.any()))
        return (Side((Term("a", w), *consts), None),)


@dataclass(frozen=True)
class Norm(Rule):
    """Addition, averages, sums and products with constants: the ε rule with the operation's own weights.

    With ε = 0, the default, relevance is copied as a gain and nothing is divided.
    """

    epsilon: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True)
class Pass(Rule):
    """R_in = R_out: of activations always, of a layer with weights or a norm whose output has its input's shape."""


@dataclass(frozen=True)
class Guided(Rule):
    """ReLU: with R = a·g at its output, g goes on where a > 0 and g > 0 (Springenberg et al. 2015, figure 1).

    Other activations pass relevance on. What is held back is in the ledger's stabilizer column.
    """


@dataclass(frozen=True)
class Deconvolved(Rule):
    """ReLU: with R = a·g at its output, g goes on where g > 0, whatever a is (Zeiler and Fergus 2014, section 2.1).

    Where a = 0 an input z < 0 receives g·z; that, and what is held back, is in the ledger's stabilizer column.
    """


@dataclass(frozen=True)
class WinnerTakesAll(Rule):
    """Max pooling: all relevance goes to the largest input."""


@dataclass(frozen=True)
class AsAverage(Rule):
    """Max pooling explained as average pooling (Montavon et al. 2019, section 10.3.2)."""


@dataclass(frozen=True)
class SignalTakesAll(Rule):
    """Products of two signals: the gate (a sigmoid's or softmax's output) takes none (Arras et al. 2019)."""

    epsilon: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True)
class HalfAndHalf(Rule):
    """Products of two signals: both factors take half."""

    epsilon: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True)
class SoftmaxTaylor(Rule):
    """Softmax y of x: R_x = x·(R − y·ΣR) (Achtibat et al. 2024, AttnLRP, proposition 3.1); not conservative by itself:
    what it adds or loses is in the ledger's stabilizer column."""


@dataclass(frozen=True)
class Stop(Rule):
    """No relevance goes further back; all of it is in the ledger's stabilizer column."""
