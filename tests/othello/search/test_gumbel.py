"""Sequential halving, completed Q values and improved policies against NumPy twins of the paper's equations."""

from __future__ import annotations

import numpy as np
import pytest

from othello.rules.bitboard import BOARD_MASK
from othello.rules.board import Board
from othello.search.gumbel import (
    complete_q,
    halving_schedule,
    improved_policy,
    inner_choice,
    root_choice,
)
from othello.search.tree import MAX_MOVES, ROOT, Forest, add_edges, new_forest, set_root


def visited_root(seed: int) -> tuple[Forest, np.random.Generator]:
    """A root with random logits and random visit statistics, some moves never tried."""
    random = np.random.default_rng(seed)
    board = Board.parse("f5d6c3d3c4f4f6g5e6d7")
    forest = new_forest(1, 4, 4 * MAX_MOVES, 8)
    set_root(forest, 0, np.uint64(board.own), np.uint64(board.opp), BOARD_MASK[8])
    add_edges(forest, 0, ROOT, BOARD_MASK[8], 8, random.normal(size=65).astype(np.float32), 0.3)
    count = forest.count[0, ROOT]
    forest.visits[0, :count] = random.integers(0, 4, count)
    forest.total[0, :count] = forest.visits[0, :count] * random.uniform(-1, 1, count)
    return forest, random


@pytest.mark.parametrize(
    "considered, simulations", [(2, 8), (4, 16), (7, 20), (16, 32), (16, 200), (33, 50)]
)
def test_the_schedule_visits_racing_moves_evenly_and_halves_the_race(considered, simulations):
    sequence = halving_schedule(simulations)[considered]
    assert len(sequence) == simulations
    visits: list[int] = []
    for wanted in sequence:  # replay: give the visit to the first move that has the wanted count
        if wanted == 0 and len(visits) < considered:
            visits.append(1)
        else:
            visits[visits.index(wanted)] += 1
    assert len(visits) == min(considered, simulations)
    assert sum(visits) == simulations
    if simulations >= 2 * considered * np.ceil(np.log2(considered)):
        assert len([n for n in visits if n == max(visits)]) <= 2


@pytest.mark.parametrize("seed", range(20))
def test_completed_q_and_improved_policy_follow_the_equations(seed):
    forest, _ = visited_root(seed)
    count = int(forest.count[0, ROOT])
    logits = forest.logit[0, :count].astype(np.float64)
    prior = np.exp(logits) / np.exp(logits).sum()
    visits, total = forest.visits[0, :count], forest.total[0, :count].astype(np.float64)
    tried = visits > 0
    q = np.divide(total, visits, where=tried, out=np.zeros(count))
    mixed = 0.3
    if tried.any():
        mixed = (0.3 + visits.sum() * (prior[tried] * q[tried]).sum() / prior[tried].sum()) / (
            1 + visits.sum()
        )
    completed = np.where(tried, q, mixed)
    found = np.zeros(MAX_MOVES, np.float32)
    assert complete_q(forest, 0, ROOT, found) == pytest.approx(mixed, abs=1e-5)
    np.testing.assert_allclose(found[:count], completed, atol=1e-5)
    scores = logits + (50 + visits.max()) * 0.1 * completed
    expected = np.exp(scores - scores.max())
    improved_policy(forest, 0, ROOT, 50.0, 0.1, found)
    np.testing.assert_allclose(found[:count], expected / expected.sum(), atol=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_the_root_chooses_the_best_noisy_score_among_moves_with_the_wanted_visits(seed):
    forest, random = visited_root(seed)
    count = int(forest.count[0, ROOT])
    gumbel = random.gumbel(size=MAX_MOVES).astype(np.float32)
    scratch = np.zeros(MAX_MOVES, np.float32)
    completed = np.zeros(MAX_MOVES, np.float32)
    complete_q(forest, 0, ROOT, completed)
    visits = forest.visits[0, :count]
    for wanted in set(visits.tolist()):
        score = (
            gumbel[:count] + forest.logit[0, :count] + (50 + visits.max()) * 0.1 * completed[:count]
        )
        expected = int(np.argmax(np.where(visits == wanted, score, -np.inf)))
        assert root_choice(forest, 0, wanted, gumbel, 50.0, 0.1, scratch) == expected


def test_below_the_root_visits_converge_to_the_improved_policy():
    forest, _ = visited_root(3)
    count = int(forest.count[0, ROOT])
    scratch, policy = np.zeros(MAX_MOVES, np.float32), np.zeros(MAX_MOVES, np.float32)
    q = np.where(
        forest.visits[0, :count] > 0,
        forest.total[0, :count] / np.maximum(forest.visits[0, :count], 1),
        0,
    )
    forest.visits[0, :count] = 0
    forest.total[0, :count] = 0
    for _ in range(3000):
        edge = inner_choice(forest, 0, ROOT, 0.0, 0.0, scratch)
        forest.visits[0, edge] += 1
        forest.total[0, edge] += q[edge]
    improved_policy(forest, 0, ROOT, 0.0, 0.0, policy)
    np.testing.assert_allclose(forest.visits[0, :count] / 3000, policy[:count], atol=2e-3)
