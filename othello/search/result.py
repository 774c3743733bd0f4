"""What a search found: statistics of the root's moves, the line of most visits, and the tree behind them.

Letters as in `othello.search.tree`; all values are in [−1, 1] for the side to move at the root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from othello.errors import ConfigError
from othello.rules.board import Board
from othello.rules.symmetry import SYMMETRIES, transform_action, transform_board
from othello.search.gumbel import improved_policy, most_visits, root_choice
from othello.search.policy import Policy, Race
from othello.search.tree import MAX_MOVES, ROOT, Forest


@dataclass(frozen=True)
class MoveStatistics:
    """One move at the root, from the view of its side to move."""

    square: int  # action 0..N²−1
    visits: int  # N: simulations that began with it
    prior: float  # P: the policy before search; sums to 1 over the legal moves
    q: float | None  # Q in [−1, 1]: their mean value; None for a move that no simulation tried
    u: float | None  # U: exploration bonus c_puct · P · sqrt(ΣN) / (1 + N); None in a Gumbel search
    improved: float | None = (
        None  # of a Gumbel search: the policy after it, softmax(logits + σ(Q)); sums to 1
    )
    perturbed_logit: float | None = None  # of a Gumbel search: the move's logit and its noise


def pooled(board: Board, moves: Sequence[MoveStatistics]) -> dict[int, tuple[int, float]]:
    """{square: visits and mean Q in [−1, 1]} of the moves that were tried, for judging them.

    Moves that are images of each other under a symmetry of the board share their visits, so they are worth the same.
    """
    kept = [s for s in SYMMETRIES if transform_board(board, s) == board]
    groups: dict[int, list[MoveStatistics]] = {}
    for move in moves:
        least = min(transform_action(move.square, s, board.size) for s in kept)
        groups.setdefault(least, []).append(move)
    found: dict[int, tuple[int, float]] = {}
    for group in groups.values():
        known = [(move.visits, move.q) for move in group if move.q is not None]
        if visits := sum(count for count, _ in known):
            mean = sum(count * q for count, q in known) / visits if len(known) > 1 else known[0][1]
            found |= {move.square: (visits, mean) for move in group}
    return found


@dataclass(frozen=True)
class SearchResult:
    """What a search found; values are in [−1, 1] for the side to move at the root."""

    board: Board
    value: float  # mean over the root's evaluation and all simulations
    network_value: float  # the evaluator's value of the root itself
    moves: tuple[
        MoveStatistics, ...
    ]  # the one to play first; then most visits, then the higher prior
    principal_variation: tuple[int, ...]  # squares; forced passes are left out
    simulations: int  # root visits, those kept from earlier searches included
    evaluations: (
        int  # network evaluations that this call spent; solved and finished leaves need none
    )
    seconds: float
    exact: int | None = (
        None  # final score in discs for the side to move, where the solver settled the position
    )

    def policy(self, temperature: float = 1.0) -> NDArray[np.float64]:
        """The distribution p^(1/temperature) over the A actions, normalised; 0 is all on the first move.

        p are the visits, or in a Gumbel search the improved policy.
        """
        policy = np.zeros(self.board.size**2 + 1)
        if temperature <= 0:
            policy[self.moves[0].square] = 1.0
            return policy
        weights = np.array(
            [move.visits if move.improved is None else move.improved for move in self.moves], float
        )
        if not weights.any():
            weights = np.array([move.prior for move in self.moves])
        weights = (weights / weights.max()) ** (1.0 / temperature)
        policy[[move.square for move in self.moves]] = weights / weights.sum()
        return policy


@dataclass(frozen=True)
class TreeView:
    """A finished search's tree as arrays: M nodes, E edges; see `othello.search.tree.Forest` for the meanings."""

    own: NDArray[np.uint64]  # [M]
    opp: NDArray[np.uint64]
    state: NDArray[np.int8]
    value: NDArray[np.float32]
    first: NDArray[np.int32]
    count: NDArray[np.int32]
    square: NDArray[np.int32]  # [E]
    prior: NDArray[np.float32]
    visits: NDArray[np.int32]
    total: NDArray[np.float32]
    child: NDArray[np.int32]
    sign: NDArray[np.int8]


def check_searchable(boards: Sequence[Board], size: int) -> None:
    """`ValueError` for a board of another size than the evaluator's, or whose side to move has no move."""
    for board in boards:
        if board.size != size:
            raise ValueError(f"a {board.size}×{board.size} board, but the evaluator plays {size}")
        if not board.legal_bits:
            raise ValueError(f"{board}: the side to move has no move to search")


def check_simulations(simulations: int, most: int) -> None:
    """`ConfigError` unless it is 0..most; 0 evaluates the root alone, which leaves the raw policy, likeliest first."""
    if not 0 <= simulations <= most:
        raise ConfigError(
            f"{simulations} simulations: accepted are 0..{most}; 0 is the policy without a search"
        )


def choose(result: SearchResult, temperature: float, random: np.random.Generator) -> int:
    """The first move at temperature 0, else one drawn from `result.policy(temperature)`."""
    if temperature <= 0:
        return result.moves[0].square
    return int(random.choice(len(policy := result.policy(temperature)), p=policy))


def search_result(
    forest: Forest,
    g: int,
    board: Board,
    policy: Policy,
    race: Race,
    evaluations: int,
    seconds: float,
) -> SearchResult:
    """The result of tree `g`; the winner of a race comes first, else the most visited move."""
    first, count = int(forest.first[g, ROOT]), int(forest.count[g, ROOT])
    edges = slice(first, first + count)
    moves = _moves(forest, g, edges, policy, race)
    moves.sort(key=lambda move: (-move.visits, -move.prior))
    done, network_value = int(forest.visits[g, edges].sum()), float(forest.value[g, ROOT])
    winner = None
    if policy.gumbel and done:
        scratch, most = np.zeros(MAX_MOVES, np.float32), most_visits(forest, g)
        scales = policy.c_visit, policy.c_scale
        winner = first + root_choice(forest, g, most, race.gumbel[g], *scales, scratch)
    line = principal_variation(forest, g, board.size, winner)
    if winner is not None:
        moves.sort(key=lambda move: move.square != line[0])
    total = float(forest.total[g, edges].astype(np.float64).sum())
    return SearchResult(
        board=board,
        value=(network_value + total) / (done + 1),
        network_value=network_value,
        moves=tuple(moves),
        principal_variation=line,
        simulations=done,
        evaluations=evaluations,
        seconds=seconds,
    )


def _moves(
    forest: Forest, g: int, edges: slice, policy: Policy, race: Race
) -> list[MoveStatistics]:
    """The statistics of the root's moves, in the order of its edges."""
    squares = squares_of_bits(forest.bit[g, edges], policy.size).tolist()
    visits, prior = forest.visits[g, edges], forest.prior[g, edges].astype(np.float64)
    total = forest.total[g, edges].astype(np.float64)
    count = len(squares)
    bonus = improved = perturbed = [None] * count
    if policy.gumbel:
        after = np.zeros(MAX_MOVES, np.float32)
        improved_policy(forest, g, ROOT, policy.c_visit, policy.c_scale, after)
        improved = after[:count].tolist()
        perturbed = (race.gumbel[g, :count] + forest.logit[g, edges]).tolist()
    else:
        bonus = (policy.c_puct * prior * np.sqrt(visits.sum()) / (1 + visits)).tolist()
    return [
        MoveStatistics(
            square=squares[i],
            visits=int(visits[i]),
            prior=float(prior[i]),
            q=float(total[i] / visits[i]) if visits[i] else None,
            u=bonus[i],
            improved=improved[i],
            perturbed_logit=perturbed[i],
        )
        for i in range(count)
    ]


def squares_of_bits(bits: NDArray[np.int8], size: int) -> NDArray[np.int32]:
    """The squares of an N×N board that bits 8·row + column stand for."""
    wide = bits.astype(np.int32)
    return (wide >> 3) * size + (wide & 7)


def principal_variation(
    forest: Forest, g: int, size: int, edge: int | None = None
) -> tuple[int, ...]:
    """The moves of most visits from the root of tree `g` on, of equals the higher prior; `edge` is the first if given.

    It ends where nothing has been visited; forced passes are left out.
    """
    moves: list[int] = []
    node = ROOT
    while edge is not None or forest.count[g, node]:
        if edge is None:
            edges = slice(
                int(forest.first[g, node]), int(forest.first[g, node] + forest.count[g, node])
            )
            visits = forest.visits[g, edges]
            if not visits.any():
                break
            edge = int(forest.first[g, node]) + int(
                np.lexsort((forest.prior[g, edges], visits))[-1]
            )
        moves.append(int(squares_of_bits(forest.bit[g, edge : edge + 1], size)[0]))
        node, edge = int(forest.child[g, edge]), None
        if node < 0:
            break
    return tuple(moves)


def tree_view(forest: Forest, g: int, size: int) -> TreeView:
    """Copies of the arrays of tree `g`, cut to what is in use."""
    nodes, edges = int(forest.nodes[g]), int(forest.edges[g])
    return TreeView(
        own=forest.own[g, :nodes].copy(),
        opp=forest.opp[g, :nodes].copy(),
        state=forest.state[g, :nodes].copy(),
        value=forest.value[g, :nodes].copy(),
        first=forest.first[g, :nodes].copy(),
        count=forest.count[g, :nodes].copy(),
        square=squares_of_bits(forest.bit[g, :edges], size),
        prior=forest.prior[g, :edges].copy(),
        visits=forest.visits[g, :edges].copy(),
        total=forest.total[g, :edges].copy(),
        child=forest.child[g, :edges].copy(),
        sign=forest.sign[g, :edges].copy(),
    )
