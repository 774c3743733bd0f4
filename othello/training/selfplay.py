"""Self-play: many games side by side, one network batch a step, Gumbel search, exact endgames.

A step hands the evaluator one leaf of every game under way; everything between two network calls is one compiled
kernel.  Each game draws from a random stream of its own, SeedSequence(seed, iteration, game), so that neither the
number of workers nor their order can change a game.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.bitboard import BOARD_MASK, final_score, flip_mask, legal_mask, lowest_bit_index, popcount, start_bits
from othello.evaluator import Evaluator
from othello.jit import kernel
from othello.search.gumbel import descend, halving_schedule, improved_policy, most_visits, root_choice
from othello.search.tree import (
    FRESH,
    MAX_MOVES,
    NO_LIMIT,
    ROOT,
    Forest,
    Paths,
    add_edges,
    back_up,
    follow,
    new_forest,
    new_paths,
)
from othello.search.tree import set_root as set_tree_root
from othello.solver_memory import Workspace
from othello.solver_search import new_workspace, solve_best

MAX_PLIES = 64
LABEL_TABLE_BITS = 15  # the labelling solver's hash table: 2**15 buckets, 2 MiB


@dataclass(frozen=True)
class SelfPlaySettings:
    """How games are made.  Counts are per move unless they say otherwise."""

    simulations: int = 32
    considered: int = 16  # root actions that enter sequential halving
    c_visit: float = 50.0
    c_scale: float = 0.1
    slots: int = 128  # games side by side, the evaluator's batch
    random_plies: int = 8  # each game opens with 0..random_plies uniformly random moves
    solve_empties: int = 14  # the game stops here; the rest is played and labelled by the solver
    label_empties: int = 5  # positions of the solved part are recorded down to this many empties
    leaf_empties: int = 9  # search leaves with this many empties or fewer get their exact outcome


class Samples(NamedTuple):
    """Positions with their targets, S of them; every value is for the side to move."""

    own: NDArray[np.uint64]  # [S]
    opp: NDArray[np.uint64]  # [S]
    policy: NDArray[np.float16]  # [S, A]
    outcome: NDArray[np.int8]  # [S] 1, 0 or −1 under the rest of the game, exact play at the end
    score: NDArray[np.int8]  # [S] final discs, own minus opponent's, empties to the winner
    search_value: NDArray[np.float16]  # [S] the root's mixed value; exact in the solved part
    game: NDArray[np.int32]  # [S] number of the game in its iteration

    @staticmethod
    def concatenate(parts: list[Samples]) -> Samples:
        return Samples(*(np.concatenate([part[i] for part in parts]) for i in range(len(Samples._fields))))


class Slots(NamedTuple):
    """The games under way, G of them, and what they have recorded."""

    random: NDArray[np.uint64]  # [G] state of the game's random stream
    active: NDArray[np.bool_]  # [G]
    ply: NDArray[np.int32]  # [G] moves recorded so far
    simulation: NDArray[np.int32]  # [G] simulations done at the present root
    gumbel: NDArray[np.float32]  # [G, MAX_MOVES] noise of the root's moves
    considered: NDArray[np.int32]  # [G] root actions in the race
    colour: NDArray[np.int8]  # [G] whose turn it is: 0 black, 1 white
    own: NDArray[np.uint64]  # [G, MAX_PLIES] recorded positions
    opp: NDArray[np.uint64]  # [G, MAX_PLIES]
    side: NDArray[np.int8]  # [G, MAX_PLIES] whose turn it was
    policy: NDArray[np.float32]  # [G, MAX_PLIES, A]
    value: NDArray[np.float32]  # [G, MAX_PLIES]


@kernel
def next_random(random: NDArray[np.uint64], g: int) -> np.uint64:
    """The next word of stream `g` (SplitMix64: Steele, Lea, Flood, OOPSLA 2014)."""
    random[g] += np.uint64(0x9E3779B97F4A7C15)
    word = random[g]
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@kernel
def uniform(random: NDArray[np.uint64], g: int) -> float:
    """Uniform in (0, 1)."""
    return (np.float64(next_random(random, g) >> np.uint64(12)) + 0.5) / 4503599627370496.0


@kernel
def _draw_noise(slots: Slots, g: int) -> None:
    for i in range(slots.gumbel.shape[1]):
        slots.gumbel[g, i] = -np.log(-np.log(uniform(slots.random, g)))


@kernel
def open_game(
    slots: Slots, forest: Forest, g: int, black: np.uint64, white: np.uint64, board: np.uint64, plies: int,
    solve_empties: int,
) -> None:
    """Start a game in slot `g` with up to `plies` random moves (uniform in number and in choice)."""  # fmt: skip
    own, opp, colour = black, white, 0
    for _ in range(np.int64(next_random(slots.random, g) % np.uint64(plies + 1))):
        moves = legal_mask(own, opp, board)
        count = popcount(moves)
        if count == 0 or popcount(board & ~(own | opp)) <= solve_empties + 1:
            break
        for _ in range(np.int64(next_random(slots.random, g) % np.uint64(count))):
            moves &= moves - np.uint64(1)
        bit = lowest_bit_index(moves)
        flips = flip_mask(own, opp, bit)
        after_own = opp & ~flips
        after_opp = own | flips | (np.uint64(1) << np.uint64(bit))
        if legal_mask(after_own, after_opp, board) == np.uint64(0):
            break
        own, opp, colour = after_own, after_opp, 1 - colour
    slots.active[g] = True
    slots.ply[g] = 0
    slots.simulation[g] = 0
    slots.colour[g] = colour
    set_tree_root(forest, g, own, opp, board)
    _draw_noise(slots, g)


@kernel
def _finish_move(slots: Slots, forest: Forest, g: int, board: np.uint64, size: int, c_visit: float, c_scale: float,
                 solve_empties: int, scratch: NDArray[np.float32]) -> None:  # fmt: skip
    """Record the root with its improved policy, play the winner of the race, and set up the next root."""
    ply = slots.ply[g]
    chosen = root_choice(forest, g, most_visits(forest, g), slots.gumbel[g], c_visit, c_scale, scratch)
    slots.own[g, ply] = forest.own[g, ROOT]
    slots.opp[g, ply] = forest.opp[g, ROOT]
    slots.side[g, ply] = slots.colour[g]
    improved_policy(forest, g, ROOT, c_visit, c_scale, scratch)
    slots.policy[g, ply, :] = 0.0
    first = forest.first[g, ROOT]
    value, visits = np.float32(0.0), 0
    for i in range(forest.count[g, ROOT]):
        bit = forest.bit[g, first + i]
        slots.policy[g, ply, (bit >> 3) * size + (bit & 7)] = scratch[i]
        visits += forest.visits[g, first + i]
        value += forest.total[g, first + i]
    slots.value[g, ply] = (value + forest.value[g, ROOT]) / np.float32(visits + 1)
    slots.ply[g] = ply + 1
    edge = first + chosen
    child = follow(forest, g, ROOT, edge, board, 0)
    own, opp = forest.own[g, child], forest.opp[g, child]
    if forest.sign[g, edge] < 0:
        slots.colour[g] = 1 - slots.colour[g]
    set_tree_root(forest, g, own, opp, board)
    slots.simulation[g] = 0
    over = legal_mask(own, opp, board) == np.uint64(0)  # a pass would have been played: no move means the end
    if over or popcount(board & ~(own | opp)) <= solve_empties:
        slots.active[g] = False
        return
    _draw_noise(slots, g)


@kernel
def step(
    slots: Slots, forest: Forest, paths: Paths, schedule: NDArray[np.int32], waiting: NDArray[np.int32],
    logits: NDArray[np.float32], values: NDArray[np.float32], leaf_own: NDArray[np.uint64],
    leaf_opp: NDArray[np.uint64], board: np.uint64, size: int, max_considered: int, c_visit: float, c_scale: float,
    solve_empties: int, leaf_empties: int,
) -> int:
    """Take in the evaluations of the leaves in `waiting`, then walk every active game to its next leaf.

    Returns how many leaves now wait; their slots, own and opp words are the first entries of the three buffers.
    """  # fmt: skip
    scratch = np.empty(MAX_MOVES, np.float32)
    simulations = schedule.shape[1]
    for k in range(len(values)):
        g = waiting[k]
        node = paths.leaf[g]
        add_edges(forest, g, node, board, size, logits[k], values[k])
        if node == ROOT:
            slots.considered[g] = min(max_considered, forest.count[g, ROOT])
            if forest.count[g, ROOT] == 1:
                slots.simulation[g] = simulations  # nothing to decide
        else:
            back_up(forest, g, paths, g, values[k])
            slots.simulation[g] += 1
    leaves = 0
    for g in range(len(slots.active)):
        while slots.active[g]:
            if forest.state[g, ROOT] == FRESH:
                paths.leaf[g] = ROOT
            elif slots.simulation[g] == simulations:
                _finish_move(slots, forest, g, board, size, c_visit, c_scale, solve_empties, scratch)
                continue
            else:
                wanted = schedule[slots.considered[g], slots.simulation[g]]
                edge = root_choice(forest, g, wanted, slots.gumbel[g], c_visit, c_scale, scratch)
                if not descend(forest, g, edge, paths, g, board, c_visit, c_scale, leaf_empties, scratch):
                    slots.simulation[g] += 1
                    continue
            leaf = paths.leaf[g]
            waiting[leaves] = g
            leaf_own[leaves] = forest.own[g, leaf]
            leaf_opp[leaves] = forest.opp[g, leaf]
            leaves += 1
            break
    return leaves


@kernel
def _play_out(
    slots: Slots, forest: Forest, g: int, board: np.uint64, size: int, label_empties: int, solver: Workspace
) -> int:
    """Play the rest of slot `g` perfectly, recording positions of at least `label_empties`; black's final score.

    Policies are uniform over all best moves, and the move played is drawn from them.
    """
    own, opp, colour = forest.own[g, ROOT], forest.opp[g, ROOT], slots.colour[g]
    result = 0
    known = False
    while True:
        if legal_mask(own, opp, board) == np.uint64(0):
            if legal_mask(opp, own, board) == np.uint64(0):
                return int(final_score(own, opp, board)) * (1 if colour == 0 else -1)
            own, opp, colour = opp, own, 1 - colour
            continue
        if known and popcount(board & ~(own | opp)) < label_empties:
            return result
        score, best = solve_best(own, opp, np.int64(-64), np.int64(64), solver, NO_LIMIT, True)
        result, known = int(score) * (1 if colour == 0 else -1), True
        ply, count = slots.ply[g], popcount(best)
        slots.own[g, ply], slots.opp[g, ply], slots.side[g, ply] = own, opp, colour
        slots.value[g, ply] = np.sign(score)
        slots.policy[g, ply, :] = 0.0
        rest = best
        while rest:
            bit = lowest_bit_index(rest)
            rest &= rest - np.uint64(1)
            slots.policy[g, ply, (bit >> 3) * size + (bit & 7)] = np.float32(1.0) / np.float32(count)
        slots.ply[g] = ply + 1
        for _ in range(np.int64(next_random(slots.random, g) % np.uint64(count))):
            best &= best - np.uint64(1)
        bit = lowest_bit_index(best)
        flips = flip_mask(own, opp, bit)
        own, opp, colour = opp & ~flips, own | flips | (np.uint64(1) << np.uint64(bit)), 1 - colour


def _finished_game(slots: Slots, forest: Forest, g: int, board: np.uint64, settings: SelfPlaySettings, size: int,
                   number: int, solver: Workspace) -> Samples:  # fmt: skip
    black_score = _play_out(slots, forest, g, board, size, settings.label_empties, solver)
    plies = slots.ply[g]
    scores = np.where(slots.side[g, :plies] == 0, black_score, -black_score)
    return Samples(
        own=slots.own[g, :plies].copy(), opp=slots.opp[g, :plies].copy(),
        policy=slots.policy[g, :plies].astype(np.float16), outcome=np.sign(scores).astype(np.int8),
        score=scores.astype(np.int8), search_value=slots.value[g, :plies].astype(np.float16),
        game=np.full(plies, number, np.int32),
    )  # fmt: skip


def _new_slots(count: int, actions: int) -> Slots:
    return Slots(
        random=np.zeros(count, np.uint64), active=np.zeros(count, np.bool_), ply=np.zeros(count, np.int32),
        simulation=np.zeros(count, np.int32), gumbel=np.zeros((count, MAX_MOVES), np.float32),
        considered=np.zeros(count, np.int32), colour=np.zeros(count, np.int8),
        own=np.zeros((count, MAX_PLIES), np.uint64), opp=np.zeros((count, MAX_PLIES), np.uint64),
        side=np.zeros((count, MAX_PLIES), np.int8), policy=np.zeros((count, MAX_PLIES, actions), np.float32),
        value=np.zeros((count, MAX_PLIES), np.float32),
    )  # fmt: skip


def game_stream(seed: int, iteration: int, game: int) -> int:
    """The first state of a game's random stream."""
    return int(np.random.SeedSequence((seed, iteration, game)).generate_state(1, np.uint64)[0])


def play_games(
    evaluator: Evaluator, settings: SelfPlaySettings, seed: int, iteration: int, games: range
) -> tuple[Samples, int]:
    """Play the numbered games of an iteration; their samples in order of game, and the network evaluations used."""
    size = evaluator.size
    board = BOARD_MASK[size]
    black, white = (np.uint64(word) for word in start_bits(size))
    count = min(settings.slots, len(games))
    slots = _new_slots(count, size * size + 1)
    nodes = settings.simulations + 2
    forest = new_forest(count, nodes, nodes * MAX_MOVES, size)
    solver = new_workspace(size, LABEL_TABLE_BITS)
    paths, schedule = new_paths(count), halving_schedule(settings.simulations)
    waiting = np.zeros(count, np.int32)
    leaf_own, leaf_opp = np.zeros(count, np.uint64), np.zeros(count, np.uint64)
    logits, values = np.zeros((0, size * size + 1), np.float32), np.zeros(0, np.float32)
    upcoming = iter(games)
    playing: list[int | None] = [None] * count
    finished: dict[int, Samples] = {}
    evaluations = 0
    while True:
        for g in np.flatnonzero(~slots.active).tolist():
            number = playing[g]
            if number is not None:
                finished[number] = _finished_game(slots, forest, g, board, settings, size, number, solver)
            playing[g] = number = next(upcoming, None)
            if number is not None:
                slots.random[g] = game_stream(seed, iteration, number)
                open_game(slots, forest, g, black, white, board, settings.random_plies, settings.solve_empties)
        leaves = step(
            slots, forest, paths, schedule, waiting, logits, values, leaf_own, leaf_opp, board, size,
            settings.considered, settings.c_visit, settings.c_scale, settings.solve_empties, settings.leaf_empties,
        )  # fmt: skip
        if leaves == 0 and all(number is None for number in playing):
            break
        logits, values = logits[:0], values[:0]
        if leaves:
            logits, values = evaluator(leaf_own[:leaves], leaf_opp[:leaves])
            evaluations += leaves
    return Samples.concatenate([finished[number] for number in games]), evaluations
