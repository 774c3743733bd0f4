"""What a frame of the desktop costs: `python -m benchmarks.desktop [--rounds 40] [--json]`.

Milliseconds of processor and of wall time for one `render` of a middle game at 1200×800 (a board 800 pixels high),
medians of interleaved rounds, warm: green board, heatmap, heatmap with numbers, discs turning; and one view's making.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

os.environ["SDL_VIDEODRIVER"] = "dummy"

from app.desktop.desk import Desk
from app.desktop.render import render
from app.desktop.scene import view_of
from app.desktop.view import Turning
from app.game.session import Session
from app.models import load_model
from benchmarks.harness import interleaved, options, show

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
    jobs = {
        "green board": lambda: render(plain, SIZE),
        "heatmap": lambda: render(heat, SIZE),
        "heatmap with numbers": lambda: render(replace(heat, with_numbers=True), SIZE),
        "discs turning": lambda: render(replace(plain, turning=Turning((26, 27, 28), 0.37)), SIZE),
        "view": lambda: view_of(desk),
    }
    figures = {}
    for unit, clock in (("processor ms", time.thread_time), ("wall ms", time.perf_counter)):
        for name, spent in interleaved(jobs, rounds, clock).items():
            figures[f"{name}, {unit}"] = 1000 * spent
    desk.close()
    return figures


def main() -> None:
    chosen = options(__doc__, rounds=40)
    show(measure(chosen.rounds), chosen.json)


if __name__ == "__main__":
    main()
