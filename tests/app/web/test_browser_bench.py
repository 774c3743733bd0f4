"""The Bench in Chromium: a matrix on one scale whose cells say what is asked, a pin that a reload keeps, a set."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from app.cli import COMMANDS
from app.experiments.maps.bench import alike, comparable, gains
from app.experiments.positions import BOARD_31
from app.explain.ask import explain
from app.explain.composites import BIAS_MEANINGS, DEFAULT_COMPOSITE, composite_names
from app.explain.targets import Target
from app.present.colormap import fills, scale_of
from app.present.numbers import signed
from app.present.sentences import q_words
from tests.app.web.browser_page import choose, opened, settled
from tests.app.web.served import until
from tests.app.web.test_browser_record import record

pytestmark = pytest.mark.browser
LINK = {"position": str(BOARD_31), "tool": "bench", "rows": "Planes"}
CELLS = ".st-key-i_matrix tbody button"


def drawn(page: Any) -> list[list[str]]:
    """The colours of every cell's squares, row by row of the matrix."""
    found: list[list[str]] = page.locator(CELLS).evaluate_all(
        "cells => cells.map(cell => [...cell.querySelectorAll('rect')].map(one => one.getAttribute('fill')))"
    )
    return found


def test_the_bench_shows_what_is_asked_keeps_a_pin_and_runs_over_a_set(
    browser: Any, server: str, model: Any, tmp_path: Path
) -> None:
    found = [explain(model, BOARD_31, "value", bias=mode) for mode in BIAS_MEANINGS]
    names = ["", *found[0].planes]
    maps = [[one.planes[name] if name else one.squares for one in found] for name in names]
    scale = scale_of(*comparable([shown for line in maps for shown in line]))
    with opened(browser, f"{server}/inspect?{urlencode(LINK)}", accept_downloads=True) as (page, _):
        page.locator(CELLS).first.wait_for()
        settled(page)
        assert page.locator(CELLS).count() == len(names) * len(found)
        wanted = [list(fills(shown, scale).values()) for line in maps for shown in line]
        assert drawn(page) == wanted
        srg = gains(model, BOARD_31, Target("value"), [one.squares for one in found])
        assert srg is not None
        label = str(page.locator(CELLS).nth(3).get_attribute("aria-label"))
        r = alike(found[3].squares, found[0].squares)
        assert label == f"all, uniform: r {q_words(r)}, SRG {signed(srg[3])}; pin it"

        mode = list(BIAS_MEANINGS)[3]
        page.locator(CELLS).nth(3).click()
        page.locator(f"{CELLS}[aria-pressed=true]").first.wait_for()
        settled(page)
        pin = f"{BOARD_31}~value~{DEFAULT_COMPOSITE}~{mode}~100"
        until(lambda: record(page).get("pin") == pin, 30, pin)
        page.reload()
        page.locator(f"{CELLS}[aria-pressed=true]").first.wait_for()
        settled(page)
        until(lambda: drawn(page) == wanted, 30, "the same colours")
        assert record(page)["pin"] == pin

        page.get_by_text("Run over a set of positions").click()
        page.locator(".st-key-i_set_run button").click()
        page.locator(".st-key-i_set_table tbody tr").nth(1).wait_for()
        settled(page)
        command = shlex.split(page.get_by_test_id("stCode").first.inner_text())
        assert command[:3] == ["othello", "bench", "selfplay:50"] and command[1] in COMMANDS
        with page.expect_download() as download:
            page.locator(".st-key-i_set_npz button").click()
        download.value.save_as(tmp_path / "maps.npz")
        with np.load(io.BytesIO((tmp_path / "maps.npz").read_bytes())) as arrays:
            assert arrays["maps"].shape == (2, 50, 8, 8)
            assert list(arrays["methods"]) == [f"{DEFAULT_COMPOSITE}/{m}" for m in ("sink", mode)]
            mean = arrays["values"].mean(1)
            sizes = np.bincount(arrays["clusters"][0])
        kinds = page.locator("[class*='st-key-i_kind_'] .oth-title").all_inner_texts()
        assert kinds[: min(4, len(sizes))] == [f"Typical of {size}" for size in sizes[:4]]
        assert page.get_by_text("put in an order of their own").count() == 2
        cells = page.locator(".st-key-i_set_table tbody tr").first.locator("td").all_inner_texts()
        assert cells[1].startswith(signed(mean[0])) and re.search(r"±", cells[3])


@pytest.mark.long
def test_eight_rules_by_six_modes_are_drawn(browser: Any, server: str) -> None:
    link = {"position": str(BOARD_31), "tool": "bench"}
    with opened(browser, f"{server}/inspect?{urlencode(link)}") as (page, _):
        page.locator(CELLS).nth(47).wait_for()
        settled(page)
        head = page.locator(".st-key-i_matrix tbody th").all_inner_texts()
        assert head == list(composite_names()[:8])
        choose(page, "i_rows", "Targets")
        page.get_by_role("rowheader", name="value").wait_for()
