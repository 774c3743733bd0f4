"""How fast the Play page feels in a real Chromium: from a click to disc, server's board, reply, map and sentence.

    python -m benchmarks.page [--address URL] [--moves N]

Starts its own server if no address is given.  Times in milliseconds, median and 95th percentile over the moves; the
agent searches 100 simulations a move, and map, ledger and the sentence why are shown after its reply.  In turns with
the moves a page of one button is pressed, which Streamlit serves to the same browser: no page of it is faster.
Before that, what the app adds to the time `lrp` takes for one explanation.  On a machine that does other work too the
figures are those of the work: the load average is printed with them.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from app.explain.composites import DEFAULT_BIAS, DEFAULT_COMPOSITE
from app.explain.network import attribute, explain_many, planes_of
from app.explain.targets import Target
from app.models import load_model
from benchmarks.harness import interleaved, options
from othello.rules.board import Board

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
ONE_BUTTON = (  # with the app's own settings, its look aside
    "streamlit",
    "run",
    str(Path(__file__).with_name("one_button.py")),
    "--server.headless=true",
    "--server.address=127.0.0.1",
    "--server.fileWatcherType=none",
    "--browser.gatherUsageStats=false",
    "--runner.postScriptGC=false",
    "--server.port",
)
WATCH = """([name, wanted]) => new Promise(resolve => {
    const cell = document.querySelector(`[data-square=${name}]`), status = document.querySelector("[role=status]");
    const board = cell.closest("[aria-busy]"), times = {}, start = performance.now();
    const serverTurn = status.textContent, ledgerBefore = document.querySelector("table.ledger");
    const look = () => {
        const now = performance.now() - start, text = status.textContent;
        if (!times.disc && !cell.getAttribute("aria-label").includes("empty")) times.disc = now;
        if (!times.server && times.disc && text && text !== serverTurn) times.server = now;
        const turn = /Your move|over|to move/.test(text);
        if (times.server && !times.reply && board.ariaBusy === "false" && turn) times.reply = now;
        if (!times.reply) return;
        const ledger = document.querySelector("table.ledger"), played = text.match(/played (\\w\\d)/);
        if (!times.map && ledger && ledger !== ledgerBefore) times.map = now;
        const said = document.querySelector(".st-key-why p")?.textContent ?? "";
        if (!times.sentence && played && said.startsWith(played[1])) times.sentence = now;
        if (wanted.every(name => times[name]) || now > times.reply + (played ? 5000 : 1500)) {
            observer.disconnect(); clearInterval(timer); resolve(times);
        }
    };
    const observer = new MutationObserver(look), timer = setInterval(look, 50);
    observer.observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
    cell.click();
})"""
PRESS = """number => new Promise(resolve => {
    const start = performance.now(), observer = new MutationObserver(() => {
        if (!document.body.textContent.includes(`pressed ${number} times`)) return;
        observer.disconnect(); resolve({press: performance.now() - start});
    });
    observer.observe(document.body, {subtree: true, childList: true, characterData: true});
    document.querySelector(".stMain button").click();
})"""
WORDS = {
    "disc": "click to the person's disc",
    "server": "click to the server's board",
    "reply": "click to the reply",
    "map": "reply to ledger",
    "sentence": "reply to the sentence why",
    "press": "one button: press to the new text",
}
WANTED = {
    "both": ["map"],
    "black": ["map", "sentence"],
}  # what is waited for after a reply, by seat
Times = dict[str, float]


def main() -> None:
    """Play games by clicks and print the times."""
    chosen = options(__doc__, address={}, moves=40)
    servers = []
    if chosen.address is None:
        process, chosen.address = start_server()
        servers.append(process)
    process, floor = start_server(*ONE_BUTTON)
    servers.append(process)
    try:
        report_overhead()
        with sync_playwright() as playwright:
            executable = (
                os.environ.get("CHROMIUM")
                or shutil.which("chromium")
                or playwright.chromium.executable_path
            )
            browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
            for seat in WANTED:
                report(seat, play(browser, chosen.address, floor, seat, chosen.moves))
            browser.close()
    finally:
        for process in servers:
            process.terminate()
            process.wait()


def report_overhead(rounds: int = 40) -> None:
    """Print what one explanation with its layers costs above the attribution by `lrp`, in processor time."""
    model, board, target = load_model(), Board.parse("f5d6c3d3c4f4f6"), Target("value")
    planes = planes_of(model, [board])
    jobs = {
        "lrp": lambda: attribute(model, planes, [target], DEFAULT_COMPOSITE, DEFAULT_BIAS),
        "app": lambda: explain_many(model, [board], [target], layers=True),
    }
    spent = interleaved(jobs, rounds)
    own, whole = 1000 * spent["lrp"], 1000 * spent["app"]
    print(
        f"one explanation: lrp {own:.1f} ms, with the app's own part {whole:.1f} ms: {whole - own:.1f} ms more"
    )


def start_server(*command: str) -> tuple[subprocess.Popen[bytes], str]:
    """A server on a free port, once it answers: of this checkout's app, or by a command that takes the port behind."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chosen = [*command, f"{port}"] if command else ["app.cli", "app", "--port", f"{port}"]
    process = subprocess.Popen(
        [sys.executable, "-m", *chosen],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2)
            break
        except OSError:
            time.sleep(0.2)
    return process, address


def play(browser: Any, address: str, floor: str, seat: str, moves: int) -> list[Times]:
    """Times of `moves` moves, each a legal square of another place in the list, and of a press of the one button."""
    page, least = (browser.new_page(viewport={"width": 1400, "height": 1000}) for _ in range(2))
    page.set_default_timeout(180_000)
    least.goto(floor)
    least.get_by_text("pressed 0 times").wait_for()
    began = time.perf_counter()
    page.goto(f"{address}/?seat={seat}")
    page.get_by_role("gridcell", name="legal move").first.wait_for()
    print(f"first page usable after {time.perf_counter() - began:.2f} s")
    time.sleep(2)
    found: list[Times] = []
    for number in range(moves + 2):
        if "over" in page.get_by_role("status").first.inner_text():
            page.goto(f"{address}/?seat={seat}")
        legal = page.get_by_role("gridcell", name="legal move")
        legal.first.wait_for()
        name = legal.nth(number % legal.count()).get_attribute("data-square")
        times = page.evaluate(WATCH, [name, WANTED[seat]])
        time.sleep(0.3)
        times |= least.evaluate(PRESS, number + 1)
        if number > 1:  # the first ones compile
            found.append(times)
    page.close()
    least.close()
    return found


def report(seat: str, times: list[Times]) -> None:
    """Print medians and percentiles."""
    print(
        f"seat {seat}, {len(times)} moves, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    for key, label in WORDS.items():
        since = "reply" if key in ("map", "sentence") else None
        values = [t[key] - (t[since] if since else 0) for t in times if key in t]
        if values:
            p95 = sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]
            median = statistics.median(values)
            print(f"  {label:34} median {median:7.0f} ms   p95 {p95:7.0f} ms   of {len(values)}")


if __name__ == "__main__":
    main()
