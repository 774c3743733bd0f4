"""What the app's tests share: the shipped model, a running server, a browser."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from othello.errors import CheckpointError
from othello.network.checkpoint import default_checkpoint
from othello.records import GameRecord
from tests.app.lost_game import EMPTIES, HOSTILE, LOST, SIMULATIONS
from tests.app.web.browser_page import FLAGS, find_chromium
from tests.app.web.served import Served, serve

if TYPE_CHECKING:
    from app.game.judged import JudgedGame
    from app.models import Model


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's AppTest leaves its page as `__main__`, which every later child process would run again."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def model() -> Model:
    """The shipped 8×8 network."""
    import torch

    from app.models import load_model

    torch.set_num_threads(1)
    try:
        default_checkpoint(8)
    except CheckpointError as error:
        pytest.skip(str(error))
    return load_model()


@pytest.fixture(scope="session")
def lost_game(model: Model) -> JudgedGame:
    """A game that black lost 3–61, judged with few simulations."""
    from app.game.judged import judge_game

    record = GameRecord.from_transcript(LOST, black=HOSTILE, white="Alan & co")
    return judge_game(record, model, SIMULATIONS, EMPTIES)


@pytest.fixture(scope="session")
def served(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A real server, started by the command from a folder that is not the checkout."""
    running = serve(tmp_path_factory.mktemp("elsewhere"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def server(served: Served) -> str:
    """The address of the real server."""
    return served.address


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; without one the test skips with a hint, and fails where CI is set."""
    try:
        from playwright.sync_api import sync_playwright

        executable = find_chromium()
    except ImportError:
        executable = None
    if executable is None:
        hint = "no Chromium: apt-get install chromium, or `playwright install chromium`, or set $CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(hint)
        pytest.skip(hint)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        chromium.close()
