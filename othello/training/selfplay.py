"""Self-play: many games side by side, one network batch a step, Gumbel search (or PUCT), exact endgames.

A step hands the evaluator one leaf of every game under way; everything between two network calls is one compiled
kernel.  Each game draws from a random stream of its own, SeedSequence(seed, iteration, game), so that neither the
number of workers nor their order can change a game.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.network.evaluator import Evaluator, ask, board_size
from othello.rules.bitboard import start_bits
from othello.search.gumbel import halving_schedule
from othello.search.tree import MAX_MOVES, Forest, new_forest, new_paths
from othello.solver.search import new_workspace
from othello.solver.workspace import Workspace
from othello.training.game_openings import open_game
from othello.training.game_slots import SOLVED, SelfPlaySettings, Slots, new_leaves, new_slots
from othello.training.random_streams import game_stream, uniform
from othello.training.selfplay_step import play_out, step

__all__ = ["Effort", "Samples", "SelfPlaySettings", "play_games", "repetitions"]

LABEL_TABLE_BITS = 15  # the labelling solver's hash table: 2**15 buckets, 2 MiB


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
        return Samples(*map(np.concatenate, zip(*parts)))


class Effort(NamedTuple):
    """What games cost: network evaluations, and simulations, which a certain outcome ends without one."""

    evaluations: int
    simulations: int


def repetitions(
    surprise: NDArray[np.float32], share: float, drawn: NDArray[np.float64]
) -> NDArray[np.int64]:
    """How often each position of a game becomes a sample: once on average over the game, `share` of it by surprise.

    Policy surprise weighting (Wu, KataGo's documentation, "Other methods implemented in KataGo"): what the network got
    wrong is shown to it more often.  Solved positions, whose surprise is `SOLVED`, count once each.  `drawn` are
    uniform in (0, 1), one a position, and settle the fractions.

    >>> repetitions(np.array([0, 0, 0, 3, SOLVED], np.float32), 0.5, np.full(5, 0.4)).tolist()
    [0, 0, 0, 2, 1]
    """
    searched = surprise != SOLVED
    total = float(surprise[searched].sum())
    weights = np.ones(len(surprise))
    if total > 1e-6:
        by_surprise = surprise[searched] * (int(searched.sum()) / total)
        weights[searched] = 1 - share + share * by_surprise
    return np.floor(weights + drawn).astype(np.int64)


def _finished_game(
    slots: Slots, forest: Forest, g: int, rules: SelfPlaySettings, number: int, solver: Workspace
) -> Samples:
    black_score = play_out(slots, forest, g, rules, solver)
    plies = slots.ply[g]
    drawn = np.array([uniform(slots.random, g) for _ in range(plies)])
    rows = np.repeat(
        np.arange(plies), repetitions(slots.surprise[g, :plies], rules.surprise_share, drawn)
    )
    scores = np.where(slots.side[g, rows] == 0, black_score, -black_score)
    return Samples(
        own=slots.own[g, rows],
        opp=slots.opp[g, rows],
        policy=slots.policy[g, rows].astype(np.float16),
        outcome=np.sign(scores).astype(np.int8),
        score=scores.astype(np.int8),
        search_value=slots.value[g, rows].astype(np.float16),
        game=np.full(len(rows), number, np.int32),
    )


def _schedules(rules: SelfPlaySettings) -> NDArray[np.int32]:
    table = np.zeros((2, MAX_MOVES + 1, rules.simulations), np.int32)
    table[0, :, : rules.fast_simulations] = halving_schedule(rules.fast_simulations)
    table[1] = halving_schedule(rules.simulations)
    return table


def play_games(
    evaluator: Evaluator, settings: SelfPlaySettings, seed: int, iteration: int, games: range
) -> tuple[Samples, Effort]:
    """Play the numbered games of an iteration; their samples in order of game, and what they cost.

    Raises `EvaluationError` for an evaluation that is not finite or misshapen.
    """
    size = board_size(evaluator)
    rules = settings._replace(fast_simulations=min(settings.fast_simulations, settings.simulations))
    black, white = (np.uint64(word) for word in start_bits(size))
    count = min(settings.slots, len(games))
    slots, leaves, paths = new_slots(count, size), new_leaves(count), new_paths(count)
    nodes = settings.simulations + 2
    forest = new_forest(count, nodes, nodes * MAX_MOVES, size)
    solver = new_workspace(size, LABEL_TABLE_BITS)
    schedules = _schedules(rules)
    logits, values = np.zeros((0, size * size + 1), np.float32), np.zeros(0, np.float32)
    upcoming = iter(games)
    playing: list[int | None] = [None] * count
    finished: dict[int, Samples] = {}
    evaluations = 0
    while True:
        for g in np.flatnonzero(~slots.active).tolist():
            number = playing[g]
            if number is not None:
                finished[number] = _finished_game(slots, forest, g, rules, number, solver)
            playing[g] = number = next(upcoming, None)
            if number is not None:
                slots.random[g] = game_stream(seed, iteration, number)
                open_game(slots, forest, g, black, white, rules)
        waiting = step(slots, forest, paths, schedules, leaves, logits, values, rules)
        if waiting == 0 and all(number is None for number in playing):
            break
        logits, values = logits[:0], values[:0]
        if waiting:
            logits, values = ask(evaluator, leaves.own[:waiting], leaves.opp[:waiting])
            evaluations += waiting
    samples = Samples.concatenate([finished[number] for number in games])
    return samples, Effort(evaluations, int(slots.total.sum()))
