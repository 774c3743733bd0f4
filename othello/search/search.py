"""Search over boards: what players, the app and the experiments call.

    Search(evaluator).run(board, simulations=100)                one board, PUCT, many leaves a network batch
    Search(evaluator, Gumbel(), seed=3).run(board, 64)           one board, a race of sequential halving
    search_many(evaluator, boards, 64, Gumbel(), seeds)          many boards, one leaf of each a network batch

All are deterministic for a seed.  Letters as in `othello.search.tree`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from othello.errors import ConfigError
from othello.network.evaluator import Evaluator, ask, board_size
from othello.rules.board import Board
from othello.search.policy import C_PUCT, Gumbel, Policy, Puct, Race, RootPolicy
from othello.search.result import (
    MoveStatistics,
    SearchResult,
    TreeView,
    check_searchable,
    check_simulations,
    choose,
    search_result,
    tree_view,
)
from othello.search.simulate import SETTLED_AT_ONCE, absorb, collect, copy_subtree, hold
from othello.search.tree import (
    EXPANDED,
    FRESH,
    MAX_MOVES,
    ROOT,
    UNEXPANDED,
    Forest,
    Paths,
    new_forest,
    new_paths,
    node_visits,
    set_root,
)

__all__ = [
    "C_PUCT",
    "Gumbel",
    "MoveStatistics",
    "Puct",
    "Search",
    "SearchResult",
    "TreeView",
    "choose",
    "search_many",
]

_USUAL = 100  # simulations where no budget is given
_RAMP = 16  # visits for each further leaf of a batch: a virtual loss weighs little against so many real outcomes
_PUCT = Puct()


class Search:
    """The search of one board at a time, by PUCT unless `root` is a `Gumbel`.

    By PUCT up to `batch` leaves share a network batch, fewer while the root has few visits, lest virtual losses decide;
    the tree below the position reached is kept.  A Gumbel search has one leaf a batch and keeps nothing: its noise is
    that of `seed` and the position, so it repeats whatever was searched before.  Where the evaluator raises, the tree
    is as before, and the next run by PUCT asks about the same leaves first.

    >>> from othello.search.disc_count import DiscCount
    >>> result = Search(DiscCount(8), batch=4).run(Board.initial(), simulations=50)
    >>> result.simulations, len(result.moves), -1 <= result.value <= 1
    (50, 4, True)
    >>> result = Search(DiscCount(8), Gumbel(), seed=1).run(Board.initial(), simulations=32)
    >>> result.simulations, len(result.moves), round(float(result.policy().sum()), 6)
    (32, 4, 1.0)
    """

    def __init__(
        self, evaluator: Evaluator, root: RootPolicy = _PUCT, *, batch: int = 16, seed: int = 0
    ) -> None:
        if batch < 1:
            raise ConfigError(f"a batch of {batch} leaves: accepted are 1 and more")
        size = board_size(evaluator)
        self.evaluator, self.root, self.seed = evaluator, root, seed
        self.batch = 1 if isinstance(root, Gumbel) else batch
        self._random = np.random.default_rng(seed)
        self._policy = root.policy(size)
        self._forest, self._paths = _forest_for(256, size), new_paths(self.batch)
        self._board: Board | None = None  # at the tree's root
        self._unanswered = 0  # leaves of the last batch that the evaluator raised at

    def forget(self) -> None:
        """Drop the tree."""
        self._board = None

    def run(
        self,
        board: Board,
        simulations: int | None = None,
        seconds: float | None = None,
        on_progress: Callable[[int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> SearchResult:
        """Search until the root has `simulations` visits, `seconds` have passed, or `stop()` says so.

        Without either budget 100 simulations are made, and a race is laid out for 100 where only `seconds` are given.
        At least the root is evaluated; with 0 simulations nothing else is, which leaves the raw policy, likeliest move
        first.  `on_progress` gets the root's visits after every batch.  Raises `ValueError` where the side to move has
        no move, `ConfigError` for more simulations than the root can make, `EvaluationError` for an evaluation that is
        not finite or misshapen.
        """
        began = time.perf_counter()
        check_searchable([board], self.evaluator.size)
        if simulations is None:
            open_ended = seconds is not None and not isinstance(self.root, Gumbel)
            simulations = self.root.most if open_ended else _USUAL
        check_simulations(simulations, self.root.most)
        race = self.root.race([board], [self.seed], simulations)
        self._reach(board)
        evaluations = 0
        while True:
            visits = int(node_visits(self._forest, 0, ROOT))
            fresh = self._forest.state[0, ROOT] == FRESH
            late = seconds is not None and time.perf_counter() - began >= seconds
            if not fresh and (visits >= simulations or late or (stop is not None and stop())):
                break
            evaluations += self._evaluate_leaves(simulations, visits, race)
            if fresh:
                self._add_noise()
            if on_progress is not None:
                on_progress(int(node_visits(self._forest, 0, ROOT)))
        seconds = time.perf_counter() - began
        return search_result(self._forest, 0, board, self._policy, race, evaluations, seconds)

    def choose(self, result: SearchResult, temperature: float = 0.0) -> int:
        """The move to play: the most visited one at temperature 0, else drawn from N^(1/temperature)."""
        return choose(result, temperature, self._random)

    def tree(self) -> TreeView:
        """The present tree; node 0 is the root, its values from the root's side to move."""
        if self._board is None:
            raise ValueError("no search has been run")
        return tree_view(self._forest, 0, self._board.size)

    def _evaluate_leaves(self, simulations: int, visits: int, race: Race) -> int:
        """Find the next leaves, have them evaluated and back their values up; how many they were."""
        leaves = 0
        try:
            leaves = self._next_leaves(simulations, visits, race)
            _evaluate(self.evaluator, self._forest, self._paths, leaves, self._policy)
        except BaseException:
            self._unanswered = leaves
            self._forest.pending.fill(0)
            raise
        return leaves

    def _next_leaves(self, simulations: int, visits: int, race: Race) -> int:
        if self._unanswered:
            leaves, self._unanswered = min(self._unanswered, max(1, simulations - visits)), 0
            hold(self._forest, self._paths, leaves)
            return leaves
        self._make_room()
        most = min(self.batch, 1 + visits // _RAMP)
        return collect(self._forest, self._paths, simulations, most, race, self._policy)

    def _reach(self, board: Board) -> None:
        """Make `board` the root; PUCT keeps its subtree if it is the root or at most two moves below it."""
        node = None
        if self._board is not None and not isinstance(self.root, Gumbel):
            node = _find(self._forest, 0, board)
        if node == ROOT:
            return
        self._board, self._unanswered = board, 0
        if node is not None and self._forest.state[0, node] == EXPANDED:
            target = _forest_for(self._forest.own.shape[1], board.size)
            copy_subtree(self._forest, 0, node, target, 0)
            self._forest = target
            self._add_noise()
        else:
            set_root(
                self._forest, 0, np.uint64(board.own), np.uint64(board.opp), self._policy.board
            )

    def _make_room(self) -> None:
        """Grow the arrays if the next batch might not fit."""
        forest = self._forest
        nodes = SETTLED_AT_ONCE + self.batch + 1
        edges = (self.batch + 1) * MAX_MOVES
        if (
            forest.nodes[0] + nodes > forest.own.shape[1]
            or forest.edges[0] + edges > forest.bit.shape[1]
        ):
            larger = _forest_for(
                2 * forest.own.shape[1] + nodes, self.evaluator.size, 2 * forest.edges[0] + edges
            )
            copy_subtree(forest, 0, ROOT, larger, 0)
            self._forest = larger

    def _add_noise(self) -> None:
        if isinstance(self.root, Puct) and self.root.root_noise > 0:
            share, count = self.root.root_noise, int(self._forest.count[0, ROOT])
            noise = self._random.dirichlet(np.full(count, self.root.dirichlet_alpha))
            first = int(self._forest.first[0, ROOT])
            prior = self._forest.prior[0, first : first + count]
            prior[:] = (1 - share) * prior + share * noise


def search_many(
    evaluator: Evaluator,
    boards: Sequence[Board],
    simulations: int,
    root: RootPolicy = _PUCT,
    seeds: Sequence[int] | None = None,
) -> list[SearchResult]:
    """Search every board with `simulations` simulations, one leaf of each a network batch; the same as one by one.

    `seeds` are those of the boards' Gumbel noise, all 0 if not given.  Raises `ValueError` if a board has no legal move
    or the wrong size, else as `Search.run` does.
    """
    check_simulations(simulations, root.most)
    if not boards:
        return []
    began = time.perf_counter()
    count, size = len(boards), board_size(evaluator)
    check_searchable(boards, size)
    policy = root.policy(size)
    race = root.race(boards, [0] * count if seeds is None else seeds, simulations)
    forest = new_forest(count, simulations + 2, (simulations + 2) * MAX_MOVES, size)
    for g, board in enumerate(boards):
        set_root(forest, g, np.uint64(board.own), np.uint64(board.opp), policy.board)
    paths = new_paths(count)
    evaluations = np.zeros(count, np.int64)
    while True:
        leaves = collect(forest, paths, simulations, 1, race, policy)
        if not leaves and all(node_visits(forest, g, ROOT) >= simulations for g in range(count)):
            break
        _evaluate(evaluator, forest, paths, leaves, policy)
        evaluations[paths.tree[:leaves]] += 1
    seconds = time.perf_counter() - began
    return [
        search_result(forest, g, board, policy, race, int(evaluations[g]), seconds)
        for g, board in enumerate(boards)
    ]


def _evaluate(
    evaluator: Evaluator, forest: Forest, paths: Paths, leaves: int, policy: Policy
) -> None:
    """Have the first `leaves` leaves evaluated and their values backed up."""
    if leaves:
        logits, values = ask(evaluator, paths.own[:leaves], paths.opp[:leaves])
        absorb(forest, paths, leaves, logits, values, policy)


def _forest_for(nodes: int, size: int, edges: int = 0) -> Forest:
    """One tree; 8×8 positions have nine moves or so."""
    return new_forest(1, nodes, max(nodes * 14 + 2 * MAX_MOVES, edges), size)


def _find(forest: Forest, g: int, board: Board) -> int | None:
    """The node at most two moves below the root that holds `board` with the same side to move, or None."""
    own, opp = np.uint64(board.own), np.uint64(board.opp)
    level = [ROOT]
    for _ in range(3):
        following: list[int] = []
        for node in level:
            if forest.own[g, node] == own and forest.opp[g, node] == opp:
                return node
            first = int(forest.first[g, node])
            children = forest.child[g, first : first + int(forest.count[g, node])]
            following.extend(int(child) for child in children if child != UNEXPANDED)
        level = following
    return None
