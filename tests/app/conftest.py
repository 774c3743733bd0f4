"""What the app's tests share: the shipped model, a running server, a browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from othello.checkpoint import default_checkpoint
from othello.errors import CheckpointError

if TYPE_CHECKING:
    from app.models import Model

ROOT = Path(__file__).parents[2]
CHROMIUM_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


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


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def server(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server, started by the command from a folder that is not the checkout."""
    port, elsewhere = free_port(), tmp_path_factory.mktemp("elsewhere")
    log = elsewhere / "server.log"
    code = "import sys; from app.cli import main; main(sys.argv[1:])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(elsewhere), "OTHELLO_CACHE": _cache()}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "app", "--port", str(port)],
            cwd=elsewhere, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the server did not start: {log.read_text(errors='replace')}") from None
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cache() -> str:
    import platformdirs

    return os.environ.get("OTHELLO_CACHE") or str(platformdirs.user_cache_path("othello-lrp"))


def find_chromium() -> str | None:
    """$CHROMIUM, a system Chromium, Playwright's own, or None."""
    for candidate in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if candidate and (found := shutil.which(candidate)):
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if own and Path(own).exists() else None


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
        chromium = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()
