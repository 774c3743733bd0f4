"""The controls that explanations are measured against: nearness to the move, a static table, the discs' owners."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.experiments import disc_worth, nearness, results, runner
from app.experiments.attributions import METHODS, TARGETS, relevance_maps
from app.experiments.corruption import CORRUPTIONS
from app.experiments.positions import BOARD_31, Games, Positions, states_of, words_of
from app.experiments.rules_truth import SETS
from app.experiments.statistics import Interval, bootstrap
from app.experiments.studies import board31, composite_choice, prior
from app.experiments.studies.ground_truth import agreement, by_rule
from app.experiments.tables import flat, intervals
from app.explain.ask import explain
from othello.rules.board import Board
from othello.rules.notation import parse_square

if TYPE_CHECKING:
    from app.models import Model


def played(count: int, seed: int = 4) -> tuple[Any, Any, Any]:
    """Positions of random games with a legal move each: words [P] of both sides, moves [P]."""
    random, found, moves = np.random.default_rng(seed), [], []
    while len(found) < count:
        board = Board.initial()
        for _ in range(int(random.integers(8, 40))):
            if board.is_over:
                break
            board = board.play(int(random.choice(board.legal_actions())))
        if board.legal_moves():
            found.append(board)
            moves.append(int(random.choice(board.legal_moves())))
    own, opp = (
        np.array([getattr(board, side) for board in found], np.uint64) for side in ("own", "opp")
    )
    return own, opp, np.array(moves, np.int64)


def king_steps(a: int, b: int) -> int:
    """A king's steps between two squares, counted by rows and columns."""
    return max(abs(a // 8 - b // 8), abs(a % 8 - b % 8))


def test_a_map_of_nothing_but_distance_is_chance_among_discs_as_far_from_the_move_as_each_other() -> (
    None
):
    own, opp, moves = played(40)
    maps = {"nearness again": np.broadcast_to(nearness.controls(moves)["nearness"], (1, 40, 64))}
    samples, hardest = by_rule(maps, Positions(own, opp, moves[:, None]), TARGETS[0])
    found = intervals(samples, 0)
    assert set(hardest.values()) <= {"nearness", "nearness on its lines"}
    for kind in SETS:
        entry = found["nearness again"][kind]
        assert (
            entry["equal_distance"].mean == pytest.approx(0.5) and entry["over_nearness"].mean == 0
        )
    assert found["nearness again"]["flipped"]["detection"].mean > 0.85
    assert found["even spread"]["flipped"]["detection"].mean == 0.5
    assert (
        found["nearness on its lines"]["flipped"]["detection"].mean
        > found["nearness"]["flipped"]["detection"].mean
    )


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_detection_at_equal_distance_counts_the_pairs_that_are_equally_far(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, move = random.integers(-3, 4, 64).astype(float), int(random.integers(64))
    among, where = random.random(64) < 0.3, random.random(64) < 0.5
    won = [
        (abs(scores[a]) > abs(scores[b])) + (abs(scores[a]) == abs(scores[b])) / 2
        for a in np.flatnonzero(among & where).tolist()
        for b in np.flatnonzero(among & ~where).tolist()
        if a != move != b and king_steps(a, move) == king_steps(b, move)
    ]
    found = nearness.at_equal_distance(scores[None], where[None], among[None], np.array([move]))
    assert found[0] == pytest.approx(np.mean(won)) if won else np.isnan(found[0])


def test_discs_that_are_heavy_because_they_are_near_do_not_stand_out() -> None:
    b6 = parse_square("b6")
    near = 1 / np.maximum(nearness.STEPS[b6], 1.0).reshape(8, 8)
    turned, discs = board31.flipped(BOARD_31, b6), board31.occupied(BOARD_31)
    by_distance = board31.against_chance(near, discs, b6, 0)
    assert by_distance["p"] < 0.05 and by_distance["p_as_near"] == 1
    assert "do not stand out" in board31.stands_out(by_distance, "b6")
    beyond_distance = board31.against_chance(near + turned, discs, b6, 0)
    assert beyond_distance["p_as_near"] < 0.05 and "they stand out" in board31.stands_out(
        beyond_distance, "b6"
    )


def test_the_static_table_is_measured_beside_every_map_of_worth() -> None:
    own, opp, _ = played(20)
    table, discs = disc_worth.static_table(own, opp), states_of(own, opp) != 0
    assert (np.sign(table) == states_of(own, opp)).all() and set(np.unique(abs(table))) <= {
        0,
        1,
        2,
        3,
    }
    worth = table + np.random.default_rng(0).normal(0, 0.1, table.shape)
    rows = {"the worth itself": worth, disc_worth.STATIC: table}
    samples, hardest = agreement(rows, worth, discs, np.ones(20, bool))
    found = intervals(samples, 0)
    assert set(hardest.values()) == {disc_worth.STATIC}
    assert (
        found["the worth itself"]["over_table"].low > 0
        and found["the worth itself"]["signed_over_table"].low > 0
    )
    assert found[disc_worth.STATIC]["over_table"].mean == 0


def test_the_owner_swap_is_what_the_network_says_with_one_disc_of_the_other_colour(
    model: Model,
) -> None:
    own, opp, moves = played(5)
    pairs = np.stack([moves, moves], 1)
    found = relevance_maps(model, disc_worth.SWAP, own, opp, pairs)[0]
    states = states_of(own, opp)
    assert (found[states == 0] == 0).all() and np.abs(found).max() > 0.01
    row, square = 3, int(np.abs(found[3]).argmax())
    swapped = states[[row]].copy()
    swapped[0, square] *= -1
    values = [
        model.evaluator(*pair)[1][0] for pair in ((own[[row]], opp[[row]]), words_of(swapped))
    ]
    assert found[row, square] == pytest.approx(values[0] - values[1], abs=1e-6)


def test_geometry_alone_puts_the_x_squares_first_and_the_words_say_so() -> None:
    ours, theirs = prior.residual_prior(4), prior.plain_prior()
    assert np.unravel_index(ours.argmax(), ours.shape) == (1, 1)
    assert prior.landmarks(ours)["x_square"] > 1.1 and "X-squares" in prior.darkest(ours)
    assert prior.darkest(theirs) == "in the centre"


def test_the_study_names_a_method_that_is_no_composite_and_scores_higher_than_its_choice() -> None:
    names = list(METHODS)
    means = {"EpsilonPlus": 0.9, "integrated gradients": 1.0, "occlusion": 0.5}
    noise = np.random.default_rng(1).normal(
        0, 0.05, (len(names), len(TARGETS), len(CORRUPTIONS), 50)
    )
    gains = noise + np.array([means.get(name, 0.1) for name in names])[:, None, None, None]

    def cell(place: int, corruption: int, target: int) -> Interval:
        mean = float(gains[place, target, corruption].mean())
        return Interval(mean, mean - 0.1, mean + 0.1, 50)

    table: dict[str, dict[str, dict[str, Interval]]] = defaultdict(lambda: defaultdict(dict))
    for place, c, t in np.ndindex(gains.shape[0], len(CORRUPTIONS), len(TARGETS)):
        table[names[place]][CORRUPTIONS[c]][TARGETS[t]] = cell(place, c, t)
    found = composite_choice.beyond(gains, names, table, "EpsilonPlus", 0)
    assert found["rival"] == "integrated gradients" and found["difference"].low > 0
    assert found["ahead_in"] == found["columns"] == 9 and found["empty_squares"] == 3
    assert found["score"].mean == pytest.approx(1, abs=0.02)


def test_squares_that_a_symmetry_exchanges_share_a_weight_and_only_those() -> None:
    kinds = disc_worth.CLASSES.reshape(8, 8)
    assert (kinds == kinds.T).all() and (kinds == kinds[::-1]).all()
    assert len(np.unique(kinds)) == 10 and kinds[0, 0] == kinds[7, 7] != kinds[1, 1]


def test_a_fitted_table_finds_the_weights_of_a_network_that_is_a_table(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(3)
    kinds = random.normal(size=(2, 10))
    kinds[1, 9] = -kinds[
        0, 9
    ]  # the four squares in the middle are never empty, so only this much is known
    weights = kinds[:, disc_worth.CLASSES]  # [owner, 64]

    def said(model: Any, own: Any, opp: Any, moves: Any) -> Any:
        states = states_of(own, opp)
        total = ((states == 1) * weights[0] + (states == -1) * weights[1]).sum(1)
        return np.stack([total, 2 * total, -total])

    monkeypatch.setattr(disc_worth, "readings", said)
    monkeypatch.setattr(disc_worth, "STAGE", 65)  # one table for the whole game
    monkeypatch.setattr(disc_worth, "RIDGE", 1e-6)
    own, opp, moves = played(800)
    games = Games(own, opp, np.arange(800, dtype=np.int32))
    at = Positions(own[:40], opp[:40], np.stack([moves, moves], 1)[:40])
    found = disc_worth.fitted_table(model, games, at)
    states = at.states
    right = (states == 1) * weights[0] + (states == -1) * weights[1]
    assert (found[:, states == 0] == 0).all()
    np.testing.assert_allclose(found[0], right, atol=1e-3)
    np.testing.assert_allclose(found[1], 2 * found[0], atol=1e-9)


def test_a_fitted_table_never_sees_the_positions_it_is_measured_on(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[tuple[int, int]]] = []

    def said(model: Any, own: Any, opp: Any, moves: Any) -> Any:
        seen.append(set(zip(own.tolist(), opp.tolist())))
        return np.zeros((3, len(own)))

    monkeypatch.setattr(disc_worth, "readings", said)
    own, opp, moves = played(60)
    games = Games(own, opp, np.arange(60, dtype=np.int32))
    at = Positions(own[:10], opp[:10], np.stack([moves, moves], 1)[:10])
    disc_worth.fitted_table(model, games, at)
    assert not seen[0] & set(zip(at.own.tolist(), at.opp.tolist())) and len(seen[0]) > 20


@pytest.mark.parametrize(("name", "table"), [("rules", "srg"), ("heads", "layers")])
def test_anyone_can_draw_the_intervals_again_from_the_exported_values(
    name: str, table: str, model: Model, tmp_path: Path
) -> None:
    record, _ = runner.run(name, runner.Request(tmp_path, positions=4, quick=True))
    (file,) = record["each"]
    with np.load(tmp_path / f"{file}.npz") as stored:
        positions, columns, values = (stored[key] for key in ("positions", "columns", "values"))
    assert values.shape == (4, len(columns)) and all(Board.parse(p).empties for p in positions)
    place = list(columns).index("random | value" if name == "rules" else "input")
    found = bootstrap(values[:, place].astype(float)).to_dict()
    expected = (
        record["numbers"][table]["random"][0]
        if name == "rules"
        else record["numbers"][table]["input"]
    )
    assert found == pytest.approx(expected, rel=1e-4)
    with (tmp_path / f"{file}.csv").open(newline="", encoding="utf-8") as text:
        rows = list(csv.reader(text))
    assert rows[0] == ["position", *columns] and [row[0] for row in rows[1:]] == list(positions)
    np.testing.assert_allclose(
        [[float(x) for x in row[1:]] for row in rows[1:]], values, rtol=1e-4, atol=1e-12
    )
    (tmp_path / f"{file}.csv").unlink()
    assert results.stored(tmp_path, name) is None


def test_samples_of_any_depth_have_intervals_in_their_own_shape() -> None:
    samples = {"a": {"x": np.arange(5.0)}, "b": np.ones(3)}
    found = intervals(samples, 0)
    assert found["a"]["x"].mean == 2 and found["b"].mean == 1
    assert list(flat(samples)) == ["a | x", "b"]


def test_only_a_flat_first_layer_gives_a_plane_relevance_where_it_is_zero(model: Model) -> None:
    dark = {
        name: board31.share_where_dark(model, explain(model, BOARD_31, "value", composite=name))
        for name in ("EpsilonPlus", "EpsilonPlusFlat")
    }
    assert set(dark["EpsilonPlus"]) == {"own", "opponent", "legal", "opponent legal"}
    assert not any(dark["EpsilonPlus"].values()) and min(dark["EpsilonPlusFlat"].values()) > 0.4


def test_the_numbers_in_the_readme_are_those_of_the_experiments_files() -> None:
    root = Path(__file__).parents[3]
    rules, truth = (
        json.loads((root / "docs" / "experiments" / f"{name}.json").read_text("utf-8"))["numbers"]
        for name in ("rules", "ground-truth")
    )
    srg = rules["srg"]
    found = truth["by_solver"]["methods"]
    best = max(
        found[name]["rank_correlation"]["mean"]
        for name in METHODS
        if name not in disc_worth.CONTROLS
    )
    named = [
        srg["minus occupancy"][0]["mean"],
        srg[disc_worth.SWAP][0]["mean"],
        srg[rules["best"][0]][0]["mean"],
        found[disc_worth.SWAP]["rank_correlation"]["mean"],
        best,
    ]
    words = (root / "README.md").read_text("utf-8").partition("controls that need none")[2]
    written = re.findall(r"\d\.\d\d", words)[: len(named)]
    assert written == [f"{value:.2f}" for value in named]
