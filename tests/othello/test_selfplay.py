"""Self-play games: legal, exactly labelled, and the same whatever ran beside them."""

from __future__ import annotations

import numpy as np
import pytest

from othello.bitboard import BOARD_MASK, final_score, flip_mask, legal_mask
from othello.search.toy import DiscCount
from othello.training.selfplay import Samples, SelfPlaySettings, play_games

FEW = SelfPlaySettings(simulations=8, slots=8, solve_empties=6, label_empties=3, leaf_empties=3)


@pytest.fixture(scope="module", params=[4, 6, 8])
def games(request) -> tuple[int, Samples]:
    samples, evaluations = play_games(DiscCount(request.param), FEW, seed=7, iteration=2, games=range(12))
    assert evaluations > 0
    return request.param, samples


def test_policies_are_distributions_over_legal_moves(games):
    size, samples = games
    for i in range(len(samples.own)):
        mask = int(legal_mask(samples.own[i], samples.opp[i], BOARD_MASK[size]))
        legal = [r * size + c for r in range(size) for c in range(size) if mask >> (8 * r + c) & 1]
        policy = samples.policy[i].astype(float)
        assert policy.sum() == pytest.approx(1, abs=5e-3)
        assert policy[legal].sum() == pytest.approx(policy.sum())


def test_consecutive_positions_follow_by_a_legal_move(games):
    size, samples = games
    board = BOARD_MASK[size]
    for i in range(len(samples.own) - 1):
        if samples.game[i] != samples.game[i + 1]:
            continue
        own, opp = int(samples.own[i]), int(samples.opp[i])
        mask = int(legal_mask(samples.own[i], samples.opp[i], board))
        after = set()
        for bit in (bit for bit in range(64) if mask >> bit & 1):
            flips = int(flip_mask(samples.own[i], samples.opp[i], bit))
            mine, theirs = own | flips | 1 << bit, opp & ~flips
            after |= {(theirs, mine), (mine, theirs)}
        assert (int(samples.own[i + 1]), int(samples.opp[i + 1])) in after


def test_outcomes_agree_within_a_game_and_with_exact_play_at_its_end(games):
    size, samples = games
    assert np.array_equal(np.sign(samples.score), samples.outcome)
    for number in range(12):
        rows = np.flatnonzero(samples.game == number)
        assert len(set(np.abs(samples.score[rows]).tolist())) == 1
        last = rows[-1]
        assert 3 <= size * size - (int(samples.own[last]) | int(samples.opp[last])).bit_count() <= 6
        assert samples.search_value[last] == samples.outcome[last]


def test_a_game_depends_on_its_number_alone_not_on_its_neighbours():
    def play(numbers: range, slots: int) -> Samples:
        settings = SelfPlaySettings(simulations=8, slots=slots, solve_empties=6, label_empties=3, leaf_empties=3)
        return play_games(DiscCount(6), settings, 1, 0, numbers)[0]

    together = play(range(10), 10)
    apart = Samples.concatenate([play(range(3), 1), play(range(3, 10), 4)])
    for a, b in zip(together, apart):
        assert np.array_equal(a, b)
    assert not np.array_equal(play_games(DiscCount(6), FEW, 2, 0, range(10))[0].policy, together.policy)


def test_endgame_policies_are_uniform_over_all_the_moves_that_reach_the_exact_score():
    samples, _ = play_games(DiscCount(6), FEW, 3, 0, range(4))
    board = BOARD_MASK[6]

    def exact(own: int, opp: int, passed: bool = False) -> int:
        mask = int(legal_mask(np.uint64(own), np.uint64(opp), board))
        if not mask:
            return int(final_score(np.uint64(own), np.uint64(opp), board)) if passed else -exact(opp, own, True)
        return max(after(own, opp, bit) for bit in range(64) if mask >> bit & 1)

    def after(own: int, opp: int, bit: int) -> int:
        flips = int(flip_mask(np.uint64(own), np.uint64(opp), bit))
        return -exact(opp & ~flips, own | flips | 1 << bit)

    checked = 0
    for own, opp, policy, target in zip(samples.own.tolist(), samples.opp.tolist(), samples.policy, samples.score):
        if 36 - (own | opp).bit_count() > 5:
            continue
        mask = int(legal_mask(np.uint64(own), np.uint64(opp), board))
        values = {bit: after(own, opp, bit) for bit in range(64) if mask >> bit & 1}
        best = {bit // 8 * 6 + bit % 8 for bit, value in values.items() if value == target}
        assert max(values.values()) == target
        assert set(np.flatnonzero(policy)) == best
        assert np.allclose(policy[sorted(best)], 1 / len(best), atol=1e-3)
        checked += 1
    assert checked > 8
