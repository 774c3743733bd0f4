"""How fast the Play page feels in a real Chromium: from a click to the disc, the server's board, the reply, the map.

    python benchmarks/page.py [--address URL] [--moves N]

Starts its own server if no address is given.  Times in milliseconds, median and 95th percentile over the moves; the
agent searches 100 simulations a move, and the map and ledger of the value are shown after its reply.  Before that, what
the app adds to the time `lrp` takes for one explanation.  On a machine that does other work too the figures are those
of the work: the load average is printed with them.
"""

from __future__ import annotations

import argparse
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
WATCH = """name => new Promise(resolve => {
    const cell = document.querySelector(`[data-square=${name}]`), status = document.querySelector("[role=status]");
    const board = cell.closest("[aria-busy]"), times = {}, start = performance.now();
    const serverTurn = status.textContent;
    const look = () => {
        const now = performance.now() - start, text = status.textContent;
        if (!times.disc && !cell.getAttribute("aria-label").includes("empty")) times.disc = now;
        if (!times.server && times.disc && text && text !== serverTurn) times.server = now;
        const turn = /Your move|over|to move/.test(text);
        if (times.server && !times.reply && board.ariaBusy === "false" && turn) times.reply = now;
        const ledger = document.querySelector("table.ledger");
        if (times.reply && !times.map && ledger && ledger !== window.ledgerBefore) times.map = now;
        if (times.reply && (times.map || now > times.reply + 1500)) { observer.disconnect(); resolve(times); }
    };
    window.ledgerBefore = document.querySelector("table.ledger");
    const observer = new MutationObserver(look);
    observer.observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
    cell.click();
    const timer = setInterval(() => {
        look();
        if (times.reply && performance.now() - start > times.reply + 1600) clearInterval(timer);
    }, 50);
})"""


def main() -> None:
    """Play games by clicks and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address")
    parser.add_argument("--moves", type=int, default=40)
    chosen = parser.parse_args()
    process = None
    if chosen.address is None:
        process, chosen.address = start_server()
    try:
        report_overhead()
        with sync_playwright() as playwright:
            executable = (
                os.environ.get("CHROMIUM")
                or shutil.which("chromium")
                or playwright.chromium.executable_path
            )
            browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
            for seat in ("both", "black"):
                report(seat, play(browser, f"{chosen.address}/?seat={seat}", chosen.moves))
            browser.close()
    finally:
        if process is not None:
            process.terminate()
            process.wait()


def report_overhead(rounds: int = 40) -> None:
    """Print what one explanation with its layers costs above the attribution by `lrp`, in processor time."""
    import torch

    from app.explain.composites import DEFAULT_BIAS, DEFAULT_COMPOSITE
    from app.explain.network import attribute, explain_many, planes_of
    from app.explain.targets import Target
    from app.models import load_model
    from othello.rules.board import Board

    torch.set_num_threads(1)
    model, board, target = load_model(), Board.parse("f5d6c3d3c4f4f6"), Target("value")
    planes = planes_of(model, [board])
    jobs = {
        "lrp": lambda: attribute(model, planes, [target], DEFAULT_COMPOSITE, DEFAULT_BIAS),
        "app": lambda: explain_many(model, [board], [target], layers=True),
    }
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for round_ in range(rounds + 3):
        for name, job in jobs.items():
            began = time.thread_time()
            job()
            if round_ >= 3:
                times[name].append(1000 * (time.thread_time() - began))
    own, whole = (statistics.median(times[name]) for name in ("lrp", "app"))
    print(
        f"one explanation: lrp {own:.1f} ms, with the app's own part {whole:.1f} ms: {whole - own:.1f} ms more"
    )


def start_server() -> tuple[subprocess.Popen[bytes], str]:
    """A server of this checkout on a free port."""
    root = Path(__file__).parents[1]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "from app.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "app", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2)
            break
        except OSError:
            time.sleep(0.2)
    return process, address


def play(browser: Any, address: str, moves: int) -> list[dict[str, float]]:
    """Times of `moves` moves, each the first legal square."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(180_000)
    began = time.perf_counter()
    page.goto(address)
    page.get_by_role("gridcell", name="legal move").first.wait_for()
    print(f"first page usable after {time.perf_counter() - began:.2f} s")
    time.sleep(2)
    found: list[dict[str, float]] = []
    number = 0
    while len(found) < moves:
        if "over" in page.get_by_role("status").first.inner_text():
            page.goto(address)
        legal = page.get_by_role("gridcell", name="legal move")
        legal.first.wait_for()
        name = legal.nth(number % legal.count()).get_attribute("data-square")
        times = page.evaluate(WATCH, name)
        if number > 1:  # the first ones compile
            found.append(times)
        number += 1
        time.sleep(0.3)
    page.close()
    return found


def report(seat: str, times: list[dict[str, float]]) -> None:
    """Print medians and percentiles."""
    words = {
        "disc": "click to the person's disc",
        "server": "click to the server's board",
        "reply": "click to the reply",
        "map": "reply to ledger",
    }
    print(
        f"seat {seat}, {len(times)} moves, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    for key, label in words.items():
        values = [t[key] - (t["reply"] if key == "map" else 0) for t in times if key in t]
        if values:
            p95 = sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]
            print(f"  {label:30} median {statistics.median(values):7.0f} ms   p95 {p95:7.0f} ms")


if __name__ == "__main__":
    main()
