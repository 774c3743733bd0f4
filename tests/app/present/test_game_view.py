"""What front ends say of a game: each fact once, from the line as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.explain.ask import explain
from app.explain.points import in_points
from app.game.game_line import SEATS, GameLine
from app.game.session import Session
from app.present.game_view import (
    last_search,
    ledger_of,
    ledger_rows,
    move_text,
    moves_table,
    opening_name,
    players,
    status,
    value_line,
    values,
)
from othello.rules.board import Board
from othello.rules.notation import parse_moves

if TYPE_CHECKING:
    from app.models import Model

TO_A_PASS = "d3c3e6d2d1e1b2c1"  # the last move leaves black without one


def line_of(text: str, seat: str = "both") -> GameLine:
    """The line of a transcript."""
    return GameLine.begin(Board.initial(), seat, parse_moves(text))  # type: ignore[arg-type]


@pytest.mark.parametrize("seat", SEATS)
def test_everybody_has_a_name_and_the_discs_of_the_board(seat: str) -> None:
    line = line_of("f5d6c3", seat)
    black, white = players(line, "Edax")
    wanted = {
        "black": ("You", "Edax"),
        "white": ("Edax", "You"),
        "watch": ("Edax", "Edax"),
        "both": ("Black", "White"),
    }
    assert (black.name, white.name) == wanted[seat]
    assert (black.discs, white.discs) == (
        line.board.black.bit_count(),
        line.board.white.bit_count(),
    )
    assert white.to_move and not black.to_move


def test_the_status_says_whose_turn_it_is_and_why() -> None:
    assert status(line_of("f5", "white")) == "The agent played f5. Your move (white)."
    assert status(line_of("f5", "white"), brief=True) == "Your move (white)."
    assert status(line_of("f5", "black")) == "The agent thinks …"
    assert status(line_of("f5", "black"), "Edax") == "Edax thinks …"
    assert status(line_of("f5", "watch"), paused=True) == "Paused, white to move."
    assert status(line_of("f5d6").goto(1)) == "Ply 1 of 2, white to move."
    passed = line_of(TO_A_PASS)
    assert status(passed) == "Black has no move and passes. White to move."
    assert status(passed, brief=True) == "Black has to pass. White to move."
    over = GameLine.begin(Board.parse("X" * 64), "both")
    assert status(over) == "Black wins 64–0. The game is over."
    assert not any(player.to_move for player in players(over))


def test_the_value_line_names_what_it_rests_on(model: Model) -> None:
    game = Session(model, seat="both")
    game.open("f5d6c3")
    board = game.board
    assert value_line(game, board) == "…" and values(game, game.line) == (None,) * 4
    game.plies()
    assert value_line(game, board).endswith("(at first sight)")
    assert value_line(game, board, brief=True).startswith("Network: ")
    found = game.analyse(board, 8)
    assert found is not None
    assert value_line(game, board).endswith(f"(after {found.simulations} simulations)")
    assert value_line(game, board, brief=True).startswith("Search: ")
    assert values(game, game.line)[3] == -found.value


def test_a_ledger_adds_up_and_its_rows_are_signed(model: Model) -> None:
    found = explain(model, Board.parse("f5d6c3d3"))
    rows, account = ledger_rows(found), ledger_of(found, biases=True)
    total = sum(row.value for row in rows)
    assert total == pytest.approx(in_points(found).value, abs=2e-3 * in_points(found).size)
    assert account.rows == rows and account.total.value == in_points(found).value
    assert account.shown == "biases, in points" and account.title == "Network's value for black"
    assert all(row.text == "0" or row.text[0] in "+−" for row in (*rows, account.total))


def test_the_table_of_moves_has_the_one_that_was_played(model: Model) -> None:
    game = Session(model, seat="white")
    game.open("f5d6c3", seat="white")
    found = game.analyse(2, 16)
    assert found is not None
    assert (
        last_search(game, game.line) == (2, found) and last_search(game, game.line.goto(2)) is None
    )
    least = found.moves[-1].square
    rows = moves_table(found, least, most=2)
    assert [row.played for row in rows] == [False, True] and rows[-1].square == least
    everything = moves_table(found, None, most=60)
    assert sum(row.share for row in everything) == pytest.approx(1.0)
    assert [row.visits for row in everything] == [move.visits for move in found.moves]


def test_the_record_goes_to_the_ply_that_is_shown() -> None:
    line = line_of("f5d6c3d3c4")
    assert move_text(line) == "1. f5 d6  2. c3 d3  3. c4" and opening_name(line)
    assert move_text(line.goto(1)) == "1. f5" and move_text(line.goto(0)) == ""
    assert opening_name(GameLine.begin(Board.parse("f5d6"), "both")) == ""
