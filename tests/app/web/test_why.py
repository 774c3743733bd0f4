"""Why this move: the answer is drawn as it is, a chip names the squares to outline, and details wait to be unfolded."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest

from app.web.views.why import Chip, Why

WHY = Why(
    "Black takes the corner *a1*, which nobody can turn.",
    (
        Chip("corner", (0,), "+2.1 discs"),
        Chip("turns a wall", (9, 17, 25), "+0.8 discs"),
        Chip("<b>x</b>", (63,), "−0.3 discs"),
        Chip("a fourth", (5,), "+0.1 discs"),
    ),
    "72 % for black, by about 6 discs.",
)
SOURCE = """
import streamlit as st
from app.web.components import parts
from app.web.views import why
from othello.rules.board import Board

answer = st.session_state["answer"]
parts.board(Board.initial(), key="board", over={"outlined": why.outlined(answer)})
st.session_state["outlined"] = why.outlined(answer)
why.draw(answer, view=lambda: st.caption("the map"), biases=lambda: st.caption("the biases"))
"""


def page(why: Why) -> AppTest:
    """The answer under a board."""
    test = AppTest.from_string(SOURCE, default_timeout=60)
    test.session_state["answer"] = why
    test.run()
    assert not test.exception
    return test


def words(test: AppTest) -> str:
    """All words on the page, with the backslashes of Markdown taken off."""
    found = [str(one.value) for one in [*test.markdown, *test.caption]]
    return "\n".join(found).replace("\\", "")


def test_the_sentence_the_expectations_and_three_chips_are_drawn_letter_by_letter() -> None:
    test = page(WHY)
    assert WHY.sentence in words(test) and WHY.expectations in words(test)
    (group,) = test.button_group
    shown = [option.replace("\\", "").replace("\u2060", "") for option in group.options]
    assert shown == ["corner · +2.1 discs", "turns a wall · +0.8 discs", "<b>x</b> · −0.3 discs"]
    assert not any("<b>" in option for option in group.options)


def test_a_chip_outlines_its_squares_and_lets_them_go_again() -> None:
    test = page(WHY)
    assert test.session_state["outlined"] == ()
    for chip in WHY.chips[:3]:
        test.button_group[0].set_value(chip.words).run()
        assert test.session_state["outlined"] == chip.squares
    test.button_group[0].set_value(None).run()
    assert test.session_state["outlined"] == ()


def test_a_chip_that_was_not_offered_outlines_nothing() -> None:
    test = AppTest.from_string(SOURCE, default_timeout=60)
    test.session_state["answer"] = WHY
    test.session_state["why_chips"] = "a fourth · +0.1 discs"
    test.run()
    assert not test.exception and test.session_state["outlined"] == ()


def test_the_networks_view_is_folded_away_and_the_biases_within_it() -> None:
    test = page(WHY)
    assert "the map" not in words(test) and "the biases" not in words(test)
    test.session_state["why_view"] = True
    test.run()
    assert "the map" in words(test) and "the biases" not in words(test)
    test.toggle[0].set_value(True).run()
    assert "the biases" in words(test)


@pytest.mark.parametrize("why", [Why("Its only move."), Why("Passed.", expectations="Even.")])
def test_an_answer_without_reasons_has_no_row_of_chips(why: Any) -> None:
    test = page(why)
    assert why.sentence in words(test) and len(test.button_group) == 0
