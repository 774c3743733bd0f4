"""The tutorial's two recipes against its own procedure, layer by layer: modified weights, ε by the size of z."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lrp
from lrp import rules
from lrp.composites import Tutorial
from tests.lrp import networks

TINY = 1e-6  # the rules' own stabilizer where the tutorial has 1e-9
Part = tuple[float, float]  # γ and ε of a layer


def convolutions(widths: Sequence[int | str], channels: int) -> list[nn.Module]:
    """3×3 convolutions with ReLU; "M" is max pooling, as VGG's configurations are written."""
    layers: list[nn.Module] = []
    for width in widths:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    return layers


def vgg16() -> nn.Sequential:
    """VGG-16's layers, narrow, for pictures of 32×32."""
    widths = [2, 2, "M", 2, 2, "M", 2, 2, 2, "M", 2, 2, 2, "M", 2, 2, 2, "M"]
    head = [nn.Flatten(), nn.Linear(2, 6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 5), nn.ReLU()]
    return nn.Sequential(*convolutions(widths, 3), *head, nn.Dropout(), nn.Linear(5, 4)).double()


def small_vgg() -> nn.Sequential:
    """Four convolutions and two linear layers, for pictures of 8×8."""
    features = convolutions([4, 4, "M", 5, 5, "M"], 1)
    head = [nn.Flatten(), nn.Linear(20, 7), nn.ReLU(), nn.Linear(7, 3)]
    return nn.Sequential(*features, *head).double()


def perceptron() -> nn.Sequential:
    """Four linear layers, as the tutorial's MLP has."""
    sizes = [nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10), nn.ReLU()]
    return nn.Sequential(
        nn.Flatten(), *sizes, nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 3)
    ).double()


def alive(model: nn.Sequential, seed: int) -> nn.Sequential:
    """The model with random weights, and biases ≥ 0 so that no layer of so few units is dead."""
    networks.randomise(model, seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.abs_()
    return model.eval()


def affine(layer: nn.Module, change: Callable[[Tensor], Tensor], x: Tensor, bias: bool) -> Tensor:
    """The layer with its parameters changed."""
    b = change(layer.bias) if bias else None
    if isinstance(layer, nn.Conv2d):
        return F.conv2d(x, change(layer.weight), b, padding=layer.padding)
    return F.linear(x, change(layer.weight), b)


def through(layer: nn.Module, part: Part, x: Tensor, r: Tensor) -> Tensor:
    """The tutorial's four steps: forward with changed weights and z increased, divide, backward, multiply."""
    gamma, epsilon = part
    x = x.detach().requires_grad_(True)
    if isinstance(layer, nn.MaxPool2d):
        z = F.avg_pool2d(x, 2)
    elif isinstance(layer, (nn.Conv2d, nn.Linear)):
        z = affine(layer, lambda p: p + gamma * p.clamp(min=0), x, bias=True)
    else:
        return r.reshape(x.shape)
    least = 0.0 if isinstance(layer, nn.Linear) and part == (0.0, 0.0) else TINY
    increase = epsilon * z.detach().square().mean().sqrt() if epsilon else least
    (gradient,) = torch.autograd.grad(z, x, r / (z.detach() + increase))
    return x.detach() * gradient


def at_pixels(layer: nn.Module, x: Tensor, r: Tensor) -> Tensor:
    """zᴮ with pixels in [0, 1]."""
    x, low, high = (t.clone().requires_grad_(True) for t in (x, x * 0, x * 0 + 1))
    z = affine(layer, lambda p: p, x, bias=False)
    z = z - affine(layer, lambda p: p.clamp(min=0), low, bias=False)
    z = z - affine(layer, lambda p: p.clamp(max=0), high, bias=False)
    gradients = torch.autograd.grad(z, (x, low, high), r / (z.detach() + TINY))
    return sum(t.detach() * g for t, g in zip((x, low, high), gradients))


def tutorial(model: nn.Sequential, parts: dict[int, Part], x: Tensor, target: int) -> Tensor:
    """The map of one picture; `parts` gives γ and ε by place in `model`, LRP-0 where it is silent."""
    values = [x]
    with torch.no_grad():
        for layer in model:
            values.append(layer(values[-1]))
    r = F.one_hot(torch.tensor([target]), values[-1].shape[1]) * values[-1]
    pixels = next(i for i, layer in enumerate(model) if hasattr(layer, "weight"))
    for i in reversed(range(pixels + 1, len(model))):
        r = through(model[i], parts.get(i, (0.0, 0.0)), values[i], r)
    return at_pixels(model[pixels], values[pixels], r).reshape(x.shape)


LOW, HIGH = (0.25, 0.0), (0.0, 0.25)
CASES = {
    "a small VGG": (small_vgg, "vgg16", {2: LOW, 5: HIGH, 7: HIGH, 9: HIGH}, (1, 8, 8)),
    "VGG-16": (
        vgg16,
        "vgg16",
        dict.fromkeys((2, 5, 7, 10, 12, 14), LOW) | dict.fromkeys(range(17, 31), HIGH),
        (3, 32, 32),
    ),
    "an MLP": (perceptron, "mlp", {3: (0.1, 0.0), 5: (0.0, 0.1)}, (1, 8, 8)),
}


@pytest.mark.parametrize("name", CASES)
def test_each_part_gives_the_map_of_the_tutorials_own_procedure(name: str) -> None:
    make, part, parts, shape = CASES[name]
    model = alive(make(), 3)
    x = torch.rand(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    expected = tutorial(model, parts, x, 1)
    found = lrp.LRP(model, Tutorial(part=part), x).attribute(x, 1)
    assert float(expected.abs().max()) > 0
    torch.testing.assert_close(found.input, expected, rtol=1e-7, atol=1e-10)
    others = {"vgg16": "mlp", "mlp": "vgg16"}
    other = lrp.LRP(model, Tutorial(part=others[part]), x).attribute(x, 1)
    assert float((other.input - expected).abs().max()) > 1e-3 * float(expected.abs().max())


def test_vgg16_gets_the_rules_that_the_tutorial_gives_its_layers_by_number() -> None:
    x = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    explainer = lrp.LRP(vgg16().eval(), Tutorial(), x)
    given = [(layer, Tutorial().rule_for(layer)) for layer in explainer.program.layers]
    found = [rule for layer, rule in given if layer.kind in ("conv", "linear")]
    high = rules.Epsilon(epsilon=0.25, relative=True)
    assert found[1:] == [rules.Gamma(0.25)] * 6 + [high] * 6 + [rules.Zero()] * 3
    assert isinstance(found[0], rules.ZBox)
    pools = [rule for layer, rule in given if layer.kind == "maxpool"]
    average = rules.AsAverage(epsilon=0.25, relative=True)
    assert pools == [rules.AsAverage()] * 3 + [average] * 2


def test_the_mlp_gets_gamma_below_epsilon_and_lrp_0_at_the_top() -> None:
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    explainer = lrp.LRP(perceptron(), Tutorial(part="mlp"), x)
    given = [Tutorial(part="mlp").rule_for(layer) for layer in explainer.program.layers]
    found = [rule for rule in given if rule is not None]
    middle = rules.Epsilon(epsilon=0.1, relative=True)
    assert found[1:] == [rules.Gamma(0.1), middle, rules.Zero()]
    assert isinstance(found[0], rules.ZBox)


def test_a_network_of_convolutions_alone_has_lrp_0_at_the_top() -> None:
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    model = nn.Sequential(*convolutions([3, 3, 3, 3], 1)[:-1]).double()
    given = [Tutorial().rule_for(layer) for layer in lrp.LRP(model, Tutorial(), x).program.layers]
    found = [rule for rule in given if rule is not None]
    middle = rules.Epsilon(epsilon=0.25, relative=True)
    assert found[1:] == [rules.Gamma(0.25), middle, rules.Zero()]


@pytest.mark.parametrize("name", ["a small VGG", "an MLP"])
def test_a_picture_is_explained_alike_alone_and_beside_others(name: str) -> None:
    """ε is taken from each sample's own size, not from the whole array's as in the tutorial."""
    make, part, _, shape = CASES[name]
    model = alive(make(), 5)
    x = (
        torch.rand(3, *shape, dtype=torch.float64)
        * torch.tensor([0.1, 0.5, 1.0])[:, None, None, None]
    )
    explainer = lrp.LRP(model, Tutorial(part=part), x)
    alone = [explainer.attribute(picture[None], 2).input for picture in x]
    torch.testing.assert_close(explainer.attribute(x, 2).input, torch.cat(alone))
    assert float(explainer.attribute(x, 2).closure.abs().max()) < 1e-9


@pytest.mark.parametrize("part", ["VGG16", "", None, ["mlp"]])
def test_another_part_of_the_tutorial_is_refused(part: object) -> None:
    with pytest.raises(lrp.LRPError, match="parts are 'vgg16' and 'mlp'"):
        Tutorial(part=part)  # type: ignore[arg-type]
