"""Positions for the tests: random play of every size, as hypothesis strategies and as plain generators."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from othello.rules.board import Board


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


def certain_value(board: Board) -> float | None:
    """The outcome for the side to move where it is plain: the game is over, or a move takes the last disc."""
    if board.is_over:
        score = board.score() if board.side == "X" else -board.score()
        return float((score > 0) - (score < 0))
    return 1.0 if any(not board.play(move).own for move in board.legal_moves()) else None


@st.composite
def boards(draw: st.DrawFn, sizes: tuple[int, ...] = (4, 6, 8)) -> Board:
    """Positions that random games of the given sizes reach."""
    size = draw(st.sampled_from(sizes))
    return random_position(
        random.Random(draw(st.integers(0, 2**32))), size, draw(st.integers(0, size * size))
    )
