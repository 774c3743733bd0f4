"""The record in Chromium: one address restores all choices of all pages, and so does the browser's storage."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from app.explain.ask import explain
from othello.rules.board import Board
from tests.app.web.browser_page import go_to, opened, settled, wait_for_position
from tests.app.web.served import until
from tests.app.web.test_browser_shown import close_menu, colours, ledger, open_menu, painted

pytestmark = pytest.mark.browser
MOVES = "f5d6c3d3c4f4f6f3e6e7d7g6"
PIN = f"{Board.parse('f5d6c3')}~policy:d3-f4~EpsilonPlus~ignore~100"
WANTED = {  # as Play's address has it
    "moves": MOVES,
    "seat": "white",
    "ply": "10",
    "reveal": "always",
    "composite": "EpsilonPlus",
    "bias": "ignore",
    "colours": "purple–orange",
    "numbers": "relevance",
    "simulations": "32",
    "temperature": "0.5",
    "opponent": "greedy",
    "better": "c6",
    "target": "policy:d7-c6",
    "inspect.position": str(Board.parse("f5d6c3")),
    "inspect.target": "policy:d3-f4",
    "inspect.composite": "EpsilonPlusFlat,stem=Gamma:0.25",
    "inspect.bias": "uniform",
    "inspect.numbers": "True",
    "inspect.pin": PIN,
    "search.position": str(Board.parse("f5")),
    "search.simulations": "50",
    "search.c_puct": "2",
    "search.move": "d6",
    "experiments.experiment": "lstm",
}
KEY = "othello-record"
STALE = (
    "{",
    json.dumps({"version": 2, "page": "play", "query": f"moves={MOVES}"}),
    json.dumps({"version": 1, "page": "../evil", "query": f"moves={MOVES}"}),
    json.dumps({"version": 1, "page": "play", "query": "&".join(["moves=f5"] * 3000)}),
    json.dumps(
        {"version": 1, "page": "play", "query": "simulations=1e9&bias=%00&reveal=<b>&ply=-1"}
    ),
)
BROKEN = {
    "forbidden": "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no') }})",
    "full": "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }",
}


def record(page: Any) -> dict[str, str]:
    """What the address says."""
    found: dict[str, str] = page.evaluate(
        "Object.fromEntries(new URLSearchParams(location.search))"
    )
    return found


def named(texts: dict[str, str], page: str) -> dict[str, str]:
    """A record of the Play page as the address of another page has it."""
    own = {
        name.removeprefix(f"{page}."): text for name, text in texts.items() if name.startswith(page)
    }
    rest = {name: text for name, text in texts.items() if not name.startswith(page)}
    game = {"moves", "seat", "ply"}
    moved = {
        name if "." in name or name in game else f"play.{name}": text for name, text in rest.items()
    }
    return own | moved


def carries(page: Any, wanted: dict[str, str]) -> None:
    """Wait until the address says this and no more."""
    until(lambda: record(page) == wanted, 30, f"{wanted}, the address says {record(page)}")


def test_a_record_is_kept_by_every_page_by_a_reload_and_by_the_bare_address(
    browser: Any, server: str, model: Any
) -> None:
    before = Board.parse(MOVES[:20])
    found = explain(model, before, "policy:d7-c6", composite="EpsilonPlus", bias="ignore")
    with opened(browser, f"{server}/?{urlencode(WANTED)}", reduced_motion="reduce") as (page, _):
        page.set_default_timeout(40_000)
        settled(page)
        for name in ("Inspect", "Search"):
            go_to(page, name)
            carries(page, named(WANTED, name.lower()))
        page.reload()
        page.get_by_text("What Q rests on").first.wait_for()
        settled(page)
        go_to(page, "Play")
        carries(page, WANTED)
        page.goto(server)  # the app by itself, as on another day
        wait_for_position(page, str(before)[:64])
        settled(page)
        carries(page, WANTED)
        assert ledger(page).partition(" = ")[0] == "policy:d7-c6"
        page.get_by_text("black played d7, c6 was better").wait_for()
        page.locator(".st-key-why").get_by_text("d7").first.wait_for()  # its search was made again
        assert "no search was made" not in page.locator(".st-key-why").inner_text()
        shown = colours(page, "board")
        wanted = painted(found, "purple–orange")
        assert {square: shown[square] for square in wanted} == wanted
        open_menu(page, "New")
        slider = page.locator("[class*=st-key-simulations] input[type=range]")
        assert slider.get_attribute("aria-valuetext") == "32"
        close_menu(page)


def test_storage_that_is_stale_hostile_forbidden_or_full_leaves_a_new_game(
    browser: Any, server: str
) -> None:
    start = str(Board.initial())[:64]
    with opened(browser, server) as (page, _):
        settled(page)
        for text in STALE:
            page.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY, text])
            page.goto(server)
            page.get_by_role("gridcell").first.wait_for()
            settled(page)
            wait_for_position(page, start)
            carries(page, {"seat": "black"})
            assert page.get_by_role("alert").count() == 0, text
    for name, script in BROKEN.items():
        with opened(browser, f"{server}/?moves=f5d6&seat=both") as (page, _):
            page.context.add_init_script(script)
            page.reload()
            page.get_by_role("gridcell").first.wait_for()
            settled(page)
            carries(page, {"moves": "f5d6", "seat": "both"})
            page.goto(server)
            page.get_by_role("gridcell").first.wait_for()
            settled(page)
            kept = name == "full"  # it still has what was written before
            carries(page, {"moves": "f5d6", "seat": "both"} if kept else {"seat": "black"})
            page.get_by_text("Black to move." if kept else "Your move (black).").wait_for()
