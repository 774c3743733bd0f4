"""The real page in a real browser, served by the real command from another folder."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from othello.board import Board
from othello.notation import parse_moves, square_name

pytestmark = pytest.mark.browser
PATIENCE = 120_000  # milliseconds: the first reply on a machine compiles the engine
MARKS = {  # what a page shows when it has been drawn to its end
    "Play": "Reveal explanations", "Inspect": "A click on the board", "Search": "What Q rests on",
    "Experiments": "Experiment", "Training": "Two checkpoints side by side",
}  # fmt: skip
NAMES = [square_name(square) for square in range(64)]


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Any]:
    """The Play page, loaded; fails the test if the console had an error."""
    with_errors = open_page(browser, server)
    page, errors = next(with_errors)
    yield page
    next(with_errors, None)
    assert not errors


def open_page(browser: Any, address: str, **options: Any) -> Iterator[tuple[Any, list[str]]]:
    """A fresh page at an address and the list of its console errors; closed when the generator goes on."""
    context = browser.new_context(**{"viewport": {"width": 1400, "height": 1000}, **options})
    page, errors = context.new_page(), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.get_by_role("gridcell").first.wait_for()
    yield page, errors
    context.close()


def cell(page: Any, name: str) -> Any:
    """The gridcell of a square."""
    return page.get_by_role("gridcell", name=re.compile(f"^{name}\\b"))


def position(page: Any) -> str:
    """The 64 letters the grid's accessible names tell."""
    words = {"black": "X", "white": "O", "empty": "-"}
    names = page.eval_on_selector_all("[role=gridcell]", "cells => cells.map(cell => cell.getAttribute('aria-label'))")
    assert [name[:2] for name in names] == NAMES
    return "".join(words[re.split(r"[ ,]+", name)[1]] for name in names)


def transcript(page: Any) -> str:
    """The moves in the page's address."""
    found = re.search(r"[?&]moves=([a-h1-8]*)", page.url)
    return found.group(1) if found else ""


def wait_for_my_turn(page: Any, plies: int) -> None:
    """Until the address holds at least so many moves and the board is not busy."""
    page.wait_for_function(
        """plies => {
            const moves = new URLSearchParams(location.search).get("moves") || "";
            const board = document.querySelector("[role=grid]").closest("[aria-busy]");
            const status = document.querySelector("[role=status]").textContent;
            return moves.length >= 2 * plies && board.ariaBusy === "false" && /Your move|over/.test(status);
        }""",
        arg=plies,
    )


def board_of(page: Any) -> Board:
    """The position that the transcript in the address leads to."""
    *_, board = Board.initial().replay(parse_moves(transcript(page)))
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
    row, column = int(wanted[1]) - 1, "abcdefgh".index(wanted[0])
    for key in ["ArrowDown"] * row + ["ArrowRight"] * column:
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(wanted)
    page.keyboard.press("Enter")
    wait_for_my_turn(page, 4)
    assert wanted in transcript(page) and position(page) == str(board_of(page))[:64]
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(wanted)


def test_the_persons_disc_shows_before_the_server_answers_and_double_clicks_play_once(page: Any) -> None:
    cell(page, "f5").dblclick()
    assert cell(page, "f5").get_attribute("aria-label").startswith("f5 black")
    wait_for_my_turn(page, 2)
    assert len(transcript(page)) == 4


def test_a_square_that_is_not_legal_does_nothing(page: Any) -> None:
    cell(page, "a1").click()
    time.sleep(1)
    assert position(page) == str(Board.initial())[:64] and transcript(page) == ""


def test_undo_and_redo_lead_back_and_forth(page: Any) -> None:
    cell(page, "c4").click()
    wait_for_my_turn(page, 2)
    after = position(page)
    page.get_by_role("button", name="Undo").click()
    cell(page, "c4").and_(page.get_by_role("gridcell", name="legal move")).wait_for()
    assert position(page) == str(Board.initial())[:64]
    page.get_by_role("button", name="Redo").click()
    page.wait_for_function("!location.search.includes('ply=')")
    page.wait_for_function("!document.querySelector('[data-square=c4]').getAttribute('aria-label').includes('empty')")
    assert position(page) == after


def test_always_shows_the_heat_on_the_board_with_numbers_on_demand(page: Any) -> None:
    page.get_by_role("radio", name="Always").or_(page.get_by_role("button", name="Always")).first.click()
    page.wait_for_function("document.querySelector('[role=grid]').closest('.oth').classList.contains('heat')")
    named = cell(page, "d4").get_attribute("aria-label")
    assert "relevance" in named
    cell(page, "d3").click()
    wait_for_my_turn(page, 2)


def test_a_forced_pass_is_announced(browser: Any, server: str) -> None:
    moves = (
        "e6f4e3d2d3e7f2c5d6g1b4c2f5g4d1a3b5b6g5f6c4f3e8h6h4d7b1h5f7f8c7b7g2c3b3b2g8c1h3e1d8a1a4g3a2c6a6a5f1a7c8h1b8h2"
        "e2g6g7a8"
    )
    opened = open_page(browser, f"{server}/?seat=both&moves={moves}")
    page, _ = next(opened)
    page.get_by_text("Black has no move and passes.").wait_for()
    assert page.get_by_role("gridcell", name="legal move").count() == 2
    cell(page, "h7").click()
    page.wait_for_function("location.search.includes('a8h7')")
    next(opened, None)


def test_a_link_reopens_the_same_view(browser: Any, server: str) -> None:
    opened = open_page(browser, f"{server}/?seat=both&moves=f5d6c3d3c4")
    page, _ = next(opened)
    first = position(page)
    again = open_page(browser, page.url)
    other, _ = next(again)
    assert position(other) == first == str(Board.parse("f5d6c3d3c4"))[:64]
    next(again, None), next(opened, None)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_every_page_opens_without_console_errors(
    scheme: str, width: int, browser: Any, server: str, tmp_path: Path
) -> None:
    pictures = Path(os.environ.get("OTHELLO_SCREENSHOTS") or tmp_path)
    options = {"viewport": {"width": width, "height": 1000}, "color_scheme": scheme, "reduced_motion": "reduce"}
    opened = open_page(browser, f"{server}/?seat=both&moves=f5d6c3d3c4f4f6", **options)
    page, errors = next(opened)
    for name in ("Play", "Inspect", "Search", "Experiments", "Training"):
        if name != "Play":
            page.get_by_role("link", name=name).first.click()
            page.wait_for_url(f"**/{name.lower()}*")
        page.get_by_text(MARKS[name]).first.wait_for()
        page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 1, f"{name} is {overflow} px too wide at {width}"
        page.screenshot(path=pictures / f"{name.lower()}-{scheme}-{width}.png")
    next(opened, None)
    assert not errors
