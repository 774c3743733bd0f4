"""An explanation as an element of a vector space, and means over the board's eight symmetries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.explain.ask import explain
from app.explain.composites import explainer_of
from app.explain.explanation import Explanation, LayerAccount
from app.explain.move_effect import explain_change
from app.explain.network import explain_many
from app.explain.targets import Target
from app.models import Model
from app.present.sentences import explanation_words
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.rules.symmetry import SYMMETRIES, inverse, transform_board, transform_planes
from tests.app.explain.test_explain import positions

PARTS = ("value", "squares", "planes", "bias", "bias_maps", "stabilizer", "given", "layers")


def assert_alike(one: Explanation, other: Explanation, tolerance: float = 1e-9) -> None:
    """All numbers of two explanations agree."""
    for name in PARTS:
        mine, theirs = getattr(one, name), getattr(other, name)
        if not isinstance(mine, dict):
            mine, theirs = {"": mine}, {"": theirs}
        assert set(mine) == set(theirs), name
        for part, number_or_map in mine.items():
            np.testing.assert_allclose(number_or_map, theirs[part], atol=tolerance, err_msg=name)
    for a, b in zip(one.accounts, other.accounts, strict=True):
        assert (a.name, a.weights) == (b.name, b.weights)
        ours, others = ([x.relevance, x.bias, x.stabilizer, x.closure] for x in (a, b))
        np.testing.assert_allclose(ours, others, atol=tolerance)


@pytest.fixture(scope="module")
def three(model: Model) -> list[Explanation]:
    """Explanations of three positions with everything that one can hold."""
    boards = positions(3, seed=12)
    found = explain_many(model, boards, [Target("value")] * 3, layers=True)
    return [replace(one, given={"solved": 0.25 * n}) for n, one in enumerate(found)]


@settings(max_examples=20, deadline=None)
@given(st.floats(-4, 4), st.floats(-4, 4))
def test_explanations_are_a_vector_space(three: list[Explanation], s: float, t: float) -> None:
    a, b, c = three
    assert_alike((a + b) + c, a + (b + c))
    assert_alike(a + b, b + a)
    assert_alike(s * (a + b), s * a + s * b)
    assert_alike((s + t) * a, s * a + t * a)
    assert_alike(s * (t * a), (s * t) * a)
    assert_alike(a - a, 0.0 * a)
    assert_alike((s * a - b).mirrored(), s * a.mirrored() - b.mirrored())
    total = s * a + t * b
    assert total.closure == pytest.approx(s * a.closure + t * b.closure, abs=1e-9)
    assert (total.board, total.target) == (a.board, a.target)


def test_a_part_that_one_explanation_lacks_counts_as_nothing(three: list[Explanation]) -> None:
    whole, bare = three[1], replace(three[2], bias={}, bias_maps={}, layers={}, accounts=())
    both = whole + bare
    assert both.bias == whole.bias and both.accounts == whole.accounts
    assert both.layers.keys() == whole.layers.keys()
    assert (bare + whole).bias == whole.bias
    one = LayerAccount("stem", 1.0, 2.0, 3.0, 4.0, True)
    assert 2.0 * one + one == LayerAccount("stem", 3.0, 6.0, 9.0, 12.0, True)


def test_mirrored_is_the_other_sides_view(three: list[Explanation]) -> None:
    found = three[1]
    other = found.mirrored()
    assert other.value == -found.value and np.array_equal(other.squares, -found.squares)
    np.testing.assert_array_equal(other.planes["own"], -found.planes["opponent"])
    np.testing.assert_array_equal(other.planes["opponent"], -found.planes["own"])
    assert_alike(other.mirrored(), found)


def test_the_start_positions_map_is_symmetric_and_symmetric_moves_get_equal_numbers(
    model: Model,
) -> None:
    start = Board.initial()
    found, plain = explain(model, start), explain(model, start, symmetric=False)
    assert found.symmetric and not plain.symmetric
    for symmetry in (3, 4, 7):  # those that keep the start position
        image = transform_planes(found.squares, symmetry)
        np.testing.assert_allclose(image, found.squares, atol=2e-6)
    assert np.abs(transform_planes(plain.squares, 3) - plain.squares).max() > 1e-3
    for kind in ("policy", "change"):
        alike = [explain(model, start, f"{kind}:{move}") for move in ("d3", "c4", "f5", "e6")]
        values = [one.value for one in alike]
        assert max(values) - min(values) < 2e-5, kind
        moved = transform_planes(alike[0].squares, 4)  # d3 becomes c4
        np.testing.assert_allclose(moved, alike[1].squares, atol=5e-6)


@pytest.mark.parametrize("target", ["value", "policy:c4", "policy:c4-d3", "change:c4"])
def test_a_symmetric_explanation_is_the_mean_of_eight_and_its_ledger_closes(
    target: str, model: Model
) -> None:
    board = Board.parse("f5f6e6f4e3d6")
    legal = board.legal_moves()
    names = {"c4": square_name(legal[0]), "d3": square_name(legal[1])}
    for old, new in names.items():
        target = target.replace(old, new)
    found, question = explain(model, board, target), Target.parse(target)
    images = [
        explain(model, transform_board(board, s), question.turned(s), symmetric=False)
        for s in SYMMETRIES
    ]
    assert found.value == pytest.approx(np.mean([one.value for one in images]), abs=1e-5)
    maps = [transform_planes(one.squares, inverse(s)) for s, one in zip(SYMMETRIES, images)]
    np.testing.assert_allclose(found.squares, np.mean(maps, axis=0), atol=1e-5)
    np.testing.assert_allclose(sum(found.planes.values()), found.squares, atol=1e-9)
    assert abs(found.closure) < 1e-4 * found.size and found.to_dict()["symmetric"] is True
    assert (str(found.board), str(found.target)) == (str(board), target)
    assert "eight symmetries" in explanation_words(found)


def test_a_q_rests_on_one_tree_and_is_no_mean_over_symmetries(model: Model) -> None:
    found = explain(model, Board.parse("f5"), "q:d6", simulations=30)
    assert not found.symmetric and "symmetries" not in explanation_words(found)
    assert set(found.given) == {"solved"} and found.exact == found.given_total


def test_layers_of_a_symmetric_explanation_add_up_like_those_of_a_plain_one(model: Model) -> None:
    found = explain(model, Board.parse("f5d6c3"), layers=True)
    last = next(account for account in found.accounts if account.name == "value_out")
    assert found.symmetric and last.relevance == pytest.approx(found.value, abs=1e-5)
    booked = sum(account.bias for account in found.accounts)
    assert booked == pytest.approx(found.bias_total, abs=1e-6)
    assert found.layers["stem"].sum() == pytest.approx(
        next(one.relevance for one in found.accounts if one.name == "stem"), abs=1e-6
    )


def test_the_change_of_a_move_is_symmetric_where_it_is_asked_to_be(model: Model) -> None:
    board = Board.parse("f5d6c3")
    action = board.legal_moves()[0]
    kinds = {"composite": "EpsilonPlus", "bias": "sink"}
    plain = explain_change(model, board, action, **kinds)
    mean = explain_change(model, board, action, **kinds, symmetric=True)
    assert mean.change.symmetric and not plain.change.symmetric
    assert mean.change.value == pytest.approx(
        mean.sign * mean.after.value - mean.before.value, abs=1e-9
    )
    assert_alike(mean.change, mean.after.mirrored() - mean.before)
    assert str(mean.change.target) == f"change:{square_name(action)}"


def test_an_explainer_is_made_once_and_the_oldest_of_many_is_dropped(model: Model) -> None:
    first = explainer_of(model, "EpsilonPlus", "sink")
    assert explainer_of(model, "EpsilonPlus", "sink") is first
    fresh = Model(model.path, model.sha256, model.meta, model.network)
    made = [fresh.kept(number, object) for number in range(70)]
    assert fresh.kept(69, object) is made[69] and fresh.kept(6, object) is made[6]
    assert fresh.kept(5, object) is not made[5]
