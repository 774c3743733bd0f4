"""Presets of LRP's relatives: for attention, and the methods that are LRP with another rule for ReLU or for weights."""

from __future__ import annotations

from lrp.assignment import Composite
from lrp.bias import BiasMode
from lrp.layers import kind
from lrp.rules import (
    Deconvolved,
    Epsilon,
    Guided,
    HalfAndHalf,
    Norm,
    SoftmaxTaylor,
    Zero,
    ZPlus,
)


def AttnLRP(epsilon: float = 1e-6, bias: BiasMode = "sink") -> Composite:
    """AttnLRP for transformers (Achtibat et al. 2024).

    LRP-ε for linear layers and norms, whose deviation is constant; softmax y of x takes x·(R − y·ΣR) (proposition 3.1);
    of a product of two matrices O = A V each takes half, R(A)_ji = Σ_p A_ji V_ip R_jp / (2 S(O_jp)), and so do the
    factors of an elementwise product, but for gates by nature (a sigmoid, a norm), which take nothing.
    """
    return Composite(
        (kind("linear", "conv", "norm"), Epsilon(epsilon=epsilon)),
        ("matmul", HalfAndHalf(epsilon=epsilon)),
        ("softmax", SoftmaxTaylor()),
        bias=bias,
        name="AttnLRP",
        required=False,
    )


def ExcitationBackprop(epsilon: float = 0.0, bias: BiasMode = "ignore") -> Composite:
    """Excitation backpropagation (Zhang et al. 2016): P(a_j|a_k) = a_j p(w_jk) / Σ_j a_j p(w_jk).

    That is z⁺ without biases; another bias mode keeps them. It assumes a ≥ 0; for negative a the product decides, as in
    `ZPlus`. Relevance starts at the output's value; a one-hot initial relevance gives the paper's probabilities. A unit
    without a positive input loses its share to the stabilizer column of the ledger.
    """
    return Composite(
        (kind("linear", "conv", "norm"), ZPlus(epsilon=epsilon)),
        ("sum", Norm(epsilon=epsilon)),
        bias=bias,
        name="ExcitationBackprop",
        required=False,
    )


def GuidedBackprop(bias: BiasMode = "sink") -> Composite:
    """Input × guided backpropagation's gradient: a ReLU hands on g where a > 0 and g > 0 (Springenberg et al. 2015).

    The paper's map is the gradient itself: `lrp.baselines.GuidedBackprop`. What a ReLU holds back is in the stabilizer
    column of the ledger.
    """
    return _by_relu("GuidedBackprop", Guided(), bias)


def Deconvnet(bias: BiasMode = "sink") -> Composite:
    """Input × the deconvolutional network's signal: a ReLU hands on g where g > 0 (Zeiler and Fergus 2014).

    The paper's map is the signal itself: `lrp.baselines.Deconvnet`. Ledger as in GuidedBackprop.
    """
    return _by_relu("Deconvnet", Deconvolved(), bias)


def _by_relu(
    name: str,
    rule: Guided | Deconvolved,
    bias: BiasMode,
) -> Composite:
    """The gradient everywhere but at ReLUs."""
    return Composite(
        (kind("linear", "conv", "norm"), Zero()),
        ("activation", rule),
        bias=bias,
        name=name,
        required=False,
    )
