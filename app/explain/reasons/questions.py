"""Questions to the network about positions and about planes that no position has, answered in two batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from app.explain.network import planes_of
from app.explain.reasons.facts import seen_by_other
from othello.network.discs import CURVE
from othello.network.encoding import PLANE_NAMES
from othello.rules.board import Board
from othello.rules.symmetry import transform_board, transform_planes

if TYPE_CHECKING:
    from app.models import Model

Planes = NDArray[np.float32]


@dataclass(frozen=True)
class After:
    """A position after a move as the network is asked about it: forced passes made, the mover's view by `sign`.

    planes [C, N, N] are the network's input, None where the game is over; `reply` is the position with the other side
    to move, forced passes not yet made.  names: of the planes, none where the network encodes positions itself.
    """

    reply: Board
    board: Board
    sign: int  # 1 where the mover is to move, else −1
    planes: Planes | None
    names: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, board: Board, move: int) -> After:
        """The position after a legal move."""
        return cls.seen(model, board.play(move), board.side)

    @classmethod
    def seen(cls, model: Model, position: Board, mover: str) -> After:
        """Any position that a mover looks at."""
        reply = position if position.side != mover else seen_by_other(position)
        later = position.pass_turn() if position.must_pass else position
        sign = 1 if later.side == mover else -1
        planes = None if later.is_over else planes_of(model, [later])[0].numpy()
        names: tuple[str, ...] = ()
        if planes is not None and not hasattr(model.network, "encode"):
            names = PLANE_NAMES[: len(planes)]
        return cls(reply, later, sign, planes, names)

    @property
    def side_discs(self) -> int:
        """The mover's discs, as a word."""
        return self.reply.opp

    def moves_plane(self, *, mover: bool) -> int | None:
        """Which plane holds the moves of the mover or of the other side; None if the network is shown none."""
        name = "legal" if mover == (self.sign > 0) else "opponent_legal"
        return self.names.index(name) if name in self.names and self.planes is not None else None

    def with_moves(
        self, plane: int, *, less: Iterable[int] = (), more: Iterable[int] = ()
    ) -> Planes:
        """The planes with squares taken from or put on one of them."""
        assert self.planes is not None
        edited = self.planes.copy()
        flat = edited[plane].reshape(-1)
        flat[list(less)] = 0.0
        flat[list(more)] = 1.0
        edited[plane] = flat.reshape(edited[plane].shape)
        return edited


class Questions:
    """Values in discs for the mover; each question is asked once, `ask` answers those that are new."""

    def __init__(self, model: Model, mover: str, symmetries: Sequence[int]) -> None:
        self._model, self._mover, self._symmetries = model, mover, symmetries
        self._words: dict[Board, float | None] = {}
        self._edits: dict[tuple[int, bytes], tuple[Planes, float | None]] = {}

    def board(self, board: Board) -> Reading:
        """Of a position, from the network; of a finished game its score."""
        self._words.setdefault(board, None)
        return Reading(self, board)

    def planes(self, planes: Planes, sign: int) -> Reading:
        """Of planes, whose side to move is the mover where `sign` is 1."""
        key = (sign, planes.tobytes())
        self._edits.setdefault(key, (planes, None))
        return Reading(self, key)

    def ask(self) -> None:
        """Have every open question answered."""
        boards = [board for board, answer in self._words.items() if answer is None]
        over = [board for board in boards if board.is_over]
        sign = 1.0 if self._mover == "X" else -1.0
        self._words.update((board, sign * board.score()) for board in over)
        boards = [board for board in boards if not board.is_over]
        if boards:
            self._words.update(zip(boards, self._board_values(boards).tolist()))
        edits = [key for key, (_, answer) in self._edits.items() if answer is None]
        if edits:
            values = self._plane_values(np.stack([self._edits[key][0] for key in edits]))
            for key, discs in zip(edits, values.tolist()):
                self._edits[key] = (self._edits[key][0], key[0] * discs)

    def _board_values(self, boards: list[Board]) -> NDArray[np.float64]:
        """Discs for the mover [B], the mean over the symmetries."""
        images = [transform_board(board, s) for s in self._symmetries for board in boards]
        own = np.array([board.own for board in images], np.uint64)
        opp = np.array([board.opp for board in images], np.uint64)
        discs = CURVE(self._model.evaluator(own, opp)[1], self._model.size)
        signs = np.array([1 if board.side == self._mover else -1 for board in boards])
        mean: NDArray[np.float64] = discs.reshape(-1, len(boards)).mean(0)
        return signs * mean

    def _plane_values(self, planes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Discs for the side to move of planes [B, C, N, N], the mean over the symmetries."""
        images = np.concatenate([transform_planes(planes, s) for s in self._symmetries])
        with torch.inference_mode():
            values = self._model.network.eval()(torch.from_numpy(images))[1]
        discs = CURVE(values.reshape(-1).double().numpy(), self._model.size)
        mean: NDArray[np.float64] = discs.reshape(-1, len(planes)).mean(0)
        return mean

    def answer_to(self, question: Board | tuple[int, bytes]) -> float:
        """The answer, after `ask`."""
        found = self._words[question] if isinstance(question, Board) else self._edits[question][1]
        assert found is not None, "ask first"
        return found


@dataclass(frozen=True)
class Reading:
    """A number that is known once its `Questions` have been asked."""

    questions: Questions
    question: Board | tuple[int, bytes]

    @property
    def discs(self) -> float:
        """In discs for the mover."""
        return self.questions.answer_to(self.question)
