"""What the moves of a line cost, as the report of a game judges them, with searches that the session keeps."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from app.game.game_line import GameLine
from app.game.judged import EXACT_EMPTIES, Judged, judge_moves
from app.models import Model
from othello.records.game import GameRecord
from othello.rules.board import Board
from othello.search.search import Search, SearchResult
from othello.strength.review import Mark, values_of_search

_WORST_FIRST: Final = tuple(reversed(Mark))


@dataclass(frozen=True)
class Loss:
    """What a move of the game cost the side that played it in discs: `exact`, or an estimate from a search."""

    ply: int
    move: str
    best: str
    loss: float
    exact: bool
    mark: Mark

    def __str__(self) -> str:
        return f"{self.loss:.0f} discs" if self.exact else f"about {self.loss:.0f} discs"


def losses_of(
    line: GameLine,
    model: Model,
    simulations: int,
    searches: MutableMapping[Board, SearchResult],
    solve_empties: int = EXACT_EMPTIES,
) -> list[Loss]:
    """The losses of all moves of a line, forced passes left out, the worst first; searches are put into `searches`."""
    search = Search(model.evaluator)

    def run(board: Board, simulations: int) -> SearchResult:
        result = searches[board] = search.run(board, simulations)
        return result

    record = GameRecord.from_actions(line.actions, line.start)
    values = values_of_search(run, simulations)
    _, judged = judge_moves(record, model, values, solve_empties)
    moves = [_loss_of(move) for move in judged if move.action < line.start.size**2]
    return sorted(moves, key=_badness)


def _loss_of(move: Judged) -> Loss:
    return Loss(move.ply, move.name, move.better, move.loss, move.exact, move.mark)


def _badness(loss: Loss) -> tuple[int, float]:
    return _WORST_FIRST.index(loss.mark), -loss.loss
