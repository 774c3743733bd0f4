"""What is meant in Chromium: a reviewed move is the one shown, red names its side, a line has values of one kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from othello.players.agent import evaluate
from othello.rules.board import Board
from othello.rules.notation import format_moves, parse_moves, square_name
from tests.app.web.browser_page import (
    cell,
    go_to,
    legal_moves,
    opened,
    position,
    settled,
    status,
    transcript,
    wait_for_my_turn,
    wait_for_position,
)

if TYPE_CHECKING:
    from app.models import Model

pytestmark = pytest.mark.browser
QUESTIONS = {  # and how the account of their answers begins
    "Value": "value =",
    "A move": r"policy:\w\d =",
    "X rather than Y": r"policy:\w\d-\w\d =",
    "Q after search": r"q:\w\d =",
    "What a move changes": r"change:\w\d =",
}
MAPS = """() => [...document.querySelectorAll(".oth.heat")].filter(map => map.offsetParent).map(map => ({
    title: map.querySelector(".oth-title").textContent, numbers: map.querySelectorAll(".oth-legend div")[0].innerText,
    sides: [...map.querySelectorAll(".oth-legend div")[1].children].map(side => side.textContent)}))"""


def careless(plies: int) -> list[Board]:
    """The positions of a game in which nobody thinks."""
    boards = [Board.initial()]
    while len(boards) <= plies:
        board = boards[-1]
        boards.append(board.play(board.legal_actions()[len(boards) % len(board.legal_actions())]))
    return boards


def moves_of(boards: list[Board]) -> str:
    """The transcript that leads through these positions."""
    actions = []
    for before, after in pairwise(boards):
        actions += [a for a in before.legal_actions() if before.play(a) == after]
    return format_moves(actions, 8)


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Any]:
    """Black's game against the agent after a link of 18 careless plies, gone back by one move."""
    with opened(
        browser, f"{server}/?moves={moves_of(careless(18))}&ply=16", reduced_motion="reduce"
    ) as (page, _):
        settled(page)
        yield page


def test_a_click_on_a_reviewed_mistake_shows_that_very_move_and_why_not_the_better_one(
    page: Any,
) -> None:
    boards, played = careless(18), parse_moves(transcript(page))
    page.get_by_role("button", name="Review the game").click()
    page.locator(".st-key-losses tbody tr").first.wait_for()
    settled(page)
    rows = page.locator(".st-key-losses tbody tr")
    assert rows.count() >= 3 and page.locator(".st-key-graph path").count() == rows.count()
    lost = []
    for number in range(rows.count()):
        numbered, better, cost = rows.nth(number).locator("td").all_inner_texts()
        ply, move = int(numbered.split(".")[0]) - 1, numbered.split()[-1]
        assert square_name(played[ply]) == move
        lost.append(int(re.fullmatch(r"about (\d+) discs", cost)[1]))
        rows.nth(number).get_by_role("button").click()
        wait_for_position(page, str(boards[ply])[:64])
        settled(page)
        assert cell(page, move).inner_text() == "played"
        assert cell(page, better).inner_text() == "better"
        side = "black" if boards[ply].side == "X" else "white"
        assert status(page) == f"Ply {ply} of 18: {side} played {move}, {better} was better."
        table = page.locator(".st-key-ledger table").get_attribute("aria-label")
        assert table.startswith(f"policy:{move}-{better} = squares")
        assert page.locator(".st-key-map .oth-title").inner_text() == f"Before {move}"
        marked = page.locator(".st-key-map .oth-cell").evaluate_all(
            "cells => cells.findIndex(cell => cell.classList.contains('last'))"
        )
        assert marked == played[ply]
    assert lost == sorted(lost, reverse=True) and lost[0] > 0
    for hidden in (True, False):
        reveal = "Never" if hidden else "After my move"
        page.locator(".st-key-reveal").get_by_role("radio", name=reveal).click()
        page.get_by_text("was better").wait_for(state="detached" if hidden else "visible")
        settled(page)
        assert (cell(page, better).inner_text() == "better") != hidden
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("was better").wait_for(state="detached")


def test_every_legend_says_for_whom_red_speaks_and_maps_side_by_side_have_one_scale(
    browser: Any, server: str
) -> None:
    with opened(browser, f"{server}/?moves=f5d6c3d3c4f4f6f3e6e7d7g6") as (page, _):
        settled(page)
        for reveal in ("After my move", "Always"):
            page.locator(".st-key-reveal").get_by_role("radio", name=reveal, exact=True).click()
            for question, begins in QUESTIONS.items():
                asked = page.locator(".st-key-question")
                asked.get_by_role("radio", name=question, exact=True).click()
                page.get_by_role("table", name=re.compile(f"^{begins}")).wait_for()
                settled(page)
                mover, other = ("black", "white") if reveal == "Always" else ("white", "black")
                target = page.locator(".st-key-ledger tr.total td").first.inner_text()
                first, *rest = target.partition(":")[2].split("-")
                wanted = [f"blue: for {other}", f"red: for {mover}"]
                if question in ("A move", "X rather than Y"):
                    against = f"for {mover}'s {rest[0]}" if rest else f"against {mover}'s {first}"
                    wanted = [f"blue: {against}", f"red: for {mover}'s {first}"]
                one, two = page.evaluate(MAPS)
                assert one["sides"] == two["sides"] == wanted
                assert one["numbers"] == two["numbers"] and one["numbers"].count("\n") == 2


@pytest.mark.parametrize("name", ["Inspect", "Search"])
def test_the_other_pages_say_it_too(name: str, page: Any) -> None:
    go_to(page, name)
    if name == "Inspect":
        page.get_by_role("tab", name="Layers").click()
        settled(page)
    else:
        page.locator(".st-key-s_search button").click()
    page.locator(".st-key-i_layer_bias, .st-key-s_q_bias").locator(".oth-legend").wait_for()
    settled(page)
    maps = page.evaluate(MAPS)
    assert len(maps) == (4 if name == "Inspect" else 2)
    assert {side.split(":")[0] for one in maps for side in one["sides"]} == {"blue", "red"}
    assert all(re.match("red: for (black|white)", one["sides"][1]) for one in maps)
    for one, two in zip(maps[::2], maps[1::2]):
        assert one["numbers"] == two["numbers"]


def test_the_graph_draws_values_of_one_kind_in_each_line(
    browser: Any, server: str, model: Model
) -> None:
    with opened(browser, server, reduced_motion="reduce") as (page, _):
        settled(page)
        for plies in (2, 4, 6):
            cell(page, legal_moves(page)[0]).click()
            wait_for_my_turn(page, plies)
            settled(page)
        boards = list(Board.initial().replay(parse_moves(transcript(page))))
        assert position(page) == str(boards[-1])[:64]
        _, values = evaluate(model.evaluator, boards)
        black = [float(v) if b.side == "X" else -float(v) for b, v in zip(boards, values)]
        assert np.allclose(line(page, "sight"), black, atol=0.02)
        assert len(line(page, "searched")) == 3 and page.locator(".st-key-graph .dot").count() >= 3
        said = page.locator(".st-key-graph .kinds").inner_text().split("\n")
        assert said == ["after search", "at first sight"]
        words = page.get_by_role("slider", name="Value of the game").get_attribute("aria-valuetext")
        assert words.startswith("ply 6: ") and words.endswith("(at first sight)")


def line(page: Any, name: str) -> list[float]:
    """The values of a line of the graph, in [−1, 1] for black."""
    frame = page.locator(".st-key-graph rect").nth(2)
    top, height = (float(frame.get_attribute(side)) for side in ("y", "height"))
    points = page.locator(f".st-key-graph polyline.{name}").get_attribute("points").split()
    return [1 - 2 * (float(point.split(",")[1]) - top) / height for point in points]


def test_an_experiment_goes_on_when_its_page_is_left_and_can_be_cancelled(
    browser: Any, server: str
) -> None:
    with opened(browser, f"{server}/experiments?experiment=faithfulness", wait=False) as (page, _):
        settled(page)
        page.locator(".st-key-e_run button").click()
        bar = page.get_by_test_id("stProgress")
        bar.wait_for()
        page.get_by_text("It goes on when you leave this page.").wait_for()
        assert page.locator(".st-key-e_run button").is_disabled()
        before = bar.inner_text()
        page.get_by_role("link", name="Training", exact=True).first.click()
        page.get_by_text("Two checkpoints side by side").wait_for()
        page.get_by_role("link", name="Experiments", exact=True).first.click()
        bar.wait_for()
        page.get_by_text(before, exact=True).wait_for(state="detached")
        assert bar.is_visible()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled.").wait_for()
        assert page.locator(".st-key-e_run button").is_enabled()
