"""The network as an ONNX model, for ONNX Runtime and whatever else reads ONNX; BatchNorm is folded, the batch is free.

    planes float32 [B, C, N, N]  ->  policy float32 [B, A] (logits), value float32 [B] in [−1, 1], of the side to move

Needs the extra `onnx`.  Operators are those of opset 17, the format ONNX's IR 9 (https://onnx.ai/onnx/operators).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from othello.errors import CheckpointError, ConfigError
from othello.network.architecture import Architecture, Network
from othello.network.batchnorm_folding import Folded, FoldedLayer, fold
from othello.network.checkpoint import Checkpoint
from othello.network.encoding import PLANE_NAMES, encode
from othello.rules.bitboard import BOARD_MASK

OPSET: Final = 17
TOLERANCE: Final = 1e-5  # of an output, in units of the largest one or of 1
_COMPARED = 64  # boards of random discs


def export(checkpoint: Checkpoint) -> tuple[bytes, float]:
    """The ONNX file of a checkpoint's network and the largest difference of its outputs from the network's own.

    Both are compared on boards of random discs, as batches of 1 and of 64.  Raises `CheckpointError` for an imported
    network or a difference above `TOLERANCE`, `ConfigError` where the extra is not installed.
    """
    network = checkpoint.network
    if not isinstance(network, Network):
        raise CheckpointError(
            f"{checkpoint.path}: an imported network; accepted are networks that this project trained"
        )
    about = {"checkpoint_sha256": checkpoint.sha256, "view": "side to move"}
    data: bytes = onnx_model(fold(network), about).SerializeToString()
    difference = _difference(data, network)
    if not difference <= TOLERANCE:
        raise CheckpointError(
            f"{checkpoint.path}: ONNX Runtime's outputs differ by {difference:.1e}; at most {TOLERANCE} is accepted"
        )
    return data, difference


def onnx_model(folded: Folded, about: Mapping[str, str] | None = None) -> Any:
    """The folded network as an `onnx.ModelProto`, checked; `about` joins its metadata.  Raises `ConfigError`."""
    onnx = _installed("onnx")
    drawn = _Drawing(onnx)
    a = folded.architecture
    policy, value = drawn.network(folded)
    floats = onnx.TensorProto.FLOAT
    signature = {"planes": ["B", a.planes, a.size, a.size], policy: ["B", a.actions], value: ["B"]}
    planes, *outputs = (
        onnx.helper.make_tensor_value_info(name, floats, shape) for name, shape in signature.items()
    )
    graph = onnx.helper.make_graph(drawn.nodes, "othello", [planes], outputs, drawn.weights)
    opset = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(
        graph, opset_imports=[opset], ir_version=9, producer_name="othello-lrp"
    )
    onnx.helper.set_model_props(
        model, {"planes": ",".join(PLANE_NAMES[: a.planes]), **(about or {})}
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Drawing:
    """Nodes and weights of a graph as they are added; every method returns the name of a value."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def network(self, folded: Folded) -> tuple[str, str]:
        """The whole network; the names of its policy and its value."""
        x = self._node("Relu", self._convolution("planes", folded.stem))
        for first, second in zip(folded.tower[::2], folded.tower[1::2]):
            y = self._node("Relu", self._convolution(x, first))
            x = self._node("Relu", self._node("Add", self._convolution(y, second), x))
        flat = self._node("Flatten", self._node("Relu", self._convolution(x, folded.policy_conv)))
        policy = self._linear(flat, folded.policy_out, "policy")
        flat = self._node("Flatten", self._node("Relu", self._convolution(x, folded.value_conv)))
        hidden = self._node("Relu", self._linear(flat, folded.value_hidden))
        outcome = self._node("Tanh", self._linear(hidden, folded.value_out))
        whole = self._weight(np.array([-1], np.int64))
        return policy, self._node("Reshape", outcome, whole, name="value")

    def _node(self, kind: str, *inputs: str, name: str = "", **attributes: object) -> str:
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def _weight(self, array: NDArray[Any]) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def _layer(self, layer: FoldedLayer) -> list[str]:
        return [self._weight(array.astype(np.float32)) for array in layer]

    def _convolution(self, x: str, layer: FoldedLayer) -> str:
        edge = layer.weight.shape[-1] // 2
        return self._node("Conv", x, *self._layer(layer), pads=[edge] * 4)

    def _linear(self, x: str, layer: FoldedLayer, name: str = "") -> str:
        return self._node("Gemm", x, *self._layer(layer), name=name, transB=1)


def _difference(data: bytes, network: Network) -> float:
    """Largest difference of policy and value in ONNX Runtime from the network's, over the largest of them or 1."""
    runtime = _installed("onnxruntime")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = runtime.InferenceSession(data, settings, ["CPUExecutionProvider"])
    planes = _boards(network.architecture)
    with torch.inference_mode():
        wanted = [output.numpy() for output in network(torch.from_numpy(planes))]
    largest = 0.0
    for part in (slice(0, 1), slice(None)):
        found = session.run(["policy", "value"], {"planes": planes[part]})
        for ours, theirs in zip(wanted, found, strict=True):
            scale = max(1.0, float(np.abs(ours).max()))
            largest = max(largest, float(np.abs(ours[part] - theirs).max()) / scale)
    return largest


def _boards(a: Architecture) -> NDArray[np.float32]:
    """Planes [64, C, N, N] of random discs."""
    random = np.random.default_rng(0)
    own, opp = random.integers(0, 2**64, (2, _COMPARED), np.uint64) & np.uint64(BOARD_MASK[a.size])
    return np.ascontiguousarray(encode(own, opp & ~own, a.size, a.planes))


def _installed(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ConfigError(
            f"the export to ONNX needs {package}: pip install 'othello-lrp[onnx]'"
        ) from None
