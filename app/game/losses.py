"""What the moves of a line cost, as the report of a game judges them, with searches that the session keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Final

from app.explain.reasons.sentence import Reasons
from app.game.game_line import GameLine
from app.game.judged import EXACT_EMPTIES, Judged, judge_moves, reasons_of
from app.game.kept import Kept
from app.models import Model
from othello.records.game import GameRecord
from othello.rules.board import Board
from othello.search.search import Search, SearchResult
from othello.strength.review import Mark, MoveReview, values_of_search

_WORST_FIRST: Final = tuple(reversed(Mark))
_KEPT: Final = 128  # sentences: more than a game has moves


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


@dataclass(frozen=True)
class LineReview:
    """A line as it was judged, forced passes left out: its losses and the sentences on them come from here alone."""

    moves: Mapping[tuple[Board, int], tuple[Judged, MoveReview]]
    simulations: int
    told: Kept[Reasons] = field(default_factory=lambda: Kept[Reasons](_KEPT))

    def losses(self) -> list[Loss]:
        """The losses of all moves, the worst first."""
        return sorted((_loss_of(move) for move, _ in self.moves.values()), key=_badness)

    def why(
        self,
        model: Model,
        board: Board,
        move: int,
        rival: int | None,
        analyse: Callable[[Board, int], SearchResult | None],
    ) -> Reasons | None:
        """Why a move; None where it was not judged, or not against `rival` (its own one if none is named)."""
        judged, found = self.moves.get((board, move), (None, None))
        if judged is None or found is None or rival not in (None, judged.rival):
            return None

        def search(board: Board) -> SearchResult | None:
            return analyse(board, self.simulations)

        return self.told.get((board, move), lambda: reasons_of(judged, found, model, search))


def review_line(
    line: GameLine,
    model: Model,
    simulations: int,
    searches: MutableMapping[Board, SearchResult],
    solve_empties: int = EXACT_EMPTIES,
) -> LineReview:
    """What the moves of a line cost; searches are put into `searches`."""
    search = Search(model.evaluator)

    def run(board: Board, simulations: int) -> SearchResult:
        result = searches[board] = search.run(board, simulations)
        return result

    record = GameRecord.from_actions(line.actions, line.start)
    values = values_of_search(run, simulations)
    pairs = zip(*judge_moves(record, model, values, solve_empties))
    passing = line.start.size**2
    moves = {(j.board, j.action): (j, found) for found, j in pairs if j.action < passing}
    return LineReview(moves, simulations)


def _loss_of(move: Judged) -> Loss:
    return Loss(move.ply, move.name, move.better, move.loss, move.exact, move.mark)


def _badness(loss: Loss) -> tuple[int, float]:
    return _WORST_FIRST.index(loss.mark), -loss.loss
