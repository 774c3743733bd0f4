"""The games of self-play under way side by side: their rules, their state and how a move is made in them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.rules.bitboard import legal_mask, popcount
from othello.search.policy import Policy
from othello.search.tree import MAX_MOVES, ROOT, Forest, make_move
from othello.search.tree import set_root as set_tree_root
from othello.training.random_streams import gumbel, uniform

MAX_PLIES: Final = 64
NOISY_MOVES: Final = 34  # draws at every root; a root of more moves, which no game we know of has met, draws for each
UNSEARCHED_TEMPERATURE: Final = 0.25  # of the raw policy where it plays a game on without a search


class Rules(NamedTuple):
    """What a game is played by: `SelfPlaySettings` in the types that kernels take."""

    board: np.uint64
    size: int
    puct: bool
    policy: Policy
    simulations: int
    fast_simulations: int
    full_share: float
    noise_alpha: float
    noise_share: float
    sampled_plies: int
    random_plies: int
    greedy_share: float
    greedy_plies: int
    solve_empties: int
    label_empties: int
    quiet_plies: int
    quiet_noise: float


class Slots(NamedTuple):
    """The games under way, G of them, and what they have recorded."""

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
    ]  # [G, MAX_PLIES] nats, KL(improved policy ‖ prior); 0 in the solved part


class Leaves(NamedTuple):
    """The positions that wait for an evaluation, at most G; the first entries are in use."""

    slot: NDArray[np.int32]  # [G]
    own: NDArray[np.uint64]  # [G]
    opp: NDArray[np.uint64]  # [G]


def new_slots(count: int, actions: int) -> Slots:
    return Slots(
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
        policy=np.zeros((count, MAX_PLIES, actions), np.float32),
        value=np.zeros((count, MAX_PLIES), np.float32),
        surprise=np.zeros((count, MAX_PLIES), np.float32),
    )


def new_leaves(count: int) -> Leaves:
    return Leaves(np.zeros(count, np.int32), np.zeros(count, np.uint64), np.zeros(count, np.uint64))


@kernel
def set_root(
    slots: Slots, forest: Forest, g: int, own: np.uint64, opp: np.uint64, rules: Rules
) -> None:
    set_tree_root(forest, g, own, opp, rules.board)
    slots.simulation[g] = 0
    slots.full[g] = rules.full_share >= 1.0 or uniform(slots.random, g) < rules.full_share
    scale = 1.0 if slots.left[g] > 0 else UNSEARCHED_TEMPERATURE
    searched = slots.left[g] > 0 and slots.opening[g] == 0
    if searched and popcount(own | opp) >= 4 + rules.quiet_plies:
        scale = rules.quiet_noise
    for i in range(max(NOISY_MOVES, popcount(legal_mask(own, opp, rules.board)))):
        slots.gumbel[g, i] = scale * gumbel(slots.random, g)


@kernel
def play(slots: Slots, forest: Forest, g: int, bit: int, rules: Rules) -> None:
    """Make a move of slot `g`'s root and set up the next root; the game leaves the search where it is to be solved."""
    own, opp, again = make_move(forest.own[g, ROOT], forest.opp[g, ROOT], bit, rules.board)
    if not again:
        slots.colour[g] = 1 - slots.colour[g]
    set_root(slots, forest, g, own, opp, rules)
    over = legal_mask(own, opp, rules.board) == np.uint64(0)
    if over or popcount(rules.board & ~(own | opp)) <= rules.solve_empties:
        slots.active[g] = False
