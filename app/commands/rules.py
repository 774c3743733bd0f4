"""`othello perft` and `othello solve`: the rules and exact endgames; no torch."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from app.commands.options import (
    STDIN,
    Output,
    Positions,
    Size,
    for_each_position,
    parse_position,
    print_json,
    read_stdin,
    wants_json,
)
from app.commands.progress import ProgressLine
from othello.errors import ConfigError
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.rules.perft import MAX_DEPTH
from othello.rules.perft import perft as count_leaves
from othello.solver.solver import Solution, Solver, Verdict

SILENT = 5.0  # seconds that solving may take without a word, in a log too
_SPLIT = 9  # plies from which on a count is told move by move


def perft(
    depth: Annotated[int, typer.Argument(metavar="DEPTH", help="Plies, 0 to 40.")],
    position: Annotated[
        str, typer.Option("--position", "-p", metavar="POSITION", help="`-` is standard input.")
    ] = "start",
    size: Size = 8,
    divide: Annotated[bool, typer.Option("--divide", help="Leaves below each move, too.")] = False,
    output: Output = Output(),
) -> None:
    """Count the leaves of the game tree DEPTH plies below a position."""
    if position == STDIN:
        position = read_stdin().decode(errors="replace").strip()
    board = parse_position(position, size)
    if divide and depth < 1:
        raise ConfigError(f"perft depth {depth}: --divide needs a ply at the least")
    began, parts = time.perf_counter(), dict[str, int]()
    told = (divide or depth >= _SPLIT) and depth <= MAX_DEPTH
    moves = board.legal_actions() if told else ()
    doing = f"counting {depth} plies deep"
    try:
        with ProgressLine(doing, max(1, len(moves)), "moves", output.quiet) as line:
            for number, action in enumerate(moves, 1):
                parts[square_name(action, board.size)] = _below(depth - 1, board, action, line)
                line.at(number)
        leaves = sum(parts.values()) if moves else count_leaves(depth, board)
    except KeyboardInterrupt:
        for name, count in parts.items() if divide and not output.as_json else ():
            print(f"{name}: {count}")
        raise KeyboardInterrupt(f"interrupted after {len(parts)} of {len(moves)} moves") from None
    if output.as_json:
        report: dict[str, Any] = {"depth": depth, "leaves": leaves, "position": str(board)}
        report["seconds"] = time.perf_counter() - began
        print_json("perft", report | ({"divide": parts} if divide else {}))
        return
    for name, count in parts.items() if divide else ():
        print(f"{name}: {count}")
    print(leaves)


def _below(depth: int, board: Board, action: int, line: ProgressLine) -> int:
    """The leaves `depth` plies below a move, told reply by reply where that takes long."""
    child = board.play(action)
    if depth < _SPLIT - 1 or child.is_over:
        return count_leaves(depth, child)
    total, replies = 0, child.legal_actions()
    for number, reply in enumerate(replies, 1):
        total += count_leaves(depth - 1, child.play(reply))
        line.within(number / len(replies))
    return total


def solve(
    position: Positions,
    size: Size = 8,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.0, help="Give up after so many seconds.")
    ] = None,
    outcome: Annotated[
        bool, typer.Option("--wld", help="Only win, draw or loss: several times quicker.")
    ] = False,
    output: Output = Output(),
) -> None:
    """Score with perfect play, in discs for the side to move, and all the best moves."""

    def work(board: Board, line: ProgressLine) -> None:
        line.doing = f"solving {board.empties} empty squares"
        solver = Solver(board.size)
        verdict: Verdict | None = None
        solution: Solution | None = None
        if outcome:
            verdict = solver.solve_wld(board, seconds=seconds)
        else:
            solution = solver.solve(board, seconds=seconds)
        if verdict is not None:
            _print_verdict(board, verdict, output.as_json)
        elif solution is not None:
            _print_solution(board, solution, output.as_json)
        else:
            raise RuntimeError(
                f"not solved in {seconds or 0:g} s ({board.empties} empty squares); give more --seconds"
            )

    for_each_position(position, size, work, output.quiet, silent=SILENT)


def _print_solution(board: Board, solution: Solution, as_json: bool | None) -> None:
    best = [square_name(action, board.size) for action in solution.best]
    line = [square_name(action, board.size) for action in solution.pv]
    if wants_json(as_json):
        report = {"score": solution.score, "best": best, "nodes": solution.nodes}
        report |= {"seconds": solution.seconds, "pv": line, "position": str(board)}
        print_json("solve", report)
        return
    print(board.diagram())
    print(
        f"{solution.score:+d} for {'black' if board.side == 'X' else 'white'}; best {' '.join(best) or 'none'}"
    )
    print(f"{' '.join(line)}   {solution.nodes:,} nodes, {solution.seconds:.2f} s")


def _print_verdict(board: Board, verdict: Verdict, as_json: bool | None) -> None:
    best = [square_name(action, board.size) for action in verdict.best]
    result = verdict.result.value
    if wants_json(as_json):
        report = {"result": result, "best": best, "nodes": verdict.nodes}
        report |= {"seconds": verdict.seconds, "position": str(board)}
        print_json("outcome", report)
        return
    print(board.diagram())
    print(
        f"{result} for {'black' if board.side == 'X' else 'white'}"
        + (f" with {' '.join(best)}" if best else "")
    )
    print(f"{verdict.nodes:,} nodes, {verdict.seconds:.2f} s")
