"""Positions per second and core of every way to run the network: `python -m benchmarks.evaluator`.

Rows are networks and batch sizes, columns are backends, all on one thread, per second of that thread's processor time.
Each figure is the median of interleaved rounds, so that other load on the machine falls on every column alike; the
last column is the first one over the best of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib

import numpy as np
import torch
from numpy.typing import NDArray

from othello.network.architecture import Architecture, Network
from othello.network.batchnorm_folding import Folded, Layer, fold
from othello.network.cpu.inference import WinogradBackend
from othello.network.encoding import encode
from othello.network.evaluator import NetworkEvaluator, TorchBackend, has_amx
from othello.rules.bitboard import BOARD_MASK

Words = NDArray[np.uint64]
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

    def run(own: Words, opp: Words) -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(encode(own, opp, size, planes)))

    return run


def onnx_runtime(folded: Folded, size: int, planes: int) -> Backend:
    """The folded network as an ONNX graph in ONNX Runtime, one thread."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def node(kind: str, *inputs: str, **attributes: object) -> str:
        name = f"t{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def layer(kind: str, x: str, parameters: Layer, **attributes: object) -> str:
        names = [f"w{len(weights) + index}" for index in range(2)]
        weights.extend(
            numpy_helper.from_array(p.astype(np.float32), n) for p, n in zip(parameters, names)
        )
        return node(kind, x, *names, **attributes)

    def convolution(x: str, parameters: Layer) -> str:
        border = parameters.weight.shape[-1] // 2
        return layer("Conv", x, parameters, pads=[border] * 4)

    x = node("Relu", convolution("planes", folded.stem))
    for first, second in zip(folded.tower[::2], folded.tower[1::2]):
        y = node("Relu", convolution(x, first))
        x = node("Relu", node("Add", convolution(y, second), x))
    policy = node("Flatten", node("Relu", convolution(x, folded.policy_conv)))
    logits = layer("Gemm", policy, folded.policy_out, transB=1)
    value = node("Flatten", node("Relu", convolution(x, folded.value_conv)))
    hidden = node("Relu", layer("Gemm", value, folded.value_hidden, transB=1))
    outcome = node("Tanh", layer("Gemm", hidden, folded.value_out, transB=1))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("planes", TensorProto.FLOAT, ["B", planes, size, size])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in (logits, outcome)
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    return lambda own, opp: session.run(
        None, {"planes": np.ascontiguousarray(encode(own, opp, size, planes))}
    )


def measure(
    backends: dict[str, Backend], batch: int, size: int, rounds: int, seconds: float
) -> dict[str, float]:
    """Median positions per second of each backend over interleaved rounds of about `seconds` each."""
    own, opp = positions(batch, size)
    repeats = {}
    for name, backend in backends.items():
        backend(own, opp)
        start = time.thread_time()
        backend(own, opp)
        repeats[name] = max(1, int(seconds / (time.thread_time() - start)))
    rates: dict[str, list[float]] = {name: [] for name in backends}
    for _ in range(rounds):
        for name, backend in backends.items():
            start = time.thread_time()
            for _ in range(repeats[name]):
                backend(own, opp)
            rates[name].append(batch * repeats[name] / (time.thread_time() - start))
    return {name: statistics.median(found) for name, found in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--nets", nargs="+", default=["4x48", "6x64", "10x128"], help="blocks x channels"
    )
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16, 64, 128, 256])
    parser.add_argument("--size", type=int, default=8, choices=sorted(BOARD_MASK))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.15, help="of each backend in each round")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
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
        with contextlib.suppress(ImportError):
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
