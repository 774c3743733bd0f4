"""Single layers with a rule of their own on top of a preset, written into the composite's name.

    EpsilonPlus,stem=Gamma:0.25,blocks.*.conv1=/ignore,value_out=Epsilon:0.1/uniform

After the preset come LAYER=RULE[:NUMBER…][/BIAS]; LAYER is a name or a shell-style pattern, without RULE the preset's
rule stays and only its bias mode changes, and of several that fit a layer the last one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final, cast

from lrp import Composite
from lrp.bias import MODES, BiasMode
from lrp.composites import DEFAULTS, Layer
from lrp.errors import CompositeError, RuleError
from lrp.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, WSquare, ZBox, Zero, ZPlus

RULES: Final[
    Mapping[str, tuple[Callable[..., Rule], tuple[float, ...]]]
] = {  # how it is made, its usual numbers
    "Epsilon": (lambda epsilon: Epsilon(epsilon=epsilon), (1e-6,)),
    "Zero": (Zero, ()),
    "ZPlus": (ZPlus, ()),
    "Gamma": (Gamma, (0.25,)),
    "AlphaBeta": (lambda alpha: AlphaBeta(alpha, alpha - 1.0), (2.0,)),
    "Flat": (Flat, ()),
    "WSquare": (WSquare, ()),
    "ZBox": (ZBox, (0.0, 1.0)),
}
ACCEPTED: Final = f"LAYER=RULE[:NUMBER][/BIAS] with RULE one of {', '.join(RULES)} and BIAS one of {', '.join(MODES)}"


@dataclass(frozen=True)
class Override:
    """What one layer, or all that fit a pattern, has of its own; an empty text leaves the preset's."""

    layer: str
    rule: str = ""
    bias: str = ""

    def __str__(self) -> str:
        return f"{self.layer}={self.rule}" + (f"/{self.bias}" if self.bias else "")


class Overridden(Composite):
    """A preset under some overrides."""

    def __init__(self, preset: Composite, overrides: Sequence[Override], name: str) -> None:
        super().__init__(*preset.entries, bias=preset.bias, name=name)
        self._preset, self._overrides = preset, tuple(overrides)
        self._rules = {one: rule_of(one.rule) for one in overrides if one.rule}

    def rule_for(self, layer: Layer) -> Rule | None:
        """The override's rule and bias mode where one fits, otherwise the preset's."""
        found = self._preset.rule_for(layer)
        for one in reversed(self._overrides):
            if fnmatchcase(layer.name, one.layer):
                found = self._rules.get(one, found or DEFAULTS.get(layer.kind))
                return (
                    replace(found, bias=cast(BiasMode, one.bias))
                    if found is not None and one.bias
                    else found
                )
        return found

    def check(self, layers: Sequence[Layer]) -> None:
        """As for every composite, and CompositeError for an override that fits no layer with weights."""
        self._preset.check(layers)
        affine = [layer.name for layer in layers if layer.position is not None]
        for one in self._overrides:
            if not any(fnmatchcase(name, one.layer) for name in affine):
                raise CompositeError(
                    f"no layer with weights is named {one.layer[:40]!r}; layers: {', '.join(affine)}"
                )


def overridden(preset: Composite, text: str, name: str) -> Composite:
    """The preset under the overrides that `text` lists; CompositeError or RuleError says what is accepted."""
    return Overridden(preset, parse_overrides(text), name)


def parse_overrides(text: str) -> tuple[Override, ...]:
    """The overrides of "LAYER=RULE/BIAS,…".

    >>> [str(one) for one in parse_overrides("stem=Gamma:0.25,value_out=/ignore")]
    ['stem=Gamma:0.25', 'value_out=/ignore']
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        layer, sign, choice = part.partition("=")
        rule, slash, bias = choice.partition("/")
        if not sign or not layer or not (rule or bias) or (slash and bias not in MODES):
            raise CompositeError(f"override {part[:60]!r}: accepted is {ACCEPTED}")
        if rule:
            rule_of(rule)
        found.append(Override(layer, rule, bias))
    return tuple(found)


def rule_of(text: str) -> Rule:
    """The rule that "Gamma:0.25" names, with its usual numbers where none are given; RuleError."""
    name, *numbers = text.split(":")
    if name not in RULES:
        raise RuleError(f"unknown rule {name[:40]!r}; accepted is {ACCEPTED}")
    make, usual = RULES[name]
    try:
        values = [float(number) for number in numbers] or list(usual)
    except ValueError:
        raise RuleError(f"rule {text[:40]!r}: {name} takes numbers after its colon") from None
    if len(values) != len(usual):
        raise RuleError(
            f"rule {text[:40]!r}: {name} takes {len(usual)} numbers, usually {list(usual)}"
        )
    return make(*values)


def join(preset: str, overrides: Sequence[Override]) -> str:
    """The composite's name with its overrides: what `build_composite` reads."""
    return ",".join([preset, *map(str, overrides)])


def split(name: str) -> tuple[str, tuple[Override, ...]]:
    """The preset and the overrides of a composite's name; CompositeError."""
    preset, _, text = name.partition(",")
    return preset, parse_overrides(text)
