"""The games of self-play under way side by side: their rules, their state and how a move is made in them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.rules.bitboard import BOARD_MASK, legal_mask, popcount
from othello.search.policy import Policy
from othello.search.tree import MAX_MOVES, ROOT, Forest, make_move
from othello.search.tree import set_root as set_tree_root
from othello.training.random_streams import gumbel, uniform

MAX_PLIES: Final = 64
SOLVED: Final = -1.0  # in place of the surprise of a position that the solver labelled
NOISY_MOVES: Final = 34  # draws at every root; a root of more moves, which no game we know of has met, draws for each
UNSEARCHED_TEMPERATURE: Final = 0.25  # of the raw policy where it plays a game on without a search


class SelfPlaySettings(NamedTuple):
    """How games are made, as TOML says it and kernels read it.  Counts are per move unless they say otherwise."""

    search: str = "gumbel"  # or "puct": Dirichlet noise at the root, visit counts as policy target
    simulations: int = 32
    full_share: float = 1.0  # playout cap (Wu 2019): other moves use the next, and are not recorded
    fast_simulations: int = 8
    considered: int = 16  # Gumbel: root actions that enter sequential halving
    c_visit: float = 50.0  # Gumbel
    c_scale: float = 0.1  # Gumbel
    quiet_plies: int = 12  # Gumbel: from this ply on the noise of searches is scaled by the next
    quiet_noise: float = 1.0  # Gumbel
    c_puct: float = 1.5  # PUCT
    first_play: float = 0.2  # PUCT: how much worse than its parent an unvisited move is taken to be
    noise_alpha: float = 0.5  # PUCT: Dirichlet concentration
    noise_share: float = 0.25  # PUCT: share of the noise in the root's prior
    sampled_plies: int = 20  # PUCT: plies whose move is drawn from the visits
    slots: int = 128  # games side by side, the evaluator's batch
    random_plies: int = 8  # each game opens with 0..random_plies uniformly random moves
    greedy_share: float = 0.0  # of the games open with the raw policy against the greedy player
    greedy_plies: int = 40  # the most moves of such an opening; the game begins somewhere in it
    surprise_share: float = 0.0  # of the samples are repeats by how far the search moved the policy
    solve_empties: int = 14  # the game stops here; the rest is played and labelled by the solver
    label_empties: int = 5  # positions of the solved part are recorded down to this many empties
    leaf_empties: int = 9  # search leaves with this many empties or fewer get their exact outcome


class Slots(NamedTuple):
    """The games under way, G of them, and what they have recorded."""

    board: np.uint64  # the squares of all games' boards
    size: int  # their side N
    random: NDArray[np.uint64]  # [G] state of the game's random stream
    active: NDArray[np.bool_]  # [G]
    opening: NDArray[np.int32]  # [G] moves left of an opening against the greedy player
    greedy: NDArray[np.int8]  # [G] the colour that plays greedily in it
    tries: NDArray[np.int32]  # [G] openings that may still be begun again because they ended well
    left: NDArray[np.int32]  # [G] moves still to be searched in this game
    ply: NDArray[np.int32]  # [G] moves recorded so far
    full: NDArray[np.bool_]  # [G] whether the present move is searched in full, and recorded
    simulation: NDArray[np.int32]  # [G] simulations done at the present root
    gumbel: NDArray[np.float32]  # [G, MAX_MOVES] noise of the root's moves
    considered: NDArray[np.int32]  # [G] root actions in the race
    colour: NDArray[np.int8]  # [G] whose turn it is: 0 black, 1 white
    total: NDArray[np.int64]  # [G] simulations done in all games of the slot
    own: NDArray[np.uint64]  # [G, MAX_PLIES] recorded positions
    opp: NDArray[np.uint64]  # [G, MAX_PLIES]
    side: NDArray[np.int8]  # [G, MAX_PLIES] whose turn it was
    policy: NDArray[np.float32]  # [G, MAX_PLIES, A]
    value: NDArray[np.float32]  # [G, MAX_PLIES]
    surprise: NDArray[
        np.float32
    ]  # [G, MAX_PLIES] nats, KL(improved policy ‖ prior); SOLVED in the solved part


class Leaves(NamedTuple):
    """The positions that wait for an evaluation, at most G; the first entries are in use."""

    slot: NDArray[np.int32]  # [G]
    own: NDArray[np.uint64]  # [G]
    opp: NDArray[np.uint64]  # [G]


def new_slots(count: int, size: int) -> Slots:
    return Slots(
        board=BOARD_MASK[size],
        size=size,
        random=np.zeros(count, np.uint64),
        active=np.zeros(count, np.bool_),
        opening=np.zeros(count, np.int32),
        greedy=np.zeros(count, np.int8),
        tries=np.zeros(count, np.int32),
        left=np.zeros(count, np.int32),
        ply=np.zeros(count, np.int32),
        full=np.zeros(count, np.bool_),
        simulation=np.zeros(count, np.int32),
        gumbel=np.zeros((count, MAX_MOVES), np.float32),
        considered=np.zeros(count, np.int32),
        colour=np.zeros(count, np.int8),
        total=np.zeros(count, np.int64),
        own=np.zeros((count, MAX_PLIES), np.uint64),
        opp=np.zeros((count, MAX_PLIES), np.uint64),
        side=np.zeros((count, MAX_PLIES), np.int8),
        policy=np.zeros((count, MAX_PLIES, size * size + 1), np.float32),
        value=np.zeros((count, MAX_PLIES), np.float32),
        surprise=np.zeros((count, MAX_PLIES), np.float32),
    )


def new_leaves(count: int) -> Leaves:
    return Leaves(np.zeros(count, np.int32), np.zeros(count, np.uint64), np.zeros(count, np.uint64))


@kernel
def policy_of(slots: Slots, rules: SelfPlaySettings) -> Policy:
    """What the settings say to a search."""
    return Policy(
        slots.board,
        slots.size,
        rules.search != "puct",
        rules.leaf_empties,
        float(rules.c_puct),
        float(rules.first_play),
        rules.considered,
        float(rules.c_visit),
        float(rules.c_scale),
    )


@kernel
def set_root(
    slots: Slots, forest: Forest, g: int, own: np.uint64, opp: np.uint64, rules: SelfPlaySettings
) -> None:
    set_tree_root(forest, g, own, opp, slots.board)
    slots.simulation[g] = 0
    slots.full[g] = rules.full_share >= 1.0 or uniform(slots.random, g) < rules.full_share
    scale = 1.0 if slots.left[g] > 0 else UNSEARCHED_TEMPERATURE
    searched = slots.left[g] > 0 and slots.opening[g] == 0
    if searched and popcount(own | opp) >= 4 + rules.quiet_plies:
        scale = rules.quiet_noise
    for i in range(max(NOISY_MOVES, popcount(legal_mask(own, opp, slots.board)))):
        slots.gumbel[g, i] = scale * gumbel(slots.random, g)


@kernel
def play(slots: Slots, forest: Forest, g: int, bit: int, rules: SelfPlaySettings) -> None:
    """Make a move of slot `g`'s root and set up the next root; the game leaves the search where it is to be solved."""
    own, opp, again = make_move(forest.own[g, ROOT], forest.opp[g, ROOT], bit, slots.board)
    if not again:
        slots.colour[g] = 1 - slots.colour[g]
    set_root(slots, forest, g, own, opp, rules)
    over = legal_mask(own, opp, slots.board) == np.uint64(0)
    if over or popcount(slots.board & ~(own | opp)) <= rules.solve_empties:
        slots.active[g] = False
