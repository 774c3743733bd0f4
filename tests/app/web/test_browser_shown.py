"""Play in Chromium: Share saves and Inspect opens what the page shows, and no Q is shown that was not measured."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from app.explain.ask import explain
from app.explain.explanation import Explanation
from app.explain.points import in_points
from app.present.colormap import fills
from app.present.numbers import fixed, signed
from app.present.picture import as_png, as_svg, full_colour
from othello.rules.board import Board
from othello.rules.notation import parse_moves
from tests.app.web.browser_page import (
    cell,
    choose,
    legal_moves,
    opened,
    position,
    settled,
    transcript,
    wait_for_my_turn,
)

if TYPE_CHECKING:
    from pathlib import Path

    from app.models import Model

pytestmark = pytest.mark.browser
FILLS = "map => [...map.querySelectorAll('.oth-cell')].map(cell => getComputedStyle(cell).backgroundColor)"
KINDS = {"JSON": "json", "Heatmap, PNG": "png", "Heatmap, SVG": "svg", "CSV": "csv", "NPZ": "npz"}


def open_menu(page: Any, name: str) -> None:
    """Open a menu of the page."""
    page.get_by_role("button", name=name).first.click()
    page.locator("[data-testid=stPopoverBody]").wait_for()
    settled(page)


def close_menu(page: Any) -> None:
    """Close the menu that is open."""
    page.keyboard.press("Escape")
    page.locator("[data-testid=stPopoverBody]").wait_for(state="detached")
    settled(page)


def saved(page: Any, folder: Path) -> dict[str, bytes]:
    """The five files of the explanation, by their endings."""
    open_menu(page, "Share")
    found = {}
    for name, kind in KINDS.items():
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        download.value.save_as(folder / kind)
        found[kind] = (folder / kind).read_bytes()
    close_menu(page)
    return found


def ledger(page: Any, key: str = "ledger") -> str:
    """The account of the explanation in words."""
    return str(page.locator(f".st-key-{key} table").get_attribute("aria-label"))


def colours(page: Any, key: str) -> list[tuple[int, ...]]:
    """The red, green and blue of every square of a map."""
    shown = page.locator(f".st-key-{key}").first.evaluate(FILLS)
    return [tuple(map(int, re.findall(r"\d+", text)[:3])) for text in shown]


def painted(found: Explanation, look: str = "blue–red") -> dict[int, tuple[int, ...]]:
    """The colours of the squares that an explanation paints."""
    paint = fills(found.squares, full_colour(found), look)
    return {square: tuple(bytes.fromhex(text.removeprefix("#"))) for square, text in paint.items()}


def check_files(files: dict[str, bytes], found: Explanation, marked: int) -> None:
    """AssertionError where a file says anything else than the explanation."""
    told = json.loads(files["json"])
    wanted = found.to_dict()
    for name in ("of", "position", "composite", "bias_mode", "checkpoint"):
        assert told[name] == wanted[name], name
    assert told["target"] == pytest.approx(found.value, rel=1e-6, abs=1e-6)
    assert np.array(told["squares"]) == pytest.approx(found.squares, rel=1e-6, abs=1e-6)
    rows = list(csv.DictReader(io.StringIO(files["csv"].decode())))
    assert [float(row["relevance"]) for row in rows] == pytest.approx(
        found.squares.ravel(), rel=1e-6, abs=1e-6
    )
    assert "".join(row["content"] for row in rows) == str(found.board)[:64]
    with np.load(io.BytesIO(files["npz"])) as arrays:
        assert list(arrays["of"][:4]) == [
            str(found.target),
            str(found.board),
            found.composite,
            found.bias_mode,
        ]
        assert arrays["squares"] == pytest.approx(found.squares, rel=1e-6, abs=1e-6)
    assert files["svg"].decode() == as_svg(found, last=marked)
    assert files["png"] == as_png(found, last=marked)


def test_files_and_inspect_give_the_explanation_that_is_shown(
    browser: Any, server: str, model: Model, tmp_path: Path
) -> None:
    with opened(browser, server, reduced_motion="reduce", accept_downloads=True) as (page, _):
        settled(page)
        for plies in (2, 4):
            cell(page, legal_moves(page)[0]).click()
            wait_for_my_turn(page, plies)
            settled(page)
        page.locator(".st-key-question").get_by_role("radio", name="X rather than Y").click()
        settled(page)
        open_menu(page, "Method")
        choose(page, "composite", "EpsilonPlus")
        choose(page, "bias", "ignore")
        close_menu(page)

        moves = parse_moves(transcript(page))
        *_, before, _ = Board.initial().replay(moves)
        target = ledger(page).partition(" = ")[0]
        assert re.fullmatch(r"policy:\w\d-\w\d", target)
        found = explain(model, before, target, composite="EpsilonPlus", bias="ignore")
        told = fixed(in_points(found).value, 1)
        assert page.locator(".st-key-ledger tr.total td").last.inner_text() == told
        shown = colours(page, "map")
        assert {square: shown[square] for square in painted(found)} == painted(found)
        check_files(saved(page, tmp_path), found, moves[-1])

        page.get_by_role("button", name="Inspect", exact=True).click()
        page.locator(".st-key-i_ledger table").wait_for()
        settled(page)
        assert signed(found.value) in page.locator(".st-key-i_ledger tr.total td").last.inner_text()
        assert ledger(page, "i_ledger").startswith(f"{target} = ")
        assert position(page) == str(before)[:64]
        page.get_by_text("The position after ply 3 of the game").wait_for()
        shown = colours(page, "i_board")
        assert {square: shown[square] for square in painted(found)} == painted(found)
        page.wait_for_function(
            "new URLSearchParams(location.search).get('composite') === 'EpsilonPlus'"
        )


def test_nothing_is_saved_as_shown_before_anything_is_explained(browser: Any, server: str) -> None:
    with opened(browser, server) as (page, _):
        settled(page)
        open_menu(page, "Share")
        page.get_by_role("button", name="Board, SVG").wait_for()
        settled(page)
        assert page.get_by_role("button", name="JSON", exact=True).count() == 0


def test_a_move_that_the_search_never_visited_has_a_question_mark_for_its_chance(
    browser: Any, server: str
) -> None:
    with opened(browser, f"{server}/?seat=both&moves=f5d6c3d3c4f4f6f3e6e7d7g6") as (page, _):
        settled(page)
        page.get_by_role("button", name="Search this position").click()
        page.locator(".st-key-moves tbody tr").first.wait_for()
        settled(page)
        rows = [
            row.locator("td").all_inner_texts()
            for row in page.locator(".st-key-moves tbody tr").all()
        ]
        assert {visits == "0" for _, _, visits, _ in rows} == {False, True}, rows
        assert all((chance == "?") == (visits == "0") for _, _, visits, chance in rows)
