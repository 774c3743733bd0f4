"""Which rule each layer of a model gets: a list of selectors and rules."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lrp.bias import BiasMode, checked_mode
from lrp.errors import CompositeError
from lrp.layers import Layer, Named, Selector, selector_of
from lrp.rules import Rule


class Composite:
    """A list of (selector, rule) pairs; the first pair that matches a layer gives its rule.

    A selector is a function of a `Layer`, a kind ("conv"), a name pattern ("head.*"), or a module type (nn.Conv2d).
    A rule may itself be a Composite, asked only about the layers its selector matched.
    Layers that nothing matches take the default of their kind (`DEFAULTS`): LRP-ε for affine layers.
    required: whether a model in which no layer matches is an error, as it is not for presets.
    """

    def __init__(
        self,
        *entries: tuple[Selector | str | type[nn.Module], Rule | Composite],
        bias: BiasMode = "sink",
        name: str = "Composite",
        required: bool = True,
    ) -> None:
        checked_mode(bias)
        self.entries: tuple[tuple[Selector, Rule | Composite], ...] = tuple(
            (selector_of(s), r) for s, r in entries
        )
        for _, rule in self.entries:
            if not isinstance(rule, (Rule, Composite)):
                raise CompositeError(
                    f"a composite maps layers to rules or composites, not to {rule!r}"
                )
        self.bias: BiasMode = bias
        self.name, self.required = name, required

    def rule_for(self, layer: Layer) -> Rule | None:
        """The rule of the first entry that matches, or None."""
        for select, rule in self.entries:
            if select(layer):
                found = rule.rule_for(layer) if isinstance(rule, Composite) else rule
                if found is not None:
                    return found
        return None

    def check(self, layers: Sequence[Layer]) -> None:
        """Raises CompositeError if a name pattern, or the composite as a whole, matches none of the layers."""
        for select, rule in self.entries:
            if isinstance(select, Named) and not any(select(layer) for layer in layers):
                names = ", ".join(layer.name for layer in layers)
                raise CompositeError(f"no layer is named {select.pattern!r}; layers: {names}")
            if isinstance(rule, Composite) and any(select(layer) for layer in layers):
                rule.check([layer for layer in layers if select(layer)])
        matched = any(self.rule_for(layer) is not None for layer in layers)
        if self.required and self.entries and layers and not matched:
            raise CompositeError(
                f"{self.name} matches none of the layers: {', '.join(layer.name for layer in layers)}"
            )

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.entries)} entries, bias {self.bias}>"
