"""Two answers to the same questions that propagate no relevance: integrated gradients, and the owner swap of each disc.

They stand beside the composites and fill the same account, target = squares + given + stabilizer, so that a map can be
compared with theirs wherever maps are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.explain.explanation import Attributed
from app.models import Model, encode_words, plane_names
from lrp.baselines import Baseline, GradientTimesInput
from lrp.targets import Target

INTEGRATED, SWAP = "IntegratedGradients", "OwnerSwap"
RIVALS: Final[dict[str, str]] = {
    INTEGRATED: "The gradient's mean on the way from planes of nothing to the board (Sundararajan et al. 2017).",
    SWAP: "How far the number falls when that disc is the other side's: no explanation, but the control of one.",
}
NOTHING, TOGETHER = "planes of nothing", "discs together"  # what the squares do not hold
STEPS: Final = 32


def on_the_way(
    asked: Callable[[Tensor], Sequence[Tensor]], planes: Tensor, steps: int
) -> list[Tensor]:
    """Integrated gradients [B, C, N, N] in float64, from planes of nothing, of every number that `asked` is about.

    asked: x · ∇f(x) of planes x.  The mean is over the middles of `steps` parts of the way; x · ∇f(t·x) is
    (t·x · ∇f(t·x)) / t.
    """
    totals: list[Tensor] = []
    for t in ((np.arange(steps) + 0.5) / steps).tolist():
        found = [scores.double() / (t * steps) for scores in asked(planes * t)]
        totals = [total + new for total, new in zip(totals, found)] if totals else found
    return totals


class TargetOnly(Baseline):
    """What a model says, and no score of anything: the target alone."""

    def _scores(self, value: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        return torch.zeros_like(x)


class RivalMethod:
    """A method that is asked like an `LRP` and answers what explanations are made of.

    >>> from app.explain.network import VALUE, planes_of
    >>> from app.models import load_model
    >>> from othello.rules.board import Board
    >>> model = load_model()
    >>> found = RivalMethod(model, SWAP).attribute(planes_of(model, [Board.initial()]), output=VALUE)
    >>> float(found.inputs[0].sum() + found.given[TOGETHER].sum() - found.target.sum())
    0.0
    """

    def __init__(self, model: Model, name: str) -> None:
        example = encode_words(model, *np.array([[1, 2], [4, 8]], np.uint64))
        self._gradient = GradientTimesInput(model.network, example)
        self._answer = TargetOnly(model.network, example)
        self._model, self._name = model, name

    def attribute(
        self, planes: Tensor, target: Target = None, *, output: int, layers: bool = False
    ) -> Attributed:
        """Scores of planes [B, C, N, N]; the arguments are those of `LRP.attribute`, and no rival has layers."""
        if self._name == INTEGRATED:
            return self._integrated(planes, target, output)
        return self._swapped(planes, target, output)

    def _integrated(self, planes: Tensor, target: Target, output: int) -> Attributed:
        (total,) = on_the_way(
            lambda x: [self._gradient.attribute(x, target, output=output).input], planes, STEPS
        )
        whole, start = (
            self._answer.attribute(x, target, output=output).target.double()
            for x in (planes, torch.zeros_like(planes))
        )
        left = whole - start - total.sum((1, 2, 3))
        return Attributed((total,), whole, {"steps": left}, {NOTHING: start})

    def _swapped(self, planes: Tensor, target: Target, output: int) -> Attributed:
        """f(board) − f(board with one disc the other side's), on the plane that shows the disc."""
        states = _states(self._model, planes)  # [B, N²]
        whole = self._answer.attribute(planes, target, output=output).target.double()
        total = torch.zeros_like(planes, dtype=torch.float64)
        discs = [np.flatnonzero(row) for row in states]
        for turn in range(max(map(len, discs))):  # one disc of every board at a time
            rows = np.array([row for row, squares in enumerate(discs) if turn < len(squares)])
            squares = np.array([discs[row][turn] for row in rows])
            swapped = states.copy()
            swapped[rows, squares] *= -1
            changed = encode_words(self._model, *_words(swapped, self._model.size))
            now = self._answer.attribute(changed, target, output=output).target.double()
            shown = np.where(states[rows, squares] > 0, 0, min(1, planes.shape[1] - 1))
            total[rows, shown, squares // self._model.size, squares % self._model.size] = (
                whole - now
            )[rows]
        return Attributed((total,), whole, {}, {TOGETHER: whole - total.sum((1, 2, 3))})


def _states(model: Model, planes: Tensor) -> NDArray[np.int8]:
    """[B, N²]: 1 for discs of the side to move, −1 for the other side's."""
    own = planes[:, 0] if plane_names(model) == ("discs",) else planes[:, 0] - planes[:, 1]
    states: NDArray[np.int8] = own.flatten(1).round().to(torch.int8).numpy()
    return states


def _words(states: NDArray[np.int8], size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The discs of either side as words [B], bit 8·row + column."""
    row, column = np.divmod(np.arange(size**2), size)
    bits = np.uint64(1) << (8 * row + column).astype(np.uint64)
    own, opp = (np.where(states == side, bits, np.uint64(0)).sum(1) for side in (1, -1))
    return own, opp
