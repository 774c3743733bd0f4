"""A real server process of the web app for the tests, started by the command from a folder that is not the checkout."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import psutil

ROOT = Path(__file__).parents[3]
START = "import sys; from app.cli import main; main(sys.argv[1:])"
CENSUS = """
import gc, signal, sys
from othello.network import checkpoint

load = checkpoint.load

def counted(*arguments, **options):
    print("LOADED", *arguments, flush=True)
    return load(*arguments, **options)

def census(*_):
    gc.unfreeze()  # the server takes its model out of the collector's sight
    gc.collect()
    from app.game.session import Session
    from othello.network.architecture import Network
    kept = [type(thing) for thing in gc.get_objects()]
    print(f"CENSUS networks {kept.count(Network)} sessions {kept.count(Session)}", flush=True)

def timed():  # tell how long the server takes from a click to the message with the board after it
    import time
    from streamlit.runtime import Runtime
    from streamlit.web.server.starlette.starlette_websocket import StarletteSessionClient
    came, handle, write = {}, Runtime.handle_backmsg, StarletteSessionClient.write_forward_msg

    def handled(self, session_id, message, *, client=None):
        if any(each.id.endswith("__events") for each in message.rerun_script.widget_states.widgets):
            came[client] = time.perf_counter()
        return handle(self, session_id, message, client=client)

    def written(self, message):
        board = message.delta.new_element.bidi_component
        if board.component_name == "othello_board" and (began := came.pop(self, None)):
            print(f"SERVED {time.perf_counter() - began:.4f}", flush=True)
        return write(self, message)

    Runtime.handle_backmsg, StarletteSessionClient.write_forward_msg = handled, written

timed()
checkpoint.load = counted
signal.signal(signal.SIGUSR1, census)
"""  # a server that tells how often it loads a checkpoint and, when asked, what it keeps in memory


@dataclass(frozen=True)
class Census:
    """What a server holds after a garbage collection: objects, and its resident memory in MiB."""

    networks: int
    sessions: int
    memory: float


@dataclass(frozen=True)
class Served:
    """A running server: its address, process and log."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def words(self) -> str:
        """What the server has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def loads(self) -> int:
        """How many checkpoints a server started with `census=True` has loaded."""
        return self.words().count("LOADED")

    def served(self) -> list[float]:
        """Seconds from each click's coming to the board's going, as a server started with `census=True` tells them."""
        return [float(found) for found in re.findall(r"SERVED ([0-9.]+)", self.words())]

    def census(self) -> Census:
        """What a server started with `census=True` holds now."""
        known = self.words().count("CENSUS")
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: self.words().count("CENSUS") > known, 60, "the census")
        networks, sessions = re.findall(r"CENSUS networks (\d+) sessions (\d+)", self.words())[-1]
        return Census(
            int(networks), int(sessions), psutil.Process(self.process.pid).memory_info().rss / 2**20
        )

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def serve(folder: Path, *options: str, census: bool = False, home: str = "") -> Served:
    """A server with an empty home in `folder` or with `home`, once it answers; AssertionError and its log if not."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = folder / "server.log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": home or str(folder)}
    environment.setdefault("OTHELLO_CACHE", str(platformdirs.user_cache_path("othello-lrp")))
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                (CENSUS if census else "") + START,
                "app",
                "--port",
                str(port),
                *options,
            ],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    served = Served(f"http://127.0.0.1:{port}", process, log)
    try:
        until(lambda: _answers(served), 60, "the server's start")
    except AssertionError as error:
        served.stop()
        raise AssertionError(f"{error}: {served.words()}") from None
    return served


def _answers(served: Served) -> bool:
    assert served.process.poll() is None, "the server ended"
    try:
        with urllib.request.urlopen(f"{served.address}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def until(true: object, seconds: float, what: str) -> None:
    """Wait for a function to return something true; AssertionError after so many seconds."""
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.2)
