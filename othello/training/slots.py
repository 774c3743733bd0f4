"""Games under way side by side: how they open, search, move and end, all in compiled steps between network calls."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.bitboard import final_score, flip_mask, legal_mask, lowest_bit_index, popcount
from othello.jit import kernel
from othello.search.gumbel import descend, improved_policy, most_visits, root_choice
from othello.search.puct import LEAF, walk
from othello.search.tree import FRESH, MAX_MOVES, NO_LIMIT, ROOT, UNEXPANDED, Forest, Paths, add_edges, back_up
from othello.search.tree import set_root as set_tree_root
from othello.solver_memory import Workspace
from othello.solver_search import solve_best
from othello.training.stream import below, gamma, gumbel, uniform

MAX_PLIES: Final = 64
OPENING_TEMPERATURE: Final = 0.5  # of the raw policy in openings against the greedy player
UNSEARCHED_TEMPERATURE: Final = 0.25  # of the raw policy where it plays a game on without a search
REWIND: Final = 6  # plies at most between such a game's start and the wipe-out that the opening ended in
PROBED: Final = 4  # moves that such a game searches and records; the raw policy goes on to the solved part


class Rules(NamedTuple):
    """What a game is played by: `SelfPlaySettings` in the types that kernels take."""

    board: np.uint64
    size: int
    puct: bool
    simulations: int
    fast_simulations: int
    full_share: float
    considered: int
    c_visit: float
    c_scale: float
    c_puct: float
    first_play: float
    noise_alpha: float
    noise_share: float
    sampled_plies: int
    random_plies: int
    greedy_share: float
    greedy_plies: int
    solve_empties: int
    label_empties: int
    leaf_empties: int


class Slots(NamedTuple):
    """The games under way, G of them, and what they have recorded."""

    random: NDArray[np.uint64]  # [G] state of the game's random stream
    active: NDArray[np.bool_]  # [G]
    opening: NDArray[np.int32]  # [G] moves left of an opening against the greedy player
    greedy: NDArray[np.int8]  # [G] the colour that plays greedily in it
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
    surprise: NDArray[np.float32]  # [G, MAX_PLIES] nats, KL(improved policy ‖ prior); 0 in the solved part


class Leaves(NamedTuple):
    """The positions that wait for an evaluation, at most G; the first entries are in use."""

    slot: NDArray[np.int32]  # [G]
    own: NDArray[np.uint64]  # [G]
    opp: NDArray[np.uint64]  # [G]


def new_slots(count: int, actions: int) -> Slots:
    return Slots(
        random=np.zeros(count, np.uint64), active=np.zeros(count, np.bool_), opening=np.zeros(count, np.int32),
        greedy=np.zeros(count, np.int8), left=np.zeros(count, np.int32), ply=np.zeros(count, np.int32),
        full=np.zeros(count, np.bool_),
        simulation=np.zeros(count, np.int32), gumbel=np.zeros((count, MAX_MOVES), np.float32),
        considered=np.zeros(count, np.int32), colour=np.zeros(count, np.int8), total=np.zeros(count, np.int64),
        own=np.zeros((count, MAX_PLIES), np.uint64), opp=np.zeros((count, MAX_PLIES), np.uint64),
        side=np.zeros((count, MAX_PLIES), np.int8), policy=np.zeros((count, MAX_PLIES, actions), np.float32),
        value=np.zeros((count, MAX_PLIES), np.float32), surprise=np.zeros((count, MAX_PLIES), np.float32),
    )  # fmt: skip


def new_leaves(count: int) -> Leaves:
    return Leaves(np.zeros(count, np.int32), np.zeros(count, np.uint64), np.zeros(count, np.uint64))


@kernel
def _after(own: np.uint64, opp: np.uint64, bit: int, board: np.uint64) -> tuple[np.uint64, np.uint64, bool]:
    """The position after a move, forced passes played, and whether the same side moves again."""
    flips = flip_mask(own, opp, bit)
    mine, theirs = own | flips | (np.uint64(1) << np.uint64(bit)), opp & ~flips
    if legal_mask(theirs, mine, board) == np.uint64(0) and legal_mask(mine, theirs, board) != np.uint64(0):
        return mine, theirs, True
    return theirs, mine, False


@kernel
def _set_root(slots: Slots, forest: Forest, g: int, own: np.uint64, opp: np.uint64, rules: Rules) -> None:
    set_tree_root(forest, g, own, opp, rules.board)
    slots.simulation[g] = 0
    slots.full[g] = rules.full_share >= 1.0 or uniform(slots.random, g) < rules.full_share
    scale = 1.0 if slots.left[g] > 0 else UNSEARCHED_TEMPERATURE
    for i in range(slots.gumbel.shape[1]):
        slots.gumbel[g, i] = scale * gumbel(slots.random, g)


@kernel
def _play(slots: Slots, forest: Forest, g: int, bit: int, rules: Rules) -> None:
    """Make a move of slot `g`'s root and set up the next root; the game leaves the search where it is to be solved."""
    own, opp, again = _after(forest.own[g, ROOT], forest.opp[g, ROOT], bit, rules.board)
    if not again:
        slots.colour[g] = 1 - slots.colour[g]
    _set_root(slots, forest, g, own, opp, rules)
    over = legal_mask(own, opp, rules.board) == np.uint64(0)
    if over or popcount(rules.board & ~(own | opp)) <= rules.solve_empties:
        slots.active[g] = False


@kernel
def _random_move(moves: np.uint64, random: NDArray[np.uint64], g: int) -> int:
    for _ in range(below(random, g, popcount(moves))):
        moves &= moves - np.uint64(1)
    return lowest_bit_index(moves)


@kernel
def _greediest_move(own: np.uint64, opp: np.uint64, board: np.uint64, random: NDArray[np.uint64], g: int) -> int:
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
def _policy_move(slots: Slots, forest: Forest, g: int) -> int:
    """A move drawn from the raw policy at `OPENING_TEMPERATURE`."""
    first = forest.first[g, ROOT]
    best, best_score = first, -np.inf
    for i in range(forest.count[g, ROOT]):
        score = forest.logit[g, first + i] + OPENING_TEMPERATURE * slots.gumbel[g, i]
        if score > best_score:
            best, best_score = first + i, score
    return int(forest.bit[g, best])


@kernel
def _play_opening(slots: Slots, forest: Forest, g: int, bit: int, rules: Rules) -> None:
    """Make a move of an opening against the greedy player; at its end the game is set back to where it begins.

    That is up to `REWIND` plies before a side lost its last disc, or else anywhere in the opening.
    """
    ply = slots.ply[g]
    slots.own[g, ply], slots.opp[g, ply] = forest.own[g, ROOT], forest.opp[g, ROOT]
    slots.side[g, ply] = slots.colour[g]
    slots.ply[g] = ply + 1
    slots.opening[g] -= 1
    _play(slots, forest, g, bit, rules)
    if slots.active[g] and slots.opening[g] > 0:
        return
    wiped_out = forest.own[g, ROOT] == np.uint64(0) or forest.opp[g, ROOT] == np.uint64(0)
    start = ply - below(slots.random, g, min(ply + 1, REWIND) if wiped_out else ply + 1)
    slots.active[g] = True
    slots.opening[g] = 0
    slots.ply[g] = 0
    slots.colour[g] = slots.side[g, start]
    _set_root(slots, forest, g, slots.own[g, start], slots.opp[g, start], rules)


@kernel
def open_game(slots: Slots, forest: Forest, g: int, black: np.uint64, white: np.uint64, rules: Rules) -> None:
    """Start a game in slot `g`.

    Most begin with 0..random_plies random moves.  A share of `greedy_share` begins with up to four, and then with
    `greedy_plies` moves of the raw policy against the greedy player, rewound as `_play_opening` says: good players
    never show it the positions from which it is wiped out.  Such a game is short: `PROBED` searched moves.
    """
    own, opp, colour = black, white, 0
    visit = rules.greedy_share > 0.0 and uniform(slots.random, g) < rules.greedy_share
    plies = min(4, rules.random_plies) if visit else rules.random_plies
    for _ in range(below(slots.random, g, plies + 1)):
        moves = legal_mask(own, opp, rules.board)
        if popcount(rules.board & ~(own | opp)) <= rules.solve_empties + 1:
            break
        mine, theirs, again = _after(own, opp, _random_move(moves, slots.random, g), rules.board)
        if again or legal_mask(mine, theirs, rules.board) == np.uint64(0):
            break
        own, opp, colour = mine, theirs, 1 - colour
    slots.active[g] = True
    slots.opening[g] = rules.greedy_plies if visit else 0
    slots.greedy[g] = below(slots.random, g, 2)
    slots.left[g] = PROBED if visit else MAX_PLIES
    slots.ply[g] = 0
    slots.colour[g] = colour
    _set_root(slots, forest, g, own, opp, rules)


@kernel
def _mix_noise(slots: Slots, forest: Forest, g: int, rules: Rules, noise: NDArray[np.float32]) -> None:
    """Mix Dirichlet noise into the root's priors (Silver et al., Science 362, 2018)."""
    first, count = forest.first[g, ROOT], forest.count[g, ROOT]
    mass = 0.0
    for i in range(count):
        noise[i] = gamma(slots.random, g, rules.noise_alpha) + 1e-30
        mass += noise[i]
    for i in range(count):
        share = np.float32(rules.noise_share * noise[i] / mass)
        forest.prior[g, first + i] = np.float32(1.0 - rules.noise_share) * forest.prior[g, first + i] + share


@kernel
def _begin_search(slots: Slots, forest: Forest, g: int, rules: Rules, scratch: NDArray[np.float32]) -> None:
    """Prepare the search of a root that has its edges; a single legal move needs none."""
    slots.considered[g] = min(rules.considered, forest.count[g, ROOT])
    if rules.puct:
        _mix_noise(slots, forest, g, rules, scratch)
    slots.simulation[g] = rules.simulations if forest.count[g, ROOT] == 1 else 0


@kernel
def _take_evaluation(forest: Forest, g: int, node: int) -> None:
    """Give the new root the evaluation of the old tree's `node`, the same position, which saves asking again."""
    first, count = forest.first[g, node], forest.count[g, node]
    bit, logit, prior = forest.bit[g], forest.logit[g], forest.prior[g]
    for i, e in enumerate(range(first, first + count)):  # e > i: nothing is overwritten before it is read
        bit[i], logit[i], prior[i] = bit[e], logit[e], prior[e]
        forest.visits[g, i], forest.pending[g, i], forest.total[g, i], forest.child[g, i] = 0, 0, 0.0, UNEXPANDED
    forest.value[g, ROOT], forest.state[g, ROOT] = forest.value[g, node], forest.state[g, node]
    forest.first[g, ROOT], forest.count[g, ROOT], forest.edges[g] = 0, count, count


@kernel
def _visited_policy(slots: Slots, forest: Forest, g: int, rules: Rules, policy: NDArray[np.float32]) -> int:
    """Fill `policy` with the root's shares of visits; the move: drawn from them early in the game, then the highest."""
    first, count = forest.first[g, ROOT], forest.count[g, ROOT]
    visits, most, chosen = 0, -1, 0
    for i in range(count):
        n = forest.visits[g, first + i]
        visits += n
        if n > most:
            most, chosen = n, i
    for i in range(count):
        policy[i] = np.float32(forest.visits[g, first + i]) / np.float32(visits) if visits else np.float32(1.0 / count)
    if popcount(forest.own[g, ROOT] | forest.opp[g, ROOT]) < 4 + rules.sampled_plies:
        rest = uniform(slots.random, g)
        for i in range(count):
            rest -= policy[i]
            if rest < 0 and policy[i] > 0:
                return i
    return chosen


@kernel
def _finish_move(slots: Slots, forest: Forest, g: int, rules: Rules, policy: NDArray[np.float32]) -> None:
    """Record the root with its improved policy, unless it was searched fast, and play the move the search chose."""
    if rules.puct:
        chosen = _visited_policy(slots, forest, g, rules, policy)
    else:
        most = most_visits(forest, g)
        chosen = root_choice(forest, g, most, slots.gumbel[g], rules.c_visit, rules.c_scale, policy)
        improved_policy(forest, g, ROOT, rules.c_visit, rules.c_scale, policy)
    first = forest.first[g, ROOT]
    if slots.full[g] and slots.left[g] > 0:
        slots.left[g] -= 1
        ply = slots.ply[g]
        slots.own[g, ply], slots.opp[g, ply] = forest.own[g, ROOT], forest.opp[g, ROOT]
        slots.side[g, ply] = slots.colour[g]
        slots.policy[g, ply, :] = 0.0
        value, visits, surprise = np.float32(0.0), 0, np.float32(0.0)
        for i in range(forest.count[g, ROOT]):
            bit = forest.bit[g, first + i]
            if policy[i] > 1e-9:
                surprise += policy[i] * np.log(policy[i] / max(forest.prior[g, first + i], np.float32(1e-9)))
            slots.policy[g, ply, (bit >> 3) * rules.size + (bit & 7)] = policy[i]
            visits += forest.visits[g, first + i]
            value += forest.total[g, first + i]
        slots.value[g, ply], slots.surprise[g, ply] = (value + forest.value[g, ROOT]) / np.float32(visits + 1), surprise
        slots.ply[g] = ply + 1
    node = max(forest.child[g, first + chosen], ROOT)
    _play(slots, forest, g, int(forest.bit[g, first + chosen]), rules)
    if slots.active[g] and node != ROOT and forest.count[g, node] > 0:  # it was evaluated
        _take_evaluation(forest, g, node)
        _begin_search(slots, forest, g, rules, policy)


@kernel
def _budget(slots: Slots, g: int, rules: Rules) -> int:
    """Simulations for the present move."""
    if slots.left[g] == 0:
        return 0
    return rules.simulations if slots.full[g] else rules.fast_simulations


@kernel
def step(
    slots: Slots, forest: Forest, paths: Paths, schedules: NDArray[np.int32], leaves: Leaves,
    logits: NDArray[np.float32], values: NDArray[np.float32], rules: Rules,
) -> int:  # fmt: skip
    """Take in the evaluations of `leaves`, then walk every active game to its next leaf; returns how many now wait.

    `schedules` [2, MAX_MOVES + 1, simulations] are the halving schedules of fast and full searches.
    """
    scratch = np.empty(MAX_MOVES, np.float32)
    for k in range(len(values)):
        g = leaves.slot[k]
        node = paths.leaf[g]
        add_edges(forest, g, node, rules.board, rules.size, logits[k], values[k])
        if node != ROOT:
            back_up(forest, g, paths, g, values[k])
            slots.simulation[g] += 1
        elif slots.opening[g] == 0:
            _begin_search(slots, forest, g, rules, scratch)
    waiting = 0
    for g in range(len(slots.active)):
        while slots.active[g]:
            if slots.opening[g] > 0 and slots.colour[g] == slots.greedy[g]:
                own, opp = forest.own[g, ROOT], forest.opp[g, ROOT]
                _play_opening(slots, forest, g, _greediest_move(own, opp, rules.board, slots.random, g), rules)
                continue
            if forest.state[g, ROOT] == FRESH:
                paths.leaf[g] = ROOT
            elif slots.opening[g] > 0:
                _play_opening(slots, forest, g, _policy_move(slots, forest, g), rules)
                continue
            elif slots.simulation[g] >= _budget(slots, g, rules):
                _finish_move(slots, forest, g, rules, scratch)
                continue
            else:
                slots.total[g] += 1
                if rules.puct:
                    open_leaf = walk(forest, g, paths, g, rules.board, rules.c_puct, rules.first_play,
                                     rules.leaf_empties) == LEAF  # fmt: skip
                else:
                    wanted = schedules[int(slots.full[g]), slots.considered[g], slots.simulation[g]]
                    edge = root_choice(forest, g, wanted, slots.gumbel[g], rules.c_visit, rules.c_scale, scratch)
                    open_leaf = descend(forest, g, edge, paths, g, rules.board, rules.c_visit, rules.c_scale,
                                        rules.leaf_empties, scratch)  # fmt: skip
                if not open_leaf:
                    slots.simulation[g] += 1
                    continue
            leaf, leaves.slot[waiting] = paths.leaf[g], g
            leaves.own[waiting], leaves.opp[waiting] = forest.own[g, leaf], forest.opp[g, leaf]
            waiting += 1
            break
    return waiting


@kernel
def play_out(slots: Slots, forest: Forest, g: int, rules: Rules, solver: Workspace) -> int:
    """Play the rest of slot `g` perfectly, recording positions of at least `label_empties`; black's final score.

    Policies are uniform over all best moves, and the move played is drawn from them.
    """
    own, opp, colour = forest.own[g, ROOT], forest.opp[g, ROOT], slots.colour[g]
    result, known = 0, False
    while True:
        if legal_mask(own, opp, rules.board) == np.uint64(0):
            if legal_mask(opp, own, rules.board) == np.uint64(0):
                return int(final_score(own, opp, rules.board)) * (1 if colour == 0 else -1)
            own, opp, colour = opp, own, 1 - colour
            continue
        if known and popcount(rules.board & ~(own | opp)) < rules.label_empties:
            return result
        score, best = solve_best(own, opp, np.int64(-64), np.int64(64), solver, NO_LIMIT, True)
        result, known = int(score) * (1 if colour == 0 else -1), True
        ply, count = slots.ply[g], popcount(best)
        slots.own[g, ply], slots.opp[g, ply], slots.side[g, ply] = own, opp, colour
        slots.value[g, ply], slots.surprise[g, ply] = np.sign(score), 0.0
        slots.policy[g, ply, :] = 0.0
        rest = best
        while rest:
            bit = lowest_bit_index(rest)
            rest &= rest - np.uint64(1)
            slots.policy[g, ply, (bit >> 3) * rules.size + (bit & 7)] = np.float32(1.0) / np.float32(count)
        slots.ply[g] = ply + 1
        own, opp, again = _after(own, opp, _random_move(best, slots.random, g), rules.board)
        if not again:
            colour = 1 - colour
