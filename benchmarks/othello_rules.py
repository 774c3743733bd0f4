"""Speed of the rules and of the endgame solver on one core: leaves a second, and times on positions of real play.

    python -m benchmarks.othello_rules [--json] [--positions 200] [--ffo] [--checkpoint FOLDER]

Positions are those of self-play: games that the network of the checkpoint plays against itself by its own policy, every
move drawn from it, one position a game.  Times are of `Solver.solve` with a fresh table, all best moves asked for or
not, each the best of three.  All are processor time of this process, so that a busy machine tells nearly the same as a
free one.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import options, seconds
from othello.network.evaluator import Evaluator
from othello.players.agent import evaluate, load_evaluator
from othello.rules.board import Board
from othello.rules.perft import perft
from othello.solver.solver import Solver


def played_positions(evaluator: Evaluator, count: int, empties: int, seed: int) -> list[Board]:
    """Positions of self-play with `empties` empty squares and a choice of moves, one a game."""
    random, positions = np.random.default_rng(seed), list[Board]()
    while len(positions) < count:
        games = [Board.initial() for _ in range(128)]
        while games:
            games = [board.pass_turn() if board.must_pass else board for board in games]
            done = [board for board in games if board.empties <= empties]
            positions += [
                board for board in done if board.empties == empties and len(board.legal_moves()) > 1
            ]
            games = [board for board in games if board.empties > empties and board.legal_moves()]
            if games:
                logits, _ = evaluate(evaluator, games)
                games = [
                    board.play(_drawn(board, row, random)) for board, row in zip(games, logits)
                ]
    return positions[:count]


def _drawn(board: Board, logits: NDArray[np.float32], random: np.random.Generator) -> int:
    """A move drawn from the policy over the legal moves."""
    moves = np.array(board.legal_moves())
    weights = np.exp(logits[moves] - logits[moves].max())
    return int(random.choice(moves, p=weights / weights.sum()))


def perft_speed(depth: int = 10, rounds: int = 7) -> float:
    """Median leaves a second of perft(depth)."""
    leaves = perft(depth)
    taken = [seconds(lambda: perft(depth)) for _ in range(rounds)]
    return leaves / statistics.median(taken)


def solver_times(positions: Sequence[Board], empties: int, every: bool) -> dict[str, float]:
    """Milliseconds and nodes of positions with so many empty squares."""
    milliseconds, nodes = [], []
    for board in positions:
        times = []
        for _ in range(3):
            solver = Solver(8, 16)
            start = time.process_time()
            solution = solver.solve(board, every=every, line=False)
            times.append(1000 * (time.process_time() - start))
            assert solution is not None
        milliseconds.append(min(times))
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
            rows.append(
                {
                    "ffo": int(number),
                    "score": solution.score,
                    "right": solution.score == int(score),
                    "nodes": solution.nodes,
                    "seconds": round(time.process_time() - start, 2),
                }
            )
    return rows


def main() -> None:
    chosen = options(
        (__doc__ or "").splitlines()[0],
        positions=200,
        ffo={"default": False, "help": "also solve FFO 40-45 (a minute)"},
        checkpoint={"type": Path, "help": "if not the one that comes with the project"},
    )
    Solver(8, 10).solve(Board.parse("-" * 8 + "XO" * 28))
    evaluator, _ = load_evaluator(chosen.checkpoint, 8)
    played = {
        n: played_positions(evaluator, chosen.positions, n, seed=n) for n in (8, 10, 12, 14, 16, 18)
    }
    report: dict[str, object] = {
        "perft_10_leaves_per_second": round(perft_speed()),
        "solver": [solver_times(boards, n, False) for n, boards in played.items()],
        "solver_all_best": [solver_times(played[n], n, True) for n in (12, 14, 16)],
    }
    if chosen.ffo:
        report["ffo"] = ffo_times()
    if chosen.json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name}:", value if not isinstance(value, list) else "")
        for row in value if isinstance(value, list) else []:
            print("   ", "  ".join(f"{key} {cell}" for key, cell in row.items()))


if __name__ == "__main__":
    main()
