"""Squares and transcripts as text, there and back."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from othello.errors import OthelloError, ParseError
from othello.rules.board import Board
from othello.rules.notation import (
    format_moves,
    parse_moves,
    parse_picture,
    parse_placement,
    parse_square,
    split_score,
    square_name,
)
from tests.othello.positions import random_position


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
        "f5-d6-c3",
        "f5–d6–c3",
        "5f6d3c",
        "5F 6D 3C",
        "1.5f 2.6d 3.3c",
        "1f5 2d6 3c3",
        "ｆ５ｄ６ｃ３",
        "５ｆ　６ｄ　３ｃ",
        "F5D6C3 34-30",
        "f5d6c3 (34:30)",
        "f5 d6 c3 W+4",
        "f5,d6,c3, -3.5",
        "f5d6c3 : 34-30",
        '"f5d6c3"',
        "F5D6C3 *",
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
    for read in (parse_moves, parse_square, parse_placement, parse_picture):
        try:
            read(text)
        except OthelloError as error:
            assert len(str(error)) < 400 and "\n" not in str(error)


def test_a_score_at_the_end_is_of_black_and_no_larger_than_the_board() -> None:
    assert split_score("f5 34-30") == ("f5", 4.0) and split_score("f5 [W+12]") == ("f5", -12.0)
    assert split_score("f5 64-30") == ("f5 64-30", None) and split_score("b1 10-6", 4) == (
        "b1",
        4.0,
    )
    assert split_score("f5 d6") == ("f5 d6", None)


@pytest.mark.parametrize("size", [4, 6, 8])
def test_a_drawn_board_is_read_with_its_coordinates_frames_and_side(size: int) -> None:
    board = random_position(random.Random(size), size, 7)
    rows = [str(board)[row * size : (row + 1) * size] for row in range(size)]
    name = "Black" if board.side == "X" else "White"
    framed = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    right = "\n".join(f" {n} {' '.join(row)} {n}   clock 1:23" for n, row in enumerate(rows, 1))
    round_discs = "\n".join(rows).translate(str.maketrans("XO-", "●○・"))
    bars = framed.replace("-", " ").replace("\n", f"\n+{'---+' * size}\n")
    low = right.replace("-", "_")
    header = f"| {' | '.join('abcdefgh'[:size])} |\n|{'---|' * size}"
    pictures = (board.diagram(), framed, right, f"abcdefgh\n{framed}", bars, low)
    for picture in (*pictures, f"{header}\n{framed}"):
        for said in (f"{name} to move", f"to move: {board.side}", f"{board.side}'s turn"):
            assert Board.parse(f"{picture}\n{said}") == board
    assert Board.parse(f"{round_discs}\n{board.side}") == board
    assert parse_picture("f5\nd6") is None and parse_picture("") is None
