"""What explaining torchvision's ResNets and VGG costs, in units of one forward and backward pass (F) on one thread.

Rounds are interleaved and medians of processor time compared; capture is the first `LRP` of the model; memory is what
each job adds at its peak in a fresh process (Linux). Weights are random.
Needs the extra `compat`. Run it as `python -m benchmarks.lrp_vision --models resnet18 resnet50`.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time

import torch
from torch import Tensor, nn

import lrp
from benchmarks.harness import interleaved, options, show
from benchmarks.lrp import processor, rise

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
    """Capture and one explanation, in F."""
    model, x = model_of(name), torch.randn(batch, 3, SIZE, SIZE)
    began = time.thread_time()
    explainer = lrp.LRP(model, composite, x)
    capture = time.thread_time() - began
    jobs = {
        "F": lambda: full_pass(model, x),
        "LRP": lambda: explainer.attribute(x, TARGET),
    }
    found = interleaved(jobs, rounds)
    return {"explanation": found["LRP"] / found["F"], "capture": capture / found["F"]}


def added_memory(name: str, composite: str, batch: int, what: str) -> float:
    """In this process: MiB that a job adds at its peak, after it was done once for one sample."""
    torch.set_num_threads(1)
    model, x = model_of(name), torch.randn(batch, 3, SIZE, SIZE)
    explainer = lrp.LRP(model, composite, x[:1]) if what == "LRP" else None

    def job(x: Tensor) -> None:
        if explainer is None:
            full_pass(model, x)
        else:
            explainer.attribute(x, TARGET)

    job(x[:1])
    model.zero_grad()
    return rise(lambda: job(x))


def memory(name: str, composite: str, batch: int) -> float:
    """Peak memory of an explanation, in that of F."""
    found = []
    for what in ("LRP", "F"):
        call = f"b.added_memory({name!r}, {composite!r}, {batch}, {what!r})"
        script = f"import benchmarks.lrp_vision as b; print({call})"
        out = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        found.append(float(out.stdout.splitlines()[-1]))
    return found[0] / found[1]


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
        figures[f"{name}, peak memory, × F"] = memory(name, chosen.composite, chosen.batch)
    show(figures, chosen.json)


if __name__ == "__main__":
    main()
