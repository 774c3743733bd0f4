"""Hours of visitors who come, play, let the agent search and explain, look at every page, and go.

SOAK_MINUTES=120 python -m pytest tests/app/web/test_soak.py -m long -s --timeout 0
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import Any

import pytest

from tests.app.web.served import serve
from tests.app.web.test_visitors import met, plays
from tests.app.web.visitor import Visitor

PEOPLE, CLICKS, PAUSE = 8, 12, 1.0  # of a round; every other visitor lets the agent reply
GONE = 12.0  # seconds after which the server has forgotten a session


async def stays(address: str, number: int) -> Visitor:
    """A visitor who plays and then opens every page with the game."""
    visitor = await plays(address, number, CLICKS, PAUSE, number % 2 == 0, leaves=False)
    for page in random.Random(number).sample(sorted(visitor.pages), len(visitor.pages)):
        await visitor.visit(page)
    await visitor.leave()
    return visitor


async def rounds(address: str, first: int) -> list[Visitor]:
    return await asyncio.gather(*(stays(address, first + n) for n in range(PEOPLE)))


async def looks_in(address: str) -> list[Visitor]:
    """Somebody who comes and goes: a server looks at its old sessions when a new one begins."""
    visitor = await Visitor.arrive(address)
    await visitor.leave()
    return [visitor]


@pytest.mark.long
@pytest.mark.timeout(0)
def test_hours_of_visitors_leave_no_error_and_no_memory(
    model: Any, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL", "10")
    server = serve(tmp_path_factory.mktemp("soak"), census=True)
    end, found = time.monotonic() + 60 * float(os.environ.get("SOAK_MINUTES", 120)), []
    kept, problems, clicks = [], list[str](), 0
    try:
        while time.monotonic() < end or len(kept) < 4:
            found = met(rounds(server.address, PEOPLE * len(kept)))
            problems += [problem for visitor in found for problem in visitor.problems]
            clicks += sum(len(visitor.clicked) for visitor in found)
            for _ in range(2):
                time.sleep(GONE)
                met(looks_in(server.address))
            kept.append(server.census())
        words = server.words()
    finally:
        server.stop()
    sizes = [one.memory for one in kept]
    half = len(kept) // 2
    print(f"\n{len(kept)} rounds of {PEOPLE} visitors, {clicks} clicks; MiB after each round:")
    print(" ".join(f"{size:.0f}" for size in sizes))
    print(f"sessions kept {kept[0].sessions} to {kept[-1].sessions}, networks {kept[-1].networks}")
    assert problems == [] and "Traceback" not in words
    assert kept[-1].sessions <= kept[0].sessions + 1 and server.loads() == 1
    assert max(sizes[half:]) <= 1.1 * max(sizes[:half])
