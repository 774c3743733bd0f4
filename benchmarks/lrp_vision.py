"""What explaining torchvision's ResNets and VGG costs, in units of one forward and backward pass (F) on one thread.

Rounds are interleaved and medians of processor time compared; capture is the first `LRP` of the model; memory is the
most that a job has allocated at once through torch. Weights are random.
Needs the extra `compat`. Run it as `python -m benchmarks.lrp_vision --models resnet18 resnet50`.
"""

from __future__ import annotations

import importlib
import time

import torch
from torch import Tensor, nn

import lrp
from benchmarks.harness import interleaved, most_bytes, options, show
from benchmarks.lrp import processor

TARGET, SIZE = 3, 224


def model_of(name: str) -> nn.Module:
    """The model in eval mode."""
    torch.manual_seed(0)
    model: nn.Module = getattr(importlib.import_module("torchvision.models"), name)()
    return model.eval()


def full_pass(model: nn.Module, x: Tensor) -> None:
    """One forward and backward pass with the weights' gradients."""
    model.zero_grad()
    model(x)[:, TARGET].sum().backward()


def speed(name: str, composite: str, batch: int, rounds: int) -> dict[str, float]:
    """Capture, an explanation, its peak of memory, and the look at whether the model has changed, in those of F."""
    model, x = model_of(name), torch.randn(batch, 3, SIZE, SIZE)
    began = time.thread_time()
    explainer = lrp.LRP(model, composite, x)
    capture = time.thread_time() - began
    jobs = {
        "F": lambda: full_pass(model, x),
        "explanation": lambda: explainer.attribute(x, TARGET),
        "check": lambda: explainer.program,
    }
    found = {**interleaved(jobs, rounds), "capture": capture}
    figures = {what: found[what] / found["F"] for what in ("explanation", "capture", "check")}
    return {**figures, "peak memory": most_bytes(jobs["explanation"]) / most_bytes(jobs["F"])}


def main() -> None:
    """Prints a line for each figure, or JSON."""
    chosen = options(
        __doc__,
        models=["resnet18", "resnet50", "vgg16_bn"],
        composite="EpsilonPlusFlat",
        batch=1,
        rounds=20,
    )
    if not chosen.json:
        print(f"{processor()}: medians of {chosen.rounds} interleaved rounds, one thread")
    figures = {}
    for name in chosen.models:
        for what, value in speed(name, chosen.composite, chosen.batch, chosen.rounds).items():
            figures[f"{name}, {what}, × F"] = value
    show(figures, chosen.json)


if __name__ == "__main__":
    main()
