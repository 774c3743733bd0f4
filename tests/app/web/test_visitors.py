"""A hundred visitors on one server, ten of whom let the agent search: quick clicks, bounded memory, no game mixed up.

They are sessions by Streamlit's own WebSocket messages, since a hundred browsers would fill the machine themselves:

    python -m pytest tests/app/web/test_visitors.py -m long -s --timeout 3600
"""

from __future__ import annotations

import asyncio
import random
import statistics
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.app.web.served import Served, serve
from tests.app.web.visitor import Visitor, game_of

FORGED = ("/etc/passwd", "gtp:touch forged", "../../../root", "/proc/self/environ")
LOOKS = 5.0  # seconds that a person looks at the board before a click, on the average


async def plays(
    address: str, number: int, clicks: int, pause: float, searches: bool, leaves: bool = True
) -> Visitor:
    """One visitor: so many clicks with pauses; who does not search plays both sides, and a few forge what they send."""
    generator = random.Random(number)
    forged = FORGED[number // 5 % len(FORGED)] if number % 5 == 4 else ""
    await asyncio.sleep(generator.uniform(0, pause))
    visitor = await Visitor.arrive(address, f"seat={'black' if searches else 'both'}", forged)
    for _ in range(clicks):
        await asyncio.sleep(generator.uniform(0, 2 * pause))
        if not visitor.legal:
            break
        await visitor.click(generator.choice(visitor.legal))
        await visitor.settle()
        if not searches and visitor.shown["turn"]:
            assert visitor.shown["cells"] == str(game_of(visitor))[:64], number
    if leaves:
        await visitor.leave()
    return visitor


async def everybody(
    address: str, people: int, searching: int, clicks: int, pause: float
) -> list[Visitor]:
    return await asyncio.gather(
        *(plays(address, n, clicks, pause, n < searching) for n in range(people))
    )


def met(visits: Coroutine[Any, Any, list[Visitor]]) -> list[Visitor]:
    """The visitors after their visits, in a thread of their own: browsers of other tests have a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, visits).result()


@contextmanager
def weighed(server: Served) -> Iterator[list[float]]:
    """The most that the server and its children take, in MiB, as the last number of a list."""
    process, most, done = psutil.Process(server.process.pid), [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.5):
            every = [process, *process.children(recursive=True)]
            taken = sum(each.memory_info().rss for each in every if each.is_running())
            most.append(max(most[-1], taken / 2**20))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def processor_seconds(server: Served) -> tuple[float, float]:
    """What the server has used of the processors, and what this process, the visitors' own, has."""
    used = (psutil.Process(server.process.pid).cpu_times(), psutil.Process().cpu_times())
    return used[0].user + used[0].system, used[1].user + used[1].system


def percentile(values: list[float], share: float) -> float:
    """The value that a share of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def spread(values: list[float]) -> str:
    """How many there are, their middle and their end, of seconds in milliseconds."""
    middle, late = statistics.median(values), percentile(values, 0.95)
    return f"{len(values)}, median {1000 * middle:.0f} ms, p95 {1000 * late:.0f} ms"


def test_visitors_play_their_own_games_and_no_forged_choice_is_heard(server: str) -> None:
    for visitor in met(everybody(server, 5, 1, 1, 0.0)):
        assert len(visitor.clicked) == 1 and visitor.problems == []


async def clicks_in_the_name_of_every_page(address: str) -> list[Visitor]:
    visitor = await Visitor.arrive(address)
    assert len(visitor.pages) > 4
    message = visitor.move(visitor.legal[0])
    for page in sorted(visitor.pages):
        message.rerun_script.page_script_hash = page
        await visitor.run(message)
    await visitor.leave()
    return [visitor]


def test_a_click_in_the_name_of_a_page_without_the_board_is_no_error(server: str) -> None:
    assert met(clicks_in_the_name_of_every_page(server))[0].problems == []


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_hundred_visitors_are_served_while_ten_search(
    model: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder: Path = tmp_path_factory.mktemp("visitors")
    server = serve(folder, census=True)
    try:
        met(everybody(server.address, 2, 1, 4, 0.0))  # everything is compiled
        known, before = len(server.served()), processor_seconds(server)
        with weighed(server) as most:
            found = met(everybody(server.address, 100, 10, 12, LOOKS))
        served = server.served()[known:]
        spent = [now - then for now, then in zip(processor_seconds(server), before)]
        loaded = [line for line in server.words().splitlines() if line.startswith("LOADED")]
        words = server.words()
    finally:
        server.stop()
    seen = [time for visitor in found for time in visitor.seconds]
    print(f"\nclick to the board: {spread(seen)}, of that in the server: {spread(served)}")
    whole = [time for visitor in found for time in visitor.settled]
    print(f"click to reply, explanation and all else: {spread(whole)}")
    print(f"processor seconds: server {spent[0]:.0f}, visitors {spent[1]:.0f}; {most[-1]:.0f} MiB")
    assert [problem for visitor in found for problem in visitor.problems] == []
    assert "Traceback" not in words and len(loaded) == 1
    assert not any(path in words for path in FORGED)
    assert most[-1] < 2048
    assert percentile(seen, 0.95) < 1.0
