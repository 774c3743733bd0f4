"""Search and Experiments in Chromium: nothing runs unasked, and cards lead to their details."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from app.experiments.catalogue import experiments
from othello.rules.board import Board
from tests.app.web.browser_page import go_to, opened, settled, wait_for_position
from tests.app.web.served import until
from tests.app.web.test_browser_record import carries

pytestmark = pytest.mark.browser
SEARCH = {"position": str(Board.parse("f5d6")), "simulations": "50", "c_puct": "2"}
PHONE = """() => [...document.querySelectorAll("[class*=st-key-e_card_]")].map(card => {
    const box = card.getBoundingClientRect(), go = card.querySelector("button").getBoundingClientRect();
    return [Math.round(box.left), box.right <= innerWidth, go.height >= 44, !!card.querySelector("img[alt]")];
})"""

LEGIBLE = """() => [...document.querySelectorAll("[class*=st-key-e_card_] img")].every(image => {
    const svg = atob(image.src.split(",")[1]), [, wide, high] = svg.match(/viewBox="0 0 ([0-9.]+) ([0-9.]+)"/);
    const box = image.getBoundingClientRect(), scale = box.width / wide;
    const sizes = [...svg.matchAll(/font-size: ([0-9.]+)px/g)].map(found => +found[1]);
    return image.complete && Math.abs(scale * high - box.height) < 2 && scale * Math.min(...sizes) > 7;
})"""


def test_stop_keeps_what_was_found_and_so_does_its_link(browser: Any, server: str) -> None:
    query = {**SEARCH, "simulations": "3200", "play.network": "othello8-strong"}
    with opened(browser, f"{server}/search?{urlencode(query)}") as (page, _):
        wait_for_position(page, SEARCH["position"][:64])
        settled(page)
        carries(page, query)
        page.locator(".st-key-s_search button").click()
        page.get_by_text(re.compile(r"searching: [1-9]\d* simulations")).wait_for()
        moved = page.get_by_role("progressbar").evaluate("one => +one.ariaValueNow")
        page.locator(".st-key-s_stop button").click()
        assert 0 < moved < 100
        kept = page.get_by_text(re.compile(r"Stopped after \d+ of 3200 simulations"))
        kept.wait_for()
        made = re.findall(r"\d+", kept.inner_text())[0]
        assert 0 < int(made) < 3200
        title = page.locator(".st-key-s_moves .title")
        title.get_by_text(f"after {made} simulations").wait_for()
        carries(page, {**query, "searched": made})
        page.reload()
        kept.wait_for()
        title.get_by_text(f"after {made} simulations").wait_for()
        settled(page)
        page.get_by_role("button", name="Search again").click()
        title.get_by_text("after 3200 simulations").wait_for()
        page.goto(f"{server}/search?{urlencode({**query, 'searched': '7'})}")
        page.get_by_text("The 7 simulations of this link are no longer here").wait_for()
        page.locator(".st-key-s_search button").wait_for()


def test_a_search_that_is_left_goes_on_where_it_was_and_stays_stopped_once_stopped(
    browser: Any, server: str
) -> None:
    query = {**SEARCH, "simulations": "3200", "play.network": "othello8-strong"}
    with opened(browser, f"{server}/search?{urlencode(query)}") as (page, _):
        under_way = page.get_by_text(re.compile(r"searching: [1-9]\d* simulations"))
        kept = page.get_by_text(re.compile(r"Stopped after \d+ of 3200 simulations"))

        def come_back() -> None:
            page.get_by_role("link", name="Search", exact=True).first.click()
            wait_for_position(page, SEARCH["position"][:64])

        def made(words: Any) -> int:
            words.wait_for()
            return int(re.findall(r"\d+", words.inner_text())[0])

        settled(page)
        page.locator(".st-key-s_search button").click()
        before = made(under_way)
        go_to(page, "Explorer")
        assert not under_way.count()
        come_back()
        again = made(under_way)
        page.locator(".st-key-s_stop button").click()
        stopped = made(kept)
        assert before <= again <= stopped < 3200
        go_to(page, "Experiments")  # while what Q rests on may be under way
        come_back()
        settled(page)
        assert made(kept) == stopped and not page.locator(".st-key-s_stop").count()
        title = page.locator(".st-key-s_moves .title")
        title.get_by_text(f"after {stopped} simulations").wait_for()
        page.get_by_role("button", name="Search again").click()
        made(under_way)
        go_to(page, "Training")
        page.go_back()
        page.locator(".st-key-s_stop button").click()
        assert 0 < made(kept) < 3200
        title.get_by_text(f"after {made(kept)} simulations").wait_for()


def test_a_search_begins_when_asked_and_cards_open_experiments_on_a_phone_too(
    browser: Any, server: str
) -> None:
    address = f"{server}/search?{urlencode(SEARCH)}"
    with opened(browser, address, reduced_motion="reduce") as (page, _):
        wait_for_position(page, SEARCH["position"][:64])
        page.get_by_text("Nothing is searched until").wait_for()
        carries(page, SEARCH)
        settled(page)
        assert not page.locator(".st-key-s_moves, .st-key-s_stop").count()
        page.locator(".st-key-s_search button").click()
        page.locator(".st-key-s_moves .title").get_by_text("after 50 simulations").wait_for()
        page.locator(".st-key-s_q_map").wait_for()
        carries(page, {**SEARCH, "searched": "50"})
        visits = page.locator(".st-key-s_moves tbody").inner_text()
        page.reload()  # what was found comes back unsearched
        page.locator(".st-key-s_moves .title").get_by_text("after 50 simulations").wait_for()
        assert page.locator(".st-key-s_moves tbody").inner_text() == visits
        page.set_viewport_size({"width": 390, "height": 844})
        go_to(page, "Experiments")
        until(lambda: len(page.evaluate(PHONE)) == len(experiments()), 30, "a card for each")
        until(lambda: len({tuple(card) for card in page.evaluate(PHONE)}) == 1, 30, "one column")
        assert page.evaluate(PHONE)[0][1:] == [True, True, True]
        assert page.get_by_role("heading", level=1).inner_text() == "Experiments"
        until(
            lambda: page.evaluate(LEGIBLE), 30, "whole figures with letters of more than 7 pixels"
        )
        page.locator(".st-key-e_go_lstm button").click()
        page.locator(".st-key-e_run button").wait_for()
        page.wait_for_function("location.search.includes('experiment=lstm')")
        page.get_by_role("button", name="All experiments").click()
        page.locator(".st-key-e_card_prior").wait_for()
        page.wait_for_function("!location.search.includes('experiment=')")
