"""Search over boards: what players, the app and the experiments call.

`Search` looks into one board with many leaves a batch and keeps its tree between moves; `search_many` looks into many
boards with one leaf each a batch.  Both are deterministic for a seed.  Letters as in `othello.search.tree`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from othello.errors import ConfigError
from othello.network.evaluator import Evaluator, ask, board_size
from othello.rules.bitboard import BOARD_MASK
from othello.rules.board import Board
from othello.search.puct import SETTLED_AT_ONCE, absorb, collect, copy_subtree, hold
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
from othello.search.tree import (
    EXPANDED,
    FRESH,
    MAX_MOVES,
    ROOT,
    UNEXPANDED,
    Forest,
    new_forest,
    new_paths,
    node_visits,
)
from othello.search.tree import set_root as set_tree_root

__all__ = ["MoveStatistics", "Search", "SearchResult", "TreeView", "choose", "search_many"]

C_PUCT = 1.0  # with 100 simulations a move: 1.0 beats 1.5 by 56 Elo [8, 105], 2.0 loses to it by 143 [92, 196]
FIRST_PLAY = 0.2
LEAF_EMPTIES = 8
MAX_SIMULATIONS = 1 << 30
_RAMP = 16  # visits for each further leaf of a batch: a virtual loss weighs little against so many real outcomes


def _forest_for(nodes: int, size: int, edges: int = 0) -> Forest:
    return new_forest(
        1, nodes, max(nodes * 14 + 2 * MAX_MOVES, edges), size
    )  # 8×8 positions have nine moves or so


class Search:
    """PUCT over one board at a time, with virtual losses; the tree below the position reached is kept.

    Up to `batch` leaves share a network batch, fewer while the root has few visits, lest virtual losses decide.  Where
    the evaluator raises, the tree is as before, and the next run asks about the same leaves first.

    >>> from othello.search.disc_count import DiscCount
    >>> result = Search(DiscCount(8), batch=4).run(Board.initial(), simulations=50)
    >>> result.simulations, len(result.moves), -1 <= result.value <= 1
    (50, 4, True)
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        c_puct: float = C_PUCT,
        batch: int = 16,
        leaf_empties: int = LEAF_EMPTIES,
        first_play: float = FIRST_PLAY,
        root_noise: float = 0.0,
        dirichlet_alpha: float = 0.3,
        seed: int = 0,
    ) -> None:
        if batch < 1:
            raise ConfigError(f"a batch of {batch} leaves: accepted are 1 and more")
        self.evaluator, self.c_puct, self.batch = evaluator, c_puct, batch
        self.leaf_empties, self.first_play = leaf_empties, first_play
        self.root_noise, self.dirichlet_alpha = root_noise, dirichlet_alpha
        self._random = np.random.default_rng(seed)
        size = board_size(evaluator)
        self._mask = BOARD_MASK[size]
        self._forest = _forest_for(256, size)
        self._root: Board | None = None
        self._paths = new_paths(batch)
        self._leaf_tree = np.zeros(batch, np.int32)
        self._leaf_words = np.zeros((2, batch), np.uint64)
        self._tree_number, self._wanted = np.zeros(1, np.int32), np.zeros(1, np.int32)
        self._unanswered = 0  # leaves of the last batch that the evaluator raised at

    def forget(self) -> None:
        """Drop the tree."""
        self._root = None

    def run(
        self,
        board: Board,
        simulations: int | None = None,
        seconds: float | None = None,
        on_progress: Callable[[int], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> SearchResult:
        """Search until the root has `simulations` visits, `seconds` have passed, or `stop()` says so.

        Without either budget 100 simulations are made.  At least the root is evaluated, with 0 simulations nothing
        else.  `on_progress` gets the root's visits after every batch.  Raises `ValueError` where the side to move has
        no move, `EvaluationError` for an evaluation that is not finite or misshapen.
        """
        began = time.perf_counter()
        check_searchable([board], self.evaluator.size)
        target = (
            simulations
            if simulations is not None
            else (100 if seconds is None else MAX_SIMULATIONS)
        )
        check_simulations(target, MAX_SIMULATIONS)
        self._reach(board)
        evaluations = 0
        while True:
            visits = self._visits()
            fresh = self._forest.state[0, ROOT] == FRESH
            late = seconds is not None and time.perf_counter() - began >= seconds
            if not fresh and (visits >= target or late or (stop is not None and stop())):
                break
            evaluations += self._evaluate_leaves(target, visits)
            if fresh:
                self._add_noise()
            if on_progress is not None:
                on_progress(self._visits())
        return _result(
            self._forest, 0, board, self.c_puct, evaluations, time.perf_counter() - began
        )

    def choose(self, result: SearchResult, temperature: float = 0.0) -> int:
        """The move to play: the most visited one at temperature 0, else drawn from N^(1/temperature)."""
        return choose(result, temperature, self._random)

    def tree(self) -> TreeView:
        """The present tree; node 0 is the root, its values from the root's side to move."""
        if self._root is None:
            raise ValueError("no search has been run")
        return tree_view(self._forest, 0, self._root.size)

    def _evaluate_leaves(self, target: int, visits: int) -> int:
        """Find the next leaves, have them evaluated and back their values up; how many they were."""
        leaves = 0
        try:
            leaves = self._next_leaves(target, visits)
            if not leaves:
                return 0
            logits, values = ask(
                self.evaluator, self._leaf_words[0, :leaves], self._leaf_words[1, :leaves]
            )
        except BaseException:
            self._unanswered = leaves
            self._forest.pending.fill(0)
            raise
        absorb(
            self._forest,
            self._paths,
            leaves,
            self._leaf_tree,
            logits,
            values,
            self._mask,
            self.evaluator.size,
        )
        return leaves

    def _next_leaves(self, target: int, visits: int) -> int:
        if self._unanswered:
            leaves, self._unanswered = min(self._unanswered, max(1, target - visits)), 0
            hold(self._forest, self._paths, leaves, self._leaf_tree)
            return leaves
        self._make_room()
        self._wanted[0] = target
        return collect(
            self._forest,
            self._tree_number,
            self._wanted,
            self._paths,
            min(self.batch, 1 + visits // _RAMP),
            self._leaf_tree,
            self._leaf_words,
            self._mask,
            self.c_puct,
            self.first_play,
            self.leaf_empties,
        )

    def _visits(self) -> int:
        return int(node_visits(self._forest, 0, ROOT))

    def _reach(self, board: Board) -> None:
        """Make `board` the root, keeping its subtree if it is the root or at most two moves below it."""
        if self._root is not None and self._root.size == board.size:
            node = _find(self._forest, 0, board)
            if node != ROOT:
                self._unanswered = 0
            if node is not None and node != ROOT and self._forest.state[0, node] == EXPANDED:
                target = _forest_for(self._forest.own.shape[1], board.size)
                copy_subtree(self._forest, 0, node, target, 0)
                self._forest, self._root = target, board
                self._add_noise()
                return
            if node == ROOT:
                return
        self._root, self._unanswered = board, 0
        set_tree_root(self._forest, 0, np.uint64(board.own), np.uint64(board.opp), self._mask)

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
        if self.root_noise > 0:
            count = int(self._forest.count[0, ROOT])
            noise = self._random.dirichlet(np.full(count, self.dirichlet_alpha))
            edges = slice(self._forest.first[0, ROOT], self._forest.first[0, ROOT] + count)
            prior = self._forest.prior[0, edges]
            prior[:] = (1 - self.root_noise) * prior + self.root_noise * noise


def search_many(
    evaluator: Evaluator,
    boards: Sequence[Board],
    simulations: int,
    *,
    c_puct: float = C_PUCT,
    leaf_empties: int = LEAF_EMPTIES,
    first_play: float = FIRST_PLAY,
) -> list[SearchResult]:
    """Search every board with `simulations` simulations, one leaf of each board a network batch.

    Raises `ValueError` if a board has no legal move or the wrong size, else as `Search.run` does.
    """
    check_simulations(simulations, MAX_SIMULATIONS)
    if not boards:
        return []
    began = time.perf_counter()
    count, size = len(boards), board_size(evaluator)
    check_searchable(boards, size)
    mask = BOARD_MASK[size]
    forest = new_forest(count, simulations + 2, (simulations + 2) * MAX_MOVES, size)
    for g, board in enumerate(boards):
        set_tree_root(forest, g, np.uint64(board.own), np.uint64(board.opp), mask)
    paths, trees, wanted = (
        new_paths(count),
        np.arange(count, dtype=np.int32),
        np.full(count, simulations, np.int32),
    )
    leaf_tree, words = np.zeros(count, np.int32), np.zeros((2, count), np.uint64)
    evaluations = np.zeros(count, np.int64)
    while True:
        leaves = collect(
            forest,
            trees,
            wanted,
            paths,
            1,
            leaf_tree,
            words,
            mask,
            c_puct,
            first_play,
            leaf_empties,
        )
        if leaves == 0:
            if all(node_visits(forest, g, ROOT) >= simulations for g in range(count)):
                break
            continue
        logits, values = ask(evaluator, words[0, :leaves], words[1, :leaves])
        absorb(forest, paths, leaves, leaf_tree, logits, values, mask, size)
        evaluations[leaf_tree[:leaves]] += 1
    seconds = time.perf_counter() - began
    return [
        _result(forest, g, board, c_puct, int(evaluations[g]), seconds)
        for g, board in enumerate(boards)
    ]


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


def _result(
    forest: Forest, g: int, board: Board, c_puct: float, evaluations: int, seconds: float
) -> SearchResult:
    first, done = int(forest.first[g, ROOT]), int(node_visits(forest, g, ROOT))

    def statistics(i: int, square: int) -> MoveStatistics:
        visits, prior = int(forest.visits[g, first + i]), float(forest.prior[g, first + i])
        q = float(forest.total[g, first + i]) / visits if visits else None
        return MoveStatistics(
            square, visits, prior, q, float(c_puct * prior * np.sqrt(done) / (1 + visits))
        )

    return search_result(forest, g, board, evaluations, seconds, statistics)
