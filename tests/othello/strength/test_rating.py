"""Ratings against slow programs, against their own model, and by what must be symmetric."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from othello.strength.rating import (
    Decision,
    Score,
    SequentialTest,
    expected_score,
    fit,
    match_rating,
)

COUNTS = st.integers(0, 60)


def slow_strengths(scores: list[Score], prior: float, rounds: int = 20000) -> dict[str, float]:
    """Bradley–Terry by Zermelo's iteration: strength = points / Σ games / (own + other strength)."""
    points: dict[tuple[str, str], float] = {}
    for score in scores:
        a, b = score.first, score.second
        points[a, b] = points.get((a, b), prior / 2) + score.wins + score.draws / 2
        points[b, a] = points.get((b, a), prior / 2) + score.losses + score.draws / 2
    names = sorted({name for pair in points for name in pair})
    strength = dict.fromkeys(names, 1.0)
    for _ in range(rounds):
        for name in names:
            others = [other for other in names if (name, other) in points]
            won = sum(points[name, other] for other in others)
            met = sum(
                (points[name, other] + points[other, name]) / (strength[name] + strength[other])
                for other in others
            )
            strength[name] = won / met
    return {name: 400 * math.log10(strength[name] / strength[names[0]]) for name in names}


@settings(max_examples=10)
@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS), min_size=6, max_size=6))
def test_fitted_ratings_are_those_of_zermelos_iteration(
    results: list[tuple[int, int, int]],
) -> None:
    pairs = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    scores = [
        Score(*pair, wins + 1, draws, losses + 1)
        for pair, (wins, draws, losses) in zip(pairs, results)
    ]
    table, slow = fit(scores, "a", prior=0.5), slow_strengths(scores, 0.5, 2000)
    for name, rating in table.items():
        assert rating.elo == pytest.approx(slow[name], abs=0.05)
        if name != "a":
            assert rating.low is not None and rating.high is not None and rating.elo is not None
            assert rating.low < rating.elo < rating.high


def test_two_players_are_rated_as_in_a_match() -> None:
    table, match = (
        fit([Score("b", "a", 30, 4, 10)], "a", prior=0, anchor_elo=100)["b"],
        match_rating(30, 4, 10),
    )
    for ours, theirs in ((table.elo, match.elo), (table.low, match.low), (table.high, match.high)):
        assert (
            ours is not None and theirs is not None and ours == pytest.approx(theirs + 100, abs=0.1)
        )
    assert table.games == 44 and table.points == 32


def test_a_clean_sweep_has_one_bound_in_a_match_and_a_finite_rating_in_a_table() -> None:
    won, lost = match_rating(40, 0, 0), match_rating(0, 0, 40)
    assert won.elo is None and won.high is None and won.low == pytest.approx(-lost.high)  # type: ignore[operator]
    assert 500 < won.low < 550  # type: ignore[operator]
    rating = fit([Score("b", "a", 40, 0, 0)], "a")["b"]
    assert rating.elo == pytest.approx(400 * math.log10(40.25 / 0.25), abs=0.1)
    unbounded = fit([Score("b", "a", 40, 0, 0)], "a", prior=0)["b"]
    assert unbounded.elo is None and unbounded.high is None and unbounded.low is not None


@given(COUNTS, COUNTS, COUNTS)
def test_the_other_sides_rating_is_the_negative(wins: int, draws: int, losses: int) -> None:
    if wins + draws + losses:
        one, other = match_rating(wins, draws, losses), match_rating(losses, draws, wins)
        for ours, theirs in ((one.elo, other.elo), (one.low, other.high), (one.high, other.low)):
            assert (ours is None and theirs is None) or ours == pytest.approx(-theirs, abs=0.05)  # type: ignore[operator]


@given(st.integers(1, 40), COUNTS, st.integers(1, 40))
def test_the_interval_narrows_with_games_and_confidence(wins: int, draws: int, losses: int) -> None:
    few, many = match_rating(wins, draws, losses), match_rating(4 * wins, 4 * draws, 4 * losses)
    sure = match_rating(wins, draws, losses, confidence=0.99)
    assert few.elo == pytest.approx(many.elo)
    assert few.low < many.low < many.high < few.high  # type: ignore[operator]
    assert sure.low < few.low and sure.high > few.high  # type: ignore[operator]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    source, held, truth = random.Random(4), 0, 120.0
    for _ in range(1000):
        wins = sum(source.random() < expected_score(truth) for _ in range(60))
        rating = match_rating(wins, 0, 60 - wins)
        held += (rating.low or -9e9) <= truth <= (rating.high or 9e9)
    assert 925 <= held <= 975


@pytest.mark.parametrize("elo, score", [(0, 0.5), (400, 10 / 11), (-400, 1 / 11)])
def test_expected_scores_are_elos(elo: float, score: float) -> None:
    assert expected_score(elo) == pytest.approx(score)


def test_players_without_a_chain_of_games_to_the_anchor_cannot_be_rated() -> None:
    with pytest.raises(ValueError, match="chain of games"):
        fit([Score("a", "b", 1, 0, 1), Score("c", "d", 1, 0, 1)], "a")
    with pytest.raises(ValueError, match="against itself"):
        fit([Score("a", "a", 1, 0, 1)], "a")
    with pytest.raises(ValueError, match="at least one game"):
        match_rating(0, 0, 0)


def constrained_by_search(counts: list[int], elo: float) -> float:
    """The greatest log likelihood of points 0, ½, 1 with the mean that `elo` expects, by trying draw rates."""
    mean, best = expected_score(elo), -math.inf
    for step in range(1, 20000):
        draw = step / 20000
        win = mean - draw / 2
        loss = 1 - win - draw
        if win > 0 and loss > 0:
            shares = (loss, draw, win)
            best = max(best, sum(n * math.log(p) for n, p in zip(counts, shares)))
    return best


def test_the_sequential_ratio_is_that_of_constrained_likelihoods() -> None:
    counts = [21, 34, 45]  # pairs with 0, 1 and 2 points
    pairs = [0.0] * counts[0] + [1.0] * counts[1] + [2.0] * counts[2]
    test = SequentialTest(0, 60)
    slow = constrained_by_search(counts, 60) - constrained_by_search(counts, 0)
    assert test.ratio(pairs) == pytest.approx(slow, abs=0.01)


@pytest.mark.parametrize("truth, wrong", [(0.0, Decision.STRONGER), (60.0, Decision.NOT_STRONGER)])
def test_sequential_tests_err_as_rarely_as_they_promise(truth: float, wrong: Decision) -> None:
    source, test, errors = random.Random(7), SequentialTest(0, 60), 0
    share = expected_score(truth)
    for _ in range(80):
        pairs: list[float] = []
        decision = Decision.CONTINUE
        while decision is Decision.CONTINUE:
            pairs += [sum(float(source.random() < share) for _ in range(2)) for _ in range(10)]
            decision = test.decide(pairs)
        errors += decision is wrong
    assert errors <= 10  # 5 % of 80, and three standard deviations


def test_a_sequential_test_of_nothing_goes_on() -> None:
    assert SequentialTest().decide([]) is Decision.CONTINUE
    assert SequentialTest(0, 50).decide([2.0] * 100) is Decision.STRONGER
    assert SequentialTest(0, 50).decide([0.0] * 100) is Decision.NOT_STRONGER
