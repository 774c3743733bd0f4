"""Evaluators: positions in, policy logits and values out, for the side to move; what every search is given.

Letters: `B` positions, `N` board side, `A` = N²+1 actions.  Positions are pairs of 64-bit words in the 8·row + column
embedding of `othello.bitboard`, whatever the board size.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from othello.encoding import encode
from othello.folding import Folded, Layer, fold

if TYPE_CHECKING:
    from torch import Tensor

    from othello.foreign import AlphaZeroGeneralNetwork
    from othello.network import Network

Evaluation = tuple[NDArray[np.float32], NDArray[np.float32]]


class Evaluator(Protocol):
    """What a search asks about positions; several threads may call one evaluator at once."""

    @property
    def size(self) -> int:
        """Board side N."""

    def __call__(self, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> Evaluation:
        """Words [B] of the side to move and of its opponent -> policy logits float32 [B, A] over all actions, legal
        or not, and values float32 [B] in [−1, 1], both from the view of the side to move."""


class NetworkEvaluator:
    """A network's evaluator: BatchNorm folded into a private copy of the weights, so later training changes nothing.

    `device` is a torch device.  `backend` is "winograd" (`othello.inference`, CPU and float32 only; 3 to 5 times as
    fast as torch there), "torch", or "auto" for the fastest that serves.  `dtype` is "float32" or "bfloat16" for the
    tower (heads stay float32); None means bfloat16 on CUDA and float32 elsewhere.

    >>> from othello.bitboard import start_bits
    >>> from othello.network import Architecture, Network
    >>> evaluate = NetworkEvaluator(Network(Architecture(blocks=1, channels=8)))
    >>> black, white = (np.array([word], np.uint64) for word in start_bits(8))
    >>> logits, value = evaluate(black, white)
    >>> logits.shape, value.shape
    ((1, 65), (1,))
    """

    def __init__(
        self,
        network: Network | AlphaZeroGeneralNetwork,
        *,
        device: str = "cpu",
        backend: str = "auto",
        dtype: str | None = None,
    ) -> None:
        from othello.foreign import AlphaZeroGeneralNetwork

        if backend not in ("auto", "torch", "winograd"):
            raise ValueError(f"backend {backend!r} is unknown; one of auto, torch, winograd")
        self.size = network.architecture.size
        self._run: Callable[[NDArray[np.uint64], NDArray[np.uint64]], Evaluation]
        if isinstance(network, AlphaZeroGeneralNetwork):
            if backend == "winograd" or dtype == "bfloat16":
                raise ValueError("imported networks run with the torch backend in float32 only")
            self.backend, self._run = "torch", ModuleBackend(network, device)
            return
        compiled = device == "cpu" and dtype in (None, "float32")
        if backend == "auto":
            backend = "winograd" if compiled else "torch"
        if backend == "winograd" and not compiled:
            raise ValueError(f"the winograd backend serves cpu and float32 only, not {device} and {dtype}")
        self.backend = backend
        if backend == "winograd":
            from othello.inference import WinogradBackend

            self._run = WinogradBackend(fold(network))
        else:
            self._run = TorchBackend(fold(network), device, dtype)

    def __call__(self, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> Evaluation:
        own, opp = _words(own), _words(opp)
        if own.shape != opp.shape or own.ndim != 1:
            raise ValueError(f"words {own.shape} and {opp.shape}; expected two arrays [B]")
        return self._run(own, opp)


class TorchBackend:
    """Folded weights on a torch device, channels last, run eagerly in inference mode."""

    def __init__(self, folded: Folded, device: str, dtype: str | None) -> None:
        import torch

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

    def _tensors(self, layer: Layer, dtype: Any) -> tuple[Tensor, Tensor]:
        import torch

        weight, bias = (torch.from_numpy(array).to(self._device, dtype) for array in layer)
        return (weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight), bias

    def __call__(self, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> Evaluation:
        import torch

        if not len(own):
            return np.empty((0, self._architecture.actions), np.float32), np.empty(0, np.float32)
        planes = torch.from_numpy(encode(own, opp, self._architecture.size, self._architecture.planes))
        with torch.inference_mode():
            logits, value = self._forward(planes.to(self._device, self._dtype))
            return logits.cpu().numpy(), value.cpu().numpy()

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        import torch
        from torch.nn import functional as F

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

    def __call__(self, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> Evaluation:
        import torch

        with torch.inference_mode():
            planes = torch.from_numpy(self._network.encode(own, opp)).to(self._device)
            logits, value = self._network(planes)
            return logits.cpu().numpy(), value.cpu().numpy()


def _words(array: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Contiguous and writable words: another layout would make Numba compile every kernel anew."""
    return np.require(array, np.uint64, ["C", "W"])
