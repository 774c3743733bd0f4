"""Every bar that `lrp` is held to in speed and memory, beside its figure.

Vision: torchvision's ResNets and VGG with random weights, pictures of 224 × 224 at batch 1. Board: this project's
network (6 blocks of 64 channels). F is one forward and backward pass; rounds are interleaved, medians of processor
time compared. Needs the extra `compat`. Run it as `python -m benchmarks.lrp_bars`: 20 rounds take about 15 minutes.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

import lrp
from benchmarks.harness import options
from benchmarks.lrp import speed as board
from benchmarks.lrp_vision import SIZE, TARGET, model_of
from benchmarks.lrp_vision import speed as vision

MODELS = ("resnet18", "resnet50", "vgg16_bn")
BARS = {"explanation": 1.25, "capture": 10.0, "check": 0.02, "peak memory": 2.0}
BOXED = lrp.composites.EpsilonGammaBox(-3.0, 3.0)


@dataclass(frozen=True)
class Bar:
    """A figure, and what it may be at most."""

    what: str
    figure: float
    bar: float


def held() -> dict[int, int]:
    """Bytes of every tensor that is alive, by address."""
    gc.collect()
    tensors = [x for x in gc.get_objects() if type(x) in (Tensor, nn.Parameter)]
    storages = [x.untyped_storage() for x in tensors if x.layout == torch.strided]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


def since(before: dict[int, int]) -> int:
    """Bytes of tensors that were not there before."""
    return sum(size for place, size in held().items() if place not in before)


def beside() -> Iterator[Bar]:
    """What an explainer of ResNet-50 holds, in its weights, and a result, in its input."""
    model, x = model_of("resnet50"), torch.randn(1, 3, SIZE, SIZE)
    weights = sum(p.nbytes for p in model.parameters())
    for name, composite in (("EpsilonPlusFlat", "EpsilonPlusFlat"), ("EpsilonGammaBox", BOXED)):
        before = held()
        explainer = lrp.LRP(model, composite, x)
        kept = [explainer.attribute(x, TARGET)]
        yield Bar(f"resnet50, {name}: weights beside the model", since(before) / weights, 1.0)
        before = held()
        kept += [explainer.attribute(x.clone(), TARGET) for _ in range(4)]
        size = since(before) / (x.nbytes * 4)
        yield Bar(f"resnet50, {name}: a kept result, in its input", size, 3.0)


def bars(rounds: int) -> Iterator[Bar]:
    """All of them."""
    for name in MODELS:
        for what, figure in vision(name, "EpsilonPlusFlat", 1, rounds).items():
            yield Bar(f"{name}, {what}, × F", figure, BARS[what])
    yield from beside()
    for batch in (1, 64):
        for row in board(batch, rounds):
            if row["gate"] is not None:
                what = f"board, batch {batch}: {row['what']}, × F"
                yield Bar(what, float(str(row["F"])), float(str(row["gate"])))


def main() -> None:
    """Prints a line for each bar, or JSON."""
    chosen = options(__doc__, rounds=20)
    found = []
    for bar in bars(chosen.rounds):
        found.append(bar)
        if not chosen.json:
            says = "met" if bar.figure <= bar.bar else "missed"
            print(f"{bar.what:<60}{bar.figure:>8.3f}{bar.bar:>8.2f}  {says}", flush=True)
    if chosen.json:
        print(json.dumps([asdict(bar) for bar in found], indent=2))


if __name__ == "__main__":
    main()
