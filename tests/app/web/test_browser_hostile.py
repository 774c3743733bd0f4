"""Hostile text in fields, files, names and links in Chromium: an error box or plain text, the game intact, no HTML.

A few dozen cases by default, 1000 with  python -m pytest tests/app/web/test_browser_hostile.py -m long --timeout 7200
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any
from urllib.parse import urlencode

import pytest

from app.game.session import Session
from app.web.views.inspect import files
from othello.errors import OthelloError
from othello.rules.board import Board
from othello.rules.notation import looks_like_board
from tests.app.web.browser_page import go_to, opened, position, settled, wait_for_position
from tests.app.web.hostile import texts

pytestmark = pytest.mark.browser
HARM = """() => {
    const made = "[id*=hostile], [src*=hostile], [href*=hostile], [onerror], [onload], iframe, .katex";
    const broken = made + ", [data-testid=stException]";
    const found = [...document.querySelectorAll(broken)].map(one => one.outerHTML.slice(0, 200));
    const formatted = "[role=alert] p *, [role=alert] :is(h1, h2, ul, ol, table, pre, hr, img)";
    for (const one of document.querySelectorAll(formatted))
        found.push("in an error box: " + one.outerHTML.slice(0, 200));
    if (window.hostile !== undefined) found.push("a script ran");
    return found;
}"""
SAYS = """wanted => [...document.querySelectorAll("[role=alert]")].some(box =>
    [...box.textContent].filter(c => /[\\P{C}\\s]/u.test(c)).join("").split(/\\s+/).join(" ").includes(wanted))"""


def counts(quick: int, full: int) -> Any:
    """A parameter of how many cases: few by default, many in the long run."""
    return pytest.mark.parametrize("count", [quick, pytest.param(full, marks=pytest.mark.long)])


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Any]:
    """The Play page with a game of two moves; fails if anything ran, asked another host or reached the console."""
    with opened(browser, f"{server}/?seat=both&moves=f5d6", reduced_motion="reduce") as (page, _):
        settled(page)
        yield page


def harmless(page: Any, text: str) -> None:
    """Nothing of the text has become more than text."""
    assert not (found := page.evaluate(HARM)), (text, found)


def words(text: str) -> str:
    """Text as a browser shows it: white space folded, what cannot be seen left out."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())


def refusal(read: Callable[[], object]) -> str | None:
    """The message of what refuses to be read, None for what is accepted."""
    try:
        read()
    except OthelloError as error:
        return str(error)
    return None


def answered(
    page: Any, fill: Callable[[], None], press: Callable[[], None], message: str | None
) -> None:
    """Fill in a text, send it, and wait for the error box that says `message`, if one must come.

    An older box may still be there: a run that is cut short says its error again in the next one.
    """
    fill()
    settled(page)
    press()
    if message is not None:
        page.wait_for_function(SAYS, arg=words(message))
    settled(page)


def parsed(text: str) -> Board:
    """What the pages read where a position or a transcript is asked for; ParseError, IllegalMove."""
    return Board.parse(text, None if looks_like_board(text) else 8)


@counts(4, 300)
def test_text_in_the_new_game_field_is_refused_in_plain_words_and_the_game_stays(
    count: int, page: Any
) -> None:
    field, current = page.get_by_role("textbox", name="Position or transcript"), position(page)
    for text in texts(count, seed=1):
        if not field.is_visible():
            page.get_by_role("button", name="New").first.click()
            field.wait_for()
        field.fill(text)
        typed, other = field.input_value().strip(), Session(seat="both")
        message = refusal(lambda typed=typed, other=other: other.open(typed))

        answered(
            page,
            lambda: field.press("Enter"),
            page.locator(".st-key-start button").click,
            message,
        )
        if message is None:
            current = str(other.board)[:64]
            wait_for_position(page, current)
        assert position(page) == current, text
        harmless(page, text)


@counts(4, 250)
def test_a_pasted_text_is_refused_or_shown_as_plain_text(count: int, page: Any) -> None:
    go_to(page, "Inspect")
    field, current = page.get_by_role("textbox", name="Board string, transcript"), position(page)
    for text in texts(count, seed=2):
        if not field.is_visible():
            page.get_by_text("Paste or upload a position or a game").click()
            field.wait_for()
        field.fill(text)
        typed, games = field.input_value().strip(), files.holds_games(text)
        data = typed.encode()

        def read(typed: str = typed, data: bytes = data, games: bool = games) -> object:
            return files.read(data) if games else Board.parse(typed, 8)

        message = refusal(read)
        press = page.locator(".st-key-i_open button").click
        answered(page, lambda: field.press("Control+Enter"), press, message)
        if message is None and not games:
            current = str(Board.parse(typed, 8))[:64]
            wait_for_position(page, current)
        assert position(page) == current, text
        harmless(page, text)


@counts(4, 100)
def test_an_uploaded_file_and_the_names_in_it_are_refused_or_shown_as_plain_text(
    count: int, page: Any
) -> None:
    go_to(page, "Inspect")
    page.get_by_text("Paste or upload a position or a game").click()
    current, caption = (
        position(page),
        page.locator("[data-testid=stExpander] [data-testid=stCaptionContainer]"),
    )
    for number, text in enumerate(texts(count, seed=3)):
        name = f"{number}-{text[:40]}.sgf".replace("/", "∕").replace("\0", "")
        body = (
            text
            if number % 2
            else "(;GM[2]FF[4]SZ[8]PB[{}]PW[you];B[f5];W[d6])".format(text.replace("]", ")"))
        )
        data = body.encode()
        message = refusal(lambda data=data, name=name: files.read(data, name))
        page.locator("input[type=file]").set_input_files(
            {"name": name, "mimeType": "text/plain", "buffer": data}
        )
        page.get_by_test_id("stFileChipName").get_by_text(f"{number}-").first.wait_for()
        settled(page)
        if message is None:
            page.locator(".st-key-i_take button").wait_for()
            black = files.read(data, name).games[0].black
            shown = [words(one) for one in caption.all_text_contents()]
            assert any(words(black) in one for one in shown), (text, shown)
            assert not caption.locator("p *").count(), text
        else:
            page.get_by_role("alert").first.wait_for()
        assert position(page) == current, text
        harmless(page, text)
        page.locator(
            "[data-testid=stFileChipDeleteBtn], [data-testid=stFileChipDeleteBtn] button"
        ).first.click()
        page.wait_for_function(
            "!document.querySelector('[role=alert], [data-testid=stFileChipName]')"
        )
        settled(page)


LINKS = (  # page, parameter, and what else the link says
    ("play", "moves", {}), ("play", "position", {}), ("play", "position", {"moves": "f5d6"}),
    ("play", "ply", {"moves": "f5d6"}), ("play", "seat", {"moves": "f5d6"}), ("play", "size", {"moves": "f5d6"}),
    ("inspect", "position", {}), ("inspect", "target", {}), ("inspect", "composite", {}), ("inspect", "bias", {}),
    ("experiments", "experiment", {}),
)  # fmt: skip
BOARDS = {str(Board.parse(moves))[:64] for moves in ("start", "f5", "f5d6")}


@counts(4, 200)
def test_a_links_text_is_refused_or_ignored(count: int, page: Any, server: str) -> None:
    for text, (name, parameter, more) in zip(texts(count, seed=4, most=3000), cycle(LINKS)):
        page.goto(
            f"{server}/{name if name != 'play' else ''}?{urlencode({**more, parameter: text})}"
        )
        first = (
            page.get_by_text("The figures of the blog")
            if name == "experiments"
            else page.get_by_role("gridcell")
        )
        first.first.wait_for()
        settled(page)
        message = (
            refusal(lambda text=text: parsed(text)) if parameter in ("moves", "position") else ""
        )
        if message:
            box = page.get_by_role("alert").first
            box.wait_for()
            assert words(message) in words(box.text_content()), text
        if message is not None and name != "experiments":
            assert position(page) in BOARDS, (parameter, text)
        harmless(page, text)


@counts(5, 150)
def test_a_text_in_the_search_pages_field_is_refused_and_the_position_stays(
    count: int, page: Any
) -> None:
    go_to(page, "Search")
    field, current = page.get_by_role("textbox", name="Board string or transcript"), position(page)
    for text in texts(count, seed=5):
        if not field.is_visible():
            page.get_by_role("button", name="Another position").click()
            field.wait_for()
        field.fill(text)
        typed = field.input_value()
        message = refusal(lambda typed=typed: parsed(typed))
        field.press("Enter")
        if message is None:
            current = str(parsed(typed))[:64]
            wait_for_position(page, current)
        else:
            page.wait_for_function(SAYS, arg=words(message))
        settled(page)
        assert position(page) == current, text
        harmless(page, text)
