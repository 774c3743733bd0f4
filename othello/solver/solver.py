"""Exact endgames: the best score both sides can reach, the moves that reach it, and a line of best play.

`solve` and `solve_wld` answer one question; a `Solver` keeps its hash table between questions, for a player that
solves a game's last moves one after the other.  Compiled code calls `solver_search.solve_exact` directly.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from othello.errors import ConfigError
from othello.rules.board import Board, squares_of
from othello.solver.search import UNSOLVED, new_workspace, solve_best, solve_exact
from othello.solver.workspace import NODES, STOP

_NO_LIMIT: Final = np.int64(2**62)  # nodes
_AT_ONCE: Final = (
    12  # up to so many empty squares the search runs in the caller's thread: it takes milliseconds
)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Solution:
    """The exact value of a position for the side to move.

    `score`: discs at the end, own minus opponent's, empties to the winner.  `best`: the actions that reach it (all of
    them if they were asked for), N² for a forced pass, none if the game is over.  `pv`: a line of best play, passes
    included.  `nodes` and `seconds` are what it cost.
    """

    score: int
    best: tuple[int, ...]
    pv: tuple[int, ...]
    nodes: int
    seconds: float


class Result(enum.Enum):
    """The outcome for the side to move if nobody errs."""

    WIN = "win"
    DRAW = "draw"
    LOSS = "loss"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who wins a position, for the side to move, and an action that keeps that result (none in a loss)."""

    result: Result
    best: tuple[int, ...]
    nodes: int
    seconds: float


class Solver:
    """Exact search with a hash table of 2**table_bits buckets of 64 bytes that lives as long as the solver.

    For one board size and one thread at a time; `stop()` may be called from any thread.

    >>> Solver(size=4).solve(Board.initial(4)).score    # the second player wins, 3-11, and gets the empty squares
    -10
    """

    def __init__(self, size: int = 8, table_bits: int = 18) -> None:
        self.size = size
        self._workspace = new_workspace(size, table_bits)

    def stop(self) -> None:
        """Make a running search end without an answer."""
        self._workspace[STOP] = 1

    def solve(
        self,
        board: Board,
        *,
        every: bool = True,
        seconds: float | None = None,
        nodes: int | None = None,
        line: bool = True,
    ) -> Solution | None:
        """The exact score and best moves of `board`; None if `seconds` or `nodes` ran out first.

        `every`: find all best moves, not one (a little slower).  `line`: also find the principal variation.
        """
        start, limit = time.perf_counter(), _node_limit(nodes)
        self._check(board)
        edge = board.size * board.size

        score, bits = self._run(self._search(board, -edge, edge, limit, every), board, seconds)
        spent = int(self._workspace[NODES])
        if score == UNSOLVED:
            return None
        best = squares_of(bits, board.size) or board.legal_actions()
        left = None if seconds is None else max(0.0, seconds - (time.perf_counter() - start))
        rest = None if nodes is None else nodes - spent
        pv = self._line(board, score, best, left, rest) if line else best[:1]
        return Solution(score, best, pv, spent, time.perf_counter() - start)

    def solve_wld(
        self, board: Board, *, seconds: float | None = None, nodes: int | None = None
    ) -> Verdict | None:
        """Win, draw or loss for the side to move: several times cheaper than the score; None if a limit ran out."""
        start, limit = time.perf_counter(), _node_limit(nodes)
        self._check(board)

        score, bits = self._run(self._search(board, -1, 1, limit), board, seconds)
        if score == UNSOLVED:
            return None
        result = Result.WIN if score > 0 else Result.LOSS if score < 0 else Result.DRAW
        best = (
            () if result is Result.LOSS else squares_of(bits, board.size) or board.legal_actions()
        )
        return Verdict(result, best, int(self._workspace[NODES]), time.perf_counter() - start)

    def scores(
        self, board: Board, *, seconds: float | None = None, nodes: int | None = None
    ) -> dict[int, int] | None:
        """The exact score of every legal action, for the side to move; None if `seconds` or `nodes` did not suffice."""
        end, scores = None if seconds is None else time.perf_counter() + seconds, {}
        for action in board.legal_actions():
            left = None if end is None else max(0.0, end - time.perf_counter())
            child = board.play(action)
            solution = self.solve(child, every=False, seconds=left, nodes=nodes, line=False)
            if solution is None:
                return None
            scores[action] = -solution.score
            nodes = None if nodes is None else max(1, nodes - solution.nodes)
        return scores

    def _line(
        self,
        board: Board,
        score: int,
        best: tuple[int, ...],
        seconds: float | None,
        nodes: int | None,
    ) -> tuple[int, ...]:
        """Best play from `board` to the end of the game, or as far as `seconds` and `nodes` go."""
        start, moves, action = time.perf_counter(), list(best[:1]), best[0] if best else None
        while action is not None:
            board, score, action = board.play(action), -score, None
            if len(board.legal_moves()) < 2:
                action = next(iter(board.legal_actions()), None)
            else:
                left = (
                    None if seconds is None else max(0.0, seconds - (time.perf_counter() - start))
                )
                limit = _node_limit(None if nodes is None else max(1, nodes))
                search = self._search(board, score - 1, score + 1, limit)
                found, bits = self._run(search, board, left)
                nodes = None if nodes is None else nodes - int(self._workspace[NODES])
                if found != UNSOLVED:
                    action = squares_of(bits, board.size)[0]
            if action is not None:
                moves.append(action)
        return tuple(moves)

    def _search(
        self, board: Board, alpha: int, beta: int, limit: np.int64 = _NO_LIMIT, every: bool = False
    ) -> Callable[[], tuple[int, int]]:
        own, opp, window = (
            np.uint64(board.own),
            np.uint64(board.opp),
            (np.int64(alpha), np.int64(beta)),
        )

        def search() -> tuple[int, int]:
            score, bits = solve_best(own, opp, *window, self._workspace, limit, every)
            return int(score), int(bits)

        return search

    def _check(self, board: Board) -> None:
        if board.size != self.size:
            raise ConfigError(
                f"a {board.size}×{board.size} position for a solver of {self.size}×{self.size} boards"
            )

    def _run(self, search: Callable[[], _Answer], board: Board, seconds: float | None) -> _Answer:
        """Do `search`, beside this thread if it may be long, so that the time limit and Ctrl-C reach it."""
        if board.empties <= _AT_ONCE:
            return search()
        answers: list[_Answer] = []
        worker = threading.Thread(
            target=lambda: answers.append(search()), name="solver", daemon=True
        )
        worker.start()
        end = None if seconds is None else time.perf_counter() + seconds
        try:
            while worker.is_alive() and (end is None or time.perf_counter() < end):
                worker.join(0.2 if end is None else min(0.2, max(0.0, end - time.perf_counter())))
        finally:
            while worker.is_alive():
                self.stop()  # again and again: the search clears the flag when it begins
                worker.join(0.005)
        return answers[0]


def _node_limit(nodes: int | None) -> np.int64:
    if nodes is not None and nodes < 1:
        raise ConfigError(f"node limit {nodes}: accepted are 1 and more")
    return _NO_LIMIT if nodes is None else np.int64(min(nodes, int(_NO_LIMIT)))


def table_bits_for(empties: int) -> int:
    """A table that fits a search from so many empty squares: from 64 KiB to 128 MiB."""
    return min(max(empties, 10), 21)


def solve(board: Board, *, every: bool = True, seconds: float | None = None) -> Solution | None:
    """The exact score and all best moves of `board`, for the side to move; None if `seconds` did not suffice.

    >>> solution = solve(Board.parse("XXXX XOO- XOOO X--- X"))
    >>> solution.score, solution.best
    (16, (7,))
    """
    return Solver(board.size, table_bits_for(board.empties)).solve(
        board, every=every, seconds=seconds
    )


def solve_wld(board: Board, *, seconds: float | None = None) -> Verdict | None:
    """Win, draw or loss of `board` for the side to move; None if `seconds` did not suffice."""
    return Solver(board.size, table_bits_for(board.empties)).solve_wld(board, seconds=seconds)


def exact_scores(board: Board, *, seconds: float | None = None) -> dict[int, int] | None:
    """The exact score of every legal action of `board`, for the side to move; None if `seconds` did not suffice."""
    return Solver(board.size, table_bits_for(board.empties)).scores(board, seconds=seconds)


__all__ = [
    "Result",
    "Solution",
    "Solver",
    "Verdict",
    "exact_scores",
    "new_workspace",
    "solve",
    "solve_exact",
    "solve_wld",
]
