"""Self-play games: legal, exactly labelled, and the same whatever ran beside them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from othello.rules.bitboard import BOARD_MASK, final_score, flip_mask, legal_mask
from othello.search.disc_count import DiscCount
from othello.training.random_streams import gamma
from othello.training.selfplay import Samples, SelfPlaySettings, play_games

FEW = SelfPlaySettings(simulations=8, slots=8, solve_empties=6, label_empties=3, leaf_empties=3)


@pytest.fixture(scope="module", params=[4, 6, 8])
def games(request) -> tuple[int, Samples]:
    samples, effort = play_games(
        DiscCount(request.param), FEW, seed=7, iteration=2, games=range(12)
    )
    assert effort.simulations >= effort.evaluations * 0.7 > 0
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
        settings = SelfPlaySettings(
            simulations=8, slots=slots, solve_empties=6, label_empties=3, leaf_empties=3
        )
        return play_games(DiscCount(6), settings, 1, 0, numbers)[0]

    together = play(range(10), 10)
    apart = Samples.concatenate([play(range(3), 1), play(range(3, 10), 4)])
    for a, b in zip(together, apart):
        assert np.array_equal(a, b)
    assert not np.array_equal(
        play_games(DiscCount(6), FEW, 2, 0, range(10))[0].policy, together.policy
    )


def test_endgame_policies_are_uniform_over_all_the_moves_that_reach_the_exact_score():
    samples, _ = play_games(DiscCount(6), FEW, 3, 0, range(4))
    board = BOARD_MASK[6]

    def exact(own: int, opp: int, passed: bool = False) -> int:
        mask = int(legal_mask(np.uint64(own), np.uint64(opp), board))
        if not mask:
            return (
                int(final_score(np.uint64(own), np.uint64(opp), board))
                if passed
                else -exact(opp, own, True)
            )
        return max(after(own, opp, bit) for bit in range(64) if mask >> bit & 1)

    def after(own: int, opp: int, bit: int) -> int:
        flips = int(flip_mask(np.uint64(own), np.uint64(opp), bit))
        return -exact(opp & ~flips, own | flips | 1 << bit)

    checked = 0
    for own, opp, policy, target in zip(
        samples.own.tolist(), samples.opp.tolist(), samples.policy, samples.score
    ):
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


@pytest.mark.parametrize(
    "changes",
    [
        {"search": "puct"},
        {"full_share": 0.25, "fast_simulations": 3},
        {"greedy_share": 0.5, "greedy_plies": 12},
    ],
    ids=["puct", "playout-cap", "greedy-openings"],
)
def test_other_ways_to_play_keep_games_legal_labelled_and_alone(changes):
    settings = FEW._replace(random_plies=4, **changes)
    together, effort = play_games(DiscCount(6), settings, 1, 0, range(24))
    apart = Samples.concatenate(
        [
            play_games(DiscCount(6), settings._replace(slots=3), 1, 0, numbers)[0]
            for numbers in (range(7), range(7, 24))
        ]
    )
    for a, b in zip(together, apart):
        assert np.array_equal(a, b)
    test_policies_are_distributions_over_legal_moves((6, together))
    assert np.array_equal(np.sign(together.score), together.outcome)
    openings = 0.2 if settings.greedy_share else 0.0  # they cost evaluations and no simulations
    assert effort.simulations >= effort.evaluations * (0.7 - openings)


def test_puct_targets_are_shares_of_visits_and_its_noise_keeps_to_legal_moves():
    settings = FEW._replace(search="puct", simulations=16)
    samples, _ = play_games(DiscCount(6), settings, 3, 0, range(8))
    searched = np.array(
        [36 - (int(a) | int(b)).bit_count() > 6 for a, b in zip(samples.own, samples.opp)]
    )
    visits = samples.policy[searched].astype(float) * 16
    several = (visits > 0).sum(1) > 1
    assert several.sum() > 50
    assert np.abs(visits[several] - np.round(visits[several])).max() < 0.02


def test_the_playout_cap_records_the_full_searches_only():
    def searched(share: float) -> tuple[int, int]:
        settings = FEW._replace(full_share=share, fast_simulations=2)
        samples, effort = play_games(DiscCount(6), settings, 5, 0, range(40))
        empties = [36 - (int(a) | int(b)).bit_count() for a, b in zip(samples.own, samples.opp)]
        return sum(count > 6 for count in empties), effort.simulations

    (all_of_them, most), (some, fewer) = searched(1.0), searched(0.25)
    assert 0.15 < some / all_of_them < 0.35
    assert 0.3 < fewer / most < 0.6  # a quarter of the moves with 8 simulations, the rest with 2


def test_openings_against_the_greedy_player_show_positions_that_good_players_avoid():
    def fewest(share: float, plies: int) -> NDArray[np.int64]:
        """Discs of the side that has fewer where the games begin."""
        settings = FEW._replace(random_plies=0, greedy_share=share, greedy_plies=plies)
        samples, _ = play_games(DiscCount(8), settings, 1, 0, range(120))
        first = np.unique(samples.game, return_index=True)[1]
        sides = zip(samples.own[first], samples.opp[first])
        return np.array([min(int(own).bit_count(), int(opp).bit_count()) for own, opp in sides])

    assert (fewest(0.0, 16) == 2).all()  # every game starts at the start
    assert (
        fewest(1.0, 16) <= 1
    ).mean() > 0.08  # 0.05 if an opening without a wipe-out were not played again


def test_gamma_variables_have_their_mean_and_variance():
    random = np.array([1], np.uint64)
    for shape in (0.3, 1.0):
        drawn = np.array([gamma(random, 0, shape) for _ in range(40_000)])
        assert drawn.min() >= 0
        assert drawn.mean() == pytest.approx(shape, rel=0.04)
        assert drawn.var() == pytest.approx(shape, rel=0.08)


def test_samples_repeat_by_surprise_without_changing_the_games_or_how_many_there_are():
    plain, _ = play_games(DiscCount(6), FEW, 1, 0, range(60))
    weighted, _ = play_games(DiscCount(6), FEW._replace(surprise_share=0.5), 1, 0, range(60))
    kept = {
        tuple(row)
        for row in zip(weighted.own.tolist(), weighted.opp.tolist(), weighted.game.tolist())
    }
    assert kept <= {
        tuple(row) for row in zip(plain.own.tolist(), plain.opp.tolist(), plain.game.tolist())
    }
    assert len(weighted.own) == pytest.approx(len(plain.own), rel=0.05)
    assert 0.3 < len(kept) / len(plain.own) < 0.95
    solved = []
    for samples in (plain, weighted):
        empties = [36 - (int(a) | int(b)).bit_count() for a, b in zip(samples.own, samples.opp)]
        solved.append(sum(count <= FEW.solve_empties for count in empties))
    assert solved[0] == solved[1] > 100  # what the solver labelled counts once each


def test_a_root_keeps_the_evaluation_it_had_in_the_search_before():
    settings = FEW._replace(leaf_empties=0, random_plies=0)
    samples, effort = play_games(DiscCount(6), settings, 1, 0, range(20))
    searched = sum(36 - (int(a) | int(b)).bit_count() > 6 for a, b in zip(samples.own, samples.opp))
    assert searched > 20 * 20
    assert (
        effort.evaluations < effort.simulations + searched / 5
    )  # else one more for every move searched


def test_quiet_noise_of_one_changes_nothing_and_none_plays_as_the_search_thinks_best_from_its_ply_on():
    settings = FEW._replace(random_plies=0)
    loud, _ = play_games(DiscCount(6), settings, 1, 0, range(12))
    same, _ = play_games(DiscCount(6), settings._replace(quiet_plies=3), 1, 0, range(12))
    quiet, _ = play_games(
        DiscCount(6), settings._replace(quiet_plies=10, quiet_noise=0.0), 1, 0, range(12)
    )
    for a, b in zip(loud, same):
        assert np.array_equal(a, b)

    def discs(samples: Samples) -> NDArray[np.int64]:
        return np.array(
            [(int(own) | int(opp)).bit_count() for own, opp in zip(samples.own, samples.opp)]
        )

    for early in (loud.own[discs(loud) <= 14], loud.opp[discs(loud) <= 14]):
        assert early.size > 100
    assert np.array_equal(loud.own[discs(loud) <= 14], quiet.own[discs(quiet) <= 14])
    assert not np.array_equal(loud.own[discs(loud) > 14], quiet.own[discs(quiet) > 14])
    again, _ = play_games(
        DiscCount(6), settings._replace(quiet_plies=0, quiet_noise=0.0), 1, 0, range(12)
    )
    games = [again.own[again.game == number] for number in range(12)]
    searched = [game[:20] for game in games]  # the solved part draws among the best moves
    assert all(np.array_equal(searched[0], game) for game in searched)


def test_openings_against_the_greedy_player_keep_their_variety_when_it_is_quiet():
    settings = FEW._replace(
        random_plies=0, greedy_share=1.0, greedy_plies=12, quiet_plies=0, quiet_noise=0.0
    )
    samples, _ = play_games(DiscCount(6), settings, 1, 0, range(12))
    first = np.unique(samples.game, return_index=True)[1]
    assert len(set(zip(samples.own[first].tolist(), samples.opp[first].tolist()))) > 6
