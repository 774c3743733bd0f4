"""The composites the app offers by name, and their rivals, each with one line that says what its map shows."""

from __future__ import annotations

from typing import Final, cast

import numpy as np

from app.explain.default import DEFAULT_BIAS, DEFAULT_COMPOSITE, DEFAULT_NOTE
from app.explain.overrides import overridden
from app.explain.rivals import RIVALS, RivalMethod
from app.models import Model, encode_words
from lrp import LRP, Composite
from lrp.bias import MODES, BiasMode, checked_mode
from lrp.composites import PRESETS, as_composite, everything
from lrp.errors import CompositeError
from lrp.rules import Zero

MEANINGS: Final[dict[str, str]] = {
    "EpsilonPlus": "z⁺ in the convolutions, ε in the linear layers: only what is on the board can be relevant.",
    "EpsilonPlusFlat": "The same with the flat rule first: spreads shares evenly, so empty squares light up unseen.",
    "EpsilonAlpha2Beta1": "Evidence for and against apart (α = 2, β = 1); a side without evidence loses its share.",
    "EpsilonAlpha2Beta1Flat": "α = 2, β = 1 with the flat rule first: spread over empty squares too.",
    "EpsilonGammaBox": "zᴮ first, γ in the convolutions: an empty square is evidence like a disc.",
    "Tutorial": "The LRP tutorial's recipe: zᴮ, then γ, then ε, then LRP-0.",
    "LRPZero": "LRP-0 everywhere: gradient × input, with the bias shares of FullGrad.",
    "ArchitecturePrior": "Flat in every layer: the network's geometry alone, no weights and no board.",
    "AttnLRP": "ε in every layer with weights: for this network the same as LRP-ε.",
    "ExcitationBackprop": "z⁺ in every layer with weights: only evidence for the move; the paper has bias = ignore.",
    "GuidedBackprop": "Board × guided gradient: a ReLU hands back only what is positive; it holds back the rest.",
    "Deconvnet": "Board × deconvolution: a ReLU hands back what is positive, active or not.",
}

MEANINGS[DEFAULT_COMPOSITE] += f" {DEFAULT_NOTE}"
MEANINGS.update(RIVALS)

BIAS_MEANINGS: Final[dict[str, str]] = {
    "sink": "the bias keeps its share, unit by unit: nothing is lost",
    "absorb": "the same map; the share is counted with the stabilizer, as most libraries do silently",
    "ignore": "the bias leaves the denominator; unstable where little else arrives",
    "uniform": "every input of a unit takes the same part of its bias",
    "proportional": "inputs take the bias in proportion to what they contribute",
    "project": "the bias's share is sent on to the squares below it, evenly",
}


def composite_names() -> tuple[str, ...]:
    """Names that `method_of` knows, the default first and the rivals last."""
    names = [name for name in MEANINGS if name in PRESETS or name == "LRPZero"]
    names += [name for name in PRESETS if name not in names] + list(RIVALS)
    return tuple(sorted(names, key=lambda name: name != DEFAULT_COMPOSITE))


def build_composite(name: str, bias: str = DEFAULT_BIAS) -> Composite:
    """The composite of that name with that bias mode; CompositeError or RuleError says what is accepted.

    After a preset's name single layers may get a rule of their own, see `app.explain.overrides`.
    """
    preset, comma, overrides = name.partition(",")
    if comma:
        return overridden(build_composite(preset, bias), overrides, name)
    if name == "LRPZero":
        checked_mode(bias)
        return Composite((everything, Zero()), bias=cast(BiasMode, bias), name="LRPZero")
    if name not in PRESETS:
        raise CompositeError(
            f"unknown composite {name[:40]!r}; known: {', '.join(composite_names())}"
        )
    if name == "ArchitecturePrior":
        return as_composite(name)
    return PRESETS[name](bias=bias)


def check_composite(name: str, bias: str) -> None:
    """Raises CompositeError or RuleError for a name or a bias mode that does not exist."""
    if name in RIVALS:
        checked_mode(bias)
    else:
        build_composite(name, bias)


def explainer_of(model: Model, composite: str, bias: str) -> LRP:
    """The LRP object of a model under a composite's name and a bias mode, made once and kept with the model.

    Raises CompositeError or RuleError for a name or a mode that does not exist.
    """

    def make() -> LRP:
        example = encode_words(model, *np.array([[1, 2], [4, 8]], np.uint64))
        return LRP(model.network, build_composite(composite, bias), example)

    return model.kept((composite, bias), make)


def method_of(model: Model, name: str, bias: str) -> LRP | RivalMethod:
    """The same, or the rival of that name, which has no rules and no biases; made once, too."""
    if name not in RIVALS:
        return explainer_of(model, name, bias)
    check_composite(name, bias)
    return model.kept((name, ""), lambda: RivalMethod(model, name))


__all__ = [
    "BIAS_MEANINGS",
    "DEFAULT_BIAS",
    "DEFAULT_COMPOSITE",
    "MEANINGS",
    "MODES",
    "build_composite",
    "check_composite",
    "composite_names",
    "explainer_of",
    "method_of",
]
