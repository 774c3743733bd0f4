"""How a game of self-play begins: random moves, or an opening against the greedy player that ended badly."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.rules.bitboard import flip_mask, legal_mask, lowest_bit_index, popcount
from othello.search.tree import ROOT, Forest, make_move
from othello.training.game_slots import MAX_PLIES, SelfPlaySettings, Slots, play, set_root
from othello.training.random_streams import below, uniform

TEMPERATURE: Final = 1.0  # of the raw policy in openings against the greedy player
TRIES: Final = 12  # of an opening until it ends in a wipe-out by the greedy player
REWIND: Final = 2  # moves of the victim's own at most that are taken back from the wipe-out
PROBED: Final = (
    2  # moves that such a game searches and records; the raw policy goes on to the solved part
)


@kernel
def random_move(moves: np.uint64, random: NDArray[np.uint64], g: int) -> int:
    for _ in range(below(random, g, popcount(moves))):
        moves &= moves - np.uint64(1)
    return lowest_bit_index(moves)


@kernel
def greediest_move(
    own: np.uint64, opp: np.uint64, board: np.uint64, random: NDArray[np.uint64], g: int
) -> int:
    """A move that turns over the most discs, equal ones drawn."""
    moves = legal_mask(own, opp, board)
    most, equal, chosen = -1, 0, 0
    while moves:
        bit = lowest_bit_index(moves)
        moves &= moves - np.uint64(1)
        turned = popcount(flip_mask(own, opp, bit))
        if turned > most:
            most, equal, chosen = turned, 1, bit
        elif turned == most:
            equal += 1
            if below(random, g, equal) == 0:
                chosen = bit
    return chosen


@kernel
def policy_move(slots: Slots, forest: Forest, g: int) -> int:
    """A move drawn from the raw policy at `TEMPERATURE`."""
    first = forest.first[g, ROOT]
    best, best_score = first, -np.inf
    for i in range(forest.count[g, ROOT]):
        score = forest.logit[g, first + i] + TEMPERATURE * slots.gumbel[g, i]
        if score > best_score:
            best, best_score = first + i, score
    return int(forest.bit[g, best])


@kernel
def play_opening(slots: Slots, forest: Forest, g: int, bit: int, rules: SelfPlaySettings) -> None:
    """Make a move of an opening against the greedy player; at its end the game is set back to where it begins.

    That is one of the last `REWIND` moves that the other side had before the greedy player took its last disc.  An
    opening that ended otherwise is played again, with other moves; the last try's game begins anywhere in it.
    """
    ply = slots.ply[g]
    slots.own[g, ply], slots.opp[g, ply] = forest.own[g, ROOT], forest.opp[g, ROOT]
    slots.side[g, ply] = slots.colour[g]
    slots.ply[g] = ply + 1
    slots.opening[g] -= 1
    play(slots, forest, g, bit, rules)
    if slots.active[g] and slots.opening[g] > 0:
        return
    loser = forest.opp[g, ROOT] if slots.colour[g] == slots.greedy[g] else forest.own[g, ROOT]
    wiped_out = loser == np.uint64(0)
    slots.active[g] = True
    slots.ply[g] = 0
    start = np.int64(0)
    if wiped_out:
        start = np.int64(ply)
        for _ in range(1 + below(slots.random, g, REWIND)):
            start -= 1
            while start > 0 and slots.side[g, start] == slots.greedy[g]:
                start -= 1
        start = max(start, np.int64(0))
        slots.opening[g] = 0
    elif slots.tries[g] == 0:
        start = np.int64(below(slots.random, g, ply + 1))
        slots.opening[g] = 0
    else:
        slots.opening[g] = rules.greedy_plies
        slots.tries[g] -= 1
    slots.colour[g] = slots.side[g, start]
    set_root(slots, forest, g, slots.own[g, start], slots.opp[g, start], rules)


@kernel
def open_game(
    slots: Slots,
    forest: Forest,
    g: int,
    black: np.uint64,
    white: np.uint64,
    rules: SelfPlaySettings,
) -> None:
    """Start a game in slot `g`.

    Most begin with 0..random_plies random moves.  A share of `greedy_share` begins with up to four, and then with
    `greedy_plies` moves of the raw policy against the greedy player, rewound as `play_opening` says: good players
    never show it the positions from which it is wiped out.  Such a game is short: `PROBED` searched moves.
    """
    own, opp, colour = black, white, 0
    visit = rules.greedy_share > 0.0 and uniform(slots.random, g) < rules.greedy_share
    plies = min(4, rules.random_plies) if visit else rules.random_plies
    for _ in range(below(slots.random, g, plies + 1)):
        moves = legal_mask(own, opp, slots.board)
        if popcount(slots.board & ~(own | opp)) <= rules.solve_empties + 1:
            break
        mine, theirs, again = make_move(own, opp, random_move(moves, slots.random, g), slots.board)
        if again or legal_mask(mine, theirs, slots.board) == np.uint64(0):
            break
        own, opp, colour = mine, theirs, 1 - colour
    slots.active[g] = True
    slots.opening[g] = rules.greedy_plies if visit else 0
    slots.greedy[g] = below(slots.random, g, 2)
    slots.tries[g] = TRIES - 1
    slots.left[g] = PROBED if visit else MAX_PLIES
    slots.ply[g] = 0
    slots.colour[g] = colour
    set_root(slots, forest, g, own, opp, rules)
