"""Every page in Chromium, light and dark, on a phone and on a desk: drawn without errors, not too wide, accessible.

The screenshots stay in the git-ignored folder `test-artifacts/pages`, or in $OTHELLO_SCREENSHOTS.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from app.experiments.catalogue import experiments
from othello.strength.ladder import LadderSettings, climb
from tests.app.web.browser_page import PAGES, go_to, opened, settled
from tests.app.web.served import ROOT, Served
from tests.othello.training.trainers import TINY, advance

pytestmark = pytest.mark.browser
LONG = pytest.mark.long
GRAVE = ("serious", "critical")
GAME = "?seat=both&moves=f5d6c3d3c4f4f6"
POPOVERS = {"Play": ("Method", "New", "Share"), "Search": ("Another position",)}
FILLED = {  # what Experiments and Training show once there is a result and a run
    "Experiments": ("[data-testid=stHtml] img[alt]",),
    "Training": (".st-key-t_ladder svg", ".st-key-t_board .oth-cell"),
}


@pytest.fixture(scope="module")
def filled(served: Served) -> str:
    """The address of the server with a training run of two generations and its ladder in its folder."""
    run = served.log.parent / "runs" / "tiny"
    if not run.exists():
        advance(run, 2, TINY)
        climb(run, LadderSettings(every=1, opponents=("random",), games=2, size=4))
    return served.address


def visit(page: Any, name: str) -> None:
    """Go to a page, see that it has content, and wait until it is drawn."""
    if name != "Play":
        go_to(page, name)
    settled(page)
    for content in FILLED.get(name, ()):
        page.locator(content).first.wait_for()
        settled(page)


def keep(page: Any, name: str) -> None:
    """A screenshot of the page from top to bottom among the test artefacts; the window is as high as the page then."""
    folder = Path(os.environ.get("OTHELLO_SCREENSHOTS") or ROOT / "test-artifacts" / "pages")
    folder.mkdir(parents=True, exist_ok=True)
    usual = page.viewport_size
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size(
        {"width": usual["width"], "height": min(6000, max(usual["height"], height))}
    )
    page.screenshot(path=folder / f"{name}.png")
    page.set_viewport_size(usual)


def too_wide(page: Any) -> list[str]:
    """What makes the page scroll sideways: the document or the main column, and the elements that stick out."""
    return page.evaluate(
        """() => {
            const found = [], main = document.querySelector("[data-testid=stMain]");
            for (const [name, box] of [["document", document.documentElement], ["main", main]])
                if (box.scrollWidth - box.clientWidth > 1) found.push(`${name} +${box.scrollWidth - box.clientWidth}`);
            if (found.length) for (const element of main.querySelectorAll("*")) {
                const past = element.getBoundingClientRect().right - innerWidth;
                if (past > 1) found.push(`${element.tagName}.${element.className} +${Math.round(past)}`);
            }
            return found.slice(0, 6);
        }"""
    )


def violations(page: Any) -> list[str]:
    """The serious and critical findings of axe-core, each with its first places."""
    package = importlib.util.find_spec("axe_playwright_python")  # whose own reader minds the locale
    assert package is not None and package.origin is not None
    page.wait_for_function("!document.querySelector('[data-stale=true]')")  # pale until drawn anew
    page.evaluate(Path(package.origin).with_name("axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['help']} at {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in GRAVE
    ]


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (400, "light"),
        (1400, "dark"),
        pytest.param(400, "dark", marks=LONG),
        pytest.param(1400, "light", marks=LONG),
    ],
)
def test_every_page_opens_without_console_errors_and_fits(
    width: int, scheme: str, browser: Any, filled: str
) -> None:
    options = {
        "viewport": {"width": width, "height": 1000},
        "color_scheme": scheme,
        "reduced_motion": "reduce",
    }
    with opened(browser, f"{filled}/{GAME}", **options) as (page, _):
        for name in PAGES:
            visit(page, name)
            assert not page.locator("[data-testid=stException]").count()
            assert not (wide := too_wide(page)), f"{name} at {width}: {wide}"
            keep(page, f"{name.lower()}-{scheme}-{width}")


@pytest.mark.parametrize(
    ("scheme", "width", "height"),
    [
        ("dark", 1400, 1000),
        pytest.param("light", 1400, 1000, marks=LONG),
        *(pytest.param(s, 1024, 768, marks=LONG) for s in ("light", "dark")),
        *(pytest.param(s, 768, 1024, marks=LONG) for s in ("light", "dark")),
        *(pytest.param(s, 390, 844, marks=LONG) for s in ("light", "dark")),
    ],
)
def test_axe_finds_nothing_serious_on_any_page(
    scheme: str, width: int, height: int, browser: Any, filled: str
) -> None:
    pytest.importorskip("axe_playwright_python")
    options = {
        "viewport": {"width": width, "height": height},
        "color_scheme": scheme,
        "reduced_motion": "reduce",
    }
    with opened(browser, f"{filled}/{GAME}", **options) as (page, _):
        found = {}
        for name in PAGES:
            visit(page, name)
            if name == "Play":  # with the tour, which nobody has skipped yet, and the keys
                page.keyboard.press("?")
                page.get_by_role("region", name="Keys").wait_for()
            found |= {name: grave} if (grave := violations(page)) else {}
            page.keyboard.press("Escape")
    assert not found


def test_axe_and_the_console_check_find_what_is_put_there(browser: Any, server: str) -> None:
    pytest.importorskip("axe_playwright_python")
    with (
        pytest.raises(AssertionError, match="put there"),
        opened(browser, f"{server}/{GAME}") as (page, _),
    ):
        settled(page)
        assert not violations(page)
        page.evaluate("""() => document.querySelector("[data-testid=stMain]").insertAdjacentHTML(
            "afterbegin", "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><button></button>")""")
        assert {line.split()[0] for line in violations(page)} == {"image-alt", "button-name"}
        page.evaluate("console.error('put there')")


@LONG
@pytest.mark.parametrize("name", experiments())
def test_axe_finds_nothing_serious_on_any_experiment(name: str, browser: Any, server: str) -> None:
    pytest.importorskip("axe_playwright_python")
    for scheme in ("light", "dark"):
        options = {"viewport": {"width": 400, "height": 1000}, "color_scheme": scheme}
        with opened(browser, f"{server}/experiments?experiment={name}", wait=False, **options) as (
            page,
            _,
        ):
            page.locator(*FILLED["Experiments"]).first.wait_for()
            settled(page)
            assert not violations(page) and not too_wide(page)
            keep(page, f"experiments-{name}-{scheme}-400")


@LONG
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_a_phone_with_menus_and_maps_open(
    scheme: str, browser: Any, filled: str
) -> None:
    pytest.importorskip("axe_playwright_python")
    options = {
        "viewport": {"width": 400, "height": 1000},
        "color_scheme": scheme,
        "reduced_motion": "reduce",
    }
    with opened(browser, f"{filled}/{GAME}", **options) as (page, _):
        found = {}
        for name in PAGES:
            visit(page, name)
            found |= {name: grave} if (grave := violations(page)) else {}
            for menu in POPOVERS.get(name, ()):
                page.get_by_role("button", name=menu, exact=False).first.click()
                page.locator("[data-testid=stPopoverBody]").wait_for()
                settled(page)
                found |= {f"{name}, {menu}": grave} if (grave := violations(page)) else {}
                keep(page, f"{name.lower()}-{menu.lower().replace(' ', '-')}-{scheme}-400")
                page.keyboard.press("Escape")
            for tab in page.get_by_role("tab").all():
                tab.click()
                settled(page)
                found |= (
                    {f"{name}, {tab.inner_text()}": grave} if (grave := violations(page)) else {}
                )
            if name == "Play":
                page.get_by_role("radio", name="Always").or_(
                    page.get_by_role("button", name="Always")
                ).first.click()
                page.wait_for_function(
                    "document.querySelector('[role=grid]').closest('.oth').classList.contains('heat')"
                )
                settled(page)  # what is drawn anew is pale until then
                found |= {"Play, always": grave} if (grave := violations(page)) else {}
    assert not found
