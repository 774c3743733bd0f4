"""Positions per second and core of every way to run the network: `python -m benchmarks.evaluator`.

Rows are networks and batch sizes, columns are backends, all on one thread, per second of that thread's processor time.
Each figure is the median of interleaved rounds, so that other load on the machine falls on every column alike; the
last column is the first one over the best of the others.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.harness import Words, interleaved, options, seconds
from othello.network.architecture import Architecture, Network
from othello.network.backends import TorchBackend, has_amx
from othello.network.batchnorm_folding import Folded, fold
from othello.network.cpu.inference import WinogradBackend
from othello.network.encoding import encode
from othello.network.evaluator import NetworkEvaluator
from othello.network.onnx_export import onnx_model
from othello.rules.bitboard import BOARD_MASK

try:
    import onnxruntime
except ImportError:
    onnxruntime = None  # its column is left out

Backend = Callable[[Words, Words], object]


def positions(count: int, size: int, seed: int = 0) -> tuple[Words, Words]:
    """Random discs; speed does not depend on which."""
    random = np.random.default_rng(seed)
    own, opp = random.integers(0, 2**64, (2, count), dtype=np.uint64) & BOARD_MASK[size]
    return own, opp & ~own


def frozen_torch(folded: Folded, size: int, planes: int) -> Backend:
    """The folded network traced and frozen by TorchScript, channels last."""
    eager = TorchBackend(folded, "cpu", None)

    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return eager._forward(x)

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        example = torch.zeros(2, planes, size, size).contiguous(memory_format=torch.channels_last)
        module = torch.jit.freeze(torch.jit.trace(Module().eval(), example))

    @torch.inference_mode()
    def run(own: Words, opp: Words) -> object:
        return module(torch.from_numpy(encode(own, opp, size, planes)))

    return run


def onnx_runtime(folded: Folded, size: int, planes: int) -> Backend:
    """The folded network in ONNX Runtime, one thread."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    model = onnx_model(folded).SerializeToString()
    session = onnxruntime.InferenceSession(model, settings, ["CPUExecutionProvider"])
    return lambda own, opp: session.run(
        None, {"planes": np.ascontiguousarray(encode(own, opp, size, planes))}
    )


def measure(
    backends: dict[str, Backend], batch: int, size: int, rounds: int, span: float
) -> dict[str, float]:
    """Median positions per second of each backend over interleaved rounds of about `span` seconds each."""
    own, opp = positions(batch, size)
    repeats: dict[str, int] = {}
    jobs: dict[str, Callable[[], object]] = {}
    for name, backend in backends.items():
        once = partial(backend, own, opp)
        once()
        repeats[name] = max(1, int(span / seconds(once)))
        jobs[name] = partial(_repeat, once, repeats[name])
    spent = interleaved(jobs, rounds)
    return {name: batch * repeats[name] / spent[name] for name in backends}


def _repeat(job: Callable[[], object], times: int) -> None:
    for _ in range(times):
        job()


def main() -> None:
    arguments = options(
        __doc__,
        nets={"default": ["4x48", "6x64", "10x128"], "help": "blocks x channels"},
        batches=[1, 16, 64, 128, 256],
        size={"default": 8, "choices": sorted(BOARD_MASK)},
        rounds=7,
        seconds={"default": 0.15, "help": "of each backend in each round"},
    )
    results: dict[str, dict[int, dict[str, float]]] = {}
    for net in arguments.nets:
        blocks, channels = map(int, net.split("x"))
        network = Network(
            Architecture(size=arguments.size, blocks=blocks, channels=channels)
        ).eval()
        folded, planes = fold(network), network.architecture.planes
        backends: dict[str, Backend] = {
            "winograd": WinogradBackend(folded),
            "torch": TorchBackend(folded, "cpu", None),
            "frozen": frozen_torch(folded, arguments.size, planes),
        }
        backends["bfloat16"] = TorchBackend(folded, "cpu", "bfloat16")
        if has_amx():
            backends["openvino"] = NetworkEvaluator(network, backend="openvino")
        if onnxruntime is not None:
            backends["onnxruntime"] = onnx_runtime(folded, arguments.size, planes)
        for batch in arguments.batches:
            rates = measure(backends, batch, arguments.size, arguments.rounds, arguments.seconds)
            results.setdefault(net, {})[batch] = rates
            if not arguments.json:
                if len(results) == len(results[net]) == 1:
                    print(
                        "net      batch"
                        + "".join(f"{name:>13}" for name in rates)
                        + "        ratio"
                    )
                best = max(rate for name, rate in rates.items() if name != "winograd")
                figures = "".join(f"{rate:13,.0f}" for rate in rates.values())
                print(f"{net:8} {batch:5}{figures}{rates['winograd'] / best:12.2f}x", flush=True)
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
