"""The faithfulness study's choice of the default composite, its controls and checks, and the words for figures."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.experiments import alt, checks, positions, statistics
from app.experiments.attributions import METHODS, TARGETS, relevance_maps
from app.experiments.corruption import CORRUPTIONS
from app.experiments.disc_worth import FITTED, STATIC
from app.experiments.positions import (
    BOARD_31,
    Games,
    Positions,
    best_two,
    board_of,
    canonical,
    legal_table,
    one_a_game,
    with_best_two,
)
from app.experiments.rules_truth import CORNERS, EDGES
from app.experiments.statistics import Interval, bootstrap
from app.experiments.studies import board31, composite_choice, faithfulness
from app.experiments.studies.ground_truth import proved_moves
from app.explain import composites, default
from app.explain.network import explain_many
from app.explain.targets import Target
from othello.rules.board import Board
from othello.rules.symmetry import SYMMETRIES, transform_word
from othello.solver.solver import Solver

if TYPE_CHECKING:
    from app.models import Model

RANKED = composite_choice.RANKED


def boards(count: int, empties: int | None = None, seed: int = 7) -> list[Board]:
    """Positions of random games with two moves or more, black to move, at some number of empty squares."""
    random, found = np.random.default_rng(seed), []
    while len(found) < count:
        board = Board.initial()
        stop = empties if empties is not None else int(random.integers(8, 50))
        while not board.is_over and board.empties > stop:
            board = board.play(int(random.choice(board.legal_actions())))
        if board.empties == stop and len(board.legal_moves()) > 1:
            found.append(board_of(board.own, board.opp))
    return found


def words(some: list[Board]) -> tuple[Any, Any]:
    """Words [P]."""
    return np.array([b.own for b in some], np.uint64), np.array([b.opp for b in some], np.uint64)


def election(
    scores: dict[str, float],
    stabilizers: dict[str, float] | None = None,
    squares: dict[str, float] | None = None,
    noise: float = 0.0,
) -> dict[str, Any]:
    """What `choose` makes of composites with these mean scores and shares."""
    random = np.random.default_rng(0)
    table = np.stack([scores[name] + noise * random.standard_normal(200) for name in RANKED], 1)
    standing = {name: {"score": bootstrap(table[:, place])} for place, name in enumerate(RANKED)}
    kept = {
        name: {
            "stabilizer": Interval((stabilizers or {}).get(name, 0.0), 0, 0, 9),
            "squares": Interval((squares or {}).get(name, 0.5), 0, 1, 9),
            "closure": 1e-6,
        }
        for name in RANKED
    }
    cell = {
        name: {kind: {t: Interval(1, 0.5, 2, 9) for t in TARGETS} for kind in CORRUPTIONS}
        for name in RANKED
    }
    return composite_choice.choose(standing, table, kept, cell, 0)


def test_the_winner_has_the_highest_mean_of_those_that_keep_relevance() -> None:
    scores = dict(zip(RANKED, (0.7, 0.2, 0.8, 0.9, 0.6)))
    assert election(scores)["method"] == "EpsilonAlpha2Beta1"
    found = election(scores, {"EpsilonAlpha2Beta1": 0.2}, {"EpsilonPlus": 0.9})
    assert found["composite"] == found["highest"] == "EpsilonGammaBox" and found["tied"] == []
    assert (
        found["left_out"] == {"EpsilonAlpha2Beta1": 0.2}
        and found["first_in_resamples"]["EpsilonGammaBox"] == 1
    )
    assert "EpsilonAlpha2Beta1 (20 %)" in default.sentence(
        found
    ) and "ahead of every other" in default.sentence(found)


@pytest.mark.parametrize(
    ("squares", "chosen"), [({"EpsilonPlus": 0.6}, "EpsilonPlus"), ({"LRP-0": 0.6}, "LRPZero")]
)
def test_of_composites_that_the_positions_cannot_tell_apart_the_squares_decide(
    squares: dict[str, float], chosen: str
) -> None:
    found = election(dict(zip(RANKED, (0.7, 0.2, 0.1, 0.1, 0.7))), None, squares, noise=0.5)
    assert {found["composite"], *found["tied"]} == {"EpsilonPlus", "LRPZero"} and found[
        "composite"
    ] == chosen
    assert (
        found["highest"] in ("EpsilonPlus", "LRPZero")
        and 0 < found["first_in_resamples"][chosen] < 1
    )
    words = default.sentence(found)
    assert (
        words.startswith(f"{chosen} is the faithfulness study's choice")
        and "does not tell" in words
    )
    assert f"{chosen} keeps the most relevance on the squares (60 %)" in words


def test_if_none_keeps_relevance_all_stand_for_election_and_lrp_zero_has_the_apps_name() -> None:
    found = election(dict(zip(RANKED, (0.1, 0.1, 0.1, 0.1, 0.9))), dict.fromkeys(RANKED, 0.5))
    assert (
        found["method"] == "LRP-0"
        and found["composite"] == "LRPZero" in composites.composite_names()
    )


def test_the_app_takes_the_studys_winner_everywhere_and_says_so() -> None:
    from app.commands.analysis import explain as command
    from app.explain.ask import explain
    from app.explain.network import explain_many
    from app.game.session import Session
    from app.option_records import spread

    chosen = default.STUDY["composite"]
    assert composites.composite_names()[0] == composites.DEFAULT_COMPOSITE == chosen
    assert composites.MEANINGS[chosen].endswith(
        default.DEFAULT_NOTE
    ) and chosen in default.sentence(default.STUDY)
    assert sum(default.DEFAULT_NOTE in words for words in composites.MEANINGS.values()) == 1
    for function in (spread(command), explain, explain_many, Session.explain):
        assert inspect.signature(function).parameters["composite"].default == chosen, function


def test_a_control_counts_forwards_and_backwards() -> None:
    random = np.random.default_rng(0)
    noise = {name: random.normal(0, 0.1, 40) for name in (*METHODS, STATIC, FITTED)}
    noise["occupancy"] = noise["occupancy"] - 0.8
    samples = {
        name: {kind: dict.fromkeys(TARGETS, x) for kind in CORRUPTIONS} for name, x in noise.items()
    }
    hardest, over = faithfulness.against_controls(samples)
    assert hardest["empty"]["value"] == "occupancy, reversed"
    found = over["EpsilonPlus"]["empty"]["value"]
    np.testing.assert_allclose(found, noise["EpsilonPlus"] + noise["occupancy"])


def test_the_shares_of_a_ledger_add_up_to_one(model: Model) -> None:
    at = with_best_two(model, *words(boards(4)))
    for entry in faithfulness.ledgers(model, at, 0).values():
        assert sum(entry[k].mean for k in ("squares", "bias", "stabilizer")) == pytest.approx(
            1, abs=1e-9
        )
        assert entry["closure"] < 1e-4


def test_integrated_gradients_add_up_to_the_change_from_nothing_even_where_tanh_is_flat(
    model: Model,
) -> None:
    import torch

    from app.explain.composites import explainer_of
    from app.explain.network import VALUE, encode_words

    some = boards(6, seed=11)
    own, opp = words(some)
    moves = best_two(model.evaluator(own, opp)[0], legal_table(own, opp))
    found = relevance_maps(model, "integrated gradients", own, opp, moves)
    planes = encode_words(model, own, opp)
    explainer = explainer_of(model, "LRPZero", "sink")
    whole, nothing = (
        explainer.attribute(x, None, output=VALUE).target
        for x in (planes, torch.zeros_like(planes))
    )
    change = (whole - nothing).double().numpy()
    assert np.abs(found[0].sum(1) - change).max() <= 0.1 * np.abs(change).max()


def test_the_random_control_has_no_similarity_and_its_third_map_is_a_difference(
    model: Model,
) -> None:
    own, opp = words(boards(60))
    moves = np.zeros((60, 2), np.int64)
    maps = relevance_maps(model, "random", own, opp, moves)
    found = checks.similarities(
        {"random": maps, "occupancy": relevance_maps(model, "occupancy", own, opp, moves)}, 0
    )
    assert abs(found["random"]["best_second"].mean) < 0.06
    assert (
        found["occupancy"]["best_second"].count == 0
        and str(found["occupancy"]["best_second"]) == "–"
    )


def test_shuffled_weights_are_drawn_several_times_and_the_model_stays_as_it_was(
    model: Model,
) -> None:
    own, opp = words(boards(3))
    moves = best_two(model.evaluator(own, opp)[0], legal_table(own, opp))
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    names = ("EpsilonPlus", "FullGrad")
    maps = {name: relevance_maps(model, name, own, opp, moves) for name in names}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "TESTED", names)
        patch.setattr(checks, "STAGES", ("heads",))
        found = checks.randomised(model, maps, Positions(own, opp, moves), 0, shuffles=2)
    for name in names:
        drawn = [
            mean for mean in found[name]["heads"]["by_shuffle"] if np.isfinite(mean)
        ]  # a dead head has no ranks
        assert len(found[name]["heads"]["by_shuffle"]) == 2 and len(set(drawn)) == len(drawn) > 0
        assert min(drawn) - 1e-9 <= found[name]["heads"]["correlation"].mean <= max(drawn) + 1e-9
    assert all(
        (tensor == before[name]).all() for name, tensor in model.network.state_dict().items()
    )


@pytest.mark.parametrize("place", [CORNERS, EDGES], ids=["corners", "edges"])
def test_proved_moves_are_the_only_best_ones_by_trying_everything(place: Any) -> None:
    own, opp = words(boards(60, empties=6))
    games = Games(own, opp, np.arange(60, dtype=np.int32))
    mine, theirs, pairs = proved_moves(games, place, 5, 0, Solver(8, 12))
    assert len(pairs)
    for o, p, (move, other) in zip(mine, theirs, pairs.tolist()):
        board = board_of(o, p)
        scores = {m: -exhaustive(board.play(m)) for m in board.legal_moves()}
        assert place[move] and not place[other]
        assert all(scores[m] < scores[move] for m in scores if m != move)
        assert scores[other] == max(score for m, score in scores.items() if not place[m])


def exhaustive(board: Board) -> int:
    """The slow twin of the solver: the score for the side to move."""
    if board.is_over:
        return board.score() if board.side == "X" else -board.score()
    return max(-exhaustive(board.play(action)) for action in board.legal_actions())


def test_no_position_is_measured_twice_in_any_turn(model: Model) -> None:
    single = boards(1, seed=2)[0]
    turned = [
        board_of(transform_word(single.own, symmetry), transform_word(single.opp, symmetry))
        for symmetry in SYMMETRIES
    ]
    own, opp = words([*turned, *boards(3, seed=3)])
    games = Games(own, opp, np.arange(len(own), dtype=np.int32))
    found = one_a_game(games, 99, 0, empties=(0, 64))
    keys = {canonical(state) for state in positions.states_of(*found)}
    assert len(found[0]) == len(keys) == 4


def test_one_unit_has_a_mean_and_no_interval() -> None:
    found = bootstrap(np.array([2.0, np.nan]))
    assert found.mean == 2 and "no interval" in str(found)
    assert statistics.highest({"a": bootstrap(np.array([])), "b": found}) == "b"


@given(st.lists(st.floats(-1, 1), min_size=64, max_size=64))
def test_words_for_a_map_name_its_heaviest_square(values: list[float]) -> None:
    relevance = np.array(values).reshape(8, 8)
    text = alt.of_map(relevance, "x")
    heaviest = int(np.argsort(-np.abs(relevance.ravel()), kind="stable")[0])
    assert ("nothing" in text) == (not relevance.any())
    assert not relevance.any() or "abcdefgh"[heaviest % 8] + str(heaviest // 8 + 1) in text


def test_the_stages_of_the_network_hand_on_what_their_biases_do_not_keep(model: Model) -> None:
    asked = [Target("value", size=8)]
    (found,) = explain_many(model, [BOARD_31], asked, composite="EpsilonPlus", layers=True)
    stages = board31.by_stage(found)
    below = float(found.squares.sum())
    for held in stages.values():
        assert held["relevance"] - held["bias"] == pytest.approx(below, abs=1e-5)
        below = held["relevance"]
    assert below == pytest.approx(found.value)
    assert sum(held["bias"] for held in stages.values()) == pytest.approx(found.bias_total)
    for name in ("blocks.0", "blocks.3"):
        conv = next(each for each in found.accounts if each.name == f"{name}.conv2")
        assert stages[name]["own"] == conv.relevance
