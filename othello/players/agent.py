"""Our agent as a player: the raw policy of a network, or a search over it with exact endgames.

`PolicyPlayer` plays the network's likeliest legal move.  `SearchPlayer` searches, by PUCT or by sequential halving;
from `solve_empties` empty squares on it plays the exact best move if the solver settles it within the move's budget,
else the search's move.  The budget is `solve_nodes`, so that the same game gives the same moves everywhere, or with a
clock a share of the move's seconds.  `think` gives the reasons.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from othello.errors import CheckpointError
from othello.network.evaluator import Evaluation, Evaluator, ask
from othello.players.endgame import SOLVE_EMPTIES, SOLVE_NODES
from othello.players.simple import ManyGames
from othello.rules.board import Board
from othello.search.policy import ROOTS, Gumbel, RootPolicy, RootSearch
from othello.search.result import SearchResult, check_searchable, check_simulations
from othello.search.search import Search, search_many
from othello.solver.solver import Solution, Solver

_SOLVE_SHARE = 0.5  # of a move's seconds, for the solver
_MOST_NODES = 1 << 19  # of all the trees that are searched side by side: half a gigabyte


def load_evaluator(checkpoint: str | Path | None, size: int) -> tuple[Evaluator, str]:
    """The evaluator of a checkpoint (None: the one that comes with the project) and the SHA-256 of its weights.

    Torch is held to one thread: two processes with one thread each beat one with two.  Raises `CheckpointError`.
    """
    import torch

    from othello.network.architecture import Network
    from othello.network.checkpoint import default_checkpoint, load
    from othello.network.evaluator import NetworkEvaluator

    torch.set_num_threads(1)
    loaded = load(default_checkpoint(size) if checkpoint is None else checkpoint)
    if not isinstance(loaded.network, Network):
        raise CheckpointError(
            f"{loaded.path}: holds a {type(loaded.network).__name__}, which cannot play"
        )
    if loaded.network.architecture.size != size:
        plays = loaded.network.architecture.size
        raise CheckpointError(f"{loaded.path}: plays {plays}×{plays} boards, not {size}×{size}")
    return NetworkEvaluator(loaded.network), loaded.sha256


def evaluate(evaluator: Evaluator, boards: Sequence[Board]) -> Evaluation:
    """Policy logits [B, A] and values [B] of boards, for their sides to move; `EvaluationError` as `ask` raises it."""
    own = np.array([board.own for board in boards], np.uint64)
    return ask(evaluator, own, np.array([board.opp for board in boards], np.uint64))


class PolicyPlayer(ManyGames):
    """Plays the legal move with the highest policy logit, without any search."""

    def __init__(
        self, evaluator: Evaluator, name: str = "net", checkpoint: str | None = None
    ) -> None:
        self.evaluator, self.name, self.checkpoint = evaluator, name, checkpoint

    def choose(self, boards: Sequence[Board], seeds: Sequence[int]) -> list[int]:
        logits, _ = evaluate(self.evaluator, boards)
        return [
            max(board.legal_moves(), key=lambda square: row[square])
            for board, row in zip(boards, logits)
        ]


class SearchPlayer(ManyGames):
    """A search of `simulations` a move by PUCT or as `root` says, and from `solve_empties` empty squares on (0: never)
    the exact solver, which may visit `solve_nodes` nodes a move.

    Many games are searched with one leaf of each a network batch; one game by PUCT keeps its tree from move to move.
    The noise of a Gumbel search is the game's seed's.  With 0 simulations it plays the raw policy's likeliest move,
    still with the solver.  Raises `ConfigError` for more simulations than the root can make.

    >>> from othello.search.disc_count import DiscCount
    >>> player = SearchPlayer(DiscCount(4), 20, solve_empties=12)
    >>> player.think(Board.initial(4)).exact            # the second player wins 4×4
    -10
    >>> player = SearchPlayer(DiscCount(8), 16, Gumbel())
    >>> player.choose([Board.initial()] * 2, seeds=[5, 5]) == [player.choose([Board.initial()], [5])[0]] * 2
    True
    """

    def __init__(
        self,
        evaluator: Evaluator,
        simulations: int,
        root: RootPolicy = ROOTS["puct"],
        *,
        name: str = "",
        checkpoint: str | None = None,
        solve_empties: int = SOLVE_EMPTIES,
        batch: int = 8,
    ) -> None:
        check_simulations(simulations, root.most)
        self.evaluator, self.simulations, self.root = evaluator, simulations, root
        self.solve_empties, self.solve_nodes = solve_empties, SOLVE_NODES
        kind = "gumbel" if isinstance(root, Gumbel) else "mcts"
        self.name, self.checkpoint = name or f"{kind}:{simulations}", checkpoint
        self._search = Search(evaluator, root, batch=batch)
        self._solver: Solver | None = None

    def new_game(self, seed: int = 0) -> None:
        super().new_game(seed)
        self._search.forget()
        self._search.seed = seed
        self._solver = (
            None  # what it remembers of other games would change which of equal moves it finds
        )

    def solve(self, board: Board, seconds: float | None = None) -> Solution | None:
        """The exact score and a best move, None where there are too many empty squares or the budget runs out."""
        if board.empties > self.solve_empties:
            return None
        if self._solver is None:
            self._solver = Solver(board.size)
        nodes = self.solve_nodes if seconds is None else None
        return self._solver.solve(board, every=False, line=False, seconds=seconds, nodes=nodes)

    def think(
        self,
        board: Board,
        *,
        simulations: int | None = None,
        seconds: float | None = None,
        on_progress: Callable[[int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> SearchResult:
        """Search `board` for `simulations` (None: the player's own) but at most `seconds`, or until `stop()`.

        Where the solver settles the position, `exact` is its score and a best move comes first.  Raises `ValueError`
        if the side to move has no move.
        """
        began = time.perf_counter()
        check_searchable([board], self.evaluator.size)
        solution = self.solve(board, None if seconds is None else _SOLVE_SHARE * seconds)
        left = None if seconds is None else max(0.0, seconds - (time.perf_counter() - began))
        wanted = self.simulations if simulations is None else simulations
        result = self._search.run(board, wanted, left, on_progress, stop)
        if solution is None:
            return result
        ordered = sorted(result.moves, key=lambda move: move.square not in solution.best)
        line = (
            result.principal_variation
            if result.principal_variation[:1] == solution.best[:1]
            else solution.best[:1]
        )
        return replace(
            result,
            moves=tuple(ordered),
            exact=solution.score,
            value=float(np.sign(solution.score)),
            principal_variation=line,
            seconds=time.perf_counter() - began,
        )

    def best(self, board: Board, seconds: float | None = None) -> int:
        """The action to play within `seconds`; a forced pass answers N²."""
        if len(board.legal_actions()) == 1:
            return board.legal_actions()[0]
        began = time.perf_counter()
        solution = self.solve(board, None if seconds is None else _SOLVE_SHARE * seconds)
        if solution is not None:
            return solution.best[0]
        left = None if seconds is None else max(0.0, seconds - (time.perf_counter() - began))
        return self._search.run(board, self.simulations, left).moves[0].square

    def move(self, board: Board) -> int:
        """The action to play; a forced pass answers N²."""
        return self.best(board)

    def choose(self, boards: Sequence[Board], seeds: Sequence[int]) -> list[int]:
        chosen = [self._without_search(board) for board in boards]
        still_open = [place for place, square in enumerate(chosen) if square is None]
        portion = max(1, _MOST_NODES // max(1, self.simulations))
        for start in range(0, len(still_open), portion):
            places = still_open[start : start + portion]
            found = search_many(
                self.evaluator,
                [boards[place] for place in places],
                self.simulations,
                self.root,
                [seeds[place] for place in places],
            )
            for place, result in zip(places, found):
                chosen[place] = result.moves[0].square
        return [square for square in chosen if square is not None]

    def _without_search(self, board: Board) -> int | None:
        """The only move, or a best one that the solver finds, or None."""
        if len(moves := board.legal_moves()) == 1:
            return moves[0]
        solution = self.solve(board)
        return None if solution is None else solution.best[0]


def load_player(
    simulations: int,
    checkpoint: str | Path | None = None,
    size: int = 8,
    root: RootSearch = "puct",
    solve_empties: int = SOLVE_EMPTIES,
) -> SearchPlayer:
    """A searching player with the weights of a checkpoint; raises as `load_evaluator` does."""
    evaluator, digest = load_evaluator(checkpoint, size)
    return SearchPlayer(
        evaluator, simulations, ROOTS[root], checkpoint=digest, solve_empties=solve_empties
    )
