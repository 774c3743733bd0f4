"""Squares and transcripts as text, there and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from othello.errors import OthelloError, ParseError
from othello.rules.notation import (
    format_moves,
    parse_moves,
    parse_placement,
    parse_square,
    square_name,
)


@given(st.sampled_from([4, 6, 8]), st.data())
def test_squares_survive_printing_and_parsing(size: int, data: st.DataObject) -> None:
    action = data.draw(st.integers(0, size * size))
    assert parse_square(square_name(action, size), size) == action
    assert parse_square(square_name(action, size).upper(), size) == action


@given(st.sampled_from([4, 6, 8]), st.data())
def test_transcripts_survive_printing_and_parsing(size: int, data: st.DataObject) -> None:
    actions = tuple(data.draw(st.lists(st.integers(0, size * size), max_size=60)))
    assert parse_moves(format_moves(actions, size, passes=True), size) == actions
    assert parse_moves(format_moves(actions, size), size) == tuple(
        a for a in actions if a != size * size
    )


@pytest.mark.parametrize(
    "text",
    [
        "F5D6C3",
        "f5 d6\tc3\n",
        "1. f5 d6 2. c3",
        "1.f5 2.d6 3.c3",
        "1) f5, 2) d6; 3: c3",
        "1 f5 2 d6 3 c3",
    ],
)
def test_white_space_case_and_move_numbers_do_not_matter(text: str) -> None:
    assert parse_moves(text) == (37, 43, 18)


@pytest.mark.parametrize("word", ["--", "pa", "PS", "pass", "Pass"])
def test_a_pass_has_several_spellings(word: str) -> None:
    assert parse_moves(f"f5{word}d6") == (37, 64, 43)
    assert parse_square(word, 6) == 36


@pytest.mark.parametrize(
    "text, place", [("f5x6", 3), ("f5 d9", 4), ("f55d6", 3), ("f5 d6 ²", 7), ("f", 1), ("12", 1)]
)
def test_a_bad_transcript_says_the_character(text: str, place: int) -> None:
    with pytest.raises(ParseError, match=re.escape(f"character {place}")):
        parse_moves(text)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_by_a_documented_error(text: str) -> None:
    for read in (parse_moves, parse_square, parse_placement):
        try:
            read(text)
        except OthelloError as error:
            assert len(str(error)) < 400 and "\n" not in str(error)
