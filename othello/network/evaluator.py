"""Evaluators: positions in, policy logits and values out, for the side to move; what every search is given.

Letters: `B` positions, `N` board side, `A` = N²+1 actions.  Positions are pairs of 64-bit words in the 8·row + column
embedding of `othello.rules.bitboard`, whatever the board size.  Whoever hands an evaluation on to compiled code gets
it by `ask`, which refuses what an evaluator must not answer.  Only a network's evaluator loads torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from othello.errors import EvaluationError
from othello.jit import kernel
from othello.rules.bitboard import SIZES

if TYPE_CHECKING:
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
        from othello.network.backends import backend_of, score_head_of  # loads torch

        self.size = network.architecture.size
        self.backend: str
        self._run: Callable[[NDArray[np.uint64], NDArray[np.uint64]], Evaluation]
        self.backend, self._run = backend_of(network, device, backend, dtype)
        self._scores = score_head_of(network)

    def __call__(self, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> Evaluation:
        own, opp = _words(own), _words(opp)
        if own.shape != opp.shape or own.ndim != 1:
            raise ValueError(f"words {own.shape} and {opp.shape}; expected two arrays [B]")
        return self._run(own, opp)

    @property
    def has_scores(self) -> bool:
        """Whether the network has a score head; an imported one has none."""
        return self._scores is not None

    def scores(self, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Words [B] -> the score head's final differences [B] in discs, for the side to move.

        Raises `EvaluationError` where one is not finite.
        """
        assert self._scores is not None
        found = self._scores(_words(own), _words(opp))
        if not np.isfinite(found).all():
            raise EvaluationError("the score head's answer is not finite; accepted are numbers")
        return found


def _words(array: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Contiguous and writable words: another layout would make Numba compile every kernel anew."""
    return np.require(array, np.uint64, ["C", "W"])
