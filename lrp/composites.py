"""Composites: which rule each layer gets; and the presets the field uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from torch import Tensor

from lrp.assignment import Composite
from lrp.bias import BiasMode
from lrp.errors import CompositeError
from lrp.layers import (
    KINDS,
    Layer,
    Selector,
    everything,
    first,
    kind,
    last,
    named,
    nth,
    of_type,
)
from lrp.relatives import AttnLRP, Deconvnet, ExcitationBackprop, GuidedBackprop
from lrp.rules import AlphaBeta, AsAverage, Epsilon, Flat, Gamma, Norm, Rule, ZBox, Zero, ZPlus


def _preset(
    name: str,
    bias: BiasMode,
    epsilon: float,
    stabilizer: float | None,
    convolution: Rule,
    lowest: Rule | None = None,
) -> Composite:
    """LRP-ε for linear layers and norms, a rule for convolutions and perhaps one for the first layer.

    A stabilizer reaches every rule but LRP-ε, sums and averages included; None leaves each rule its own.
    """

    def stable(rule: Rule) -> Rule:
        return rule if stabilizer is None else replace(rule, epsilon=stabilizer)

    start = () if lowest is None else ((first, stable(lowest)),)
    sums = () if stabilizer is None else ((kind("sum", "average"), stable(Norm())),)
    linear = (kind("linear", "norm"), Epsilon(epsilon=epsilon))
    entries = (*start, ("conv", stable(convolution)), linear, *sums)
    return Composite(*entries, bias=bias, name=name, required=False)


def EpsilonPlus(
    epsilon: float = 1e-6,
    bias: BiasMode = "sink",
    *,
    stabilizer: float | None = None,
) -> Composite:
    """z⁺ for convolutions, LRP-ε for linear layers (Kohlbrenner et al. 2020).

    epsilon: of LRP-ε. stabilizer: ε of every other rule, sums and averages included; None leaves each its own
    (1e-6 of convolutions, 0 of sums, averages and the flat rule).
    """
    return _preset("EpsilonPlus", bias, epsilon, stabilizer, ZPlus())


def EpsilonPlusFlat(
    epsilon: float = 1e-6,
    bias: BiasMode = "sink",
    *,
    stabilizer: float | None = None,
) -> Composite:
    """EpsilonPlus with the flat rule in the first layer."""
    return _preset("EpsilonPlusFlat", bias, epsilon, stabilizer, ZPlus(), Flat())


def EpsilonAlpha2Beta1(
    epsilon: float = 1e-6,
    bias: BiasMode = "sink",
    *,
    stabilizer: float | None = None,
) -> Composite:
    """αβ with α = 2, β = 1 for convolutions, LRP-ε for linear layers; ε as in EpsilonPlus."""
    return _preset("EpsilonAlpha2Beta1", bias, epsilon, stabilizer, AlphaBeta(2.0, 1.0))


def EpsilonAlpha2Beta1Flat(
    epsilon: float = 1e-6,
    bias: BiasMode = "sink",
    *,
    stabilizer: float | None = None,
) -> Composite:
    """EpsilonAlpha2Beta1 with the flat rule in the first layer."""
    alpha = AlphaBeta(2.0, 1.0)
    return _preset("EpsilonAlpha2Beta1Flat", bias, epsilon, stabilizer, alpha, Flat())


def EpsilonGammaBox(
    low: float | Tensor = 0.0,
    high: float | Tensor = 1.0,
    gamma: float = 0.25,
    epsilon: float = 1e-6,
    bias: BiasMode = "sink",
    *,
    stabilizer: float | None = None,
) -> Composite:
    """zᴮ in the first layer, γ for convolutions, LRP-ε for linear layers (Montavon et al. 2019)."""
    box = ZBox(low, high)
    return _preset("EpsilonGammaBox", bias, epsilon, stabilizer, Gamma(gamma), box)


def Tutorial(
    low: float | Tensor = 0.0,
    high: float | Tensor = 1.0,
    bias: BiasMode = "sink",
    *,
    part: Literal["vgg16", "mlp"] = "vgg16",
) -> Composite:
    """The LRP tutorial's recipe for one of its two networks (code of Montavon et al. 2019), zᴮ in the first layer.

    part "vgg16", the default, is for convolutional networks: γ = 0.25 in the lower half of the convolutions (7 of
    VGG-16's 13), ε = 0.25 std in the upper half, LRP-0 in all linear layers and whatever layer is last; max pooling as
    average pooling, above the lower half with that ε, too.
    part "mlp": between the first layer and the last γ = 0.1 in the lower half and ε = 0.1 std in the upper one (a layer
    alone takes γ), LRP-0 in the last; max pooling, which the tutorial's MLP lacks, as average pooling.
    std is rms(z) of each sample here. The tutorial takes it over the whole array, all pictures of a batch at once: its
    maps can differ from these by 9 % with ε = 0.1 (about 1 % for scikit-learn's digits), for one picture not at all.
    Raises CompositeError for another part.
    """
    if part not in ("vgg16", "mlp"):
        raise CompositeError(f"the tutorial's parts are 'vgg16' and 'mlp', not {part!r}")
    upper = _vgg16_above_pixels() if part == "vgg16" else _mlp_above_pixels()
    return Composite((first, ZBox(low, high)), *upper, bias=bias, name="Tutorial", required=False)


def _in_lower_half(layer: Layer) -> bool:
    return 2 * layer.depth <= layer.convolutions + 1


def _low_pool(layer: Layer) -> bool:
    return layer.kind == "maxpool" and _in_lower_half(layer)


def _low_convolution(layer: Layer) -> bool:
    return layer.kind == "conv" and _in_lower_half(layer)


def _vgg16_above_pixels() -> tuple[tuple[Selector | str, Rule], ...]:
    return (
        (_low_pool, AsAverage()),
        ("maxpool", AsAverage(epsilon=0.25, relative=True)),
        (last, Zero()),
        (_low_convolution, Gamma(0.25)),
        ("conv", Epsilon(epsilon=0.25, relative=True)),
        ("linear", Zero()),
    )


def _low_weights(layer: Layer) -> bool:
    return layer.position is not None and 2 * layer.position < layer.count


def _mlp_above_pixels() -> tuple[tuple[Selector | str, Rule], ...]:
    return (
        (last, Zero()),
        ("maxpool", AsAverage()),
        (_low_weights, Gamma(0.1)),
        (kind("conv", "linear"), Epsilon(epsilon=0.1, relative=True)),
    )


def ArchitecturePrior() -> Composite:
    """Flat in every layer: depends on no weight and no input, only on the architecture's geometry."""
    return Composite((everything, Flat()), name="ArchitecturePrior")


PRESETS: dict[str, Callable[..., Composite]] = {
    preset.__name__: preset
    for preset in (
        EpsilonPlus,
        EpsilonPlusFlat,
        EpsilonAlpha2Beta1,
        EpsilonAlpha2Beta1Flat,
        EpsilonGammaBox,
        Tutorial,
        ArchitecturePrior,
        AttnLRP,
        ExcitationBackprop,
        GuidedBackprop,
        Deconvnet,
    )
}


def as_composite(
    choice: Composite | Rule | type[Rule] | str | Callable[..., Composite],
) -> Composite:
    """A preset, its name, a Composite, or one rule for every layer, as a Composite."""
    if isinstance(choice, Composite):
        return choice
    if isinstance(choice, type) and issubclass(choice, Rule):
        choice = choice()
    if isinstance(choice, Rule):
        return Composite(
            (everything, choice), bias=choice.bias or "sink", name=type(choice).__name__
        )
    if isinstance(choice, str):
        if choice not in PRESETS:
            raise CompositeError(f"unknown composite {choice!r}; known: {', '.join(PRESETS)}")
        return PRESETS[choice]()
    if callable(choice):
        made = choice()
        if isinstance(made, Composite):
            return made
    raise CompositeError(
        f"a composite is a preset, its name, a Composite or a rule, not {choice!r}"
    )


DEFAULTS: dict[str, Rule] = {
    "linear": Epsilon(),
    "conv": Epsilon(),
    "norm": Epsilon(),
    "sum": Norm(),
    "average": Norm(),
}

__all__ = [
    "DEFAULTS",
    "KINDS",
    "PRESETS",
    "ArchitecturePrior",
    "AttnLRP",
    "Composite",
    "Deconvnet",
    "EpsilonAlpha2Beta1",
    "EpsilonAlpha2Beta1Flat",
    "EpsilonGammaBox",
    "EpsilonPlus",
    "EpsilonPlusFlat",
    "ExcitationBackprop",
    "GuidedBackprop",
    "Layer",
    "Selector",
    "Tutorial",
    "as_composite",
    "everything",
    "first",
    "kind",
    "last",
    "named",
    "nth",
    "of_type",
]
