"""Speed of the rules and of the endgame solver on one core: leaves a second, and times on positions of real play.

    python benchmarks/othello_rules.py [--json] [--positions 200] [--ffo]

Positions come from games between two players that look two plies ahead and play one move in ten at random, from
seeded random openings; times are of `Solver.solve` with a fresh table, all best moves asked for or not.  All times are
processor time of this process, so that a busy machine tells nearly the same as a free one.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from pathlib import Path

import numpy as np

from othello.board import Board
from othello.jit import kernel
from othello.perft import perft
from othello.solver import Solver
from othello.solver_memory import LOOK_AHEAD, call
from othello.solver_search import new_workspace


@kernel
def _guess(own: np.uint64, opp: np.uint64, depth: np.int64, memory: np.int64) -> np.int64:
    return call(memory, LOOK_AHEAD, own, opp, np.int64(-(10**6)), np.int64(10**6), depth)


def played_positions(count: int, empties: int, seed: int) -> list[Board]:
    """Positions with `empties` empty squares and a choice of moves, one a game."""
    generator, workspace, positions = random.Random(seed), new_workspace(8, 10), []
    memory = np.int64(workspace.ctypes.data)
    while len(positions) < count:
        board = Board.initial()
        for _ in range(generator.randrange(4, 13)):
            board = board.play(generator.choice(board.legal_actions()))
        while not board.is_over and board.empties > empties:
            actions = board.legal_actions()
            if len(actions) > 1 and generator.random() > 0.1:
                children = [(board.play(action), action) for action in actions]
                values = [_guess(np.uint64(c.own), np.uint64(c.opp), np.int64(1), memory) for c, _ in children]
                board = children[int(np.argmin(values))][0]
            else:
                board = board.play(generator.choice(actions))
        if board.empties == empties and len(board.legal_moves()) > 1:
            positions.append(board)
    return positions


def perft_speed(depth: int = 10, rounds: int = 7) -> float:
    """Median leaves a second of perft(depth)."""
    perft(depth)
    speeds = []
    for _ in range(rounds):
        start = time.process_time()
        leaves = perft(depth)
        speeds.append(leaves / (time.process_time() - start))
    return statistics.median(speeds)


def solver_times(empties: int, count: int, every: bool) -> dict[str, float]:
    """Milliseconds and nodes of `count` positions with so many empty squares."""
    milliseconds, nodes = [], []
    for board in played_positions(count, empties, seed=empties):
        solver = Solver(8, 16)
        start = time.process_time()
        solution = solver.solve(board, every=every, line=False)
        milliseconds.append(1000 * (time.process_time() - start))
        assert solution is not None
        nodes.append(solution.nodes)
    order = sorted(milliseconds)
    return {
        "empties": empties,
        "median_ms": round(statistics.median(order), 3),
        "p90_ms": round(order[int(0.9 * len(order))], 3),
        "max_ms": round(order[-1], 3),
        "mean_nodes": round(statistics.fmean(nodes)),
        "nodes_per_second": round(1000 * sum(nodes) / sum(milliseconds)),
    }


def ffo_times() -> list[dict[str, object]]:
    """The published endgames of tests/data/ffo.txt, score and all best moves."""
    path, rows = Path(__file__).parents[1] / "tests" / "data" / "ffo.txt", []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            number, squares, side, score, *_ = line.split()
            start = time.process_time()
            solution = Solver(8, 20).solve(Board.parse(f"{squares} {side}"), line=False)
            assert solution is not None
            row = {"ffo": int(number), "score": solution.score, "right": solution.score == int(score)}
            rows.append(row | {"nodes": solution.nodes, "seconds": round(time.process_time() - start, 2)})
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--positions", type=int, default=200)
    arguments.add_argument("--ffo", action="store_true", help="also solve FFO 40-45 (a minute)")
    options = arguments.parse_args()
    Solver(8, 10).solve(Board.parse("-" * 8 + "XO" * 28))
    report: dict[str, object] = {"perft_10_leaves_per_second": round(perft_speed())}
    report["solver"] = [solver_times(n, options.positions, False) for n in (8, 10, 12, 14, 16, 18)]
    report["solver_all_best"] = [solver_times(n, options.positions, True) for n in (12, 14, 16)]
    if options.ffo:
        report["ffo"] = ffo_times()
    if options.json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name}:", value if not isinstance(value, list) else "")
        for row in value if isinstance(value, list) else []:
            print("   ", "  ".join(f"{key} {cell}" for key, cell in row.items()))


if __name__ == "__main__":
    main()
