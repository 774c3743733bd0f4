"""What a searched position and its moves are worth in discs to the side to move: said by engines and explanations.

With 19 to 24 empty squares the search's line is followed, after its end by the policy's likeliest moves, to 16 and
solved from there backwards, move by move, as far as a number of nodes reaches.  The nearer to the position that is, the
more the exact score counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from othello.network.discs import LINE_SHARE, Discs
from othello.network.evaluator import Evaluator, ask
from othello.rules.board import Board
from othello.search.result import MoveStatistics, SearchResult, pooled
from othello.solver.solver import Solver

FOLLOWED: Final = range(19, 25)  # empty squares of positions whose lines are followed
END: Final = 16  # empty squares where lines end
NODES: Final = 2_500_000  # of the solver: some 0.08 s on the average, 0.13 s at most


class Settled(NamedTuple):
    """The exact discs of a position on a search's line, to the side to move of the searched one."""

    discs: float
    moves: int  # before it


def of_moves(
    discs: Discs, result: SearchResult, moves: Sequence[MoveStatistics]
) -> dict[int, float]:
    """Discs of searched moves to the side to move, those of the best one exact where the position is solved."""
    found = estimates(discs, result, moves)
    if result.exact is not None and result.moves[0].square in found:
        found[result.moves[0].square] = float(result.exact)
    return found


def estimates(
    discs: Discs, result: SearchResult, moves: Sequence[MoveStatistics], nodes: int = NODES
) -> dict[int, float]:
    """Discs of searched moves to the side to move; where the line is settled, all moved by what it changes the best's.

    None of them names another winner than the move's value, unless so many nodes settle the position itself.
    """
    board, best = result.board, result.moves[0]
    tried = pooled(board, result.moves)
    values = {
        move.square: tried[move.square][1] if move.square in tried else result.value
        for move in (best, *moves)
    }
    found = discs.of_moves(board, values)
    settled = nearest_settled(discs, result, nodes)
    if settled is not None:
        change = LINE_SHARE**settled.moves * (settled.discs - found[best.square])
        for move, value in values.items():
            worth = float(np.clip(found[move] + change, -(board.size**2), board.size**2))
            found[move] = worth if value * worth >= 0 or not settled.moves else 0.0
    return {move.square: found[move.square] for move in moves}


def of_best(discs: Discs, result: SearchResult) -> float:
    """What the position is worth in discs to its side to move: its best move."""
    return of_moves(discs, result, result.moves[:1])[result.moves[0].square]


def nearest_settled(discs: Discs, result: SearchResult, nodes: int = NODES) -> Settled | None:
    """The nearest position on a result's line that so many nodes settle; None where none is, or no line followed."""
    followed = discs.has_scores and result.board.empties in FOLLOWED and result.exact is None
    line = result.principal_variation
    return _settled(discs, result.board, line, nodes) if followed else None


@lru_cache(maxsize=64)
def _settled(discs: Discs, board: Board, line: Sequence[int], nodes: int) -> Settled | None:
    solver, spent, found = Solver(board.size), 0, None
    for later in reversed(_followed(discs.evaluator, board, line)):
        if 2 * spent > nodes:  # a move more would take more than what is left
            break
        solution = solver.solve(later, every=False, nodes=nodes - spent, line=False)
        if solution is None:
            break
        spent += solution.nodes
        score = float(solution.score if later.side == board.side else -solution.score)
        found = Settled(score, board.empties - later.empties)
    return found


def _followed(evaluator: Evaluator, board: Board, line: Sequence[int]) -> list[Board]:
    """The positions on a line of squares, and after it of the policy's likeliest moves, passes included."""
    boards, following = [board], iter(line)
    while not board.is_over and board.empties > END:
        if board.must_pass:
            board = board.pass_turn()
        else:
            move = next(following, None)
            if move is None:
                words = (np.array([word], np.uint64) for word in (board.own, board.opp))
                logits = ask(evaluator, *words)[0][0]
                move = max(board.legal_moves(), key=lambda square: float(logits[square]))
            board = board.play(move)
        boards.append(board)
    return boards
