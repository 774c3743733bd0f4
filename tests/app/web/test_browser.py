"""Playing in a real Chromium on the real server: by clicks and by keyboard, undo and redo, passes, hints, links."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from othello.rules.board import Board
from othello.rules.notation import square_name
from tests.app.web.browser_page import (
    board_of,
    cell,
    legal_moves,
    opened,
    position,
    settled,
    status,
    transcript,
    wait_for_my_turn,
    wait_for_position,
)
from tests.app.web.served import until

pytestmark = pytest.mark.browser
TO_A_PASS = (  # White has just played and Black has no move
    "e6f4e3d2d3e7f2c5d6g1b4c2f5g4d1a3b5b6g5f6c4f3e8h6h4d7b1h5f7f8c7b7g2c3b3b2g8c1h3e1d8a1a4g3a2c6a6a5f1a7c8h1b8h2e2g6g7a8"
)
IN_THE_GRID = "document.activeElement.getAttribute('role') === 'gridcell'"


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Any]:
    """The Play page, loaded; fails the test if the console had an error."""
    with opened(browser, server) as (page, _):
        yield page


def walk_to(page: Any, wanted: str) -> None:
    """Move the focus from the focused square to another one with the arrow keys alone."""
    here = page.evaluate("document.activeElement.dataset.square")
    across, down = ord(wanted[0]) - ord(here[0]), int(wanted[1]) - int(here[1])
    for key in ["ArrowRight" if across > 0 else "ArrowLeft"] * abs(across):
        page.keyboard.press(key)
    for key in ["ArrowDown" if down > 0 else "ArrowUp"] * abs(down):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.dataset.square") == wanted


def tab_into_the_board(page: Any) -> None:
    """Press Tab until a square has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(IN_THE_GRID):
            return
    raise AssertionError("Tab never reaches the board")


def as_the_rules_say(page: Any) -> bool:
    """Whether the page shows the position and the legal moves to which the moves in its address lead."""
    board = board_of(page)
    legal = sorted(map(square_name, board.legal_moves()))
    return position(page) == str(board)[:64] and sorted(legal_moves(page)) == legal


def played_through(page: Any, play: Callable[[str], None]) -> Board:
    """The end of Black's whole game against the agent by `play(square)`; each position is compared with the rules."""
    for number in range(64):
        until(lambda: as_the_rules_say(page), 60, "a board that the address leads to")
        board = board_of(page)
        if board.is_over:
            break
        move = board.legal_moves()[number % len(board.legal_moves())]
        made, ends = len(transcript(page)) // 2, board.play(move).is_over
        play(square_name(move))
        wait_for_my_turn(page, made + (1 if ends else 2))
    black = str(board)[:64].count("X")
    assert board.is_over and f"{max(black, 64 - black)}–{min(black, 64 - black)}" in status(page)
    return board


def test_a_move_by_click_and_one_by_keyboard_are_answered_and_explained(page: Any) -> None:
    assert page.get_by_role("grid").count() == 1 and page.get_by_role("gridcell").count() == 64
    assert position(page) == str(Board.initial())[:64]
    cell(page, "f5").click()
    wait_for_my_turn(page, 2)
    assert transcript(page).startswith("f5") and position(page) == str(board_of(page))[:64]

    page.get_by_text("Where the number comes from").wait_for()
    assert page.get_by_text("Where the biases act").is_visible()
    ledger = page.get_by_role("table", name=re.compile("^value = squares"))
    assert {"squares", "bias", "stabilizer", "value"} <= set(ledger.inner_text().split())
    heat = page.get_by_role("img", name=re.compile("^Relevance of every square"))
    fills = heat.evaluate(
        "map => [...map.querySelectorAll('.oth-cell')].map(cell => getComputedStyle(cell).backgroundColor)"
    )
    assert len(fills) == 64 and len(set(fills)) > 5

    wanted = square_name(board_of(page).legal_moves()[0])
    cell(page, "a1").focus()
    walk_to(page, wanted)
    page.keyboard.press("Enter")
    wait_for_my_turn(page, 4)
    assert wanted in transcript(page) and position(page) == str(board_of(page))[:64]
    assert page.evaluate("document.activeElement.dataset.square") == wanted


def test_the_persons_disc_shows_before_the_server_answers_and_double_clicks_play_once(
    page: Any,
) -> None:
    cell(page, "f5").dblclick()
    assert cell(page, "f5").get_attribute("aria-label").startswith("f5 black")
    wait_for_my_turn(page, 2)
    assert len(transcript(page)) == 4


def test_a_square_that_is_not_legal_does_nothing(page: Any) -> None:
    cell(page, "a1").click()
    time.sleep(1)
    assert position(page) == str(Board.initial())[:64] and transcript(page) == ""


@pytest.mark.long  # the next one plays a whole game too
def test_a_whole_game_by_clicks(page: Any) -> None:
    played_through(page, lambda square: cell(page, square).click())
    assert status(page).endswith("The game is over.")


def test_a_whole_game_by_keyboard_alone_and_back_to_its_start(page: Any) -> None:
    tab_into_the_board(page)

    def play(square: str) -> None:
        assert page.evaluate(IN_THE_GRID), "the focus has left the board"
        walk_to(page, square)
        page.keyboard.press("Enter" if ord(square[0]) % 2 else "Space")

    played_through(page, play)
    ended = position(page)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText").strip().endswith("Undo"):
            break
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.includes('ply=')")
    page.wait_for_function(
        "!!document.querySelector('[role=gridcell][aria-label*=\"legal move\"]')"
    )
    assert position(page) != ended and page.evaluate(
        "document.activeElement.innerText"
    ).strip().endswith("Undo")


def test_undo_and_redo_lead_back_and_forth(page: Any) -> None:
    seen = [position(page)]
    for ply in (2, 4, 6):
        cell(page, legal_moves(page)[0]).click()
        wait_for_my_turn(page, ply)
        seen.append(position(page))
    moves = transcript(page)
    for button, order in (("Undo", (2, 1, 0)), ("Redo", (1, 2, 3))):
        for number in order:
            page.get_by_role("button", name=button).click()
            wait_for_position(page, seen[number])
            settled(page)
            ply = f"'ply={2 * number}'" if number < 3 else "'moves='"
            page.wait_for_function(f"location.search.includes({ply})")
            if number == 3:
                page.wait_for_function("!location.search.includes('ply=')")
            assert transcript(page) == moves
        assert page.get_by_role("button", name=button).is_disabled()


def test_always_shows_the_heat_on_the_board_with_numbers_on_demand(page: Any) -> None:
    page.get_by_role("radio", name="Always").or_(
        page.get_by_role("button", name="Always")
    ).first.click()
    page.wait_for_function(
        "document.querySelector('[role=grid]').closest('.oth').classList.contains('heat')"
    )
    named = cell(page, "d4").get_attribute("aria-label")
    assert "relevance" in named
    cell(page, "d3").click()
    wait_for_my_turn(page, 2)


def test_a_forced_pass_is_announced(browser: Any, server: str) -> None:
    with opened(browser, f"{server}/?seat=both&moves={TO_A_PASS}") as (page, _):
        page.get_by_text("Black has no move and passes.").wait_for()
        assert page.get_by_role("gridcell", name="legal move").count() == 2
        cell(page, "h7").click()
        page.wait_for_function("location.search.includes('a8h7')")


def test_a_forced_pass_made_by_a_click_is_announced_and_undone_with_its_move(
    browser: Any, server: str
) -> None:
    with opened(browser, f"{server}/?seat=both&moves={TO_A_PASS[:-2]}") as (page, _):
        before = position(page)
        assert "a8" in legal_moves(page)
        cell(page, "a8").click()
        page.get_by_text("Black has no move and passes. White to move.").wait_for()
        settled(page)
        assert position(page) == str(board_of(page))[:64] and board_of(page).side == "O"
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("White to move.").wait_for()
        wait_for_position(page, before)
        assert "a8" in legal_moves(page)


def test_a_link_reopens_the_same_view(browser: Any, server: str) -> None:
    with opened(browser, f"{server}/?seat=both&moves=f5d6c3d3c4") as (page, _):
        first = position(page)
        page.get_by_role("button", name="Undo").click()
        page.wait_for_function("location.search.includes('ply=4')")
        settled(page)
        undone = position(page)
        with opened(browser, page.url) as (other, _):
            settled(other)
            assert position(other) == undone == str(Board.parse("f5d6c3d3"))[:64]
            other.get_by_role("button", name="Redo").click()
            other.wait_for_function("!location.search.includes('ply=')")
            settled(other)
            assert position(other) == first == str(Board.parse("f5d6c3d3c4"))[:64]
