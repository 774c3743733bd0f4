"""Composites: which rule each layer gets; and the presets the field uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from torch import Tensor, nn

from lrp.bias import BiasMode, checked_mode
from lrp.errors import CompositeError
from lrp.rules import AlphaBeta, AsAverage, Epsilon, Flat, Gamma, Norm, Rule, ZBox, Zero, ZPlus

KINDS = (
    "linear",
    "conv",
    "norm",
    "sum",
    "average",
    "maxpool",
    "activation",
    "product",
    "matmul",
    "softmax",
    "custom",
)


@dataclass(frozen=True)
class Layer:
    """What a composite may ask about a layer.

    kind: one of KINDS. position: 0-based place among the convolutions and linear layers in order of computation,
    None for other kinds. first / last: no convolution or linear layer lies between it and the inputs / the outputs.
    depth: how many of the model's `convolutions` come up to this layer, itself included, in order of computation.
    """

    name: str
    kind: str
    operation: str
    module: nn.Module | None
    position: int | None
    count: int
    first: bool
    last: bool
    depth: int = 0
    convolutions: int = 0


Selector = Callable[[Layer], bool]
RuleChoice = "Rule | Composite"


@dataclass(frozen=True)
class _Named:
    """Matches layers whose name fits a pattern; must match at least one."""

    pattern: str

    def __call__(self, layer: Layer) -> bool:
        return fnmatchcase(layer.name, self.pattern)


def named(pattern: str) -> Selector:
    """Layers whose name fits the shell-style pattern: `named("blocks.*.conv1")`."""
    return _Named(pattern)


def kind(*kinds: str) -> Selector:
    """Layers of these kinds, however they were called: `kind("conv")` sees nn.Conv2d and F.conv2d alike."""
    for k in kinds:
        if k not in KINDS:
            raise CompositeError(f"unknown kind of layer {k!r}; known: {', '.join(KINDS)}")
    return lambda layer: layer.kind in kinds


def of_type(*types: type[nn.Module]) -> Selector:
    """Layers computed by modules of these types."""
    return lambda layer: isinstance(layer.module, types)


def first(layer: Layer) -> bool:
    """Convolutions and linear layers that read the inputs directly."""
    return layer.first


def last(layer: Layer) -> bool:
    """Convolutions and linear layers that no other one follows."""
    return layer.last


def nth(position: int) -> Selector:
    """The convolution or linear layer at this place in order of computation; negative from the end."""
    return lambda layer: (
        layer.position is not None and layer.position == position % max(layer.count, 1)
    )


def everything(layer: Layer) -> bool:
    """Every layer."""
    return True


class Composite:
    """A list of (selector, rule) pairs; the first pair that matches a layer gives its rule.

    A selector is a function of a `Layer`, a kind ("conv"), a name pattern ("head.*"), or a module type (nn.Conv2d).
    A rule may itself be a Composite, asked only about the layers its selector matched.
    Layers that nothing matches take the default of their kind (`DEFAULTS`): LRP-ε for affine layers.
    """

    def __init__(
        self,
        *entries: tuple[Selector | str | type[nn.Module], Rule | Composite],
        bias: BiasMode = "sink",
        name: str = "Composite",
    ) -> None:
        checked_mode(bias)
        self.entries: tuple[tuple[Selector, Rule | Composite], ...] = tuple(
            (_selector(s), r) for s, r in entries
        )
        for _, rule in self.entries:
            if not isinstance(rule, (Rule, Composite)):
                raise CompositeError(
                    f"a composite maps layers to rules or composites, not to {rule!r}"
                )
        self.bias: BiasMode = bias
        self.name = name

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
            if isinstance(select, _Named) and not any(select(layer) for layer in layers):
                names = ", ".join(layer.name for layer in layers)
                raise CompositeError(f"no layer is named {select.pattern!r}; layers: {names}")
            if isinstance(rule, Composite) and any(select(layer) for layer in layers):
                rule.check([layer for layer in layers if select(layer)])
        if (
            self.entries
            and layers
            and not any(self.rule_for(layer) is not None for layer in layers)
        ):
            raise CompositeError(
                f"{self.name} matches none of the layers: {', '.join(layer.name for layer in layers)}"
            )

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self.entries)} entries, bias {self.bias}>"


def _selector(selector: Selector | str | type[nn.Module]) -> Selector:
    if isinstance(selector, str):
        return kind(selector) if selector in KINDS else named(selector)
    if isinstance(selector, type):
        if issubclass(selector, nn.Module):
            return of_type(selector)
    elif callable(selector):
        return selector
    raise CompositeError(
        f"a selector is a function of a Layer, a kind, a name pattern or a module type: {selector!r}"
    )


def EpsilonPlus(epsilon: float = 1e-6, bias: BiasMode = "sink") -> Composite:
    """z⁺ for convolutions, LRP-ε for linear layers (Kohlbrenner et al. 2020)."""
    return Composite(
        ("conv", ZPlus()),
        ("linear", Epsilon(epsilon=epsilon)),
        ("norm", Epsilon(epsilon=epsilon)),
        bias=bias,
        name="EpsilonPlus",
    )


def EpsilonPlusFlat(epsilon: float = 1e-6, bias: BiasMode = "sink") -> Composite:
    """EpsilonPlus with the flat rule in the first layer."""
    return Composite(
        (first, Flat()), (everything, EpsilonPlus(epsilon, bias)), bias=bias, name="EpsilonPlusFlat"
    )


def EpsilonAlpha2Beta1(epsilon: float = 1e-6, bias: BiasMode = "sink") -> Composite:
    """αβ with α = 2, β = 1 for convolutions, LRP-ε for linear layers."""
    return Composite(
        ("conv", AlphaBeta(2.0, 1.0)),
        ("linear", Epsilon(epsilon=epsilon)),
        ("norm", Epsilon(epsilon=epsilon)),
        bias=bias,
        name="EpsilonAlpha2Beta1",
    )


def EpsilonAlpha2Beta1Flat(epsilon: float = 1e-6, bias: BiasMode = "sink") -> Composite:
    """EpsilonAlpha2Beta1 with the flat rule in the first layer."""
    inner = EpsilonAlpha2Beta1(epsilon, bias)
    return Composite((first, Flat()), (everything, inner), bias=bias, name="EpsilonAlpha2Beta1Flat")


def EpsilonGammaBox(
    low: float | Tensor = 0.0,
    high: float | Tensor = 1.0,
    gamma: float = 0.25,
    epsilon: float = 1e-6,
    bias: BiasMode = "sink",
) -> Composite:
    """zᴮ in the first layer, γ for convolutions, LRP-ε for linear layers (Montavon et al. 2019)."""
    return Composite(
        (first, ZBox(low, high)),
        ("conv", Gamma(gamma)),
        ("linear", Epsilon(epsilon=epsilon)),
        ("norm", Epsilon(epsilon=epsilon)),
        bias=bias,
        name="EpsilonGammaBox",
    )


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
    return Composite((first, ZBox(low, high)), *upper, bias=bias, name="Tutorial")


def _vgg16_above_pixels() -> tuple[tuple[Selector | str, Rule], ...]:
    def lower(layer: Layer) -> bool:
        return 2 * layer.depth <= layer.convolutions + 1

    def low_pool(layer: Layer) -> bool:
        return layer.kind == "maxpool" and lower(layer)

    def low_convolution(layer: Layer) -> bool:
        return layer.kind == "conv" and lower(layer)

    return (
        (low_pool, AsAverage()),
        ("maxpool", AsAverage(epsilon=0.25, relative=True)),
        (last, Zero()),
        (low_convolution, Gamma(0.25)),
        ("conv", Epsilon(epsilon=0.25, relative=True)),
        ("linear", Zero()),
    )


def _mlp_above_pixels() -> tuple[tuple[Selector | str, Rule], ...]:
    def lower(layer: Layer) -> bool:
        return layer.position is not None and 2 * layer.position < layer.count

    return (
        (last, Zero()),
        ("maxpool", AsAverage()),
        (lower, Gamma(0.1)),
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
