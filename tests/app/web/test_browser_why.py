"""Why this move, in Chromium: the sentence under the board, the squares of a chip on it, on a phone, and hidden."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from app.cli import run
from tests.app.web.browser_page import (
    cell,
    legal_moves,
    opened,
    settled,
    transcript,
    wait_for_my_turn,
)
from tests.app.web.served import until

if TYPE_CHECKING:
    from app.models import Model

pytestmark = pytest.mark.browser
PLIES = "f5d6c3d3c4f4f6f3e6"  # white is to move
CHIPS = "[class*=st-key-why_chips] button"


def sentence(page: Any) -> str:
    """The sentence with what it expects of the game, as the command says it."""
    box = page.locator(".st-key-why")
    reason = str(box.locator("[data-testid=stMarkdown] p").first.inner_text())
    numbers = str(box.locator("[data-testid=stCaptionContainer]").first.inner_text(timeout=5000))
    numbers = numbers.strip().removeprefix("After search: ").removesuffix(" (black minus white)")
    return f"{reason.strip().removesuffix('.')}; {numbers}.".replace("\u2060", "").replace(
        "\xa0", " "
    )


def test_the_sentence_is_under_the_board_and_is_the_commands(
    browser: Any, server: str, model: Model, capsys: Any
) -> None:
    with opened(browser, f"{server}/?moves={PLIES}") as (page, _):
        wait_for_my_turn(page, 10)
        page.locator(".st-key-why").wait_for()
        settled(page)
        moves = transcript(page)
        board, box = (page.locator(f".st-key-{key}").bounding_box() for key in ("board", "why"))
        assert board["y"] + board["height"] <= box["y"] < 1000 and box["x"] <= board["x"] + 8
        assert run(["explain", moves[:-2], "--why", moves[-2:]]) == 0
        told = sentence(page)
        assert (
            told.startswith(moves[-2:]) and told == json.loads(capsys.readouterr().out)["sentence"]
        )


def test_a_chip_outlines_its_squares_on_the_board_until_it_is_let_go(
    browser: Any, server: str
) -> None:
    with opened(browser, f"{server}/?moves={PLIES}", reduced_motion="reduce") as (page, _):
        wait_for_my_turn(page, 10)
        settled(page)
        chips, marked = page.locator(CHIPS), page.locator(".outlined")
        for plies in range(12, 24, 2):
            if chips.count():
                break
            cell(page, legal_moves(page)[0]).click()
            wait_for_my_turn(page, plies)
            settled(page)
        assert chips.count() and not marked.count()
        named = set(re.findall(r"\b[a-h][1-8]\b", chips.first.inner_text()))
        chips.first.click()
        marked.first.wait_for()
        settled(page)
        shown = {str(one.get_attribute("aria-label"))[:2] for one in marked.all()}
        assert shown and (not named or named <= shown)
        assert all("outlined" in str(one.get_attribute("aria-label")) for one in marked.all())
        chips.first.click()
        marked.first.wait_for(state="detached")


def test_the_box_is_absent_while_explanations_are_hidden(browser: Any, server: str) -> None:
    with opened(browser, f"{server}/?moves={PLIES}") as (page, _):
        wait_for_my_turn(page, 10)
        page.locator(".st-key-why").wait_for()
        for reveal, count in (("Never", 0), ("Always", 1), ("Never", 0), ("After my move", 1)):
            choice = page.locator(".st-key-reveal").get_by_role("radio", name=reveal, exact=True)
            choice.click()
            page.locator(".st-key-why").wait_for(state="visible" if count else "detached")
            settled(page)
            assert page.locator(".st-key-why").count() == count


def test_the_box_fits_a_phone_with_the_networks_view_unfolded(browser: Any, server: str) -> None:
    phone = {"width": 390, "height": 844}
    with opened(browser, f"{server}/?moves={PLIES}", viewport=phone) as (page, _):
        wait_for_my_turn(page, 10)
        page.locator(".st-key-why").wait_for()
        settled(page)
        assert page.locator(".st-key-why p").first.bounding_box()["y"] < 844
        page.get_by_text("The network's view").click()
        page.locator(".st-key-why_map .oth-cell").first.wait_for()
        settled(page)  # what comes in above it would move it from under the pointer
        page.locator(".st-key-why_biases label").first.click()
        page.locator(".st-key-why_bias_map .oth-cell").first.wait_for()
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert (
            page.locator(".st-key-why_ledger table")
            .get_attribute("aria-label")
            .startswith(f"change:{transcript(page)[-2:]} =")
        )


def test_a_reviewed_move_is_explained_beside_the_better_one(browser: Any, server: str) -> None:
    address = f"{server}/?seat=both&moves={PLIES}b3&ply=9"
    with opened(browser, address, reduced_motion="reduce") as (page, _):
        settled(page)
        page.get_by_role("button", name="Review the game").click()
        row = page.locator(".st-key-losses tbody tr").first
        row.wait_for()
        settled(page)
        numbered, better, _ = row.locator("td").all_inner_texts()
        move = numbered.split()[-1]
        page.set_viewport_size({"width": 390, "height": 844})
        row.get_by_role("button").click()
        page.get_by_text(f"{better} was better").wait_for()
        settled(page)
        seen = "one => { const box = one.getBoundingClientRect(); return box.top >= 0 && box.bottom < innerHeight }"
        frame = page.locator(".st-key-board .oth-frame")  # far above the row on a phone
        until(lambda: frame.evaluate(seen), 10, "the board in view")
        told = sentence(page)
        assert re.match(rf"{move}( rather than {better}:|\? .*better {better}, costs)", told), told


def test_a_move_is_searched_when_asked_and_another_can_be_named_beside_it(
    browser: Any, server: str
) -> None:
    with opened(browser, f"{server}/?seat=both&moves={PLIES}") as (page, _):
        settled(page)
        page.get_by_text("no search was made before it, so nothing is claimed").wait_for()
        page.get_by_role("button", name="Search it").click()
        page.get_by_text("of 100 tries").wait_for()
        settled(page)
        usual = sentence(page)
        box = page.locator(".st-key-why").get_by_role("combobox")
        box.scroll_into_view_if_needed()
        settled(page)  # a page that scrolls closes a list that has just opened
        box.click()
        page.get_by_role("option").first.wait_for()
        names = [one.inner_text()[-3:-1] for one in page.get_by_role("option").all()]
        rival = next(name for name in names if name not in usual)
        page.get_by_role("option", name=f"Why not {rival}?").click()
        page.get_by_text(f"rather than {rival}").wait_for()
        settled(page)
        assert sentence(page).startswith(f"{PLIES[-2:]} rather than {rival}: ")


def test_the_sentence_is_in_the_first_view_and_a_finger_finds_every_target(
    browser: Any, server: str
) -> None:
    box = "one => { const box = one.getBoundingClientRect(); return [box.width, box.height, box.bottom] }"
    targets = ".stMain button, .stMain [role=radio], .stMain [role=gridcell], .stMain a[href]"
    with opened(browser, f"{server}/?moves=f5d6c3d3c4f4f6f3") as (page, _):
        page.locator(".st-key-why p").first.wait_for()
        settled(page)
        tour = page.get_by_role("region", name="Tour")
        for width, height in ((1400, 1000), (1024, 768), (768, 1024), (390, 844), (844, 390)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(300)
            frame = page.locator(".st-key-board .oth-frame").evaluate(box)
            assert frame[1] <= height and frame[0] <= width, (width, height)
            assert tour.is_visible()
            assert page.locator(".st-key-why p").first.evaluate(box)[2] <= height, (width, height)
            assert height > 500 or frame[2] <= height
            if (width, height) == (390, 844) and (chip := page.locator(CHIPS).first).count():
                assert chip.evaluate(box)[2] <= height
            if width <= 390 or height <= 500:
                sizes = page.locator(targets).evaluate_all(f"all => all.map({box})")
                small = [one for one in sizes if one[0] > 1 and min(one[:2]) < 44]
                assert len(sizes) > 64 and not small, (width, height, small)
