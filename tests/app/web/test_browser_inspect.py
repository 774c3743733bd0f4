"""The Inspect page in Chromium: a position edited, explained, compared, shared by link, copied and saved."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from app.cli import run
from othello.rules.board import Board
from othello.rules.notation import square_name
from tests.app.web.browser_page import (
    cell,
    choose,
    go_to,
    opened,
    position,
    settled,
    wait_for_position,
)

pytestmark = pytest.mark.browser
FILLS = "map => [...map.querySelectorAll('.oth-cell')].map(cell => getComputedStyle(cell).backgroundColor)"


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Any]:
    """The Inspect page, drawn; fails the test if the console had an error."""
    with opened(browser, f"{server}/inspect") as (page, _):
        settled(page)
        yield page


def put(page: Any, tool: str, square: str, expected: Board) -> None:
    """Choose a tool, click a square and wait for the position that this must make."""
    page.get_by_role("radio", name=tool).click()
    settled(page)
    cell(page, square).click()
    wait_for_position(page, str(expected)[:64])
    settled(page)


def asked(page: Any) -> dict[str, str]:
    """What the address says is shown."""
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def ledger(page: Any) -> str:
    """The account of the explanation in words."""
    return str(page.locator(".st-key-i_ledger table").get_attribute("aria-label"))


def number(text: str) -> float:
    """A number as the pages print it."""
    return float(text.replace("−", "-"))


def edited(page: Any) -> Board:
    """A position made by clicks: a disc set, one turned, one erased, the other side to move."""
    board = Board.initial()
    for tool, square, letter in (
        ("Black disc", "c3", "X"),
        ("White disc", "d5", "O"),
        ("Erase", "e4", "-"),
    ):
        letters = list(str(board)[:64])
        letters[[square_name(s) for s in range(64)].index(square)] = letter
        board = Board.parse("".join(letters) + " X")
        put(page, tool, square, board)
    page.get_by_role("button", name="Other side to move").click()
    page.get_by_text("White to move.").wait_for()
    settled(page)
    return Board.parse(str(board)[:64] + " O")


def test_the_game_is_inspected_until_another_position_is_chosen(browser: Any, server: str) -> None:
    played, start = Board.parse("f5d6c3d3c4"), Board.initial()
    with opened(browser, f"{server}/?seat=both&moves=f5d6c3d3c4") as (page, _):
        settled(page)
        go_to(page, "Inspect")
        wait_for_position(page, str(played)[:64])
        choose(page, "i_gallery", "Start")
        wait_for_position(page, str(start)[:64])
        settled(page)
        page.get_by_role("button", name="The game's position").click()
        wait_for_position(page, str(played)[:64])


def test_a_position_is_edited_explained_compared_shared_by_link_and_reopened_equal(
    page: Any, browser: Any, server: str
) -> None:
    board = edited(page)
    page.wait_for_function(
        "wanted => new URLSearchParams(location.search).get('position') === wanted", arg=str(board)
    )
    assert asked(page)["target"] == "value" and ledger(page).startswith("value = squares ")

    page.get_by_role("radio", name="X rather than Y").click()
    page.wait_for_function("location.search.includes('policy')")
    settled(page)
    first = ledger(page)
    parts = [number(part) for part in re.findall(r"[−+]?\d+(?:\.\d+)?$|[−+]?\d+\.\d+", first)]
    shown = number(page.locator(".st-key-i_ledger tr.total td").last.inner_text())
    assert sum(parts) == pytest.approx(shown, abs=2.1e-3)

    page.get_by_role("tab", name="A against B").click()
    page.get_by_role("button", name="Pin this as A").click()
    page.get_by_role("img", name="Map A").wait_for()
    rules = "EpsilonPlus" if asked(page)["composite"] == "EpsilonPlusFlat" else "EpsilonPlusFlat"
    choose(page, "i_composite", rules)
    page.wait_for_function(
        "rules => new URLSearchParams(location.search).get('composite') === rules", arg=rules
    )
    settled(page)
    a, b = (page.locator(f".st-key-i_pair_{name}") for name in "AB")
    assert a.locator(".oth-legend").inner_text() == b.locator(".oth-legend").inner_text()
    assert a.evaluate(FILLS) != b.evaluate(FILLS) and f"{rules}," in b.inner_text()
    page.get_by_text("Correlation of the maps:").wait_for()

    with opened(browser, page.url) as (other, _):
        settled(other)
        assert position(other) == position(page) == str(board)[:64] and asked(other) == asked(page)
        assert ledger(other) == ledger(page) != first
        one, two = (some.locator(".st-key-i_board").evaluate(FILLS) for some in (page, other))
        assert one == two and len(set(one)) > 5
        assert other.get_by_text("White to move.").is_visible()


def test_what_if_says_what_another_content_of_a_square_would_change(page: Any) -> None:
    cell(page, "d4").click()
    page.locator(".st-key-i_what_if tbody tr").first.wait_for()
    now = number(page.locator(".st-key-i_ledger tr.total td").last.inner_text())
    words, value, change = (
        page.locator(".st-key-i_what_if tbody tr").first.locator("td").all_inner_texts()
    )
    assert words == "empty" and number(value) - now == pytest.approx(number(change), abs=0.02)
    row = page.locator(".st-key-i_what_if tbody tr").first
    put(
        page,
        "Erase",
        "d4",
        Board.parse(str(Board.initial())[:27] + "-" + str(Board.initial())[28:]),
    )
    assert row.count() == 0 or row.is_visible()
    assert number(page.locator(".st-key-i_ledger tr.total td").last.inner_text()) == pytest.approx(
        number(value), abs=0.01
    )


def test_what_is_copied_and_saved_says_the_same_as_the_page(
    page: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page.get_by_role("tab", name="Copy and save").click()
    total = number(page.locator(".st-key-i_ledger tr.total td").last.inner_text())
    command = shlex.split(page.get_by_test_id("stCode").first.inner_text())
    assert command[0] == "othello" and run(command[1:]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["target"] == pytest.approx(total, abs=1e-3)

    saved = {}
    for kind in ("JSON", "CSV", "PNG", "SVG"):
        with page.expect_download() as download:
            page.get_by_role("button", name=kind, exact=True).click()
        download.value.save_as(tmp_path / kind)
        saved[kind] = (tmp_path / kind).read_bytes()
    flat = [relevance for line in printed["squares"] for relevance in line]
    assert [r for line in json.loads(saved["JSON"])["squares"] for r in line] == pytest.approx(
        flat, abs=1e-6
    )
    assert saved["PNG"].startswith(b"\x89PNG") and saved["SVG"].lstrip().startswith(b"<svg")
    header, *rows = csv.reader(saved["CSV"].decode().splitlines())
    assert header[:3] == ["square", "content", "relevance"] and [row[0] for row in rows] == [
        *map(square_name, range(64))
    ]
    for row in rows:
        assert row[1] in "XO-" and all(float(value) == float(value) for value in row[2:])
    assert [float(row[2]) for row in rows] == pytest.approx(flat, abs=1e-6)


PGN = """[Black "Ada"]
[White "Alan"]
[Result "*"]

1. f5 d6 2. c3 d3 *

[Black "Ada"]
[White "Grace"]
[Result "*"]

1. f5 f5 *
"""


def test_a_pasted_pgn_gives_its_games_and_says_which_cannot_be_read(page: Any) -> None:
    page.get_by_text("Paste or upload a position or a game").click()
    field = page.get_by_role("textbox", name="Board string, transcript")
    field.fill(PGN)
    field.press("Control+Enter")
    settled(page)
    page.locator(".st-key-i_open button").click()
    page.get_by_text("Ada – Alan").wait_for()
    said = page.locator("[data-testid=stExpander]").first.inner_text().replace("\u2060", "")
    assert "1 could not be read; the first:" in said and "move 2: f5 is illegal" in said
    page.locator(".st-key-i_take button").click()
    wait_for_position(page, str(Board.parse("f5d6c3d3"))[:64])
