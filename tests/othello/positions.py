"""Positions for the tests: random play of every size, as hypothesis strategies and as plain generators."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from othello.board import Board


def random_position(generator: random.Random, size: int = 8, plies: int | None = None) -> Board:
    """The position after `plies` random actions (any number if None), or the end of the game if it comes first."""
    board = Board.initial(size)
    for _ in range(generator.randrange(size * size) if plies is None else plies):
        if board.is_over:
            break
        board = board.play(generator.choice(board.legal_actions()))
    return board


def position_with_empties(generator: random.Random, empties: int, size: int = 8) -> Board:
    """A position of random play with exactly `empties` empty squares where the game is not over."""
    while True:
        board = Board.initial(size)
        while board.empties > empties and not board.is_over:
            board = board.play(generator.choice(board.legal_actions()))
        if board.empties == empties and not board.is_over:
            return board


@st.composite
def boards(draw: st.DrawFn, sizes: tuple[int, ...] = (4, 6, 8)) -> Board:
    """Positions that random games of the given sizes reach."""
    size = draw(st.sampled_from(sizes))
    return random_position(random.Random(draw(st.integers(0, 2**32))), size, draw(st.integers(0, size * size)))
