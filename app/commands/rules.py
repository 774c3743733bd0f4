"""`othello perft` and `othello solve`: the rules and exact endgames; no torch."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from app.commands.options import (
    AsJson,
    Positions,
    Size,
    for_each_position,
    parse_position,
    print_json,
    wants_json,
)
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.rules.perft import divide as leaves_by_move
from othello.rules.perft import perft as count_leaves
from othello.solver.solver import Solver, Verdict

SILENT = 5.0  # seconds


def perft(
    depth: Annotated[int, typer.Argument(metavar="DEPTH", help="Plies, 0 to 40.")],
    position: Annotated[str, typer.Option("--position", "-p", metavar="POSITION")] = "start",
    size: Size = 8,
    divide: Annotated[bool, typer.Option("--divide", help="Leaves below each move, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the leaves of the game tree DEPTH plies below a position."""
    board = parse_position(position, size)
    began = time.perf_counter()
    parts = (
        {square_name(a, board.size): n for a, n in leaves_by_move(depth, board).items()}
        if divide
        else {}
    )
    leaves = sum(parts.values()) if parts else count_leaves(depth, board)
    seconds = time.perf_counter() - began
    if as_json:
        extra = {"divide": parts} if divide else {}
        print_json(
            {"depth": depth, "leaves": leaves, "position": str(board), "seconds": seconds, **extra}
        )
        return
    for name, count in parts.items():
        print(f"{name}: {count}")
    print(leaves)


def solve(
    position: Positions,
    size: Size = 8,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.0, help="Give up after so many seconds.")
    ] = None,
    outcome: Annotated[
        bool, typer.Option("--wld", help="Only win, draw or loss: several times quicker.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score with perfect play, in discs for the side to move, and all the best moves."""
    for_each_position(position, size, lambda board: _solve(board, seconds, outcome, as_json))


def _solve(board: Board, seconds: float | None, outcome: bool, as_json: bool) -> None:
    solver = Solver(board.size)
    if outcome:
        with _said(board):
            verdict = solver.solve_wld(board, seconds=seconds)
        _print_verdict(board, verdict, seconds, as_json)
        return
    with _said(board):
        solution = solver.solve(board, seconds=seconds)
    if solution is None:
        raise _unsolved(board, seconds)
    best = [square_name(action, board.size) for action in solution.best]
    line = [square_name(action, board.size) for action in solution.pv]
    if wants_json(as_json):
        print_json(
            {
                "score": solution.score,
                "best": best,
                "nodes": solution.nodes,
                "seconds": solution.seconds,
                "pv": line,
                "position": str(board),
            }
        )
        return
    print(board.diagram())
    print(
        f"{solution.score:+d} for {'black' if board.side == 'X' else 'white'}; best {' '.join(best) or 'none'}"
    )
    print(f"{' '.join(line)}   {solution.nodes:,} nodes, {solution.seconds:.2f} s")


@contextmanager
def _said(board: Board) -> Iterator[None]:
    """A line on stderr about work that takes longer than `SILENT` seconds; on a terminal it counts them."""
    over, watched = threading.Event(), sys.stderr.isatty()

    def tell() -> None:
        began, wait = time.monotonic(), SILENT
        while not over.wait(wait):
            line = f"solving {board.empties} empty squares, {time.monotonic() - began:.0f} s so far; Ctrl-C ends it"
            print(
                f"\r{line}" if watched else line,
                end="" if watched else "\n",
                file=sys.stderr,
                flush=True,
            )
            wait = 1.0 if watched else 60.0
        if watched and wait != SILENT:
            print("\r" + " " * 79 + "\r", end="", file=sys.stderr, flush=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _unsolved(board: Board, seconds: float | None) -> RuntimeError:
    return RuntimeError(
        f"not solved in {seconds or 0:g} s ({board.empties} empty squares); give more --seconds"
    )


def _print_verdict(
    board: Board, verdict: Verdict | None, seconds: float | None, as_json: bool
) -> None:
    if verdict is None:
        raise _unsolved(board, seconds)
    best, result = (
        [square_name(action, board.size) for action in verdict.best],
        verdict.result.value,
    )
    if wants_json(as_json):
        print_json(
            {
                "result": result,
                "best": best,
                "nodes": verdict.nodes,
                "seconds": verdict.seconds,
                "position": str(board),
            }
        )
        return
    print(board.diagram())
    print(
        f"{result} for {'black' if board.side == 'X' else 'white'}"
        + (f" with {' '.join(best)}" if best else "")
    )
    print(f"{verdict.nodes:,} nodes, {verdict.seconds:.2f} s")
