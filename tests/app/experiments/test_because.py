"""The study of reasons: events by the rules, areas with weights, false facts that match the true ones."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from app.experiments.positions import numbered_games
from app.experiments.record import Settings, silent
from app.experiments.statistics import area_under_roc, ranking, weighted_area
from app.experiments.studies.because import by_position, further_words, searched, sentences
from app.experiments.studies.event_moves import ENOUGH, RARE, answers, drawn, further
from app.experiments.studies.events import EVENTS, Event, Played, areas, wedges
from app.experiments.studies.second_look import (
    PLACED,
    Looked,
    false_facts,
    false_squares,
    look,
    says_so,
)
from app.explain.reasons.chosen import CHOSEN
from app.explain.reasons.facts import facts_of, region_kind, seen_by_other
from app.explain.reasons.sentence import why
from app.models import Model
from othello.rules.board import Board, squares_of
from othello.search.search import Search


def moves(count: int, seed: int) -> list[Played]:
    """Moves of random games; their maps are noise."""
    source, noise, found = random.Random(seed), np.random.default_rng(seed), []
    while len(found) < count:
        board = Board.initial()
        for _ in range(source.randrange(4, 56)):
            if board.is_over:
                break
            board = board.play(source.choice(board.legal_actions()))
        if board.legal_moves():
            move = source.choice(board.legal_moves())
            maps = noise.normal(size=(3, 64))
            reply = next(iter(board.play(move).legal_moves()), None)
            found.append(Played(board, move, *maps, float(noise.normal()), reply))
    return found


def happening(event: Event, played: Played) -> int:
    return sum(unit.happens for unit in event.units(played))


def test_events_happen_as_often_as_the_facts_say() -> None:
    by_name = {event.name: event for event in EVENTS}
    same = {
        "corner given": "gives_corner",
        "corner threatened": "threatens",
        "corner closed": "closes_corner",
        "wipe-out": "wipe_out",
        "forced pass": "pass",
        "odd region": "parity",
    }
    seen: Counter[str] = Counter()
    for played in moves(500, seed=1):
        facts = facts_of(played.board, played.move)
        before = seen_by_other(played.board).legal_moves()
        for name, fact in same.items():
            expected = facts[fact].value or 0
            if name == "forced pass" and not before:
                expected = 0  # it had to pass before too
            assert happening(by_name[name], played) == expected, f"{name}: {played}"
            seen[name] += expected
        opened = set(played.after.legal_moves()) - set(before)
        assert happening(by_name["reply opened"], played) == len(opened)
        lost = set(played.board.legal_moves()) - set(facts["own_mobility"].squares) - {played.move}
        assert happening(by_name["own move lost"], played) == len(lost)
        assert happening(by_name["corner lost"], played) == len(lost & {0, 7, 56, 63})
        gained = facts["own_mobility"].value - len(played.board.legal_moves()) + len(lost) + 1
        assert happening(by_name["own move opened"], played) == gained
        turned = len(squares_of(played.after.opp, 8)) - len(squares_of(played.board.own, 8)) - 1
        assert happening(by_name["disc turned"], played) == turned
    assert min(seen[name] for name in ("corner given", "corner threatened", "corner closed")) > 0


def test_a_wedge_is_asked_about_wherever_it_might_be_and_nowhere_else() -> None:
    by_name = {event.name: event for event in EVENTS}
    seen: Counter[str] = Counter()
    for played in moves(400, seed=7):
        free = played.empty
        edges = {s for s in range(64) if {s // 8, s % 8} & {0, 7}} - {0, 7, 56, 63}
        beside = {s: (s - 8, s + 8) if s % 8 in (0, 7) else (s - 1, s + 1) for s in edges}
        might = {s for s in free & edges if not free & {*beside[s]}}
        for name, boards in (
            ("wedge available", played.theirs),
            ("own wedge available", played.own),
        ):
            before, now = (wedges(board) for board in boards)
            assert now <= might
            units = list(by_name[name].units(played))
            assert {unit.square for unit in units} == might - before
            assert {unit.square for unit in units if unit.happens} == now - before
            closes = {"wedge available": "wedge closed", "own wedge available": "own wedge lost"}
            squares = {unit.square for unit in by_name[closes[name]].units(played)}
            assert squares == before & free
            seen[name] += len(units)
            seen[closes[name]] += len(squares)
    assert min(seen.values()) > 0 and len(seen) == 4


def test_more_moves_of_a_rare_event_are_chosen_by_what_is_asked_not_by_what_happens(
    model: Model,
) -> None:
    closed, lost = (e for e in RARE if e.name in ("corner closed", "corner lost"))
    settings = Settings(positions=8, seed=8, quick=True, games=8)
    found = further(model, settings, {closed: 0, lost: ENOUGH}, 4, silent)
    assert found[lost] == []
    games = numbered_games(model, settings, range(8, 12))
    expected = [
        (board, move)
        for _, board, moves in drawn(games, settings, np.random.default_rng((8, 0)))
        for move in moves
        if {0, 7, 56, 63} & {*seen_by_other(board).legal_moves()} - {move}
    ]
    assert [(played.board, played.move) for game in found[closed] for played in game] == expected
    assert len(found[closed]) == 4 and expected
    assert all(np.any(played.change) for game in found[closed] for played in game)
    events = {"corner closed": areas(closed, found[closed], seed=0)}
    numbers = {"further": searched(found, 4), "events": events}
    assert f"corner closed 4 games with {len(expected)} such moves" in further_words(numbers)
    assert "limit of games ended the search for corner closed" in further_words(numbers)
    assert further_words({"further": searched({}, 0), "events": {}}) == ""


def test_a_map_that_knows_has_area_one_and_noise_one_half() -> None:
    event = next(event for event in EVENTS if event.name == "reply opened")
    played = moves(200, seed=2)
    blind = areas(event, [[each] for each in played], seed=0)
    assert blind["relevance"].low < 0.5 < blind["relevance"].high
    knowing = []
    for each in played:
        opened = set(each.after.legal_moves()) - set(seen_by_other(each.board).legal_moves())
        change = np.zeros(64)
        change[sorted(opened)] = -1.0
        knowing.append([replace(each, change=change)])
    found = areas(event, knowing, seed=0)
    assert (found["relevance"].mean, found["relevance"].low) == (1.0, 1.0)
    for column in ("alike", "matched"):
        assert (found[column].mean, found[column].low) == (1.0, 1.0)
    assert found["over_value"].mean == pytest.approx(1 - found["value"].mean)
    assert found["events"] == sum(happening(event, each) for each in played)


def test_too_few_events_get_no_area() -> None:
    event = next(event for event in EVENTS if event.name == "wipe-out")
    assert "relevance" not in areas(event, [[each] for each in moves(5, seed=3)], seed=0)


def test_a_weight_counts_as_so_many_units() -> None:
    source = np.random.default_rng(0)
    rank, happen = source.integers(0, 6, 40), source.random(40) < 0.4
    weight = source.integers(0, 4, 40)
    whole = np.repeat(np.arange(40), weight)
    expected = area_under_roc(rank[whole].astype(float), happen[whole])
    one = np.zeros(40, np.int64)
    assert weighted_area(ranking(rank, one), happen, weight) == pytest.approx(expected)
    assert np.isnan(weighted_area(ranking(rank, one), np.zeros(40, bool), weight))


def test_what_only_knows_kinds_of_squares_has_one_half_among_squares_of_a_kind() -> None:
    source = np.random.default_rng(1)
    kind, happen = source.integers(0, 3, 90), source.random(90) < 0.4
    weight = source.integers(1, 4, 90)
    assert weighted_area(ranking(kind, kind), happen, weight) == pytest.approx(0.5)
    rank = source.integers(0, 8, 90)
    wins = pairs = 0.0
    for a in np.flatnonzero(happen):
        for b in np.flatnonzero(~happen & (kind == kind[a])):
            times = weight[a] * weight[b]
            wins += times * ((rank[a] > rank[b]) + (rank[a] == rank[b]) / 2)
            pairs += times
    assert weighted_area(ranking(rank, kind), happen, weight) == pytest.approx(wins / pairs)


def test_false_facts_are_of_the_same_kinds_and_elsewhere() -> None:
    for played in moves(60, seed=4):
        true, false = facts_of(played.board, played.move), false_facts(played.board, played.move)
        assert set(false) == set(PLACED)
        for name, fact in false.items():
            assert fact.value == true[name].value
            assert not set(fact.squares) & set(true[name].squares)
            kinds = Counter(region_kind(square, 8) for square in fact.squares)
            assert kinds <= Counter(region_kind(square, 8) for square in true[name].squares)


def test_a_chosen_square_is_the_rules_and_a_false_one_is_there_after_both_moves() -> None:
    source, seen = random.Random(5), Counter[str]()
    for played in moves(80, seed=5):
        board, move = played.board, played.move
        rival = source.choice(board.legal_moves())
        if rival == move:
            continue
        afters = [board.play(each) for each in (move, rival)]
        replies = [set(after.legal_moves()) for after in afters]
        own = [set(seen_by_other(after).legal_moves()) for after in afters]
        discs = [set(squares_of(after.opp, 8)) for after in afters]
        had = set(squares_of(board.opp, 8))
        true = {
            "keeps_out": replies[1] - replies[0],
            "lets_in": replies[0] - replies[1],
            "opens": own[0] - own[1],
            "spares": (discs[1] - discs[0]) & had,
            "overturns": (discs[0] - discs[1]) & had,
        }
        both = dict.fromkeys(("keeps_out", "lets_in"), replies[0] & replies[1])
        both |= {"opens": own[0] & own[1]}
        both |= dict.fromkeys(("spares", "overturns"), discs[0] & discs[1])
        false = false_squares(board, move, rival)
        for name, squares in true.items():
            assert {s for s in range(64) if says_so(board, move, rival, name, s)} == squares
            assert set(false[name]) <= both[name]
            kinds = Counter(region_kind(square, 8) for square in squares)
            assert Counter(region_kind(square, 8) for square in false[name]) <= kinds
            seen[name] += len(false[name])
    assert min(seen.values()) > 0


def test_the_second_look_is_at_the_squares_that_were_named(model: Model) -> None:
    search, looks = Search(model.evaluator), list[Looked]()
    for played in moves(12, seed=6):
        if len(looks) == 2:
            break
        found = why(model, search.run(played.board, 20))
        if not set(found.spoken) & set(CHOSEN):
            continue
        looks.append(looked := look(model, found))
        for weight in looked.reasons.said():
            assert looked.again[weight.name].squares == weight.squares
            assert looked.by_rule(weight.name)
    counts = by_position(looks)
    shares = sentences(looks, counts)
    assert counts["reasons"].tolist() == [len(looked.reasons.said()) for looked in looks]
    held = [looked.confirmed(weight.name) for looked in looks for weight in looked.reasons.said()]
    assert held and shares["confirmed"].mean == np.mean(held)
    assert sum(kind["confirmed"] for kind in shares["kinds"].values()) == sum(held)
    false = [w for looked in looks for w in looked.false.values() if w.claim]
    assert shares["false_spoken"].mean == np.mean([weight.holds for weight in false])


def test_an_answer_is_the_legal_move_that_the_policy_likes_best(model: Model) -> None:
    board = Board.parse("f5d6c3")
    own, opp = (np.array([word], np.uint64) for word in (board.own, board.opp))
    logits = model.evaluator(own, opp)[0][0]
    (answer,) = answers(model, [board])
    assert answer in board.legal_moves()
    assert logits[answer] == max(logits[move] for move in board.legal_moves())
    assert answers(model, []) == []
