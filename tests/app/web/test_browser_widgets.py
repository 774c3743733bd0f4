"""Widgets in menus in Chromium: what they show and what counts is the same, in whatever order menus open and close."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.app.web.browser_page import (
    PAGES,
    cell,
    choose,
    go_to,
    legal_moves,
    opened,
    settled,
    wait_for_my_turn,
)
from tests.app.web.served import until

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Any]:
    """The Play page, loaded; fails the test if the console had an error."""
    with opened(browser, server, reduced_motion="reduce") as (page, _):
        settled(page)
        yield page


def open_menu(page: Any, name: str) -> Any:
    """Open a menu of the page; its body."""
    page.get_by_role("button", name=name).first.click()
    body = page.locator("[data-testid=stPopoverBody]")
    body.wait_for()
    settled(page)
    return body


def close_menu(page: Any) -> None:
    """Close the menu that is open."""
    page.keyboard.press("Escape")
    page.locator("[data-testid=stPopoverBody]").wait_for(state="detached")
    settled(page)


def move(page: Any, plies: int) -> None:
    """Play the first legal move and wait for the reply that makes so many plies."""
    cell(page, legal_moves(page)[0]).click()
    wait_for_my_turn(page, plies)
    settled(page)


def searched(page: Any) -> str:
    """What the table of the agent's moves says of its search."""
    return str(page.locator(".st-key-moves .title").inner_text())


def strength(menu: Any) -> str:
    """The simulations that the slider in the menu shows."""
    return str(
        menu.locator(".st-key-simulations input[type=range]").get_attribute("aria-valuetext")
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_two_games_in_a_row_are_played_with_the_search_that_the_menu_shows(
    page: Any, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    move(page, 2)
    assert "after 100 simulations" in searched(page)
    menu = open_menu(page, "New")
    assert strength(menu) == "100"
    assert menu.get_by_role("radio", checked=True).all_inner_texts()[:1] == ["Black"]
    menu.get_by_role("button", name="Start").click()
    menu.wait_for(state="detached")
    page.wait_for_function("!location.search.includes('moves=')")
    settled(page)
    seen = "one => { const box = one.getBoundingClientRect(); return box.top >= 0 && box.bottom < innerHeight }"
    frame = page.locator(".st-key-board .oth-frame")  # far above the menu on a phone
    until(lambda: frame.evaluate(seen), 10, "the board of the new game in view")
    move(page, 2)
    assert "after 100 simulations" in searched(page)
    menu = open_menu(page, "New")
    menu.get_by_text("Watch").click()
    settled(page)
    menu.get_by_role("button", name="Start").click()
    menu.wait_for(state="detached")  # while the agents play
    page.get_by_role("button", name="Pause").wait_for()


def test_a_strength_that_was_chosen_stays_through_moves_closed_menus_and_other_pages(
    page: Any,
) -> None:
    move(page, 2)
    menu = open_menu(page, "New")
    menu.locator(".st-key-simulations input[type=range]").focus()
    page.keyboard.press("ArrowLeft")
    settled(page)
    assert strength(menu) == "64"
    close_menu(page)
    move(page, 4)
    assert "after 64 simulations" in searched(page)
    assert strength(open_menu(page, "New")) == "64"
    close_menu(page)
    for name in ("Inspect", "Training", "Play"):
        go_to(page, name)
    move(page, 6)
    assert "after 64 simulations" in searched(page)
    assert strength(open_menu(page, "New")) == "64"


def test_a_method_that_was_chosen_stays_through_moves_closed_menus_and_other_pages(
    page: Any,
) -> None:
    move(page, 2)
    open_menu(page, "Method")
    choose(page, "bias", "ignore")
    close_menu(page)
    move(page, 4)
    go_to(page, "Search")
    go_to(page, "Play")
    move(page, 6)
    menu = open_menu(page, "Method")
    shown = [
        menu.locator(f".st-key-{key} input").first.input_value()
        for key in ("bias", "colours", "on_squares")
    ]
    assert shown == ["ignore", "blue–red", "nothing"]


def test_a_menu_that_is_only_looked_into_changes_nothing(page: Any) -> None:
    go_to(page, "Search")
    page.locator(".st-key-s_search button").click()
    title = page.locator(".st-key-s_moves .title")
    title.wait_for()
    settled(page)
    assert "after 400 simulations" in title.inner_text()
    assert (
        open_menu(page, "Another position").locator(".st-key-s_gallery input").first.input_value()
        == ""
    )
    close_menu(page)
    assert "after 400 simulations" in title.inner_text()
    menu = open_menu(page, "Another position")
    menu.locator(".st-key-s_gallery input").first.click()
    page.get_by_role("option").first.click()
    menu.wait_for(state="detached")


@pytest.mark.parametrize(
    ("start", "menu", "other"),
    [("Play", "New", "Training"), ("Play", "Method", "Inspect"), ("Search", "Another", "Explorer")],
)
def test_a_page_is_left_in_one_press_while_a_menu_is_open(
    page: Any, start: str, menu: str, other: str
) -> None:
    for pressed in ("click", "Enter"):
        go_to(page, start)
        open_menu(page, menu)
        link = page.get_by_role("link", name=other, exact=True).first
        if pressed == "click":
            link.click()
        else:
            link.focus()
            page.keyboard.press("Enter")
        page.wait_for_url(f"**/{other.lower()}*", timeout=10_000)
        settled(page)
        assert f"/{other.lower()}" in page.url
        page.get_by_text(PAGES[other]).first.wait_for(timeout=10_000)
