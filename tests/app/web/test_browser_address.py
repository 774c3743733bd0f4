"""The address in Chromium: a reload on any page keeps the game, Back leaves a page in one press, tabs stay apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from othello.rules.board import Board
from tests.app.web.browser_page import (
    PAGES,
    cell,
    choose,
    go_to,
    legal_moves,
    opened,
    position,
    settled,
    wait_for_my_turn,
    wait_for_position,
)
from tests.app.web.served import serve, until

pytestmark = pytest.mark.browser


def move(page: Any, plies: int) -> None:
    """Play the first legal move and wait for the reply that makes so many plies."""
    cell(page, legal_moves(page)[0]).click()
    wait_for_my_turn(page, plies)
    settled(page)


def record(page: Any) -> dict[str, str]:
    """What the address says of the game."""
    found: dict[str, str] = page.evaluate(
        "Object.fromEntries(new URLSearchParams(location.search))"
    )
    return {
        name: found[name] for name in ("moves", "seat", "ply", "start", "size") if name in found
    }


def carries(page: Any, wanted: dict[str, str]) -> None:
    """Wait until the address says this of the game."""
    until(lambda: record(page) == wanted, 30, f"{wanted}, the address says {record(page)}")


def test_a_reload_keeps_the_game_on_every_page(browser: Any, server: str) -> None:
    with opened(browser, server) as (page, _):
        settled(page)
        move(page, 2)
        move(page, 4)
        page.get_by_role("button", name="Undo").click()
        page.wait_for_function("location.search.includes('ply=2')")
        settled(page)
        shown, known = position(page), record(page)
        assert len(known["moves"]) == 8 and known["ply"] == "2"
        for name, words in PAGES.items():
            if name != "Play":
                go_to(page, name)
            page.reload()
            page.get_by_text(words).first.wait_for()
            settled(page)
            carries(page, known)
        go_to(page, "Play")
        wait_for_position(page, shown)
        carries(page, known)


def test_a_reload_on_another_page_keeps_a_game_that_began_elsewhere_and_what_the_page_shows(
    browser: Any, server: str
) -> None:
    start = str(Board.parse("f5d6c3"))
    with opened(
        browser, f"{server}/?{urlencode({'seat': 'both', 'position': start, 'moves': 'd3'})}"
    ) as (page, _):
        settled(page)
        shown = position(page)
        go_to(page, "Inspect")
        choose(page, "i_gallery", "Tiger opening")
        for other in ("Search", "Inspect"):
            go_to(page, other)
            carries(page, {"moves": "d3", "seat": "both", "start": start})
            before = position(page)
            page.reload()
            page.get_by_text(PAGES[other]).first.wait_for()
            wait_for_position(page, before)
            settled(page)
        go_to(page, "Play")
        wait_for_position(page, shown)


def expected_line_is_drawn(page: Any) -> None:
    """The Search page's line: numbered discs, by turns black's and white's, the first on the square outlined."""
    discs = page.locator(".st-key-s_board .oth-cell.step")
    numbers = {int(disc.locator(".oth-step").inner_text()): disc for disc in discs.all()}
    assert sorted(numbers) == list(range(1, len(numbers) + 1)) and len(numbers) >= 4
    assert "last" in numbers[1].get_attribute("class")
    movers = ["byX" in numbers[step].get_attribute("class") for step in sorted(numbers)]
    assert movers == [step % 2 == 0 for step in range(len(movers))]


def test_back_leaves_play_in_one_press(browser: Any, server: str) -> None:
    with opened(browser, f"{server}/search") as (page, _):
        page.locator(".st-key-s_search button").click()
        page.locator(".st-key-s_board .oth-cell.step").nth(3).wait_for()
        settled(page)
        expected_line_is_drawn(page)
        go_to(page, "Play")
        entries = page.evaluate("history.length")
        for plies in (2, 4, 6):
            move(page, plies)
        page.get_by_role("button", name="Undo").click()
        page.wait_for_function("location.search.includes('ply=4')")
        settled(page)
        assert page.evaluate("history.length") == entries
        page.go_back()
        page.wait_for_url(re.compile("/search"))
        page.get_by_text(PAGES["Search"]).first.wait_for()
        settled(page)
        page.go_forward()
        page.get_by_text(PAGES["Play"]).first.wait_for()
        page.wait_for_function("location.search.includes('ply=4')")
        until(lambda: len(record(page).get("moves", "")) == 12, 30, "the moves undone are kept")


@pytest.mark.parametrize("path", ["", "inspect", "search", "experiments", "training"])
def test_a_page_adds_nothing_to_the_history_by_being_opened(
    path: str, browser: Any, server: str
) -> None:
    with opened(browser, f"{server}/{path}", wait=False) as (page, _):
        page.wait_for_function(
            "location.search.length > 1" if path not in ("training", "experiments") else "true"
        )
        settled(page)
        page.go_back()
        assert page.url == "about:blank"


def test_two_tabs_keep_their_own_games(browser: Any, server: str) -> None:
    with opened(browser, f"{server}/?seat=both&moves=f5d6") as (page, _):
        settled(page)
        other = page.context.new_page()
        other.goto(f"{server}/?seat=both&moves=d3c5")
        other.get_by_role("gridcell").first.wait_for()
        settled(other)
        for tab in (page, other):
            go_to(tab, "Training")
            tab.reload()
            tab.get_by_text(PAGES["Training"]).first.wait_for()
            settled(tab)
        assert [record(tab)["moves"] for tab in (page, other)] == ["f5d6", "d3c5"]


PLACES = ("inspect", "search", "experiments", "training")
BAD = ({"moves": "f5f5"}, {"start": "<b>x</b>"}, {"start": "f5", "moves": "a1"})
PAIRS = [
    pytest.param(name, bad, marks=() if place % len(BAD) == kind else pytest.mark.long)
    for place, name in enumerate(PLACES)
    for kind, bad in enumerate(BAD)
]


@pytest.mark.parametrize(("name", "bad"), PAIRS)
def test_a_damaged_game_in_the_address_of_a_page_is_reported_and_a_new_one_begins(
    name: str, bad: dict[str, str], browser: Any, server: str
) -> None:
    with opened(browser, f"{server}/{name}?{urlencode(bad)}", wait=False) as (page, _):
        page.get_by_role("alert").filter(
            has_text="the link's position was not understood"
        ).wait_for()
        settled(page)
        carries(page, {"seat": "black"})
        go_to(page, "Play")
        assert position(page) == str(Board.initial())[:64]


@pytest.mark.long
def test_the_first_start_on_a_machine_answers_a_link(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "OTHELLO_CACHE", str(tmp_path / "cache")
    )  # empty: the search is compiled now
    running = serve(tmp_path)
    try:
        with opened(browser, f"{running.address}/?moves=f5d6c3d3c4f4f6f3e6") as (page, _):
            wait_for_my_turn(page, 10)
            page.locator(".st-key-why").wait_for()
            settled(page)
            assert not page.locator("[data-testid=stException]").count()
    finally:
        running.stop()
