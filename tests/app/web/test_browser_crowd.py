"""Twenty people on one server, each in a browser context of their own: no cross-talk, no errors, no memory kept.

Minutes to an hour:  python -m pytest tests/app/web/test_browser_crowd.py -m long -s --timeout 3600
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from othello.rules.board import Board
from othello.rules.notation import parse_moves, square_name
from tests.app.web.browser_page import PATIENCE, legal_moves, opened, position, settled, transcript
from tests.app.web.served import Census, Served, serve

pytestmark = [pytest.mark.browser, pytest.mark.long]
PEOPLE, CLICKS = 20, 30
PLAYER = """([wanted, seed]) => {
    const told = window.told = { clicked: [], board: [], reply: [], problem: null, done: false };
    const wait = (true_, what) => new Promise((resolve, reject) => {
        const began = performance.now();
        const look = () => {
            if (true_()) resolve();
            else if (performance.now() - began > 600000) reject(Error(what));
            else setTimeout(look, 5);
        };
        look();
    });
    const moves = () => new URLSearchParams(location.search).get("moves") || "";
    const status = () => document.querySelector("[role=status]").textContent;
    const idle = () => document.querySelector("[role=grid]").closest("[aria-busy]").ariaBusy === "false";
    const over = () => status().includes("over");
    let random = seed;
    (async () => {
        while (told.clicked.length < wanted) {
            await wait(() => over() || idle() && document.querySelector(".oth-cell.legal"), "my turn");
            if (over()) break;
            const legal = [...document.querySelectorAll(".oth-cell.legal")], before = moves();
            random = (random * 1103515245 + 12345) % 2147483648;
            const cell = legal[random % legal.length], name = cell.dataset.square, began = performance.now();
            cell.click();
            told.clicked.push(name);
            await wait(status, "the server's board after " + name);  // a click empties the line under the board
            told.board.push(performance.now() - began);
            await wait(() => moves().startsWith(before + name) && (over() || idle()), "the answer to " + name);
            told.reply.push(performance.now() - began);
        }
    })().catch(error => { told.problem = String(error); }).finally(() => { told.done = true; });
}"""  # a person who clicks at random; times in milliseconds from the click


@pytest.fixture(scope="module")
def counted(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of its own that tells what it loads and keeps; its sessions end ten seconds after their pages."""
    os.environ["STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL"] = "10"
    try:
        running = serve(tmp_path_factory.mktemp("crowd"), census=True)
    finally:
        del os.environ["STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL"]
    yield running
    running.stop()


def percentile(values: list[float], share: float) -> float:
    """The value that a share of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def crowd(browser: Any, server: Served, people: int, clicks: int) -> dict[str, list[float]]:
    """So many people play so many moves at once, half of them against the agent; checks every game."""
    told: list[dict[str, Any]] = []
    with ExitStack() as everybody:
        addresses = (
            f"{server.address}/?seat={'both' if number % 2 else 'black'}"
            for number in range(people)
        )
        pages = [everybody.enter_context(opened(browser, address)) for address in addresses]
        for number, (page, _) in enumerate(pages):
            page.set_default_timeout(10 * PATIENCE)
            page.evaluate(PLAYER, [clicks, 7919 * (number + 1)])
        for page, _ in pages:
            page.wait_for_function("window.told.done", polling=500)
            told.append(page.evaluate("window.told"))
        for number, (page, seen) in enumerate(pages):
            settled(page)
            found = told[number]
            assert found["problem"] is None, (number, found)
            assert not page.locator("[data-testid=stException]").count() and seen.nothing(), (
                number,
                seen,
            )
            the_game_is_the_one_that_was_clicked(
                page, found["clicked"], alone=number % 2 == 1, wanted=clicks
            )
    return {name: [time for one in told for time in one[name]] for name in ("board", "reply")}


def the_game_is_the_one_that_was_clicked(
    page: Any, clicked: list[str], *, alone: bool, wanted: int
) -> None:
    """The transcript obeys the rules, the person's moves in it are those clicked, and the page shows where it leads."""
    boards, mine = [Board.initial()], []
    for action in parse_moves(transcript(page)):
        board = boards[-1].pass_turn() if boards[-1].must_pass else boards[-1]
        if alone or board.side == "X":
            mine.append(square_name(action))
        boards.append(board.play(action))
    last = boards[-1].pass_turn() if boards[-1].must_pass else boards[-1]
    assert mine == clicked and (len(mine) == wanted or last.is_over)
    assert position(page) == str(last)[:64]
    assert sorted(legal_moves(page)) == sorted(map(square_name, last.legal_moves()))


def ended(server: Served, browser: Any) -> Census:
    """What the server keeps once all sessions have ended; a last visitor makes it look at its old ones."""
    time.sleep(12)
    for _ in range(2):
        with opened(browser, server.address) as (page, _seen):
            settled(page)
        time.sleep(12)
    return server.census()


def test_twenty_people_play_thirty_moves_each_on_one_server(counted: Served, browser: Any) -> None:
    crowd(browser, counted, 2, CLICKS)  # everything is compiled and cached
    before = ended(counted, browser)
    began, load = time.monotonic(), os.getloadavg()
    times = crowd(browser, counted, PEOPLE, CLICKS)
    spent = time.monotonic() - began
    after = ended(counted, browser)
    print(
        f"\n{PEOPLE} sessions, {len(times['board'])} clicks in {spent:.0f} s, load before {load[0]:.1f}"
    )
    for name, label in (("board", "click to the server's board"), ("reply", "click to the answer")):
        p95 = percentile(times[name], 0.95)
        print(f"  {label:28} median {statistics.median(times[name]):6.0f} ms, p95 {p95:6.0f} ms")
    print(f"  before {before}\n  after  {after}, checkpoints loaded {counted.loads()}")
    assert "Traceback" not in counted.words()
    assert counted.loads() == 1 and after.networks == before.networks >= 1
    assert after.sessions <= before.sessions
    assert after.memory <= 1.1 * before.memory
