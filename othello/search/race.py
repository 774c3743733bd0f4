"""Gumbel search for players and analysis: the move to play wins a race of sequential halving.

    GumbelSearch(evaluator, seed=3).run(board, simulations=64)      one board
    gumbel_many(evaluator, boards, 64, seeds)                       many, one leaf of each a network batch

It is the search that self-play learns from, made of the steps of `othello.search.gumbel`.  The noise of a root depends
on the seed and the position alone, so that a search repeats whatever was searched before; nothing is kept between
moves, because every root has a race of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from othello.errors import ConfigError
from othello.jit import kernel
from othello.network.evaluator import Evaluator, ask, board_size
from othello.rules.bitboard import BOARD_MASK
from othello.rules.board import Board
from othello.search.gumbel import (
    descend,
    halving_schedule,
    improved_policy,
    most_visits,
    root_choice,
)
from othello.search.mcts import LEAF_EMPTIES
from othello.search.puct import absorb
from othello.search.result import (
    MoveStatistics,
    SearchResult,
    check_searchable,
    check_simulations,
    principal_variation,
    search_result,
)
from othello.search.tree import (
    FRESH,
    MAX_MOVES,
    ROOT,
    Forest,
    Paths,
    new_forest,
    new_paths,
    node_visits,
)
from othello.search.tree import set_root as set_tree_root

MAX_SIMULATIONS = 100_000  # a race is laid out in a table beforehand


@dataclass(frozen=True)
class RaceSettings:
    """How a race is run; the figures are those of self-play."""

    considered: int = 16  # moves that enter it
    c_visit: float = 50.0
    c_scale: float = 0.1
    noise: float = (
        1.0  # times the Gumbel noise; 0: the moves of the highest logits enter, nothing is drawn
    )
    leaf_empties: int = (
        LEAF_EMPTIES  # leaves with so many empty squares or fewer get their exact outcome
    )

    def __post_init__(self) -> None:
        if self.considered < 1:
            raise ConfigError(
                f"{self.considered} moves considered at the root: accepted are 1 and more"
            )


@kernel
def collect(
    forest: Forest,
    schedule: NDArray[np.int32],
    considered: int,
    gumbel: NDArray[np.float32],
    paths: Paths,
    leaf_tree: NDArray[np.int32],
    leaf_words: NDArray[np.uint64],
    board: np.uint64,
    c_visit: float,
    c_scale: float,
    solve_empties: int,
) -> int:
    """Walk every tree whose race goes on to its next leaf; how many wait.  Leaf k is as in `othello.search.puct`."""
    scratch = np.empty(MAX_MOVES, np.float32)
    simulations = schedule.shape[1]
    leaves = 0
    for g in range(len(forest.nodes)):
        leaf = -1
        if forest.state[g, ROOT] == FRESH:
            paths.length[leaves] = 0
            paths.leaf[leaves] = ROOT
            leaf = ROOT
        else:
            done = node_visits(forest, g, ROOT)
            entered = min(considered, forest.count[g, ROOT])
            while done < simulations and leaf < 0:
                edge = root_choice(
                    forest, g, schedule[entered, done], gumbel[g], c_visit, c_scale, scratch
                )
                if descend(
                    forest, g, edge, paths, leaves, board, c_visit, c_scale, solve_empties, scratch
                ):
                    leaf = paths.leaf[leaves]
                done += 1
        if leaf >= 0:
            leaf_tree[leaves] = g
            leaf_words[0, leaves], leaf_words[1, leaves] = forest.own[g, leaf], forest.opp[g, leaf]
            leaves += 1
    return leaves


class GumbelSearch:
    """The search of one board at a time; `run` is as that of `othello.search.mcts.Search`.

    >>> from othello.search.disc_count import DiscCount
    >>> result = GumbelSearch(DiscCount(8), seed=1).run(Board.initial(), simulations=32)
    >>> result.simulations, len(result.moves), round(float(result.policy().sum()), 6)
    (32, 4, 1.0)
    """

    def __init__(
        self, evaluator: Evaluator, settings: RaceSettings | None = None, seed: int = 0
    ) -> None:
        self.evaluator, self.settings, self.seed = evaluator, settings or RaceSettings(), seed

    def forget(self) -> None:
        """Nothing is kept."""

    def run(
        self,
        board: Board,
        simulations: int | None = None,
        seconds: float | None = None,
        on_progress: Callable[[int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> SearchResult:
        """A race of `simulations` (100 if not given), called off after `seconds` or by `stop()`; the root's noise is
        `seed`'s.  With 0 simulations there is no race: the raw policy, likeliest move first.  Raises `ValueError` where
        the side to move has no move, `ConfigError` for too long a race, `EvaluationError` as `Search.run` does.
        """
        count = 100 if simulations is None else simulations
        return _race(
            self.evaluator, [board], count, [self.seed], self.settings, seconds, on_progress, stop
        )[0]


def gumbel_many(
    evaluator: Evaluator,
    boards: Sequence[Board],
    simulations: int,
    seeds: Sequence[int],
    settings: RaceSettings | None = None,
) -> list[SearchResult]:
    """Search every board with the noise of its seed; the same as one by one.  Errors as of `GumbelSearch.run`."""
    return (
        _race(evaluator, boards, simulations, seeds, settings or RaceSettings()) if boards else []
    )


def _race(
    evaluator: Evaluator,
    boards: Sequence[Board],
    simulations: int,
    seeds: Sequence[int],
    settings: RaceSettings,
    seconds: float | None = None,
    on_progress: Callable[[int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[SearchResult]:
    began = time.perf_counter()
    count, size = len(boards), board_size(evaluator)
    check_searchable(boards, size)
    check_simulations(simulations, MAX_SIMULATIONS)
    mask = BOARD_MASK[size]
    forest = new_forest(count, simulations + 2, (simulations + 2) * MAX_MOVES, size)
    for g, board in enumerate(boards):
        set_tree_root(forest, g, np.uint64(board.own), np.uint64(board.opp), mask)
    gumbel = np.stack([_noise(board, seed, settings.noise) for board, seed in zip(boards, seeds)])
    schedule, paths = halving_schedule(simulations), new_paths(count)
    leaf_tree, words = np.zeros(count, np.int32), np.zeros((2, count), np.uint64)
    evaluations = np.zeros(count, np.int64)
    while leaves := collect(
        forest,
        schedule,
        settings.considered,
        gumbel,
        paths,
        leaf_tree,
        words,
        mask,
        settings.c_visit,
        settings.c_scale,
        settings.leaf_empties,
    ):
        logits, values = ask(evaluator, words[0, :leaves], words[1, :leaves])
        absorb(forest, paths, leaves, leaf_tree, logits, values, mask, size)
        evaluations[leaf_tree[:leaves]] += 1
        if on_progress is not None:
            on_progress(int(node_visits(forest, 0, ROOT)))
        if (seconds is not None and time.perf_counter() - began >= seconds) or (
            stop is not None and stop()
        ):
            break
    spent = time.perf_counter() - began
    return [
        _result(forest, g, board, gumbel[g], settings, int(evaluations[g]), spent)
        for g, board in enumerate(boards)
    ]


def _noise(board: Board, seed: int, scale: float) -> NDArray[np.float32]:
    """The Gumbel noise of the moves of a root, float32 [MAX_MOVES]."""
    random = np.random.default_rng([seed, board.own, board.opp])
    return (scale * random.gumbel(size=MAX_MOVES)).astype(np.float32)


def _result(
    forest: Forest,
    g: int,
    board: Board,
    gumbel: NDArray[np.float32],
    settings: RaceSettings,
    evaluations: int,
    seconds: float,
) -> SearchResult:
    """The moves with the winner of the race first; U is noise + logit, what the race adds to the scaled Q."""
    first = int(forest.first[g, ROOT])
    scratch, policy = np.zeros(MAX_MOVES, np.float32), np.zeros(MAX_MOVES, np.float32)
    improved_policy(forest, g, ROOT, settings.c_visit, settings.c_scale, policy)
    best = root_choice(
        forest, g, most_visits(forest, g), gumbel, settings.c_visit, settings.c_scale, scratch
    )

    def statistics(i: int, square: int) -> MoveStatistics:
        visits, edge = int(forest.visits[g, first + i]), first + i
        q = float(forest.total[g, edge]) / visits if visits else None
        u = float(gumbel[i] + forest.logit[g, edge])
        return MoveStatistics(square, visits, float(forest.prior[g, edge]), q, u, float(policy[i]))

    plain = search_result(forest, g, board, evaluations, seconds, statistics)
    if not plain.simulations:
        return plain
    winner = principal_variation(forest, g, board.size, first + best)
    moves = sorted(plain.moves, key=lambda move: move.square != winner[0])
    return replace(plain, moves=tuple(moves), principal_variation=winner)
