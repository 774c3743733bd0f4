"""The games of self-play from one network call to the next: searches, moves, records and exact ends, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.rules.bitboard import final_score, legal_mask, lowest_bit_index, popcount
from othello.search.gumbel import improved_policy, most_visits, root_choice
from othello.search.simulate import LEAF, simulate
from othello.search.tree import (
    FRESH,
    MAX_MOVES,
    NO_LIMIT,
    ROOT,
    UNEXPANDED,
    Forest,
    Paths,
    add_edges,
    back_up,
    make_move,
)
from othello.solver.search import solve_best
from othello.solver.workspace import Workspace
from othello.training.game_openings import greediest_move, play_opening, policy_move, random_move
from othello.training.game_slots import SOLVED, Leaves, SelfPlaySettings, Slots, play, policy_of
from othello.training.random_streams import gamma, uniform


@kernel
def _mix_noise(
    slots: Slots, forest: Forest, g: int, rules: SelfPlaySettings, noise: NDArray[np.float32]
) -> None:
    """Mix Dirichlet noise into the root's priors (Silver et al., Science 362, 2018)."""
    first, count = forest.first[g, ROOT], forest.count[g, ROOT]
    mass = 0.0
    for i in range(count):
        noise[i] = gamma(slots.random, g, rules.noise_alpha) + 1e-30
        mass += noise[i]
    for i in range(count):
        share = np.float32(rules.noise_share * noise[i] / mass)
        forest.prior[g, first + i] = (
            np.float32(1.0 - rules.noise_share) * forest.prior[g, first + i] + share
        )


@kernel
def _begin_search(
    slots: Slots, forest: Forest, g: int, rules: SelfPlaySettings, scratch: NDArray[np.float32]
) -> None:
    """Prepare the search of a root that has its edges; a single legal move needs none."""
    slots.considered[g] = min(rules.considered, forest.count[g, ROOT])
    if rules.search == "puct":
        _mix_noise(slots, forest, g, rules, scratch)
    slots.simulation[g] = rules.simulations if forest.count[g, ROOT] == 1 else 0


@kernel
def _take_evaluation(forest: Forest, g: int, node: int) -> None:
    """Give the new root the evaluation of the old tree's `node`, the same position, which saves asking again."""
    first, count = forest.first[g, node], forest.count[g, node]
    bit, logit, prior = forest.bit[g], forest.logit[g], forest.prior[g]
    for i, e in enumerate(
        range(first, first + count)
    ):  # e > i: nothing is overwritten before it is read
        bit[i], logit[i], prior[i] = bit[e], logit[e], prior[e]
        forest.visits[g, i], forest.pending[g, i], forest.total[g, i], forest.child[g, i] = (
            0,
            0,
            0.0,
            UNEXPANDED,
        )
    forest.value[g, ROOT], forest.state[g, ROOT] = forest.value[g, node], forest.state[g, node]
    forest.first[g, ROOT], forest.count[g, ROOT], forest.edges[g] = 0, count, count


@kernel
def _visited_policy(
    slots: Slots, forest: Forest, g: int, rules: SelfPlaySettings, policy: NDArray[np.float32]
) -> int:
    """Fill `policy` with the root's shares of visits; the move: drawn from them early in the game, then the highest."""
    first, count = forest.first[g, ROOT], forest.count[g, ROOT]
    visits, most, chosen = 0, -1, 0
    for i in range(count):
        n = forest.visits[g, first + i]
        visits += n
        if n > most:
            most, chosen = n, i
    for i in range(count):
        policy[i] = (
            np.float32(forest.visits[g, first + i]) / np.float32(visits)
            if visits
            else np.float32(1.0 / count)
        )
    if popcount(forest.own[g, ROOT] | forest.opp[g, ROOT]) < 4 + rules.sampled_plies:
        rest = uniform(slots.random, g)
        for i in range(count):
            rest -= policy[i]
            if rest < 0 and policy[i] > 0:
                return i
    return chosen


@kernel
def _finish_move(
    slots: Slots, forest: Forest, g: int, rules: SelfPlaySettings, policy: NDArray[np.float32]
) -> None:
    """Record the root with its improved policy, unless it was searched fast, and play the move the search chose."""
    if rules.search == "puct":
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
                surprise += policy[i] * np.log(
                    policy[i] / max(forest.prior[g, first + i], np.float32(1e-9))
                )
            slots.policy[g, ply, (bit >> 3) * slots.size + (bit & 7)] = policy[i]
            visits += forest.visits[g, first + i]
            value += forest.total[g, first + i]
        slots.value[g, ply], slots.surprise[g, ply] = (
            (value + forest.value[g, ROOT]) / np.float32(visits + 1),
            surprise,
        )
        slots.ply[g] = ply + 1
    node = max(forest.child[g, first + chosen], ROOT)
    play(slots, forest, g, int(forest.bit[g, first + chosen]), rules)
    if slots.active[g] and node != ROOT and forest.count[g, node] > 0:  # it was evaluated
        _take_evaluation(forest, g, node)
        _begin_search(slots, forest, g, rules, policy)


@kernel
def _budget(slots: Slots, g: int, rules: SelfPlaySettings) -> int:
    """Simulations for the present move."""
    if slots.left[g] == 0:
        return 0
    return rules.simulations if slots.full[g] else rules.fast_simulations


@kernel
def step(
    slots: Slots,
    forest: Forest,
    paths: Paths,
    schedules: NDArray[np.int32],
    leaves: Leaves,
    logits: NDArray[np.float32],
    values: NDArray[np.float32],
    rules: SelfPlaySettings,
) -> int:
    """Take in the evaluations of `leaves`, then walk every active game to its next leaf; returns how many now wait.

    `schedules` [2, MAX_MOVES + 1, simulations] are the halving schedules of fast and full searches.
    """
    scratch = np.empty(MAX_MOVES, np.float32)
    policy = policy_of(slots, rules)
    for k in range(len(values)):
        g = leaves.slot[k]
        node = paths.leaf[g]
        add_edges(forest, g, node, slots.board, slots.size, logits[k], values[k])
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
                play_opening(
                    slots, forest, g, greediest_move(own, opp, slots.board, slots.random, g), rules
                )
                continue
            if forest.state[g, ROOT] == FRESH:
                paths.leaf[g] = ROOT
            elif slots.opening[g] > 0:
                play_opening(slots, forest, g, policy_move(slots, forest, g), rules)
                continue
            elif slots.simulation[g] >= _budget(slots, g, rules):
                _finish_move(slots, forest, g, rules, scratch)
                continue
            else:
                slots.total[g] += 1
                wanted = schedules[int(slots.full[g]), slots.considered[g], slots.simulation[g]]
                noise = slots.gumbel[g]
                ending = simulate(forest, g, int(wanted), noise, paths, g, policy, scratch)
                if ending != LEAF:
                    slots.simulation[g] += 1
                    continue
            leaf, leaves.slot[waiting] = paths.leaf[g], g
            leaves.own[waiting], leaves.opp[waiting] = forest.own[g, leaf], forest.opp[g, leaf]
            waiting += 1
            break
    return waiting


@kernel
def play_out(
    slots: Slots, forest: Forest, g: int, rules: SelfPlaySettings, solver: Workspace
) -> int:
    """Play the rest of slot `g` perfectly, recording positions of at least `label_empties`; black's final score.

    Policies are uniform over all best moves, and the move played is drawn from them.
    """
    own, opp, colour = forest.own[g, ROOT], forest.opp[g, ROOT], slots.colour[g]
    result, known = 0, False
    while True:
        if legal_mask(own, opp, slots.board) == np.uint64(0):
            if legal_mask(opp, own, slots.board) == np.uint64(0):
                return int(final_score(own, opp, slots.board)) * (1 if colour == 0 else -1)
            own, opp, colour = opp, own, 1 - colour
            continue
        if known and popcount(slots.board & ~(own | opp)) < rules.label_empties:
            return result
        score, best = solve_best(own, opp, np.int64(-64), np.int64(64), solver, NO_LIMIT, True)
        result, known = int(score) * (1 if colour == 0 else -1), True
        ply, count = slots.ply[g], popcount(best)
        slots.own[g, ply], slots.opp[g, ply], slots.side[g, ply] = own, opp, colour
        slots.value[g, ply], slots.surprise[g, ply] = np.sign(score), SOLVED
        slots.policy[g, ply, :] = 0.0
        rest = best
        while rest:
            bit = lowest_bit_index(rest)
            rest &= rest - np.uint64(1)
            slots.policy[g, ply, (bit >> 3) * slots.size + (bit & 7)] = np.float32(
                1.0
            ) / np.float32(count)
        slots.ply[g] = ply + 1
        own, opp, again = make_move(own, opp, random_move(best, slots.random, g), slots.board)
        if not again:
            colour = 1 - colour
