"""A game report in Chromium from a file, without a network: arrow keys, buttons, both colour schemes, a phone, axe."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.game.judged import JudgedGame, judge_game
from app.present.report import report
from app.web.views.panel import SIMULATIONS
from othello.records import GameRecord
from tests.app.web.browser_page import opened, position, settled
from tests.app.web.served import ROOT
from tests.app.web.test_browser_pages import violations

if TYPE_CHECKING:
    from app.models import Model

pytestmark = pytest.mark.browser
LONG = pytest.mark.long


@pytest.fixture(scope="module")
def address(lost_game: JudgedGame, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report's file as an address."""
    file = tmp_path_factory.mktemp("report") / "game.html"
    file.write_text(report(lost_game), encoding="utf-8")
    return file.as_uri()


@contextmanager
def offline(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page at the address in a context without a network; fails at the end for an error, a dialog or a request."""
    context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
    context.set_offline(True)
    page, seen = context.new_page(), []
    page.on("console", lambda message: seen.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (seen.append(dialog.message), dialog.dismiss()))
    allowed = (address, "data:,")
    page.on("request", lambda sent: None if sent.url in allowed else seen.append(sent.url))
    page.goto(address)
    try:
        yield page
        assert not seen
    finally:
        context.close()


def keep(page: Any, name: str) -> None:
    """A screenshot among the test artefacts."""
    folder = Path(os.environ.get("OTHELLO_SCREENSHOTS") or ROOT / "test-artifacts" / "pages")
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def ply(page: Any) -> int:
    """The ply that the slider shows."""
    return int(page.locator("#ply").input_value())


def test_arrow_keys_and_buttons_step_through_the_game(
    browser: Any, address: str, lost_game: JudgedGame
) -> None:
    boards = [str(board).split()[0] for board in lost_game.record.boards]
    with offline(browser, address) as page:
        assert position(page) == boards[0]
        for number in (1, 2, 3):
            page.keyboard.press("ArrowRight")
            assert ply(page) == number and position(page) == boards[number]
        page.keyboard.press("ArrowLeft")
        assert ply(page) == 2 and page.locator("#said").inner_text().startswith("2. White")
        page.get_by_role("button", name="Last position").click()
        assert position(page) == boards[-1]
        assert page.locator("#said").inner_text().endswith("White wins 61–3.")
        page.keyboard.press("ArrowRight")
        assert ply(page) == len(boards) - 1
        page.locator("#ply").focus()
        page.keyboard.press("ArrowLeft")
        assert ply(page) == len(boards) - 2 and position(page) == boards[-2]
        turn = lost_game.turns[0].judged
        page.locator(".turn button").first.click()
        assert position(page) == boards[turn.ply + 1]
        assert page.locator("tr[aria-current]").get_attribute("data-row") == str(turn.ply + 1)
        page.locator(".graph").click(position={"x": 5, "y": 60})
        assert ply(page) == 0


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1400, "light"),
        (390, "dark"),
        pytest.param(1400, "dark", marks=LONG),
        pytest.param(390, "light", marks=LONG),
    ],
)
def test_a_report_fits_and_axe_finds_nothing_serious(
    width: int, scheme: str, browser: Any, address: str
) -> None:
    pytest.importorskip("axe_playwright_python")
    size = {"width": width, "height": 900}
    with offline(browser, address, viewport=size, color_scheme=scheme) as page:
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert not violations(page)
        small = page.evaluate("""() => [...document.querySelectorAll("p, td, th, button, figcaption, .badge")]
            .filter(box => box.getClientRects().length && parseFloat(getComputedStyle(box).fontSize) < 12)
            .map(box => box.outerHTML.slice(0, 80))""")
        assert not small
        keep(page, f"report-{scheme}-{width}")
        page.evaluate("document.body.append(document.createElement('button'))")
        assert [line.split()[0] for line in violations(page)] == ["button-name"]


def test_a_reviewed_game_is_downloaded_as_the_same_report(
    browser: Any, server: str, model: Model
) -> None:
    moves = "f5d6c3d3c4f4"
    with opened(browser, f"{server}/?seat=both&moves={moves}&ply=5") as (page, _):
        settled(page)
        page.get_by_role("button", name="Review the game").click()
        with page.expect_download() as started:
            page.get_by_role("button", name="Report, HTML").click()
        keep(page, "play-reviewed")
        got = Path(started.value.path()).read_text(encoding="utf-8")
    record = GameRecord.from_transcript(moves, black="Black", white="White")
    assert got == report(judge_game(record, model, SIMULATIONS))


def test_how_fast_a_report_opens(browser: Any, address: str) -> None:
    begun = time.perf_counter()
    with offline(browser, address) as page:
        page.locator("#said").wait_for()
        print(f"opened in {time.perf_counter() - begun:.2f} s")
        assert position(page).count("X") == 2


@LONG
def test_a_report_opens_within_a_second(browser: Any, address: str) -> None:
    with offline(browser, address) as page:
        page.reload()
        milliseconds = page.evaluate("performance.getEntriesByType('navigation')[0].duration")
        assert 0 < milliseconds < 1000
