"""What a searched position and its moves are worth in discs to the side to move: said by engines and explanations.

From 24 empty squares on the search's line is followed, after its end by the policy's likeliest moves, to where the
solver settles it: what it ends with is one of the things that the position's discs come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from othello.network.discs import Discs
from othello.network.evaluator import Evaluator, ask
from othello.rules.board import Board
from othello.search.result import MoveStatistics, SearchResult, pooled
from othello.solver.solver import Solver

FOLLOWED: Final = 24  # empty squares from which on lines are followed
SETTLED: Final = 18  # empty squares where they end
_NODES: Final = 4_000_000  # of the solver there: some 0.04 s on the average, 0.2 s at most


def of_moves(
    discs: Discs, result: SearchResult, moves: Sequence[MoveStatistics]
) -> dict[int, float]:
    """Discs of searched moves to the side to move, those of the best one exact where the position is solved."""
    found = estimates(discs, result, moves)
    if result.exact is not None and result.moves[0].square in found:
        found[result.moves[0].square] = float(result.exact)
    return found


def estimates(
    discs: Discs, result: SearchResult, moves: Sequence[MoveStatistics]
) -> dict[int, float]:
    """Discs of searched moves to the side to move; where the line is settled, all moved by what it changes the best's.

    None of them names another winner than the move's value.
    """
    board, best = result.board, result.moves[0]
    tried = pooled(board, result.moves)
    values = {
        move.square: tried[move.square][1] if move.square in tried else result.value
        for move in (best, *moves)
    }
    found = discs.of_moves(board, values)
    end = None if result.exact is not None else end_of_line(discs, result)
    if end is not None:
        change = discs([board], [result.value], [end])[0] - found[best.square]
        for move, value in values.items():
            worth = float(np.clip(found[move] + change, -(board.size**2), board.size**2))
            found[move] = worth if value * worth >= 0 else 0.0
    return {move.square: found[move.square] for move in moves}


def of_best(discs: Discs, result: SearchResult) -> float:
    """What the position is worth in discs to its side to move: its best move."""
    return of_moves(discs, result, result.moves[:1])[result.moves[0].square]


def end_of_line(discs: Discs, result: SearchResult) -> float | None:
    """The exact discs to the side to move where a result's line is settled; None where it is not."""
    board = result.board
    if not discs.has_scores or not SETTLED < board.empties <= FOLLOWED:
        return None
    end = _followed(discs.evaluator, board, result.principal_variation)
    if end.is_over:
        return float(end.score() if board.side == "X" else -end.score())
    solution = Solver(board.size).solve(end, every=False, nodes=_NODES, line=False)
    if solution is None:
        return None
    return float(solution.score if end.side == board.side else -solution.score)


def _followed(evaluator: Evaluator, board: Board, line: Sequence[int]) -> Board:
    """Where a line of squares, and then the policy's likeliest moves, lead: a move to make, or a finished game."""
    following = iter(line)
    while not board.is_over and (board.must_pass or board.empties > SETTLED):
        if board.must_pass:
            board = board.pass_turn()
            continue
        move = next(following, None)
        if move is None:
            words = (np.array([word], np.uint64) for word in (board.own, board.opp))
            logits = ask(evaluator, *words)[0][0]
            move = max(board.legal_moves(), key=lambda square: float(logits[square]))
        board = board.play(move)
    return board
