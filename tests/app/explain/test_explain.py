"""Explanations of positions and searches: ledgers that close, maps that mean what they say."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.explain.ask import explain
from app.explain.composites import build_composite, composite_names
from app.explain.network import explain_many
from app.explain.overrides import Override, join, split
from app.explain.search import explain_tree, move_weights
from app.explain.targets import Target
from app.present import board_png, board_svg
from app.present.colormap import colour, fills, ink, number
from app.present.sentences import explanation_words, value_words
from lrp.bias import MODES
from lrp.errors import CompositeError, LRPError, RuleError
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.search import Search

if TYPE_CHECKING:
    from app.models import Model


def positions(count: int, seed: int = 1) -> list[Board]:
    """Positions of random games in which the side to move has a move."""
    source, boards = random.Random(seed), []
    while len(boards) < count:
        board = Board.initial()
        for _ in range(source.randrange(1, 56)):
            if board.is_over:
                break
            board = board.play(source.choice(board.legal_actions()))
        if board.legal_moves():
            boards.append(board)
    return boards


def best_moves(model: Model, boards: list[Board]) -> list[Target]:
    """The policy targets of the network's first choices."""
    own = np.array([board.own for board in boards], np.uint64)
    logits, _ = model.evaluator(own, np.array([board.opp for board in boards], np.uint64))
    return [
        Target("policy", max(b.legal_moves(), key=lambda s, row=row: row[s]))
        for b, row in zip(boards, logits)
    ]


@pytest.mark.parametrize("composite", ["EpsilonPlus", "EpsilonPlusFlat"])
@pytest.mark.parametrize("kind", ["value", "best move"])
def test_the_ledger_closes_on_200_positions_without_a_nan(
    composite: str, kind: str, model: Any
) -> None:
    boards = positions(200)
    targets = [Target("value")] * 200 if kind == "value" else best_moves(model, boards)
    for found in explain_many(model, boards, targets, composite=composite):
        assert np.isfinite(found.squares).all() and np.isfinite(found.bias_squares).all()
        assert abs(found.closure) <= 1e-4 * found.size


@pytest.mark.parametrize("composite", composite_names())
@pytest.mark.parametrize("bias", ["sink", "absorb", "project", "proportional", "uniform"])
def test_every_composite_and_bias_mode_closes(composite: str, bias: str, model: Any) -> None:
    found = explain(model, Board.parse("f5d6c3d3c4f4f6"), "value", composite=composite, bias=bias)
    assert abs(found.closure) <= 1e-4 * max(found.size, abs(found.value))


def test_the_target_is_the_networks_own_number(model: Any) -> None:
    boards = positions(20, seed=2)
    own = np.array([board.own for board in boards], np.uint64)
    logits, values = model.evaluator(own, np.array([board.opp for board in boards], np.uint64))
    worth = [found.value for found in explain_many(model, boards, [Target("value")] * 20)]
    np.testing.assert_allclose(np.tanh(worth), values, atol=2e-4)
    for board, row, target in zip(boards, logits, best_moves(model, boards)):
        found = explain(model, board, target, symmetric=False)
        assert found.value == pytest.approx(row[target.action], abs=2e-3)


def test_a_batch_explains_as_one_by_one_does(model: Any) -> None:
    boards = positions(5, seed=3)
    together = explain_many(model, boards, [Target("value")] * 5)
    for board, found in zip(boards, together):
        alone = explain(model, board, "value", symmetric=False)
        np.testing.assert_allclose(alone.squares, found.squares, atol=1e-5)


def test_a_contrast_is_the_difference_of_two_targets(model: Any) -> None:
    board = Board.parse("f5")
    contrast, first, second = (
        explain(model, board, t).value for t in ("policy:d6-f4", "policy:d6", "policy:f4")
    )
    assert contrast == pytest.approx(first - second, abs=1e-4)


def test_sink_and_absorb_give_one_map_and_project_moves_the_bias_to_the_squares(model: Any) -> None:
    board = Board.parse("f5d6c3")
    sink, absorb, project = (
        explain(model, board, "value", bias=mode) for mode in ("sink", "absorb", "project")
    )
    np.testing.assert_array_equal(sink.squares, absorb.squares)
    assert sink.bias and project.squares.sum() == pytest.approx(
        project.value - project.stabilizer, rel=1e-3, abs=1e-4
    )


def test_on_the_empty_board_everything_is_bias(model: Any) -> None:
    found = explain(model, Board(0, 0), "value", composite="EpsilonPlus")
    assert not found.squares.any()
    assert found.bias_total + found.stabilizer == pytest.approx(found.value, abs=1e-4)
    assert "biases" in explanation_words(found)


def test_q_is_the_mean_over_the_tree_and_its_ledger_closes(model: Any) -> None:
    board = positions(1, seed=9)[0]
    search = Search(model.evaluator, seed=0)
    result = search.run(board, simulations=120)
    tree = search.tree()
    for move in result.moves[:3]:
        weights, q = move_weights(tree, move.square, 8)
        assert q == pytest.approx(move.q, abs=1e-5)
        assert np.abs(weights).sum() == pytest.approx(1.0, abs=1e-6)
        assert float((weights * tree.value).sum()) == pytest.approx(q, abs=1e-4)
        found = explain_tree(
            model, board, Target("q", move.square), tree, composite="EpsilonPlus", bias="sink"
        )
        assert abs(found.closure) <= 1e-4 * max(found.size, 1.0)


def test_q_near_the_end_rests_on_solved_positions(model: Any) -> None:
    board = next(board for board in positions(400, seed=4) if board.empties == 8)
    best = (
        Search(model.evaluator).run(board, simulations=50).moves[0].square
    )  # one that the search visits
    found = explain(model, board, Target("q", best), simulations=50)
    assert found.exact == pytest.approx(found.value, abs=1e-6) and not found.squares.any()


@pytest.mark.parametrize(
    "text", ["value", "policy:c4", "policy:c4-d3", "q:c4", "q:pass", "policy:pass-a1"]
)
def test_targets_read_back_what_they_print(text: str) -> None:
    assert str(Target.parse(text)) == text and Target.parse(
        str(Target.parse(text.upper()))
    ) == Target.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_a_target_or_a_parse_error(text: str) -> None:
    try:
        target = Target.parse(text)
    except ParseError as error:
        assert "accepted" in str(error) and len(str(error).splitlines()) <= 2
    else:
        assert Target.parse(str(target)) == target


def test_unknown_names_are_refused_with_what_is_known(model: Any) -> None:
    with pytest.raises(CompositeError, match="EpsilonPlus"):
        build_composite("Epsilon+")
    with pytest.raises(RuleError, match="sink"):
        explain(model, Board.initial(), "value", bias="lost")
    assert set(MODES) >= {"sink", "absorb", "ignore"}
    with pytest.raises(ParseError, match="illegal"):
        explain(model, Board.initial(), "policy:a1")


@given(st.floats(-2, 2), st.floats(0.01, 10))
def test_colours_are_symmetric_about_neutral(value: float, scale: float) -> None:
    assert colour(0.0, scale) == "#f7f7f7"
    scaled, plain = colour(value * scale, scale), colour(value, 1.0)
    apart = [int(scaled[i : i + 2], 16) - int(plain[i : i + 2], 16) for i in (1, 3, 5)]
    assert (
        max(map(abs, apart)) <= 1
    )  # a share that falls between two shades may be rounded either way
    red, blue = colour(abs(value), 1.0), colour(-abs(value), 1.0)
    if abs(value) > 0.2:
        assert int(red[1:3], 16) > int(red[5:7], 16) and int(blue[1:3], 16) < int(blue[5:7], 16)


@given(st.floats(-1, 1))
def test_numbers_stay_readable_on_their_square(value: float) -> None:
    def luminance(paint: str) -> float:
        parts = [int(paint[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    square = colour(value, 1.0)
    dark, light = sorted((luminance(square), luminance(ink(square))))
    assert (light + 0.05) / (dark + 0.05) >= 4.5
    assert len(number(value, 1.0)) <= 5


def test_words_claim_no_more_than_the_numbers(model: Any) -> None:
    for board in positions(30, seed=5):
        found = explain(model, board, "value")
        words = explanation_words(found)
        squares, bias = found.squares.sum(), found.bias_total
        if squares * bias > 0 and abs(bias) > 1.01 * (abs(squares) + abs(found.stabilizer)):
            assert "is held by biases that this board switches on" in words
        assert "not from this board" not in words
        heaviest = int(np.argmax(np.abs(found.squares)))
        assert square_name(heaviest) in words
    assert value_words(Board.initial(), 0.0) == "Agent: 50 % for black"


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=30), st.sampled_from([4, 6, 8]))
def test_svg_escapes_every_text_it_is_given(text: str, size: int) -> None:
    from xml.etree import ElementTree

    printable = "".join(c for c in text if c.isprintable())
    drawn = board_svg.board(
        Board.initial(size),
        text={0: printable},
        title=printable,
        fill={1: "#123456"},
        dots=[2],
        last=3,
    )
    root = ElementTree.fromstring(drawn)
    assert len(root.findall(".//{*}rect")) == 1 + size * size + 1 and not root.findall(
        ".//{*}script"
    )
    assert len(root.findall(".//{*}circle")) == 4 + 1


def test_the_raster_shows_discs_fills_and_marks_where_svg_does() -> None:
    board = Board.initial()
    image = board_png.picture(
        board, size=360, fill={0: "#ff0000"}, last=27, text={1: "+.1"}, caption="value"
    )
    cell, margin = 360 // 9, (360 - 8 * (360 // 9)) // 2
    assert image.getpixel((margin + 5, margin + 5)) == (255, 0, 0)
    middle = [margin + int(3.5 * cell), margin + int(3.5 * cell)]
    assert (
        image.getpixel(tuple(middle))[0] > 240
        and image.getpixel((middle[0] + cell, middle[1]))[0] < 40
    )
    assert board_png.png(image).startswith(b"\x89PNG")


def test_fills_of_a_zero_map_are_neutral() -> None:
    assert set(fills(np.zeros((8, 8))).values()) == {"#f7f7f7"}


def test_the_change_of_a_move_is_the_difference_of_two_explanations(model: Model) -> None:
    board = Board.parse("f5d6c3d3")
    for move in board.legal_moves()[:3]:
        found = explain(model, board, Target("change", move))
        before, after = explain(model, board), explain(model, board.play(move))
        assert found.value == pytest.approx(-after.value - before.value, abs=1e-6)
        assert np.allclose(found.squares, -after.squares - before.squares, atol=1e-7)
        assert (
            np.allclose(sum(found.planes.values()), found.squares, atol=1e-7)
            and abs(found.closure) < 1e-5
        )


def test_a_move_that_makes_the_other_side_pass_keeps_the_sign(model: Model) -> None:
    board = Board.parse(
        "e6f4e3d2d3e7f2c5d6g1b4c2f5g4d1a3b5b6g5f6c4f3e8h6h4d7b1h5f7f8c7b7g2c3b3b2g8c1h3e1d8a1a4g3a2c6a6a5f1a7c8h1b8h2"
        "e2g6g7"
    )
    after = board.play("a8").pass_turn()
    assert after.side == board.side
    change = explain(model, board, "change:a8").value
    assert change == pytest.approx(
        explain(model, after).value - explain(model, board).value, abs=1e-5
    )


def test_a_move_that_ends_the_game_has_no_change_to_explain(model: Model) -> None:
    board = Board.parse("XO" + "-" * 62 + " X")
    with pytest.raises(ParseError, match="the game ends"):
        explain(model, board, "change:c1")


def test_a_layer_may_have_a_rule_and_a_bias_mode_of_its_own(model: Model) -> None:
    board = Board.parse("f5d6c3d3")
    plain = explain(model, board, layers=True)
    for name in (
        "EpsilonPlus,stem=Gamma:0.25",
        "EpsilonPlus,value_out=/ignore",
        "EpsilonPlus,blocks.*.conv1=AlphaBeta:2",
    ):
        found = explain(model, board, composite=name, layers=True)
        assert found.value == pytest.approx(plain.value, abs=1e-5) and abs(found.closure) < 1e-4
        assert not np.allclose(found.squares, plain.squares, atol=1e-7) and found.composite == name
    assert "value_out" not in explain(model, board, composite="EpsilonPlus,value_out=/ignore").bias
    everywhere = explain(model, board, composite="EpsilonPlus,*=Flat")
    assert np.allclose(
        everywhere.squares, explain(model, board, composite="EpsilonPlus,*=Flat,stem=Flat").squares
    )


@pytest.mark.parametrize(
    "text",
    [
        "stem",
        "=Flat",
        "stem=",
        "stem=Foo",
        "stem=Gamma:x",
        "stem=Gamma:1:2",
        "stem=Gamma/foo",
        "nolayer=Flat",
        "relu=Flat",
        "stem=Gamma:-1",
        "stem=Gamma:nan",
        "stem=AlphaBeta:0",
    ],
)
def test_a_layer_rule_that_cannot_be_is_refused(text: str, model: Model) -> None:
    with pytest.raises(LRPError):
        explain(model, Board.initial(), composite=f"EpsilonPlus,{text}")


@given(
    st.lists(
        st.builds(
            Override,
            st.sampled_from(["stem", "blocks.*.conv1", "value_out"]),
            st.sampled_from(["Flat", "Gamma:0.5", "Epsilon:1e-06", "ZBox:0:1"]),
            st.sampled_from(["", "sink", "uniform"]),
        ),
        max_size=4,
    )
)
def test_overrides_are_read_as_they_were_written(overrides: list[Override]) -> None:
    assert split(join("EpsilonPlus", overrides)) == ("EpsilonPlus", tuple(overrides))


def test_the_accounts_of_the_layers_close_and_end_in_the_target(model: Model) -> None:
    found = explain(model, Board.parse("f5d6c3"), layers=True)
    assert all(abs(account.closure) < 1e-5 for account in found.accounts)
    assert {account.name for account in found.accounts if account.weights} == {
        "stem",
        *found.bias,
    }  # ZBox has none
    last = next(account for account in found.accounts if account.name == "value_out")
    assert last.relevance == pytest.approx(found.value, abs=1e-5)
    assert sum(account.bias for account in found.accounts) == pytest.approx(
        found.bias_total, abs=1e-6
    )


def test_the_sentence_mentions_what_stabilizers_keep(model: Model) -> None:
    found = replace(explain(model, Board.parse("f5d6c3")), stabilizer=1.0)
    assert "The stabilizers keep" in explanation_words(found)
