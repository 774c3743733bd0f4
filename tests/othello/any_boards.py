"""Boards that no game reaches, and a program that searches many of them by both roots.

    NUMBA_BOUNDSCHECK=1 python -m tests.othello.any_boards --boards 1000 --seed 3

Its last line says how many searches were made and the most legal moves that a board had.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator

from othello.rules.board import Board
from othello.search.search import Gumbel, Search, search_many
from othello.solver.solver import Solver
from tests.othello.networks import Uneven

# 35 moves, as many as simulated annealing found on any board in 160 runs of two million changes
RICHEST = "---------OOOXOO---XX-XO--OXO--OX-XX---X--OOXXXO-----O-OX-OX-----"
TOGETHER = 48  # boards in one call of the searches of many; the first is also searched alone
SOLVED = 10  # of so many calls one also has a board solved


def any_board(generator: random.Random, size: int = 8, rich: bool = False) -> Board:
    """A board with a move on which every square holds what chance says; a rich one is `RICHEST` but for a few."""
    while True:
        empty, own = generator.uniform(0.05, 0.9), generator.uniform(0.1, 0.9)
        squares = list(RICHEST) if rich else ["-"] * size * size
        places = (
            generator.sample(range(size * size), generator.randrange(4))
            if rich
            else range(size * size)
        )
        for square in places:
            squares[square] = (
                "-" if generator.random() < empty else "X" if generator.random() < own else "O"
            )
        board = Board.parse("".join(squares) + " X", size)
        if board.legal_moves():
            return board


def portions(boards: int, seed: int) -> Iterator[list[Board]]:
    """So many boards in lists of one size; of 8×8 every third list is rich."""
    generator = random.Random(seed)
    for number in range(-(-boards // TOGETHER)):
        size, rich = generator.choice(((4, False), (6, False), (8, False), (8, False), (8, True)))
        yield [
            any_board(generator, size, rich)
            for _ in range(min(TOGETHER, boards - number * TOGETHER))
        ]


def search_all(boards: int, seed: int, simulations: int) -> tuple[int, int]:
    """Search the boards by each root, side by side and some alone; how often, and the most moves a board had."""
    searched, most = 0, 0
    for number, portion in enumerate(portions(boards, seed)):
        board, evaluator = portion[0], Uneven(portion[0].size)
        found = search_many(evaluator, portion, simulations)
        found += search_many(evaluator, portion, simulations, Gumbel(), range(len(portion)))
        found.append(Search(evaluator, batch=4).run(board, simulations))
        found.append(Search(evaluator, Gumbel(), seed=seed).run(board, simulations))
        if number % SOLVED == 0:
            Solver(board.size, 10).solve(board, nodes=200, line=False)
        for result in found:
            assert result.simulations == simulations
            assert sorted(move.square for move in result.moves) == list(result.board.legal_moves())
        searched += len(found)
        most = max(most, *(len(board.legal_moves()) for board in portion))
    return searched, most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--simulations", type=int, default=12)
    arguments = parser.parse_args()
    searched, most = search_all(arguments.boards, arguments.seed, arguments.simulations)
    print(f"{searched} searches, at most {most} moves")


if __name__ == "__main__":
    main()
