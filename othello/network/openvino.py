"""The network in bfloat16 by OpenVINO, for processors with AMX tiles: several times the speed of float32 kernels there.

One graph a batch size (1, 2, 4, … 128); a batch in between is padded, a larger one cut.  What a position gets does not
depend on the others of its batch.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

from othello.network.batchnorm_folding import Folded, FoldedLayer
from othello.network.encoding import encode

Floats = NDArray[np.float32]
Words = NDArray[np.uint64]

LARGEST: Final = 128  # positions of one graph
OPTIONS: Final = {
    "INFERENCE_PRECISION_HINT": "bf16",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,
}


class OpenVinoBackend:
    """Folded weights compiled by OpenVINO; every calling thread has requests of its own."""

    def __init__(self, folded: Folded) -> None:
        self._folded = folded
        self._core = openvino.Core()
        self._compiled: dict[int, Any] = {}
        self._compiling = threading.Lock()
        self._threads = threading.local()

    def __call__(self, own: Words, opp: Words) -> tuple[Floats, Floats]:
        a = self._folded.architecture
        logits, values = np.empty((len(own), a.actions), np.float32), np.empty(len(own), np.float32)
        for start in range(0, len(own), LARGEST):
            part = slice(start, min(start + LARGEST, len(own)))
            count = part.stop - start
            padded = 1 << (count - 1).bit_length()
            planes = np.zeros((padded, a.size, a.size, a.planes), np.float32)
            planes[:count] = encode(own[part], opp[part], a.size, a.planes).transpose(0, 2, 3, 1)
            answer = self._request(padded).infer([planes], share_inputs=True, share_outputs=True)
            logits[part], values[part] = answer[0][:count], answer[1][:count, 0]
        return logits, values

    def _request(self, batch: int) -> Any:
        """This thread's request for a batch size."""
        requests: dict[int, Any] = self._threads.__dict__.setdefault("requests", {})
        if batch not in requests:
            with self._compiling:
                if batch not in self._compiled:
                    model = graph(self._folded, batch)
                    self._compiled[batch] = self._core.compile_model(model, "CPU", OPTIONS)
            requests[batch] = self._compiled[batch].create_infer_request()
        return requests[batch]


def graph(folded: Folded, batch: int) -> Any:
    """The OpenVINO model: planes float32 [B, N, N, C] -> policy logits [B, A] and values [B, 1]."""
    a = folded.architecture
    planes = ops.parameter([batch, a.size, a.size, a.planes], np.float32)
    x = ops.relu(_convolution(ops.transpose(planes, [0, 3, 1, 2]), folded.stem))
    for first, second in zip(folded.tower[::2], folded.tower[1::2]):
        y = ops.relu(_convolution(x, first))
        x = ops.relu(ops.add(x, _convolution(y, second)))

    def flat(layer: FoldedLayer) -> Any:
        return ops.reshape(ops.relu(_convolution(x, layer)), [batch, -1], False)

    logits = _linear(flat(folded.policy_conv), folded.policy_out)
    hidden = ops.relu(_linear(flat(folded.value_conv), folded.value_hidden))
    values = ops.tanh(_linear(hidden, folded.value_out))
    return openvino.Model([logits, values], [planes], "othello")


def _convolution(x: Any, layer: FoldedLayer) -> Any:
    weight, bias = (array.astype(np.float32) for array in layer)
    edge = [weight.shape[2] // 2] * 2
    product = ops.convolution(x, weight, [1, 1], edge, edge, [1, 1])
    return ops.add(product, bias.reshape(1, -1, 1, 1))


def _linear(x: Any, layer: FoldedLayer) -> Any:
    weight, bias = (array.astype(np.float32) for array in layer)
    return ops.add(ops.matmul(x, weight, False, True), bias[None])
