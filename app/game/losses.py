"""What the moves of a line cost, by the library's review with a search of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final, Literal

from app.game.game_line import GameLine
from app.models import Model
from othello.records.game import GameRecord
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.mcts import Search, SearchResult
from othello.strength.review import Mark, MoveReview, review

SOLVE_EMPTIES: Final = 14  # empty squares from which on a review is exact, as `othello review`'s
_TRIED = 0.05  # of the simulations: the share from which on a move's Q tells something
_SECONDS = 60.0  # for one exact position
_WORST_FIRST: Final = tuple(reversed(Mark))
_BLUNDER: Final = {True: 10.0, False: 0.5}  # of loss, in discs and in value: what the units weigh


@dataclass(frozen=True)
class Loss:
    """What a move of the game cost the side that played it, `exact` in discs, otherwise in value [0, 2]."""

    ply: int
    move: str
    best: str
    loss: float
    exact: bool
    mark: Mark

    @property
    def unit(self) -> Literal["discs", "value"]:
        """What `loss` counts."""
        return "discs" if self.exact else "value"

    @property
    def serious(self) -> bool:
        """Whether it was a mistake or a blunder."""
        return self.mark in (Mark.MISTAKE, Mark.BLUNDER)

    def __str__(self) -> str:
        return f"{self.loss:.0f} discs" if self.exact else f"{self.loss:.2f}"


def losses_of(
    line: GameLine,
    model: Model,
    simulations: int,
    searches: MutableMapping[Board, SearchResult],
    on_progress: Callable[[int], None] | None = None,
) -> list[Loss]:
    """The losses of all moves of a line, forced passes left out, the worst first; searches are put into `searches`."""
    search = Search(model.evaluator)
    ply_of = {board: ply for ply, board in enumerate(line.boards)}

    def values(board: Board) -> Mapping[int, float]:
        if board.must_pass:
            return {board.size**2: -max(values(board.pass_turn()).values())}
        result = searches[board] = search.run(board, simulations)
        if on_progress is not None and board in ply_of:
            on_progress(ply_of[board])
        first, *others = result.moves
        tried = [first, *(move for move in others if move.visits >= simulations * _TRIED)]
        return {move.square: move.q for move in tried if move.q is not None}

    record = GameRecord.from_actions(line.actions, line.start)
    moves = review(record, values, solve_empties=SOLVE_EMPTIES, seconds=_SECONDS)
    found = [_loss_of(move, line.start.size) for move in moves]
    return sorted((loss for loss in found if loss is not None), key=_badness)


def _loss_of(move: MoveReview, size: int) -> Loss | None:
    """The review's loss; None for a forced pass and where nothing could tell."""
    if move.action == size**2 or move.loss is None or move.mark is None:
        return None
    best = move.action if move.action in move.best else move.best[0]
    return Loss(
        ply=move.number - 1,
        move=square_name(move.action, size),
        best=square_name(best, size),
        loss=move.loss,
        exact=move.exact,
        mark=move.mark,
    )


def _badness(loss: Loss) -> tuple[int, float]:
    return _WORST_FIRST.index(loss.mark), -loss.loss / _BLUNDER[loss.exact]
