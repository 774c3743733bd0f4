"""LRP for an LSTM on a task with a known answer: the sum of the marked numbers of a sequence.

In a product of a gate and a signal the signal takes all relevance (Arras et al. 2019); half and half is the
alternative.  The right relevance of a step is its number if it is marked and 0 if it is not.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.experiments import alt, plots
from app.experiments.record import Experiment, Figure, Findings, PerInput, Progress, Settings, part
from app.experiments.statistics import Interval, bootstrap, pearson
from app.experiments.tables import bars, column, intervals, table
from app.models import Model
from lrp import LRP, Composite
from lrp.baselines import GradientTimesInput
from lrp.composites import everything
from lrp.rules import Epsilon, HalfAndHalf, SignalTakesAll

Maps = NDArray[np.float64]
LENGTH, WIDTH, MARKED = 10, 24, 3
EPSILON: Final = Epsilon(epsilon=1e-3)
SIGNAL: Final = Composite(
    ("product", SignalTakesAll()), (everything, EPSILON), name="signal takes all"
)
METHODS: Final = {
    "signal takes all": SIGNAL,
    "half and half": Composite(
        ("product", HalfAndHalf()), (everything, EPSILON), name="half and half"
    ),
}


COLUMNS: Final = {
    "correlation": "correlation",
    "slope": "slope (1 is right)",
    "mean_error": "mean error",
    "share_on_unmarked": "share of |R| on unmarked",
}


class Adder(nn.Module):
    """x [B, LENGTH, 2] of numbers and marks -> their marked sum [B, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, WIDTH, batch_first=True)
        self.out = nn.Linear(WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x)
        total: Tensor = self.out(states[:, -1])
        return total


def sequences(count: int) -> tuple[Tensor, Tensor]:
    """Inputs [count, LENGTH, 2] and the right relevance of each step [count, LENGTH]; from torch's global generator."""
    values = torch.rand(count, LENGTH) * 2 - 1
    marks = torch.zeros(count, LENGTH).scatter(
        1, torch.rand(count, LENGTH).argsort(1)[:, :MARKED], 1.0
    )
    return torch.stack([values, marks], 2), values * marks


def train(steps: int, progress: Progress) -> Adder:
    """Adam with a falling rate on the squared error, fresh sequences in every batch."""
    network = Adder()
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, 1e-4)
    for step in range(steps):
        if step % 50 == 0:
            progress(step / steps, f"training, step {step} of {steps}")
        x, truth = sequences(128)
        loss = (network(x)[:, 0] - truth.sum(1)).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network.eval()


def scored(steps: Maps, truth: Maps) -> dict[str, Maps]:
    """How relevance by step [P, LENGTH] agrees with the right one: correlation, slope, error, share on unmarked [P]."""
    size = np.abs(steps)
    on_unmarked = (size * (truth == 0)).sum(1)
    return {
        "correlation": np.array([pearson(r, t) for r, t in zip(steps, truth)]),
        "slope": (steps * truth).sum(1) / (truth * truth).sum(1),
        "mean_error": np.abs(steps - truth).mean(1),
        "share_on_unmarked": on_unmarked / np.maximum(size.sum(1), 1e-12),
    }


def explain(network: nn.Module, x: Tensor, seed: int) -> tuple[dict[str, Maps], dict[str, Any]]:
    """Relevance by step [P, LENGTH] of every method, controls among them; the ledgers of LRP's."""
    maps: dict[str, Maps] = {}
    ledgers = {}
    for name, composite in METHODS.items():
        relevance = LRP(network, composite, x[:2]).attribute(x, 0)
        maps[name] = relevance.inputs[0].double().sum(2).numpy()
        bias = relevance.bias_total.double().numpy()
        ledgers[name] = {
            "bias": bootstrap(bias, seed),
            "bias_size": bootstrap(np.abs(bias), seed),
            "closure": float(relevance.closure.abs().max()),
        }
    plain = GradientTimesInput(network, x[:2]).attribute(x, 0)
    maps["gradient × input"] = plain.input.double().sum(2).numpy()
    maps["all numbers alike"] = x[:, :, 0].double().numpy()
    return maps, ledgers


def run(model: Model | None, settings: Settings, progress: Progress) -> Findings:
    """Train the adder, explain unseen sequences, compare with the right answer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = train(400 if settings.quick else 3000, part(progress, 0.0, 0.9))
        x, right = sequences(settings.positions)
    truth = right.double().numpy()
    with torch.no_grad():
        error = (network(x)[:, 0] - right.sum(1)).double().numpy()
    progress(0.9, "explaining")
    maps, ledgers = explain(network, x, settings.seed)
    samples = {name: scored(steps, truth) for name, steps in maps.items()}
    found = {name: intervals(each, settings.seed) for name, each in samples.items()}
    numbers = {
        "sequences": len(x),
        "length": LENGTH,
        "marked": MARKED,
        "rms_error": float(np.sqrt(np.square(error).mean())),
        "methods": found,
        "ledgers": ledgers,
    }
    title = "Relevance of a step against the right answer (mean [95 % interval] over sequences)"
    reading = _reading(numbers, float(right.sum(1).std()))
    figure = _figure(x, truth, maps, found)
    flat = {f"{name} | {score}": v for name, each in samples.items() for score, v in each.items()}
    each = PerInput("sequences", "sequence", x.double().numpy(), {"error": error} | flat)
    return Findings(numbers, reading, (figure,), (table(title, found, COLUMNS),), (each,))


def _reading(numbers: dict[str, Any], spread: float) -> str:
    found, ledgers = numbers["methods"], numbers["ledgers"]
    agreed = column(found, "correlation")
    signal, half, plain, control = agreed.values()
    ahead = signal.low > half.high
    return (
        f"The LSTM adds the {MARKED} marked of {LENGTH} numbers with an error of {numbers['rms_error']:.3f} (rms; the "
        f"sums' own spread is {spread:.2f}). With gates taking none and signals all, relevance by step correlates "
        f"{signal} with the right answer; half and half {half}, gradient × input "
        f"{plain}, calling all numbers alike {control}. The gates' rule is "
        f"{'better' if ahead else 'not shown to be better'} than half and half "
        f"here{', but the plain gradient is ahead of it' if plain.low > signal.high else ''}. "
        f"{found['signal takes all']['share_on_unmarked']} of the relevance still lies on unmarked steps, where the "
        f"right answer is none; biases keep {ledgers['signal takes all']['bias_size']} in absolute size, in the sum's "
        f"own unit, and the ledger closes to {max(entry['closure'] for entry in ledgers.values()):.0e}."
    )


def _figure(
    x: Tensor, truth: Maps, maps: dict[str, Maps], found: dict[str, dict[str, Interval]]
) -> Figure:
    canvas, (left, right) = plots.canvas(2, width=5.0, height=3.2)
    shown = {"right answer": truth[0]}
    shown |= {name: maps[name][0] for name in (*METHODS, "gradient × input")}
    places, words = np.arange(LENGTH), ["relevance of the steps of one sequence"]
    for offset, (name, steps) in enumerate(shown.items()):
        colour = plots.COLOURS[offset - 1] if offset else plots.INK
        left.bar(places + (offset - 1.5) * 0.2, steps, 0.19, label=name, color=colour)
        words.append(f"{name} {', '.join([f'{v:+.2f}' for v in steps])}")
    ticks = [f"{v:+.1f}{'*' if m else ''}" for v, m in x[0].tolist()]
    left.set_xticks(places, ticks, fontsize=8)
    left.axhline(0, color=plots.INK, linewidth=0.8)
    plots.lines(left, "One sequence (* marked)", "number", "relevance")
    title, label = "Agreement with the right answer", "correlation by sequence"
    words.append(bars(right, column(found, "correlation"), title, label, "correlation"))
    caption = "An LSTM that adds the marked numbers: relevance by step, and how well it agrees."
    return Figure("", caption, canvas, alt.sentence(*words))


EXPERIMENT = Experiment(
    "lstm",
    11,
    "LRP for an LSTM",
    "Gates take no relevance, signals all; on a task whose right answer is known.",
    run,
    positions=(200, 1000),
    source="a remark in the draft",
    needs_model=False,
)
