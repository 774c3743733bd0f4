"""What runs a network for an evaluator: torch on any device, or the compiled kernel on a CPU."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from othello.network.alpha_zero_general import AlphaZeroGeneralNetwork
from othello.network.architecture import Network
from othello.network.batchnorm_folding import Folded, FoldedLayer, fold
from othello.network.cpu.inference import WinogradBackend
from othello.network.encoding import encode

Floats = NDArray[np.float32]
Words = NDArray[np.uint64]
Backend = Callable[[Words, Words], tuple[Floats, Floats]]  # words [B] -> logits [B, A], values [B]


_CERTAIN: Final = 1 - 1e-6  # tanh of a score, as far as float32 tells it from 1

BACKENDS: Final = ("auto", "torch", "winograd", "openvino")


@cache
def has_amx() -> bool:
    """Whether OpenVINO is installed and this processor multiplies bfloat16 matrices in AMX tiles."""
    if importlib.util.find_spec("openvino") is None:
        return False
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def fastest(device: str, dtype: str | None) -> str:
    """The backend that "auto" means on this machine, for a torch device and a precision or None for any."""
    if device != "cpu":
        return "torch"
    if dtype in (None, "bfloat16") and has_amx():
        return "openvino"
    return "winograd" if dtype in (None, "float32") else "torch"


def backend_of(
    network: Network | AlphaZeroGeneralNetwork, device: str, backend: str, dtype: str | None
) -> tuple[str, Backend]:
    """The name of the backend that serves and the backend itself; see `NetworkEvaluator` for the choices."""
    if backend not in BACKENDS:
        raise ValueError(f"backend {backend!r} is unknown; one of {', '.join(BACKENDS)}")
    if isinstance(network, AlphaZeroGeneralNetwork):
        if backend in ("winograd", "openvino") or dtype == "bfloat16":
            raise ValueError("imported networks run with the torch backend in float32 only")
        return "torch", ModuleBackend(network, device)
    if backend == "auto":
        backend = fastest(device, dtype)
    precision = {"winograd": "float32", "openvino": "bfloat16"}.get(backend)
    if precision and (device != "cpu" or dtype not in (None, precision)):
        raise ValueError(
            f"the {backend} backend serves cpu and {precision} only, not {device} and {dtype}"
        )
    folded = fold(network)
    if backend == "winograd":
        return backend, WinogradBackend(folded)
    if backend == "openvino":
        from othello.network.openvino import OpenVinoBackend  # an extra

        return backend, OpenVinoBackend(folded)
    return backend, TorchBackend(folded, device, dtype)


def score_head_of(network: Network | AlphaZeroGeneralNetwork) -> ScoreHead | None:
    """A network's score head; an imported network has none."""
    return None if isinstance(network, AlphaZeroGeneralNetwork) else ScoreHead(network)


class ScoreHead:
    """Words [B] -> the expected final differences [B] in discs for the side to move, by the compiled kernel in float32.

    The kernel answers tanh of one number: of the value head's, or here of the score head's, which is in units of N².
    It is packed when it is first asked; most evaluators are never asked.
    """

    def __init__(self, network: Network) -> None:
        head = network.score_out
        layer = FoldedLayer(*(_array(tensor) for tensor in (head.weight, head.bias)))
        self._folded = fold(network)._replace(value_out=layer)

    @cached_property
    def _backend(self) -> WinogradBackend:
        return WinogradBackend(self._folded)

    def __call__(self, own: Words, opp: Words) -> NDArray[np.float64]:
        bounded = np.clip(self._backend(own, opp)[1].astype(np.float64), -_CERTAIN, _CERTAIN)
        scores: NDArray[np.float64] = self._folded.architecture.size**2 * np.arctanh(bounded)
        return scores


def _array(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().to("cpu").double().numpy().copy()


class TorchBackend:
    """Folded weights on a torch device, channels last, run eagerly in inference mode."""

    def __init__(self, folded: Folded, device: str, dtype: str | None) -> None:
        self._device = torch.device(device)
        name = dtype or ("bfloat16" if self._device.type == "cuda" else "float32")
        if name not in ("float32", "bfloat16"):
            raise ValueError(f"dtype {name!r} is unknown; one of float32, bfloat16")
        self._dtype = torch.float32 if name == "float32" else torch.bfloat16
        self._architecture = folded.architecture
        tower = (folded.stem, *folded.tower, folded.policy_conv, folded.value_conv)
        self._convolutions = [self._tensors(layer, self._dtype) for layer in tower]
        heads = (folded.policy_out, folded.value_hidden, folded.value_out)
        self._heads = [self._tensors(layer, torch.float32) for layer in heads]

    def _tensors(self, layer: FoldedLayer, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        weight, bias = (torch.from_numpy(array).to(self._device, dtype) for array in layer)
        return (
            weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight
        ), bias

    def __call__(self, own: Words, opp: Words) -> tuple[Floats, Floats]:
        if not len(own):
            return np.empty((0, self._architecture.actions), np.float32), np.empty(0, np.float32)
        planes = torch.from_numpy(
            encode(own, opp, self._architecture.size, self._architecture.planes)
        )
        with torch.inference_mode():
            logits, value = self._forward(planes.to(self._device, self._dtype))
            return logits.cpu().numpy(), value.cpu().numpy()

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        stem, *tower, policy, value = self._convolutions
        x = F.conv2d(x, *stem, padding=1).relu_()
        for first, second in zip(tower[::2], tower[1::2]):
            y = F.conv2d(x, *first, padding=1).relu_()
            x = F.conv2d(y, *second, padding=1).add_(x).relu_()
        policy_out, value_hidden, value_out = self._heads
        logits = F.linear(F.conv2d(x, *policy).relu_().float().flatten(1), *policy_out)
        hidden = F.linear(F.conv2d(x, *value).relu_().float().flatten(1), *value_hidden).relu_()
        return logits, torch.tanh(F.linear(hidden, *value_out)).flatten()


class ModuleBackend:
    """A private copy of any module that encodes positions itself, run as it is in evaluation mode."""

    def __init__(self, network: AlphaZeroGeneralNetwork, device: str) -> None:
        self._network = copy.deepcopy(network).eval().to(device)
        self._device = device

    def __call__(self, own: Words, opp: Words) -> tuple[Floats, Floats]:
        with torch.inference_mode():
            planes = torch.from_numpy(self._network.encode(own, opp)).to(self._device)
            logits, value = self._network(planes)
            return logits.cpu().numpy(), value.cpu().numpy()
