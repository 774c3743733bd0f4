"""Many search trees as flat arrays, and the compiled steps every search shares: add, descend, back up.

Letters: `G` trees, `M` nodes a tree, `E` edges a tree.  A node is a position seen from its side to move; an edge is a
legal move of it.  A move after which the opponent must pass leads straight to the position where the same side moves
again, with sign +1 instead of −1, so a pass never costs an evaluation.  Node 0 is the root.  All values are in
[−1, 1], from the view of the side to move at the node that holds them (an edge's from the view of its parent).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel, popcount
from othello.rules.bitboard import Integer, final_score, flip_mask, legal_mask, lowest_bit_index
from othello.solver.search import new_workspace, solve_exact
from othello.solver.workspace import Workspace

ROOT: Final = 0
UNEXPANDED: Final = -1
# No board has more legal moves, whether a game reaches it or not.  A move turns over a neighbour and ends at an own
# disc; each disc of the opponent is such a neighbour of at most 4 moves, one a line through it, and each own disc is
# the end of at most 8, one a direction.  So m moves need m/4 + m/8 discs beside their m empty squares: 11/8 · m <= 64.
# The most that simulated annealing found is 35.
MAX_MOVES: Final = 46
MAX_DEPTH: Final = 64
TABLE_BITS: Final = 12  # the leaf solver's hash table: 2**12 buckets, 256 KiB
NO_LIMIT: Final = np.int64(2**62)  # nodes

FRESH: Final = 0  # a node without an evaluation
EXPANDED: Final = 1  # a node whose edges carry priors
EXACT: Final = 2  # a finished or solved position: its value is the true outcome


class Forest(NamedTuple):
    """G search trees of one thread.  Counts are int32, statistics float32, words uint64."""

    nodes: NDArray[np.int32]  # [G] nodes in use
    edges: NDArray[np.int32]  # [G] edges in use
    own: NDArray[np.uint64]  # [G, M] discs of the side to move
    opp: NDArray[np.uint64]  # [G, M] discs of the other side
    state: NDArray[np.int8]  # [G, M] FRESH, EXPANDED or EXACT
    value: NDArray[np.float32]  # [G, M] the evaluator's value, or the exact outcome
    first: NDArray[np.int32]  # [G, M] the node's first edge
    count: NDArray[np.int32]  # type: ignore[assignment]  # [G, M] its number of edges
    bit: NDArray[np.int8]  # [G, E] the move, as a bit 0..63
    logit: NDArray[np.float32]  # [G, E] policy logit of the move
    prior: NDArray[np.float32]  # [G, E] softmax of the logits over the legal moves
    visits: NDArray[np.int32]  # [G, E] simulations that took this edge (N)
    total: NDArray[
        np.float32
    ]  # [G, E] sum of their values (W), for the parent's side to move; Q = W / N
    pending: NDArray[np.int32]  # [G, E] simulations under way below this edge (virtual loss)
    child: NDArray[np.int32]  # [G, E] node index, or UNEXPANDED
    sign: NDArray[np.int8]  # [G, E] −1, or +1 where the opponent must pass
    solver: Workspace  # the endgame solver's memory; addresses of this process, so forests are never pickled


class Paths(NamedTuple):
    """The leaves under way and how each was reached from its root: L leaves."""

    length: NDArray[np.int32]  # [L] edges walked, 0 for a root that is its own leaf
    edge: NDArray[np.int32]  # [L, MAX_DEPTH]
    leaf: NDArray[np.int32]  # [L] node index
    tree: NDArray[np.int32]  # [L] the leaf's tree
    own: NDArray[np.uint64]  # [L] its discs of the side to move
    opp: NDArray[np.uint64]  # [L] and of the other side


def new_forest(trees: int, nodes: int, edges: int, size: int) -> Forest:
    """Empty trees of N×N boards with room for `nodes` positions and `edges` moves each.

    All of it is zeros, which the operating system provides page by page: room that is not used costs no memory.
    """
    return Forest(
        nodes=np.zeros(trees, np.int32),
        edges=np.zeros(trees, np.int32),
        own=np.zeros((trees, nodes), np.uint64),
        opp=np.zeros((trees, nodes), np.uint64),
        state=np.zeros((trees, nodes), np.int8),
        value=np.zeros((trees, nodes), np.float32),
        first=np.zeros((trees, nodes), np.int32),
        count=np.zeros((trees, nodes), np.int32),
        bit=np.zeros((trees, edges), np.int8),
        logit=np.zeros((trees, edges), np.float32),
        prior=np.zeros((trees, edges), np.float32),
        visits=np.zeros((trees, edges), np.int32),
        total=np.zeros((trees, edges), np.float32),
        pending=np.zeros((trees, edges), np.int32),
        child=np.zeros((trees, edges), np.int32),
        sign=np.zeros((trees, edges), np.int8),
        solver=new_workspace(size, TABLE_BITS),
    )


def new_paths(leaves: int) -> Paths:
    """Room for so many leaves."""
    return Paths(
        length=np.zeros(leaves, np.int32),
        edge=np.zeros((leaves, MAX_DEPTH), np.int32),
        leaf=np.zeros(leaves, np.int32),
        tree=np.zeros(leaves, np.int32),
        own=np.zeros(leaves, np.uint64),
        opp=np.zeros(leaves, np.uint64),
    )


@kernel
def wipes_out(own: np.uint64, opp: np.uint64, moves: np.uint64) -> bool:
    """Whether one of `moves` turns over every disc of the opponent, which ends the game.

    A network trained on games of good players sees such positions too rarely to fear them.
    """
    if popcount(opp) > 19:  # a move turns over at most 19 discs
        return False
    while moves:
        bit = lowest_bit_index(moves)
        moves &= moves - np.uint64(1)
        if flip_mask(own, opp, bit) == opp:
            return True
    return False


@kernel
def add_node(
    forest: Forest, g: int, own: np.uint64, opp: np.uint64, board: np.uint64, solve_empties: int
) -> int:
    """Append a position whose side to move owns `own`; where the outcome is certain, the node gets it.

    It is where the game is over, where a move takes the opponent's last disc, and where at most `solve_empties` empty
    squares are left; a negative `solve_empties` leaves all but finished games open, as a root must be.
    """
    node = forest.nodes[g]
    forest.nodes[g] = node + 1
    forest.own[g, node] = own
    forest.opp[g, node] = opp
    forest.first[g, node] = 0
    forest.count[g, node] = 0
    forest.state[g, node] = FRESH
    forest.value[g, node] = 0.0
    moves = legal_mask(own, opp, board)
    if moves == np.uint64(0):
        if legal_mask(opp, own, board) == np.uint64(0):
            forest.state[g, node] = EXACT
            forest.value[g, node] = np.sign(final_score(own, opp, board))
    elif solve_empties >= 0 and wipes_out(own, opp, moves):
        forest.state[g, node] = EXACT
        forest.value[g, node] = 1.0
    elif solve_empties > 0 and popcount(board & ~(own | opp)) <= solve_empties:
        forest.state[g, node] = EXACT
        score = solve_exact(own, opp, np.int64(-1), np.int64(1), forest.solver, NO_LIMIT)
        forest.value[g, node] = np.sign(score)
    return node


@kernel
def set_root(forest: Forest, g: int, own: np.uint64, opp: np.uint64, board: np.uint64) -> None:
    """Empty tree `g` and put the position at its root (a root is never solved: its edges are wanted)."""
    forest.nodes[g] = 0
    forest.edges[g] = 0
    add_node(forest, g, own, opp, board, -1)


@kernel
def add_edges(
    forest: Forest,
    g: int,
    node: int,
    board: np.uint64,
    size: int,
    logits: NDArray[np.float32],
    value: float,
) -> None:
    """Expand `node` with the evaluator's policy logits [A] and value for its side to move."""
    moves = legal_mask(forest.own[g, node], forest.opp[g, node], board)
    first = forest.edges[g]
    forest.first[g, node] = first
    forest.state[g, node] = EXPANDED
    forest.value[g, node] = value
    edge = first
    highest = np.float32(-np.inf)
    while moves:
        bit = lowest_bit_index(moves)
        moves &= moves - np.uint64(1)
        logit = logits[(bit >> 3) * size + (bit & 7)]
        forest.bit[g, edge] = bit
        forest.logit[g, edge] = logit
        forest.visits[g, edge] = 0
        forest.total[g, edge] = 0.0
        forest.pending[g, edge] = 0
        forest.child[g, edge] = UNEXPANDED
        highest = max(highest, logit)
        edge += 1
    forest.count[g, node] = edge - first
    forest.edges[g] = edge
    mass = np.float32(0.0)
    for e in range(first, edge):
        forest.prior[g, e] = np.exp(forest.logit[g, e] - highest)
        mass += forest.prior[g, e]
    for e in range(first, edge):
        forest.prior[g, e] /= mass


@kernel
def make_move(
    own: np.uint64, opp: np.uint64, bit: Integer, board: np.uint64
) -> tuple[np.uint64, np.uint64, bool]:
    """The position after a move, a forced pass behind it played too, and whether the same side moves again."""
    flips = flip_mask(own, opp, bit)
    mine, theirs = own | flips | (np.uint64(1) << np.uint64(bit)), opp & ~flips
    if legal_mask(theirs, mine, board) == np.uint64(0) and legal_mask(
        mine, theirs, board
    ) != np.uint64(0):
        return mine, theirs, True
    return theirs, mine, False


@kernel
def follow(
    forest: Forest, g: int, node: int, edge: int, board: np.uint64, solve_empties: int
) -> int:
    """The child of `node` along `edge`, made on first use; a forced pass of the opponent is played on the way."""
    child = forest.child[g, edge]
    if child != UNEXPANDED:
        return child
    bit = np.int64(forest.bit[g, edge])
    own, opp, again = make_move(forest.own[g, node], forest.opp[g, node], bit, board)
    child = add_node(forest, g, own, opp, board, solve_empties)
    forest.sign[g, edge] = 1 if again else -1
    forest.child[g, edge] = child
    return child


@kernel
def back_up(forest: Forest, g: int, paths: Paths, leaf: int, value: float) -> None:
    """Add `value`, for the side to move at the leaf, to every edge of path `leaf`, and lift its virtual losses."""
    for step in range(paths.length[leaf] - 1, -1, -1):
        edge = paths.edge[leaf, step]
        value = value * forest.sign[g, edge]
        forest.visits[g, edge] += 1
        forest.total[g, edge] += np.float32(value)
        forest.pending[g, edge] -= 1


@kernel
def node_visits(forest: Forest, g: int, node: int) -> int:
    """Simulations that went on below `node`: ΣN over its edges."""
    visits = 0
    for edge in range(forest.first[g, node], forest.first[g, node] + forest.count[g, node]):
        visits += forest.visits[g, edge]
    return visits
