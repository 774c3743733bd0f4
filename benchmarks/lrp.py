"""What an explanation costs, in units of one forward and backward pass of the same network on one thread.

The network is a residual policy–value net (6 blocks of 64 channels, 8 × 8 board). The unit comes in two kinds, one
column each: `× F` is the net's plain `loss.backward()`, which also fills the weights' gradients and is what the gates
mean; `× F input` is the gradient of the input alone with frozen weights, which is cheaper.
Rounds are interleaved and medians of processor time compared, so that a busy machine slows all of them alike.
Run it as `python -m benchmarks.lrp` (as a script, this file would stand in the way of the package of its name).
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import lrp
from benchmarks.harness import interleaved, options
from othello.network.architecture import Architecture, Network


def network() -> Network:
    """The net in eval mode with scales and running statistics that are not trivial."""
    torch.manual_seed(0)
    net = Network(Architecture(planes=3, blocks=6, channels=64)).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            module.running_mean.copy_(torch.randn(module.num_features) * 0.2)
            module.running_var.copy_(torch.rand(module.num_features) + 0.5)
    return net


def full_pass(net: Network, x: Tensor) -> None:
    """One forward and backward pass with the weights' gradients."""
    net.zero_grad()
    net(x)[0][:, 3].sum().backward()


def input_pass(frozen: Network, x: Tensor) -> None:
    """One forward and backward pass to the input alone."""
    leaf = x.detach().requires_grad_(True)
    torch.autograd.grad(frozen(leaf)[0][:, 3].sum(), leaf)


FULL, INPUT = "F: forward + backward", "F input: input gradient only"
LOGITS, LOOK = "all 65 logits, in 65 F", "look whether the net has changed"
COMPOSITES: dict[str, tuple[object, dict[int, float]]] = {
    "EpsilonPlusFlat, sink": (lrp.composites.EpsilonPlusFlat(), {1: 1.05, 64: 1.05}),
    "epsilon in every layer": (lrp.rules.Epsilon(), {1: 1.1, 64: 1.1}),
    "EpsilonAlpha2Beta1": (lrp.composites.EpsilonAlpha2Beta1(), {1: 1.4, 64: 1.4}),
    "EpsilonPlus": (lrp.composites.EpsilonPlus(), {}),
    "EpsilonGammaBox": (lrp.composites.EpsilonGammaBox(), {1: 1.15, 64: 1.15}),
}


def speed(batch: int, rounds: int) -> list[dict[str, object]]:
    """One row a composite: seconds, multiples of both F, and the gate."""
    net, frozen = network(), network().requires_grad_(False)
    x = (torch.rand(batch, 3, 8, 8) < 0.4).float()
    explainers = {name: lrp.LRP(net, composite, x) for name, (composite, _) in COMPOSITES.items()}  # type: ignore[arg-type]
    jobs: dict[str, Callable[[], object]] = {
        FULL: lambda: full_pass(net, x),
        INPUT: lambda: input_pass(frozen, x),
    }
    for name, explainer in explainers.items():
        jobs[name] = lambda e=explainer: e.attribute(x, 3, output=0)  # type: ignore[misc]
    if batch == 1:
        each = explainers["EpsilonPlusFlat, sink"]
        jobs[LOGITS] = lambda: each.attribute_each(x, output=0)
        jobs[LOOK] = lambda: each.program
    found = interleaved(jobs, rounds)
    rows: list[dict[str, object]] = []
    for name, seconds in found.items():
        many = 65 if name == LOGITS else 1
        gates = COMPOSITES[name][1] if name in COMPOSITES else {}
        gate = {LOGITS: 0.2, LOOK: 0.02}.get(name, gates.get(batch))
        rows.append(
            {
                "what": name,
                "batch": batch,
                "rounds": rounds,
                "ms": seconds * 1e3,
                "F": seconds / found[FULL] / many,
                "F input": seconds / found[INPUT] / many,
                "gate": gate,
            }
        )
    return rows


def capture_seconds() -> tuple[float, float]:
    """How long the first LRP of a model takes, with torch.export's own import: wall and processor seconds."""
    net, x = network(), torch.rand(1, 3, 8, 8)
    start, busy = time.perf_counter(), time.process_time()
    lrp.LRP(net, "EpsilonPlusFlat", x)
    return time.perf_counter() - start, time.process_time() - busy


def peak_memory(what: str, batch: int) -> float:
    """MiB that one job adds at its peak in a fresh process (Linux)."""
    script = f"import benchmarks.lrp as b; print(b.added_memory({what!r}, {batch}))"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return float(found.stdout.splitlines()[-1])


def added_memory(what: str, batch: int) -> float:
    """In this process: MiB between what is resident before the job and the job's peak."""
    torch.set_num_threads(1)
    net = network()
    explainer = lrp.LRP(net, "EpsilonPlusFlat", torch.rand(1, 3, 8, 8))

    def job(x: Tensor) -> None:
        if what == "F":
            full_pass(net, x)
        else:
            explainer.attribute(x, 3, output=0)

    job(torch.rand(1, 3, 8, 8))
    x = torch.rand(batch, 3, 8, 8)
    return rise(lambda: job(x))


def processor() -> str:
    """Its name, as Linux knows it."""
    lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def rise(job: Callable[[], object]) -> float:
    """MiB between what is resident before a job and the job's peak (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    job()
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> float:
    """KiB of this process under a key of /proc/self/status."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(key)))


def main() -> None:
    """Prints the table, or JSON."""
    chosen = options(
        __doc__,
        rounds={"default": 40, "help": "interleaved rounds at each batch size (40)"},
    )
    wall, busy = capture_seconds()
    rows = speed(1, chosen.rounds) + speed(64, chosen.rounds)
    memory = {what: peak_memory(what, 256) for what in ("F", "LRP")}
    if chosen.json:
        units = {
            "F": "forward and backward with weight gradients",
            "F input": "forward and gradient of the input",
        }
        capture = {"capture_s": wall, "capture_cpu_s": busy}
        print(json.dumps({"units": units, **capture, "rows": rows, "memory_mib": memory}))
        return
    print(
        f"{processor()}: medians of {chosen.rounds} interleaved rounds, one thread; gates are in units of F"
    )
    print(f"{'':<34}{'batch':>6}{'ms':>10}{'× F':>8}{'× F input':>11}{'gate':>7}")
    for row in rows:
        gate = "" if row["gate"] is None else f"{row['gate']:.2f}"
        print(
            f"{row['what']:<34}{row['batch']:>6}{row['ms']:>10.2f}{row['F']:>8.2f}{row['F input']:>11.2f}{gate:>7}"
        )
    print(f"capture, once per model: {wall:.2f} s, {busy:.2f} s of processor time (gate 3)")
    ratio = memory["LRP"] / memory["F"]
    print(
        f"peak memory at batch 256: {memory['LRP']:.0f} MiB, F {memory['F']:.0f} MiB, ratio {ratio:.2f} (gate 2)"
    )


if __name__ == "__main__":
    main()
