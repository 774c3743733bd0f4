"""What a searched position and its moves are worth in discs to the side to move, as engines say it."""

from __future__ import annotations

from collections.abc import Sequence

from othello.network.discs import Discs
from othello.search.result import MoveStatistics, SearchResult, pooled


def of_moves(
    discs: Discs, result: SearchResult, moves: Sequence[MoveStatistics]
) -> dict[int, float]:
    """Discs of searched moves to the side to move, those of the best one exact where the position is solved."""
    tried = pooled(result.board, result.moves)
    values = {
        move.square: tried[move.square][1] if move.square in tried else result.value
        for move in moves
    }
    found = discs.of_moves(result.board, values)
    if result.exact is not None:
        found[result.moves[0].square] = float(result.exact)
    return found


def of_best(discs: Discs, result: SearchResult) -> float:
    """What the position is worth in discs to its side to move: its best move."""
    return of_moves(discs, result, result.moves[:1])[result.moves[0].square]
