"""Random walks through the app in Chromium: after every step the record, the search, the map and the files agree."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.explain.ask import explain
from app.explain.explanation import Explanation
from app.game.game_line import GameLine
from app.models import Model
from app.web.views.options import SIMULATIONS
from othello.rules.board import Board
from othello.rules.notation import format_moves, parse_moves
from tests.app.web.browser_page import PAGES, cell, go_to, opened, position, settled
from tests.app.web.served import until
from tests.app.web.test_browser_record import record
from tests.app.web.test_browser_shown import (
    check_files,
    close_menu,
    colours,
    ledger,
    open_menu,
    painted,
    saved,
)

pytestmark = pytest.mark.browser
SEQUENCES = int(os.environ.get("OTHELLO_WALKS", "40"))  # of the long test
STEPS = 12
GAME = ("moves", "seat", "ply", "start", "size")
QUESTIONS = {"Value": "value", "A move": "policy", "X rather than Y": "rather"}
COMPOSITES = ("EpsilonPlus", "LRPZero", "EpsilonAlpha2Beta1")
BIASES = ("ignore", "uniform", "project")


@dataclass
class Walk:
    """What a walk has chosen so far, which every page must remember: Play's own words and the game."""

    page: Any
    model: Model
    draw: random.Random
    wanted: dict[str, str] = field(default_factory=dict)  # Play's choices as its address has them
    question: str = "value"
    simulations: int = 100
    moves: str = ""
    done: list[str] = field(default_factory=list)

    @property
    def said(self) -> dict[str, str]:
        """The record on the Play page."""
        return record(self.page)

    @property
    def line(self) -> GameLine:
        """The game that the address tells."""
        said = self.said
        line = GameLine.begin(Board.initial(), "black", parse_moves(said.get("moves", ""), 8))
        return line.goto(int(said.get("ply", line.length)))

    @property
    def reveal(self) -> str:
        """When explanations show."""
        return self.wanted.get("reveal", "after my move")

    @property
    def decision(self) -> int | None:
        """The ply that is explained."""
        ply = self.line.cursor if self.reveal == "always" else self.line.decision
        over = ply is None or self.line.board_at(ply).is_over
        return None if over or self.reveal == "never" else ply

    # Steps: each leaves the Play page drawn to its end -------------------------------------------------------------

    def move(self) -> None:
        """Play a legal move where that is possible, and wait for the reply."""
        line = self.line
        if line.board.is_over or not line.human_to_move:
            self.done[-1:] = ["no move"]
            return
        square = self.draw.choice(line.board.legal_moves())
        cell(self.page, format_moves([square], 8)).click()
        self.moves = format_moves([*line.actions[: line.cursor], square], 8)
        until(lambda: self._answered(), 60, f"the reply to {self.moves}")
        self.moves = self.said["moves"]

    def _answered(self) -> bool:
        line = self.line
        mine = self.said.get("moves", "").startswith(self.moves)
        return mine and not line.agent_to_move and position(self.page) == str(line.board)[:64]

    def through(self) -> None:
        """Go through the game by a button that may be pressed."""
        names = [f".st-key-{key} button:enabled" for key in ("first", "undo", "redo", "last")]
        buttons = [name for name in names if self.page.locator(name).count()]
        if buttons:
            before = self.said.get("ply")
            self.page.locator(self.draw.choice(buttons)).first.click()
            until(lambda: self.said.get("ply") != before, 60, "another ply")

    def look_into_new(self) -> None:
        """Open New, look at what it shows, close it."""
        open_menu(self.page, "New")
        assert self._strength() == self.simulations
        close_menu(self.page)

    def strength(self) -> None:
        """Another strength, by one step of the slider."""
        open_menu(self.page, "New")
        weaker = self.simulations >= 400 or self.draw.random() < 0.5  # more would take long
        key = "ArrowLeft" if weaker else "ArrowRight"
        self.page.locator("[class*=st-key-simulations] input[type=range]").focus()
        self.page.keyboard.press(key)
        settled(self.page)
        place = SIMULATIONS.index(self.simulations) + (1 if key == "ArrowRight" else -1)
        self.simulations = SIMULATIONS[max(place, 0)]
        assert self._strength() == self.simulations
        self._want("simulations", str(self.simulations), usual="100")
        close_menu(self.page)

    def _strength(self) -> int:
        slider = self.page.locator("[class*=st-key-simulations] input[type=range]")
        text = str(slider.get_attribute("aria-valuetext"))
        return 0 if text == "no search" else int(text)

    def start(self) -> None:
        """A new game."""
        open_menu(self.page, "New")
        self.page.locator(".st-key-start button").click()
        self.page.wait_for_function("!location.search.includes('moves=')")
        settled(self.page)
        close_menu(self.page)
        self.moves = ""

    def ask(self) -> None:
        """Another question, where something is explained."""
        if self.decision is not None:
            name = self.draw.choice(list(QUESTIONS))
            radio = self.page.locator("[class*=st-key-question]").get_by_role(
                "radio", name=name, exact=True
            )
            radio.click()
            self.question = QUESTIONS[name]

    def reveals(self) -> None:
        """Explanations never, after a move, or always."""
        name = self.draw.choice(["Never", "After my move", "Always"])
        self.page.locator("[class*=st-key-reveal]").get_by_role(
            "radio", name=name, exact=True
        ).click()
        self._want("reveal", name.lower(), usual="after my move")

    def method(self) -> None:
        """Other rules or another bias mode."""
        open_menu(self.page, "Method")
        key, options = self.draw.choice([("composite", COMPOSITES), ("bias", BIASES)])
        option = self.draw.choice(options)
        self.page.locator(f"[class*=st-key-{key}]").get_by_role("combobox").click()
        self.page.get_by_role("option", name=option, exact=True).click()
        settled(self.page)
        self.wanted[key] = option
        close_menu(self.page)

    def _want(self, name: str, value: str, usual: str) -> None:
        self.wanted[name] = value
        if value == usual:
            del self.wanted[name]

    def elsewhere(self) -> None:
        """To another page, perhaps a reload there, and back by a link or by Back."""
        name = self.draw.choice([page for page in PAGES if page != "Play"])
        go_to(self.page, name)
        game = {key: text for key, text in self.said.items() if key in GAME}
        if self.draw.random() < 0.5:
            self.page.reload()
            self.page.get_by_text(PAGES[name]).first.wait_for()
            settled(self.page)
            said = self.said
            assert {key: said[key] for key in said if key in GAME} == game
        elif self.draw.random() < 0.5:
            self.page.go_back()
            self.page.get_by_text(PAGES["Play"]).first.wait_for()
            return
        go_to(self.page, "Play")

    def reload(self) -> None:
        """Load the page again."""
        self.page.reload()
        self.page.get_by_role("gridcell").first.wait_for()

    def bare(self) -> None:
        """Open the app by its bare address: the browser's storage has the record."""
        self.page.goto(re.match(r"https?://[^/]*", self.page.url).group())  # type: ignore[union-attr]
        self.page.get_by_role("gridcell").first.wait_for()

    def other_tab(self) -> None:
        """Another tab begins with this game and goes its own way, before this one is looked at again."""
        tab = self.page.context.new_page()
        tab.goto(self.page.url)
        tab.get_by_role("gridcell").first.wait_for()
        settled(tab)
        tab.locator(".st-key-first button").or_(
            tab.locator(".st-key-to_inspect button")
        ).first.click(force=True)
        settled(tab)
        tab.close()
        self.reload()

    # What must hold after each ---------------------------------------------------------------------------------------

    def check(self, folder: Path | None = None) -> None:
        """AssertionError where record, board, search, map and files (where a folder is given) differ."""
        until(self._right, 60, f"{self.wanted} and {self.moves}, the address says {self.said}")
        settled(self.page)
        line, target = self.line, self.said.get("target", "value")
        assert position(self.page) == str(line.board)[:64]
        ply = self.decision
        if ply is None:
            return
        method = {"composite": "", "bias": ""} | self.wanted
        given = {name: method[name] for name in ("composite", "bias") if method[name]}
        board = line.board_at(ply)
        found = explain(self.model, board, target, **given)
        assert ledger(self.page).partition(" = ")[0] == target
        self._check_map(found)
        self._check_search(ply)
        if folder is not None:
            marked = (
                line.action_at(line.cursor - 1) if self.reveal == "always" and line.cursor else None
            )
            marked = line.action_at(ply) if self.reveal != "always" else marked
            check_files(saved(self.page, folder), found, marked)

    def _right(self) -> bool:
        """Whether the address says what was chosen: a click may take a moment to get there."""
        said = self.said
        own = {key: text for key, text in said.items() if "." not in key and key not in GAME}
        target = own.pop("target", "value")
        game = (said.get("seat"), said.get("moves", ""))
        return own == self.wanted and game == ("black", self.moves) and self._asks(target)

    def _asks(self, target: str) -> bool:
        """Whether the target is of the question that was chosen, as far as the position allows it."""
        kind, ply = target, self.decision
        if ":" in target:
            kind = "rather" if "-" in target else "policy"
        moves = 2 if ply is None else len(self.line.board_at(ply).legal_moves())
        return kind == self.question or not moves or (moves == 1 and self.question == "rather")

    def _check_map(self, found: Explanation) -> None:
        shown = colours(self.page, "board" if self.reveal == "always" else "map")
        wanted = painted(found)
        assert {square: shown[square] for square in wanted} == wanted

    def _check_search(self, ply: int) -> None:
        """The table of the agent's own last choice is of a search as strong as is said."""
        title = self.page.locator(".st-key-moves .title")
        mine = self.line.board_at(ply).side == "X"
        answered = self.done[-1] == "move" and "ply" not in self.said  # not a move played before
        if answered and self.reveal == "after my move" and not mine:
            assert title.count() == (self.simulations > 0)
            if self.simulations:
                made = re.search(r"after (\d+) simulations", title.inner_text())
                kept = (
                    "strength" in self.done
                )  # a tree that a stronger search has left may be larger
                assert made is not None and int(made.group(1)) >= self.simulations
                assert kept or int(made.group(1)) == self.simulations or "solved" in made.string


STEP: dict[str, Callable[[Walk], None]] = {
    "move": Walk.move,
    "through": Walk.through,
    "look into New": Walk.look_into_new,
    "strength": Walk.strength,
    "start": Walk.start,
    "ask": Walk.ask,
    "reveal": Walk.reveals,
    "method": Walk.method,
    "elsewhere": Walk.elsewhere,
    "reload": Walk.reload,
    "bare": Walk.bare,
    "other tab": Walk.other_tab,
}
OFTEN = {"move": 6, "ask": 2, "start": 0.5, "reveal": 1.5}


def walk(
    browser: Any, server: str, model: Model, seed: int, folder: Path, steps: list[str]
) -> None:
    """Take the steps one after the other, and check after each."""
    with opened(browser, server, reduced_motion="reduce", accept_downloads=True) as (page, _):
        going = Walk(page, model, random.Random(seed))
        going.check()
        for step in steps:
            going.done.append(step)
            try:
                STEP[step](going)
                going.check(folder)
            except BaseException:
                print(f"walk {seed}: {going.done}, {page.url}")
                raise


def drawn(seed: int) -> list[str]:
    """The steps of a walk."""
    draw = random.Random(1000 + seed)
    weights = [OFTEN.get(name, 1.0) for name in STEP]
    return ["move", *draw.choices(list(STEP), weights, k=STEPS - 1)]


def test_a_walk_through_moves_menus_questions_pages_and_reloads_loses_nothing(
    browser: Any, server: str, model: Model, tmp_path: Path
) -> None:
    steps = ["move", "ask", "strength", "move", "elsewhere", "reveal", "reload"]
    walk(browser, server, model, 7, tmp_path, steps)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_random_walks_lose_nothing(
    seed: int, browser: Any, server: str, model: Model, tmp_path: Path
) -> None:
    walk(browser, server, model, seed, tmp_path, drawn(seed))
