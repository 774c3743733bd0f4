"""The moves of a position as an explorer lists them: opening, what the agent expects, what was played in a base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.explain.reasons.outlook import Outlook
from app.models import Model
from othello.base.game_base import BaseMove, GameBase
from othello.network.discs import Discs
from othello.players.agent import evaluate
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.rules.openings import opening_at
from othello.rules.symmetry import SYMMETRIES, canonical, transform_board
from othello.solver.solver import exact_scores

_EXACT_EMPTIES = 16  # empty squares from which on moves are solved: some hundredths of a second
_SECONDS = 2.0


@dataclass(frozen=True)
class ExplorerMove:
    """A move and its mirror images.

    squares: the images that are legal here, in order.  outlook: from black's view, at sight and averaged over the
    board's symmetries, or `exact`.  opening: what the position after it is called.  played: by its mover in the base.
    """

    squares: tuple[int, ...]
    outlook: Outlook
    exact: bool
    opening: str | None
    played: BaseMove | None

    def to_dict(self, size: int) -> dict[str, Any]:
        """The move as JSON wants it: per cent and discs of black, games and points of the mover."""
        played = self.played
        return {
            "moves": [square_name(square, size) for square in self.squares],
            "opening": self.opening,
            "percent": round(self.outlook.percent, 2),
            "discs": round(self.outlook.discs, 2),
            "exact": self.exact,
            "games": None if played is None else played.games,
            "points": None if played is None else round(played.points, 4),
            "mean_discs": None if played is None else round(played.discs, 2),
        }


def explore(model: Model, board: Board, base: GameBase | None = None) -> list[ExplorerMove]:
    """The moves of a position, the best for its mover first; none at the end of a game. A forced pass is made."""
    if board.is_over:
        return []
    mover = board.pass_turn() if board.must_pass else board
    groups: dict[Board, list[int]] = {}
    for move in mover.legal_moves():
        groups.setdefault(canonical(mover.play(move))[0], []).append(move)
    firsts = [moves[0] for moves in groups.values()]
    solved = exact_scores(mover, seconds=_SECONDS) if mover.empties <= _EXACT_EMPTIES else None
    values = _values(model, mover, firsts)
    discs = (
        {move: float(solved[move]) for move in firsts}
        if solved
        else Discs(model.evaluator).of_moves(mover, values)
    )
    played = {} if base is None else base.moves(mover)
    sign = 1 if mover.side == "X" else -1
    found = []
    for moves in groups.values():
        first = moves[0]
        outlook = Outlook.of(sign * values[first], sign * discs[first], exact=solved is not None)
        opening = opening_at(mover.play(first))
        name = None if opening is None else opening.name
        found.append(
            ExplorerMove(tuple(moves), outlook, solved is not None, name, played.get(first))
        )
    return sorted(found, key=lambda one: (-sign * one.outlook.percent, -sign * one.outlook.discs))


def _values(model: Model, board: Board, moves: list[int]) -> dict[int, float]:
    """The network's values [−1, 1] of moves for their mover, each the mean over the board's symmetries."""
    found = {}
    for move in moves:
        after = board.play(move)
        if after.is_over:
            score = after.score() if board.side == "X" else -after.score()
            found[move] = float(np.sign(score))
            continue
        stands = after.pass_turn() if after.must_pass else after
        images = [transform_board(stands, symmetry) for symmetry in SYMMETRIES]
        value = float(np.mean(evaluate(model.evaluator, images)[1]))
        found[move] = value if stands.side == board.side else -value
    return found
