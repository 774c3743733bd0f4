"""`Board` against a slow program of arrays and directions, and its contract."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from othello.errors import IllegalMove, ParseError
from othello.rules.board import Board, Outcome
from tests.othello.positions import boards, random_position

FULL_GAME = (
    "f5d6c3d3c4f4f6g5e6d7e3c5f3e7h5e2c6d2c2b3b4g6a4h6g4h4c7h3d8b5f8b6f7a5a3a2a7c1b7g3g2c8b8e8d1e1f1b2a6a8h2h1g1f2g7g8"
    "a1b1h8h7"
)
PASS_GAME = (
    "e6f4e3d2d3e7f2c5d6g1b4c2f5g4d1a3b5b6g5f6c4f3e8h6h4d7b1h5f7f8c7b7g2c3b3b2g8c1h3e1d8a1a4g3a2c6a6a5f1a7c8h1b8h2e2g6"
    "g7a8"
)  # black must pass at its end; white then has h7 and h8


def slow_flips(grid: list[str], size: int, square: int, side: str) -> list[int]:
    """The squares a move turns over, by walking the eight directions."""
    other = {"X": "O", "O": "X"}[side]
    flips: list[int] = []
    for down, right in [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]:
        row, column, run = square // size + down, square % size + right, []
        while 0 <= row < size and 0 <= column < size and grid[row * size + column] == other:
            run.append(row * size + column)
            row, column = row + down, column + right
        if 0 <= row < size and 0 <= column < size and grid[row * size + column] == side:
            flips += run
    return flips if grid[square] == "-" else []


@pytest.mark.parametrize("size", [4, 6, 8])
def test_random_games_are_those_of_a_slow_program(size: int) -> None:
    generator = random.Random(size)
    for _ in range(25):
        board, passes = Board.initial(size), 0
        while passes < 2:
            grid, side = list(str(board)[: size * size]), board.side
            legal = {
                s: flips for s in range(size * size) if (flips := slow_flips(grid, size, s, side))
            }
            assert board.legal_moves() == tuple(legal)
            for square in range(size * size):
                assert board.flips(square) == tuple(sorted(legal.get(square, ())))
            if not legal:
                passes += 1
                if not board.is_over:
                    assert board.must_pass and board.legal_actions() == (size * size,)
                    board = board.pass_turn()
                continue
            passes = 0
            move = generator.choice(list(legal))
            for square in [*legal[move], move]:
                grid[square] = side
            board = board.play(move)
            assert str(board) == "".join(grid) + (" O" if side == "X" else " X")
            if board.is_over:
                break
        assert board.is_over and board.legal_actions() == ()


def test_the_first_position_is_the_usual_one() -> None:
    assert str(Board.initial()) == "-" * 27 + "OX" + "-" * 6 + "XO" + "-" * 27 + " X"
    assert Board.initial().legal_moves() == (19, 26, 37, 44)


def test_a_board_is_a_value() -> None:
    one, other = Board.initial().play(19), Board.initial().play(19)
    assert one == other and hash(one) == hash(other) and one != Board.initial()
    with pytest.raises(AttributeError):
        one.black = 0  # type: ignore[misc]


@given(boards())
def test_a_position_survives_printing_and_parsing(board: Board) -> None:
    assert Board.parse(str(board)) == board
    assert eval(repr(board), {"Board": Board}) == board


@given(boards(), st.randoms())
def test_every_square_that_is_not_legal_is_refused_and_leaves_the_board_alone(
    board: Board, rng: random.Random
) -> None:
    before = str(board)
    for square in set(range(board.size**2)) - set(board.legal_moves()):
        with pytest.raises(IllegalMove):
            board.play(square)
    assert str(board) == before


def test_a_refused_move_names_the_square_and_the_legal_ones() -> None:
    with pytest.raises(IllegalMove, match="a1 is illegal for black; legal: d3, c4, f5, e6"):
        Board.initial().play(0)
    with pytest.raises(IllegalMove, match="pass is illegal for black; legal: d3"):
        Board.initial().play(64)
    with pytest.raises(IllegalMove, match="action 65"):
        Board.initial().play(65)


def test_a_full_game_is_replayed_and_scored() -> None:
    board = Board.parse(FULL_GAME)
    assert board.is_over and board.empties == 0
    assert board.score() == board.black.bit_count() - board.white.bit_count()


def test_a_forced_pass_is_explicit() -> None:
    board = Board.parse(PASS_GAME)
    assert board.side == "X" and board.must_pass and not board.is_over and board.legal_moves() == ()
    after = board.play(64)
    assert after == board.pass_turn() and after.side == "O" and after.legal_moves() == (55, 63)
    assert Board.parse(PASS_GAME + "--") == after
    assert Board.parse(PASS_GAME + "h7") == after.play("h7")
    with pytest.raises(IllegalMove, match="pass"):
        board.play("h7")


def test_the_winner_gets_the_empty_squares() -> None:
    wiped = Board.parse("XXX-" + "-" * 12 + " O")
    assert wiped.is_over and wiped.score() == 16 and wiped.outcome is Outcome.BLACK_WINS
    assert Board.parse("X-O-" + "-" * 12).score() == 0
    assert Board.parse("X-O-" + "-" * 12).outcome is Outcome.DRAW
    lost = Board.parse("X--O" + "-" * 8 + "O---")
    assert lost.is_over and lost.score() == -1 - 13 and lost.outcome is Outcome.WHITE_WINS


def test_the_score_of_an_unfinished_game_is_the_plain_difference() -> None:
    board = Board.initial().play("f5")
    assert board.score() == 3 and board.outcome is None


@pytest.mark.parametrize("size", [4, 6, 8])
def test_board_strings_accept_every_letter_and_no_side(size: int) -> None:
    board = random_position(random.Random(3), size, 5)
    text = str(board)
    for letters in ("XO-", "xo.", "*w-", "BW.", "bo-"):
        spelled = text.translate(str.maketrans("XO-", letters))
        assert Board.parse(spelled) == board
        assert Board.parse(spelled[: size * size].lower()).side == "X"
    rows = "\n".join(text[row * size : (row + 1) * size] for row in range(size))
    assert Board.parse(f"{rows}\n{board.side}") == board


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "start"),
        ("hello", "accepted are"),
        ("-" * 63, "63 squares"),
        ("-" * 64 + "Q", "accepted"),
        ("-" * 65, "side"),
        ("f5f5", "move 2: f5 is illegal for white"),
        ("f5 i9", "character 4"),
        ("f5d6a1", "move 3"),
        ("X" * 10**6, "at most"),
    ],
)
def test_a_bad_position_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises((ParseError, IllegalMove), match=said):
        Board.parse(text)


def test_the_size_of_a_transcript_can_be_chosen() -> None:
    assert Board.parse("start", size=6) == Board.initial(6)
    assert Board.parse("e4", size=6).size == 6
    with pytest.raises(ParseError, match="g1"):
        Board.parse("g1", size=6)
    with pytest.raises(ParseError, match="36 squares"):
        Board.parse("-" * 36, size=8)
    with pytest.raises(ParseError, match="4, 6 and 8"):
        Board.initial(5)
