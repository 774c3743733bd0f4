"""Evaluators: positions in, policy logits and values out, for the side to move; what every search is given.

Letters: `B` positions, `N` board side, `A` = N²+1 actions.  Positions are pairs of 64-bit words in the 8·row + column
embedding of `othello.rules.bitboard`, whatever the board size.  Whoever hands an evaluation on to compiled code gets
it by
`ask`, which refuses what an evaluator must not answer.
"""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from othello.errors import EvaluationError
from othello.jit import kernel
from othello.network.batchnorm_folding import Folded, Layer, fold
from othello.network.encoding import encode
from othello.rules.bitboard import SIZES

if TYPE_CHECKING:
    from torch import Tensor

    from othello.network.alpha_zero_general import AlphaZeroGeneralNetwork
    from othello.network.architecture import Network

Evaluation = tuple[NDArray[np.float32], NDArray[np.float32]]


class Evaluator(Protocol):
    """What a search asks about positions; several threads may call one evaluator at once."""

    @property
    def size(self) -> int:
        """Board side N."""

    def __call__(self, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> Evaluation:
        """Words [B] of the side to move and of its opponent -> policy logits float32 [B, A] over all actions, legal
        or not, and values float32 [B] in [−1, 1], both from the view of the side to move.  Every number is finite:
        −inf is no logit of a forbidden move either, since the search itself looks at legal moves only."""


def ask(evaluator: Evaluator, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> Evaluation:
    """The evaluation of words [B], as C-ordered float32 arrays; `EvaluationError` where it is not what it must be."""
    return _checked(evaluator(own, opp), type(evaluator).__name__, len(own), evaluator.size)


def board_size(evaluator: Evaluator) -> int:
    """The board side that an evaluator says it plays; `EvaluationError` if there are no such boards."""
    size = getattr(evaluator, "size", None)
    if type(size) is not int or size not in SIZES:
        raise EvaluationError(
            f"{type(evaluator).__name__}: its size is {str(size)[:20]}; accepted are 4, 6 and 8"
        )
    return size


def _checked(answer: object, name: str, count: int, size: int) -> Evaluation:
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise _refusal(
            f"{name}: answered {type(answer).__name__}, not logits and values", count, size
        )
    logits, values = answer
    for found, shape, what in (
        (logits, (count, size**2 + 1), "logits"),
        (values, (count,), "values"),
    ):
        if not isinstance(found, np.ndarray):
            raise _refusal(f"{name}: {what} are of type {type(found).__name__}", count, size)
        if found.dtype != np.float32 or found.shape != shape:
            raise _refusal(f"{name}: {what} are {found.dtype} {list(found.shape)}", count, size)
    logits, values = _plain(logits), _plain(values)
    if (row := _first_odd(logits, values)) >= 0:
        found = f"value {values[row]} and logits from {logits[row].min()} to {logits[row].max()}"
        raise _refusal(f"{name}: position {row + 1} of {count} got {found}", count, size)
    return logits, values


def _refusal(what: str, count: int, size: int) -> EvaluationError:
    accepted = f"accepted are finite float32 logits [{count}, {size**2 + 1}] and float32 values [{count}] in [−1, 1]"
    return EvaluationError(f"{what}; {accepted}")


def _plain(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Contiguous and writable, as kernels are compiled for."""
    usual = type(array) is np.ndarray and array.flags.c_contiguous and array.flags.writeable
    return array if usual else np.array(array, np.float32, order="C")


_MAGNITUDE: Final = np.uint32(0x7FFFFFFF)  # the bits of a float32 without its sign
_INFINITE: Final = np.uint32(0x7F800000)  # from here on they are those of infinity and NaN
_MOST: Final = np.float32(1.001)  # of a value's magnitude: tanh may be rounded up


@kernel
def _first_odd(logits: NDArray[np.float32], values: NDArray[np.float32]) -> int:
    """The first row with a number that is not finite or a value out of range, −1 if there is none."""
    words = logits.view(np.uint32)
    for row in range(len(values)):
        largest = np.uint32(0)
        for action in range(words.shape[1]):
            largest = max(largest, words[row, action] & _MAGNITUDE)
        if largest >= _INFINITE or not abs(values[row]) <= _MOST:
            return row
    return -1


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


class NetworkEvaluator:
    """A network's evaluator: BatchNorm folded into a private copy of the weights, so later training changes nothing.

    A weight that is not finite shows in what it answers, which `ask` refuses.

    `device` is a torch device.  `backend` is "winograd" (`othello.network.cpu.inference`, CPU and float32 only; 3 to
    5 times as fast as torch there), "openvino" (`othello.network.openvino`, CPU and bfloat16, an extra), "torch", or
    "auto" for the fastest that serves: openvino on a processor with AMX tiles where it is installed, winograd on
    others.  `dtype` is "float32" or "bfloat16" for the tower; None leaves it to the backend (torch: bfloat16 on CUDA).

    >>> from othello.rules.bitboard import start_bits
    >>> from othello.network.architecture import Architecture, Network
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
        from othello.network.alpha_zero_general import AlphaZeroGeneralNetwork

        if backend not in BACKENDS:
            raise ValueError(f"backend {backend!r} is unknown; one of {', '.join(BACKENDS)}")
        self.size = network.architecture.size
        self._run: Callable[[NDArray[np.uint64], NDArray[np.uint64]], Evaluation]
        if isinstance(network, AlphaZeroGeneralNetwork):
            if backend in ("winograd", "openvino") or dtype == "bfloat16":
                raise ValueError("imported networks run with the torch backend in float32 only")
            self.backend, self._run = "torch", ModuleBackend(network, device)
            return
        if backend == "auto":
            backend = fastest(device, dtype)
        precision = {"winograd": "float32", "openvino": "bfloat16"}.get(backend)
        if precision and (device != "cpu" or dtype not in (None, precision)):
            raise ValueError(
                f"the {backend} backend serves cpu and {precision} only, not {device} and {dtype}"
            )
        self.backend = backend
        if backend == "winograd":
            from othello.network.cpu.inference import WinogradBackend

            self._run = WinogradBackend(fold(network))
        elif backend == "openvino":
            from othello.network.openvino import OpenVinoBackend

            self._run = OpenVinoBackend(fold(network))
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
        return (
            weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight
        ), bias

    def __call__(self, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> Evaluation:
        import torch

        if not len(own):
            return np.empty((0, self._architecture.actions), np.float32), np.empty(0, np.float32)
        planes = torch.from_numpy(
            encode(own, opp, self._architecture.size, self._architecture.planes)
        )
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
