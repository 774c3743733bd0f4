"""The rules, counted: perft tables, and every position of many games compared with an independent program."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rust_reversi

from othello.errors import ConfigError
from othello.players.alphabeta import best_moves
from othello.rules.bitboard import BOARD_MASK, final_score
from othello.rules.board import Board, squares_of
from othello.rules.perft import divide, perft
from tests.othello.positions import random_position

TABLE = [
    tuple(map(int, line.split()))
    for line in (Path(__file__).parents[2] / "data" / "perft.txt")
    .read_text(encoding="utf-8")
    .splitlines()
    if not line.startswith("#")
]
MARKED = [
    pytest.param(*row, marks=[pytest.mark.long] if row[2] > 5_000_000 else []) for row in TABLE
]


@pytest.mark.parametrize("size, depth, leaves", MARKED)
def test_the_leaves_are_those_of_the_table(size: int, depth: int, leaves: int) -> None:
    assert perft(depth, size=size) == leaves


def test_the_4x4_game_has_60060_ways_to_end() -> None:
    assert perft(15, size=4) == perft(20, size=4) == 60060


def test_divide_adds_up_and_perft_starts_anywhere() -> None:
    board = random_position(random.Random(1), 8, 30)
    assert sum(divide(5, board).values()) == perft(5, board)
    assert perft(0, board) == 1
    assert perft(11, random_position(random.Random(5), 4, 10)) > 0


@pytest.mark.parametrize("depth", [-1, 41])
def test_a_depth_out_of_range_is_refused(depth: int) -> None:
    with pytest.raises(ConfigError, match=r"0\.\.40"):
        perft(depth)


def slow_perft(board: Board, depth: int) -> int:
    if depth == 0 or board.is_over:
        return 1
    return sum(slow_perft(board.play(action), depth - 1) for action in board.legal_actions())


@pytest.mark.parametrize("size", [4, 6, 8])
def test_perft_of_late_positions_is_that_of_plain_recursion(size: int) -> None:
    generator = random.Random(size)
    for _ in range(10):
        board = random_position(generator, size, size * size - 7)  # passes and ends abound
        assert perft(5, board) == slow_perft(board, 5)


def mirrored(word: int) -> int:
    """`word` with bit 0 as bit 63: rust-reversi calls a1 bit 63."""
    return int(f"{word:064b}"[::-1], 2)


def discs_of(reference: rust_reversi.Board) -> tuple[int, int]:
    own, opp, _ = reference.get_board()
    return mirrored(own), mirrored(opp)


def agree(board: Board, reference: rust_reversi.Board) -> None:
    """Moves, passes, ends and scores of one position are those of rust-reversi."""
    legal = board.legal_moves()
    assert list(legal) == reference.get_legal_moves_vec()
    assert board.must_pass == reference.is_pass() or board.is_over
    assert board.is_over == reference.is_game_over()
    assert (board.own, board.opp) == discs_of(reference)


Pair = tuple[Board, rust_reversi.Board]


def children_of(board: Board, reference: rust_reversi.Board) -> list[Pair]:
    """Every position one action further."""
    children = []
    for action in board.legal_actions():
        child = reference.clone()
        if action == 64:
            child.do_pass()
        else:
            child.do_move(action)
        children.append((board.play(action), child))
    return children


def random_games(generator: random.Random) -> Iterator[Pair]:
    """Endless positions of random games, each with its brothers: all the children of a visited position."""
    while True:
        pair = Board.initial(), rust_reversi.Board()
        yield pair
        while children := children_of(*pair):
            yield from children
            pair = generator.choice(children)


def some(generator: random.Random, pairs: list[Pair], most: int) -> list[Pair]:
    return generator.sample(pairs, min(most, len(pairs)))


def good_games(generator: random.Random) -> Iterator[Pair]:
    """Endless positions as a search meets them: trees three plies deep below the positions of well played games."""
    while True:
        pair = Board.initial(), rust_reversi.Board()
        for _ in range(generator.randrange(3, 10)):
            pair = generator.choice(children_of(*pair) or [pair])
        while children := children_of(*pair):
            level = some(generator, children, 4)
            for width in (3, 1, 1):  # below each position, so many of the next ones
                yield from level
                level = [
                    child
                    for parent in level
                    for child in some(generator, children_of(*parent), width)
                ]
            action = 64 if pair[0].must_pass else generator.choice(best_moves(pair[0], 3)[1])
            pair = children[pair[0].legal_actions().index(action)]


def compare(positions: Iterator[Pair], count: int) -> None:
    passes, ends = 0, 0
    for _ in range(count):
        board, reference = next(positions)
        agree(board, reference)
        passes += board.must_pass
        ends += board.is_over
    assert passes > count // 1000 and ends > count // 2000, (passes, ends)


KINDS = pytest.mark.parametrize("games", [random_games, good_games])


@KINDS
def test_positions_agree_with_an_independent_program(
    games: Callable[[random.Random], Iterator[Pair]],
) -> None:
    compare(games(random.Random(0)), 12_000)


@pytest.mark.long
@KINDS
def test_a_million_positions_agree_with_an_independent_program(
    games: Callable[[random.Random], Iterator[Pair]],
) -> None:
    compare(games(random.Random(1)), 500_000)


def test_arbitrary_discs_have_the_moves_of_an_independent_program() -> None:
    generator = random.Random(2)
    for _ in range(3000):
        discs, black = (
            generator.getrandbits(64) | generator.getrandbits(64),
            generator.getrandbits(64),
        )
        board = Board(discs & black, discs & ~black)
        reference = rust_reversi.Board()
        reference.set_board(mirrored(board.black), mirrored(board.white), rust_reversi.Turn.BLACK)
        agree(board, reference)
        for move in board.legal_moves():
            child = reference.clone()
            child.do_move(move)
            assert discs_of(child) == (board.play(move).own, board.play(move).opp)


def test_the_compiled_score_is_that_of_the_board() -> None:
    generator = random.Random(3)
    for size in (4, 6, 8):
        for _ in range(30):
            board = random_position(generator, size, size * size)
            own, opp = (BOARD_MASK[size].dtype.type(word) for word in (board.own, board.opp))
            if board.is_over:
                assert final_score(own, opp, BOARD_MASK[size]) == board.score() * (
                    1 if board.side == "X" else -1
                )
    assert squares_of(0b101 << 8, 6) == (6, 8)
