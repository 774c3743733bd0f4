"""A page of the app in a real Chromium as the tests see it: opened, read, clicked, and checked for errors."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from othello.rules.board import Board
from othello.rules.notation import parse_moves, square_name

PATIENCE = 120_000  # milliseconds: the first reply on a machine compiles the engine
NAMES = [square_name(square) for square in range(64)]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = {  # what a page shows when it has been drawn to its end
    "Play": "Reveal explanations",
    "Inspect": "A click on the board",
    "Search": "What Q rests on",
    "Explorer": "Moves, the best first",
    "Experiments": "Experiment",
    "Training": "Two checkpoints side by side",
}
BEGINS = 60  # milliseconds in which the server tells the page that it draws
QUIET = """() => {
    const app = document.querySelector("[data-testid=stApp]");
    return app && app.dataset.testScriptState === "notRunning" && !document.querySelector("[data-testid=stSkeleton]");
}"""


def find_chromium() -> str | None:
    """$CHROMIUM, a system Chromium, Playwright's own, or None."""
    for candidate in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if candidate and (found := shutil.which(candidate)):
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if own and Path(own).exists() else None


@dataclass
class Seen:
    """What a browser context noticed that must not happen: console errors, dialogs, requests to other hosts."""

    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def nothing(self) -> bool:
        """Whether none of it happened."""
        return not (self.errors or self.dialogs or self.strangers)


@contextmanager
def opened(
    browser: Any, address: str, *, wait: bool = True, **options: Any
) -> Iterator[tuple[Any, Seen]]:
    """A fresh page at an address in its own context, and what it noticed; fails at the end if that is anything."""
    context = browser.new_context(**{"viewport": {"width": 1400, "height": 1000}, **options})
    page, seen = context.new_page(), Seen()
    host = re.match(r"https?://[^/]*", address)
    assert host is not None
    own = (host.group() + "/", host.group().replace("http", "ws", 1) + "/", "data:", "blob:")
    page.on(
        "console", lambda message: seen.errors.append(message.text) if _is_error(message) else None
    )
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    context.on(
        "request",
        lambda sent: None if sent.url.startswith(own) else seen.strangers.append(sent.url),
    )
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    if wait:
        page.get_by_role("gridcell").first.wait_for()
    try:
        yield page, seen
        assert seen.nothing(), seen
    except BaseException:
        print(_shown(page), seen, sep="\n")  # pytest tells it beside the failure
        raise
    finally:
        context.close()


def _shown(page: Any) -> str:
    """What a page showed when a test failed: its address, whether a run is under way, status line and error boxes."""
    return str(
        page.evaluate("""() => [
            location.href,
            document.querySelector("[data-testid=stApp]")?.dataset.testScriptState,
            ...[...document.querySelectorAll("[role=status], [role=alert], [data-testid=stException]")].map(
                one => one.textContent.slice(0, 500)),
        ].join("\\n")""")
    )


def _is_error(message: Any) -> bool:
    """Whether a console message is an error; Streamlit looks for its server below a page's own address first (404)."""
    return message.type == "error" and not re.search(
        r"/\w+/_stcore/(health|host-config)$", message.location["url"]
    )


def settled(page: Any) -> None:
    """Until the server has drawn the page to its end; what was just done may take a moment to begin a run."""
    page.wait_for_function(QUIET)
    page.wait_for_timeout(BEGINS)
    page.wait_for_function(QUIET)


def go_to(page: Any, name: str) -> None:
    """Open one of `PAGES` by its link and wait until it is drawn."""
    page.get_by_role("link", name=name, exact=True).first.click()
    page.wait_for_url(re.compile(r":\d+/(play)?(\?|$)" if name == "Play" else f"/{name.lower()}"))
    page.get_by_text(PAGES[name]).first.wait_for()
    settled(page)


def choose(page: Any, key: str, option: str) -> None:
    """Choose an option of the select box that the pages know under a key."""
    box = page.locator(f".st-key-{key}").get_by_role("combobox")
    box.scroll_into_view_if_needed()
    settled(page)  # a page that scrolls closes a list that has just opened
    box.click()
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def cell(page: Any, name: str) -> Any:
    """The gridcell of a square."""
    return page.get_by_role("gridcell", name=re.compile(f"^{name}\\b"))


def position(page: Any) -> str:
    """The 64 letters the grid's accessible names tell."""
    words = {"black": "X", "white": "O", "empty": "-"}
    names = page.eval_on_selector_all(
        "[role=gridcell]", "cells => cells.map(cell => cell.getAttribute('aria-label'))"
    )
    assert [name[:2] for name in names] == NAMES
    return "".join(words[re.split(r"[ ,]+", name)[1]] for name in names)


def wait_for_position(page: Any, letters: str) -> None:
    """Until the board shows these 64 letters and is not busy."""
    page.wait_for_function(
        """letters => {
            const cells = [...document.querySelectorAll("[role=gridcell]")];
            const words = {X: "black", O: "white", "-": "empty"};
            return cells.length === 64 && cells[0].closest("[aria-busy]").ariaBusy === "false" &&
                cells.every((cell, i) => cell.getAttribute("aria-label").split(/[ ,]+/)[1] === words[letters[i]]);
        }""",
        arg=letters,
    )


def status(page: Any) -> str:
    """The line under the board that screen readers hear."""
    return str(page.get_by_role("status").first.inner_text())


def legal_moves(page: Any) -> list[str]:
    """The squares whose accessible names say that they are legal moves."""
    names = page.eval_on_selector_all(
        "[role=gridcell]", "cells => cells.map(cell => cell.getAttribute('aria-label'))"
    )
    return [name[:2] for name in names if "legal move" in name]


def transcript(page: Any) -> str:
    """The moves in the page's address."""
    found = re.search(r"[?&]moves=([a-h1-8]*)", page.url)
    return found.group(1) if found else ""


def board_of(page: Any) -> Board:
    """The position that the transcript in the address leads to, forced passes made."""
    *_, board = Board.initial().replay(parse_moves(transcript(page)))
    return board.pass_turn() if board.must_pass else board


def wait_for_my_turn(page: Any, plies: int) -> None:
    """Until the address holds at least so many moves, the board is not busy and shows them."""
    page.wait_for_function(
        """plies => {
            const moves = new URLSearchParams(location.search).get("moves") || "";
            const board = document.querySelector("[role=grid]").closest("[aria-busy]");
            const status = document.querySelector("[role=status]").textContent;
            return moves.length >= 2 * plies && board.ariaBusy === "false" && /Your move|to move|over/.test(status);
        }""",
        arg=plies,
    )
