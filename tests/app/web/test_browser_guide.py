"""The first two minutes in Chromium: the tour, the keys, what next, and the words of the field with their sentences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.experiments.catalogue import experiments
from app.present.glossary import terms
from app.present.keys import KEYS
from othello.rules.board import Board
from othello.rules.notation import format_moves
from tests.app.web.browser_page import (
    PAGES,
    cell,
    choose,
    go_to,
    legal_moves,
    opened,
    settled,
    status,
    transcript,
    wait_for_my_turn,
)
from tests.app.web.served import ROOT, until
from tests.app.web.test_browser import played_through, tab_into_the_board, walk_to

pytestmark = pytest.mark.browser
FIELD = """ablation, absorb, activation, alpha-beta, arena, AUC, AlphaZero, backup, baseline, batch, bias, bias mode,
bootstrap, c_puct, canonizer, checkpoint, closure, cluster, composite, concept, conservation, control,
convolution, correlation, counterfactual, Dirichlet, Elo, embedding, EpsilonPlus, evaluator, exploration,
faithfulness, frontier, FullGrad, generation, gradient, Gumbel, head, heatmap, hyperparameter,
integrated gradients, interval, iteration, ladder, layer, ledger, LeRF, logit, loss, LRP, minimax, mobility,
MoRF, network, neuron, node, occlusion, opening, parity, perft, plane, ply, policy, preset, principal variation,
prior, probe, proportional, PUCT, Q, ReLU, relevance, replay window, residual, rollout, rule, seed, self-play,
Shapley, simulation, sink, softmax, SPRT, SRG, stabilizer, stable disc, stem, symmetry, tanh, target,
temperature, tensor, tower, transcript, transposition, twin, U, UCB, value, visit, wedge, weights, WTHOR,
X-square, C-square, ε, γ"""  # words of the field that a page could print; each that one does print is in the glossary
DOTTED = "[...CSS.highlights.get('othello-word') ?? []].map(String)"
PLURALS = {"bias": "biases", "policy": "policies", "ply": "plies", "symmetry": "symmetries"}
OPEN = {"Play": ("Method", "New"), "Search": ("Another position",)}


def seen(page: Any) -> str:
    """What a page prints, without icons, code and what is typed in fields."""
    return str(
        page.evaluate("""() => {
            const copies = [...document.querySelectorAll("[data-testid=stMain], [data-testid=stPopoverBody]")];
            return copies.map((part) => {
                const hidden = [...part.querySelectorAll("[data-testid=stIconMaterial], code, pre, .othg")];
                for (const one of hidden) one.style.setProperty("display", "none", "important");
                const text = part.innerText;
                for (const one of hidden) one.style.removeProperty("display");
                return text;
            }).join("\\n");
        }""")
    )


def printed(text: str) -> set[str]:
    """The words of the field in a text."""
    found = set()
    for word in re.split(r",\s+", FIELD):
        form = PLURALS.get(word, f"{word}s")
        exact = len(word) < 3 or word.isupper()
        either = f"(?<![\\w-])({re.escape(word)}|{re.escape(form)})(?![\\w-])"
        if re.search(either, text, 0 if exact else re.IGNORECASE):
            found.add(word)
    return found


def undotted(page: Any) -> set[str]:
    """The sentences of the words that a page prints and has nowhere dotted."""
    meant = {_stem(form): term.words for term in terms() for form in term.forms}
    dotted = {
        meant.get(_stem(word)) for word in page.evaluate(DOTTED)
    }  # None where a text has just gone
    return {meant[_stem(word)] for word in printed(seen(page))} - dotted


def test_every_word_of_the_field_on_every_page_is_dotted_and_has_its_sentence(
    browser: Any, server: str
) -> None:
    known = {form.lower() for term in terms() for form in term.forms}
    outside: dict[str, set[str]] = {}
    with opened(browser, f"{server}/?moves=f5d6c3d3c4f4f6f3") as (page, _):
        page.locator(".st-key-why").wait_for()
        for name in PAGES:
            if name != "Play":
                go_to(page, name)
            settled(page)
            title = "Othello, explained" if name == "Play" else name
            assert page.get_by_role("heading", level=1).all_inner_texts() == [title]
            assert len(page.locator(".othg p").inner_text()) > 40  # what it is for
            text = seen(page)
            for menu in OPEN.get(name, ()):
                page.get_by_role("button", name=menu).first.click()
                page.locator("[data-testid=stPopoverBody]").wait_for()
                text += seen(page)
                page.keyboard.press("Escape")
            outside[name] = {word for word in printed(text) if word.lower() not in known}
            assert not outside[name], f"not in the glossary: {outside}"
            until(lambda: not undotted(page), 20, f"the dotted words: {undotted(page)}")
            marks = page.locator(".othw .word")
            for label in marks.evaluate_all("all => all.map(one => one.ariaLabel)"):
                word, _, sentence = label.replace("\xa0", " ").partition(": ")
                assert any(
                    sentence == term.words and word.lower().rstrip("s") in map(_stem, term.forms)
                    for term in terms()
                ), label
        assert len(outside) == len(PAGES)
        marks.first.focus()  # as Tab does
        page.get_by_role("tooltip").wait_for()
        word, _, sentence = marks.first.get_attribute("aria-label").partition(": ")
        assert page.get_by_role("tooltip").inner_text() == f"{word} {sentence}"
        page.keyboard.press("Escape")
        page.get_by_role("tooltip").wait_for(state="hidden")


@pytest.mark.long
def test_no_tab_no_search_no_run_and_no_experiment_prints_a_word_outside_the_glossary(
    browser: Any, server: str
) -> None:
    known = {form.lower() for term in terms() for form in term.forms}
    outside: dict[str, Any] = {}

    def check(place: str) -> None:
        settled(page)
        if found := {word for word in printed(seen(page)) if word.lower() not in known}:
            outside[place] = found
        else:
            until(lambda: not undotted(page), 20, f"the dotted words of {place}: {undotted(page)}")

    with opened(browser, f"{server}/inspect?moves=f5d6c3d3c4f4f6f3") as (page, _):
        settled(page)
        for tab in page.get_by_role("tab").all():
            tab.click()
            page.wait_for_timeout(500)
            check(f"Inspect, {tab.inner_text()}")
        page.goto(f"{server}/search?simulations=50")
        page.locator(".st-key-s_search button").click()
        page.locator(".st-key-s_q_map").wait_for()
        check("Search")
        page.goto(f"{server}/training")
        for run in ("othello8-strong", "othello8"):
            page.get_by_text("Two checkpoints side by side").wait_for()
            choose(page, "t_run", run)
            page.get_by_text("Its card").click()
            check(f"Training, {run}")
        for name in experiments():
            page.goto(f"{server}/experiments?experiment={name}")
            page.locator("[data-testid=stHtml] img[alt]").first.wait_for()
            check(f"Experiments, {name}")
    assert not outside


def _stem(form: str) -> str:
    return form.lower().rstrip("s")


def test_the_documentation_has_the_apps_glossary() -> None:
    shown = Path("app/present/glossary.md")
    assert (ROOT / "docs/glossary.md").read_bytes() == (ROOT / shown).read_bytes()
    forms = [form.lower() for term in terms() for form in term.forms]
    assert len(forms) == len(set(forms)) and all(term.words.endswith(".") for term in terms())


def test_the_tour_goes_on_with_the_game_and_stays_away_once_it_was_skipped(
    browser: Any, server: str
) -> None:
    with opened(browser, f"{server}/play?seat=black", reduced_motion="reduce") as (page, _):
        tour = page.get_by_role("region", name="Tour")
        tour.wait_for()
        assert "Page not found" not in page.inner_text("body")
        assert re.search(r":\d+/\?", page.url)  # /play is the app's own address
        assert page.get_by_role("heading", level=1).inner_text() == "Othello, explained"
        tour.get_by_text("1 of 4").wait_for()
        cell(page, "f5").click()
        wait_for_my_turn(page, 2)
        tour.get_by_text("2 of 4").wait_for()  # the board is live under it
        for step in ("3 of 4", "4 of 4"):
            tour.get_by_role("button", name="Next").press("Enter")
            tour.get_by_text(step).wait_for()
        tour.get_by_role("button", name="Back").press("Enter")
        tour.get_by_text("3 of 4").wait_for()
        tour.get_by_role("button", name="Skip").press("Enter")
        tour.wait_for(state="hidden")
        page.reload()
        page.get_by_role("gridcell").first.wait_for()
        settled(page)
        assert not tour.is_visible()
        page.get_by_role("button", name="Tour").press("Enter")
        tour.get_by_text("1 of 4").wait_for()
        page.go_back()
        assert page.url == "about:blank"  # neither the tour nor /play is in the way


def test_the_keys_of_the_desktop_act_on_the_page_and_stand_on_a_sheet(
    browser: Any, server: str
) -> None:
    with opened(browser, f"{server}/?seat=both&moves=f5d6c3d3c4") as (page, _):
        settled(page)
        sheet = page.get_by_role("region", name="Keys")
        page.keyboard.press("?")
        sheet.wait_for()
        rows = {row.shown: row.words for row in KEYS}
        for line in sheet.locator("tr").all():
            assert rows[line.locator("th").inner_text()] == line.locator("td").inner_text()
        assert sheet.locator("tr").count() >= 9
        page.keyboard.press("Escape")
        sheet.wait_for(state="hidden")
        for key, ply in (("u", 4), ("PageUp", 3), ("Home", 0), ("PageDown", 1), ("r", 2)):
            page.keyboard.press(key)
            page.wait_for_function(
                "ply => new URLSearchParams(location.search).get('ply') === ply", arg=str(ply)
            )
            settled(page)
        page.keyboard.press("End")
        page.wait_for_function("!location.search.includes('ply=')")
        settled(page)
        page.keyboard.press("h")
        page.get_by_text("Hint: the agent would play").wait_for()
        settled(page)
        page.keyboard.press("e")
        page.wait_for_function("location.search.includes('reveal=always')")
        settled(page)
        page.keyboard.press("+")
        page.wait_for_function("location.search.includes('simulations=200')")
        settled(page)
        page.get_by_role("button", name="New").first.click()
        field = page.get_by_label("Position or transcript")
        field.press_sequentially("nuph?")
        assert field.input_value() == "nuph?" and not sheet.is_visible()
        assert transcript(page) == "f5d6c3d3c4"


def ended() -> str:
    """The transcript of a whole game in which nobody thinks, without its last move; black moves last."""
    board, actions = Board.initial(), list[int]()
    while not board.is_over:
        legal = board.legal_actions()
        actions.append(legal[len(actions) * 7 % len(legal)])
        board = board.play(actions[-1])
    return format_moves(actions, 8)


def test_after_the_game_there_is_something_to_do(browser: Any, server: str) -> None:
    address = f"{server}/?seat=black&moves={ended()}"
    with opened(browser, address, accept_downloads=True) as (page, _):
        settled(page)
        after = page.locator(".st-key-what_next")
        page.set_viewport_size({"width": 390, "height": 844})
        page.get_by_role("region", name="Tour").get_by_role("button", name="Skip").click()
        first = page.locator(".st-key-why p").first  # in the first view, below what is next
        until(lambda: first.evaluate("one => one.getBoundingClientRect().bottom") <= 844, 20, "why")
        after.get_by_role("button", name="Where it turned").click()
        row = page.locator(".st-key-losses tbody tr").first
        row.wait_for()
        settled(page)
        bottom = "one => one.getBoundingClientRect().bottom"
        until(lambda: 0 < row.evaluate(bottom) <= 844, 20, "the moves that cost most in view")
        page.set_viewport_size({"width": 1400, "height": 1000})
        with page.expect_download() as download:
            after.get_by_role("button", name="Save the report").click()
        assert Path(download.value.path()).read_text("utf-8").startswith("<!DOCTYPE html>")
        after.get_by_role("button", name="Again as white").click()
        page.wait_for_function("location.search.includes('seat=white')")
        wait_for_my_turn(page, 1)
        assert status(page).endswith("Your move (white).") and legal_moves(page)


@pytest.mark.long
def test_a_whole_game_and_its_review_by_keyboard_alone(browser: Any, server: str) -> None:
    with opened(browser, server) as (page, _):
        settled(page)
        tab_into_the_board(page)

        def play(square: str) -> None:
            walk_to(page, square)
            page.keyboard.press("Enter")

        played_through(page, play)
        tab_to(page, "Where it turned")
        page.keyboard.press("Enter")
        page.locator(".st-key-losses tbody tr").first.wait_for()
        settled(page)
        tab_to(page, "show it")
        page.keyboard.press("Enter")
        page.get_by_text("was better").wait_for()
        settled(page)
        page.keyboard.press("Home")
        page.wait_for_function("location.search.includes('ply=0')")


def tab_to(page: Any, name: str) -> None:
    """Press Tab until what has the focus is named so."""
    for _ in range(60):
        page.keyboard.press("Tab")
        words = "one => (one.ariaLabel ?? '') + ' ' + one.innerText"
        if name in page.evaluate(f"({words})(document.activeElement)"):
            return
    raise AssertionError(f"Tab never reaches {name}")
