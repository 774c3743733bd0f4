"""The LRP tutorial on digits: a small MLP and a small VGG-like network, trained here, explained rule by rule.

Each network is explained by the recipe of its part of the tutorial (code of Montavon et al. 2019), see
`lrp.composites.Tutorial`; the MLP has one hidden layer between first and last, which takes γ: none is left for ε.
The digits are scikit-learn's 1,797 pictures of 8×8 pixels; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.experiments import alt, plots
from app.experiments.attributions import batches
from app.experiments.record import Experiment, Figure, Findings, PerInput, Progress, Settings, part
from app.experiments.statistics import Interval, highest, proportion, shuffled_order
from app.experiments.tables import bars, column, intervals, table
from app.models import Model
from lrp import LRP, Composite
from lrp.baselines import GradientTimesInput
from lrp.composites import Tutorial, everything
from lrp.rules import Epsilon, Gamma, Zero

Maps = NDArray[np.float64]
Recipe = Literal["mlp", "vgg16"]
RECIPE_NAMES: Final[dict[Recipe, str]] = {"mlp": "MLPs", "vgg16": "VGG-16"}
TESTED: Final = 360  # pictures that training never sees
STEPS: Final = 8
COMPOSITES: Final[dict[str, Callable[[Recipe], Composite]]] = {
    "LRP-0": lambda recipe: Composite((everything, Zero()), name="LRP-0"),
    "ε = 0.1 std": lambda recipe: Composite(
        (everything, Epsilon(epsilon=0.1, relative=True)), name="ε"
    ),
    "γ = 0.1": lambda recipe: Composite((everything, Gamma(0.1)), name="γ"),
    "tutorial": lambda recipe: Tutorial(part=recipe),
}
RECIPES: Final[dict[str, Recipe]] = {"MLP": "mlp", "VGG-like": "vgg16"}  # parts of the tutorial


def perceptron() -> nn.Module:
    """64 pixels, two hidden layers, ten digits."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def small_vgg() -> nn.Module:
    """Convolutions in pairs with max pooling after each pair, as VGG-16 begins, on 8×8 pixels."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def pictures() -> tuple[Tensor, Tensor]:
    """All digits: pixels [1797, 1, 8, 8] in [0, 1] and labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = torch.from_numpy(data.images[:, None] / 16.0)
    return pixels.float(), torch.from_numpy(data.target).long()


def train(
    network: nn.Module, x: Tensor, y: Tensor, epochs: int, progress: Progress, what: str
) -> nn.Module:
    """Adam on cross-entropy, batches of 64; draws from torch's global generator."""
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    for epoch in range(epochs):
        progress(epoch / epochs, f"training the {what}, epoch {epoch + 1} of {epochs}")
        order = torch.randperm(len(x))
        for rows in batches(len(x), 64):
            batch = order[rows]
            loss = nn.functional.cross_entropy(network(x[batch]), y[batch])
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
    return network.eval()


def pixel_gain(network: nn.Module, x: Tensor, y: Tensor, scores: Maps, seed: int) -> Maps:
    """SRG [P] of the true digit's logit while pixels are set to 0, highest of scores [P, 64] first and last."""
    random, flat = np.random.default_rng((seed, 16)), x.flatten(1)
    total = np.zeros(len(x))
    for sign in (1.0, -1.0):
        order = torch.from_numpy(shuffled_order(sign * scores, random))
        for step in range(1, STEPS):
            gone = flat.scatter(1, order[:, : 64 * step // STEPS], 0.0).reshape(x.shape)
            with torch.no_grad():
                total -= sign * network(gone).gather(1, y[:, None])[:, 0].double().numpy() / STEPS
    return total


def explain(
    network: nn.Module, x: Tensor, y: Tensor, recipe: Recipe
) -> tuple[dict[str, Maps], dict[str, Any]]:
    """Maps [P, 64] of every composite and their ledgers' sizes; `recipe` is the network's part of the tutorial."""
    maps, ledgers = {}, {}
    for name, make in COMPOSITES.items():
        found = LRP(network, make(recipe), x[:2]).attribute(x, y)
        maps[name] = found.inputs[0].double().flatten(1).numpy()
        size = found.target.abs().mean()
        ledgers[name] = {
            "bias_share": float(found.bias_total.abs().mean() / size),
            "stabilizer_share": float(found.stabilizer_total.abs().mean() / size),
            "closure": float((found.closure.abs() / found.target.abs().clamp(min=1)).max()),
        }
    return maps, ledgers


def trained(
    settings: Settings, progress: Progress
) -> tuple[dict[str, nn.Module], tuple[Tensor, Tensor]]:
    """Both networks, and the unseen pictures [P, 1, 8, 8] with their labels."""
    made = {"MLP": perceptron, "VGG-like": small_vgg}
    spans = {"MLP": part(progress, 0.0, 0.2), "VGG-like": part(progress, 0.2, 0.8)}
    networks = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        x, y = pictures()
        order = torch.randperm(len(x))
        x, y = x[order], y[order]
        epochs = 6 if settings.quick else 30
        for name, make in made.items():
            networks[name] = train(make(), x[TESTED:], y[TESTED:], epochs, spans[name], name)
    count = min(TESTED, settings.positions)
    return networks, (x[:count], y[:count])


def run(model: Model | None, settings: Settings, progress: Progress) -> Findings:
    """Train both networks, explain test pictures, measure by pixel flipping."""
    networks, (x, y) = trained(settings, progress)
    numbers: dict[str, Any] = {"pictures": len(x), "networks": {}}
    gains: dict[str, dict[str, Interval]] = {}
    drawn: dict[str, dict[str, Maps]] = {}
    each = {"digit": y.double().numpy()}
    for place, (name, network) in enumerate(networks.items()):
        progress(0.8 + 0.1 * place, f"explaining the {name}")
        with torch.no_grad():
            right = network(x).argmax(1) == y
        drawn[name], ledgers = explain(network, x, y, RECIPES[name])
        plain = GradientTimesInput(network, x[:2]).attribute(x, y)
        maps = drawn[name] | {
            "gradient × input": plain.input.double().flatten(1).numpy(),
            "ink": x.double().flatten(1).numpy(),
            "random": np.random.default_rng((settings.seed, 17)).standard_normal((len(x), 64)),
        }
        srg = {m: pixel_gain(network, x, y, scores, settings.seed) for m, scores in maps.items()}
        gains[name] = intervals(srg, settings.seed)
        each |= {f"{name} | {method}": samples for method, samples in srg.items()}
        each[f"{name} | right"] = right.double().numpy()
        numbers["networks"][name] = {
            "accuracy": proportion(int(right.sum()), len(x)),
            "srg": gains[name],
            "ledgers": ledgers,
        }
    grid = {method: column(gains, method) for method in gains["MLP"]}
    title = "SRG of the true digit's logit, pixels set to 0 (0 is a random order)"
    figures = _maps(x, y, drawn), _bars(gains)
    return Findings(
        numbers,
        _reading(numbers, gains),
        figures,
        (table(title, grid, list(networks)),),
        (PerInput("pictures", "picture", x[:, 0].double().numpy(), each),),
    )


def _reading(numbers: dict[str, Any], gains: dict[str, dict[str, Interval]]) -> str:
    found, parts = numbers["networks"], []
    for name, srg in gains.items():
        best = highest(srg, COMPOSITES)
        accuracy, ledger = found[name]["accuracy"], found[name]["ledgers"]["tutorial"]
        ahead = srg[best].low > srg["ink"].high
        parts.append(
            f"The {name} reads {100 * accuracy.mean:.1f} % [{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}] of "
            f"{numbers['pictures']} unseen digits. Its best composite is {best} with SRG {srg[best]}, gradient × "
            f"input has {srg['gradient × input']} and the picture's own ink {srg['ink']}: explanations are "
            f"{'clearly' if ahead else 'not clearly'} ahead of ink alone. "
            + ("" if srg[best].low > 0 else "None of the composites beats a random order. ")
            + _recipe(name, srg)
            + f"Under the tutorial's recipe the biases keep "
            f"{100 * ledger['bias_share']:.0f} % and the stabilizers {100 * ledger['stabilizer_share']:.0f} % of the "
            f"logit; the ledger closes to {max(column(found[name]['ledgers'], 'closure').values()):.0e}."
        )
    return " ".join(parts) + " Small pictures of 8×8 pixels; not the tutorial's photographs."


def _recipe(network: str, srg: dict[str, Interval]) -> str:
    """How the tutorial's recipe for this network does beside LRP-0."""
    recipe, plain = srg["tutorial"], srg["LRP-0"]
    which = f"The tutorial's recipe for {RECIPE_NAMES[RECIPES[network]]} has {recipe}"
    if recipe.high < plain.low:
        return (
            f"{which} and loses to LRP-0's {plain}: zᴮ credits black pixels, which setting pixels to 0 cannot "
            "change. "
        )
    return f"{which}, LRP-0 {plain}. "


def _maps(x: Tensor, y: Tensor, drawn: dict[str, dict[str, Maps]]) -> Figure:
    count = min(4, len(x))
    canvas, axes = plots.canvas(1 + len(COMPOSITES), len(drawn) * count, width=1.08, height=1.2)
    cells = iter(axes)
    for name, maps in drawn.items():
        for i in range(count):
            plots.picture(next(cells), x[i, 0].double().numpy(), f"{name}: {int(y[i])}")
            for method, scores in maps.items():
                plots.picture_map(next(cells), scores[i].reshape(8, 8), "" if i else method)
    words = (
        f"Rows of small pictures: {count} handwritten digits for each of {', '.join(drawn)}, each beside its maps by "
        f"{', '.join(COMPOSITES)}; red pixels speak for the digit, blue ones against it."
    )
    return Figure(
        "", "Digits explained by both networks, each map on its own scale.", canvas, words
    )


def _bars(gains: dict[str, dict[str, Interval]]) -> Figure:
    canvas, axes = plots.canvas(len(gains), width=4.2, height=2.8)
    words = []
    for drawing, (name, found) in zip(axes, gains.items()):
        words.append(bars(drawing, found, name, "SRG, logit", f"SRG of the {name}"))
    caption = "Pixel flipping with 95 % bootstrap intervals; 0 is a random order."
    return Figure("srg", caption, canvas, alt.sentence(*words))


EXPERIMENT = Experiment(
    "digits",
    10,
    "The LRP tutorial on digits",
    "The module is general: an MLP and a VGG-like network under the tutorial's rules.",
    run,
    positions=(180, 360),
    source="the LRP tutorial",
    needs_model=False,
    package="sklearn",
)
