"""What a frame of the desktop costs: `python -m benchmarks.desktop [--rounds 40] [--json]`.

Milliseconds of processor and of wall time for one `render` of a middle game at 1200×800 (a board 800 pixels high),
medians of interleaved rounds, warm: green board, heatmap, heatmap with numbers, discs turning; and one view's making.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["SDL_VIDEODRIVER"] = "dummy"

from app.desktop.desk import Desk
from app.desktop.render import render
from app.desktop.scene import view_of
from app.desktop.view import Turning
from app.game.session import Session
from app.models import load_model

SIZE = (1200, 800)
LINE = "e6f6g6e7f7g5g4f8d8h5h6e8h4c8f5d6c5b6b5b4c6c7a6d7a5a4b3a3"


def measure(rounds: int) -> dict[str, float]:
    """The figures of the module's docstring."""
    game = Session(load_model(), seat="both")
    game.open(LINE)
    desk = Desk(game, heat="value", animate=False)
    while not desk.settled:
        time.sleep(0.01)
        desk.collect()
    heat = view_of(desk)
    plain = replace(heat, heat=None, neutral=False, ledger=None)
    jobs: dict[str, Callable[[], object]] = {
        "green board": lambda: render(plain, SIZE),
        "heatmap": lambda: render(heat, SIZE),
        "heatmap with numbers": lambda: render(replace(heat, with_numbers=True), SIZE),
        "discs turning": lambda: render(replace(plain, turning=Turning((26, 27, 28), 0.37)), SIZE),
        "view": lambda: view_of(desk),
    }
    for job in jobs.values():
        job()
    rows: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, job in jobs.items():
            wall, cpu = time.perf_counter(), time.thread_time()
            job()
            rows.setdefault(f"{name}, processor ms", []).append(1000 * (time.thread_time() - cpu))
            rows.setdefault(f"{name}, wall ms", []).append(1000 * (time.perf_counter() - wall))
    desk.close()
    return {name: statistics.median(values) for name, values in rows.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:38} {value:8.2f}")


if __name__ == "__main__":
    main()
