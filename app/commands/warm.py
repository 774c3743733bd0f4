"""`othello warm`: compile ahead, so that no later start waits for it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from app.commands.options import Output, one_thread, print_json
from app.commands.progress import ProgressLine
from app.explain.ask import explain
from app.models import load_model
from othello.jit import CACHE
from othello.network.architecture import Architecture
from othello.players.specs import parse
from othello.rules.board import Board
from othello.rules.perft import perft
from othello.solver.solver import Solver
from othello.strength.arena import MatchSettings, play_match
from othello.training.config import LearnerSettings, RunConfig
from othello.training.loop import train
from othello.training.selfplay import SelfPlaySettings

LATE = "--XXXXX---XXXX---OOOXX---OOXXXX--OOXXXO-OOOOXOO----XOX----XXXXX- O"

SMALLEST = RunConfig(
    games=8,
    chunk=8,
    workers=1,
    network=Architecture(size=4, blocks=1, channels=8),
    selfplay=SelfPlaySettings(
        simulations=8, slots=4, random_plies=2, solve_empties=3, label_empties=1, leaf_empties=2
    ),
    learner=LearnerSettings(batch=16, window_start=32),
)
Training = Annotated[bool, typer.Option("--training", help="What `othello train` needs, too.")]


def warm(training: Training = False, output: Output = Output()) -> None:
    """Compile ahead what playing, searching, solving and explaining need, so that no later start waits for it."""
    if CACHE is None:
        raise RuntimeError("no folder can be written to keep the result: set OTHELLO_CACHE")
    one_thread()
    seconds: dict[str, float] = {}
    steps = {**STEPS, **(TRAINING if training else {})}
    with ProgressLine("compiling", len(steps), "parts", output.quiet) as line:
        for name, work in steps.items():
            line.note, began = name, time.perf_counter()
            work()
            seconds[name] = round(time.perf_counter() - began, 2)
            line.at(len(seconds))
            if not (output.as_json or output.quiet):
                with line.paused():
                    print(f"{name:10} {seconds[name]:6.1f} s", flush=True)
    if output.as_json:
        print_json("warm", {"cache": str(CACHE), "seconds": seconds})
    else:
        print(f"ready; kept in {CACHE}")


def _solve() -> None:
    board, solver = Board.parse(LATE), Solver()
    solver.solve(board, seconds=0.1)
    solver.solve_wld(board, seconds=0.1)


def _search() -> None:
    for player in ("mcts:20", "gumbel:20"):
        parse(player).move(Board.initial())


def _match() -> None:
    play_match("mcts:4,solve=8", "gumbel:4,solve=8", MatchSettings(games=2))
    play_match("alphabeta:2,solve=8", "greedy", MatchSettings(games=2))


def _train() -> None:
    with tempfile.TemporaryDirectory() as folder:
        train(
            Path(folder, "run"),
            SMALLEST,
            iterations=2,  # the learner begins with the second
            workers=lambda config: ThreadPoolExecutor(config.workers),
        )


STEPS: dict[str, Callable[[], object]] = {
    "rules": lambda: perft(4),
    "solver": _solve,
    "network": lambda: parse("net").move(Board.initial()),
    "search": _search,
    "match": _match,
    "explain": lambda: explain(load_model(), Board.initial(), "value"),
}
TRAINING: dict[str, Callable[[], object]] = {"training": _train}
