"""Planes against a slow reading of the board."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from othello.network.encoding import PLANE_NAMES, encode
from othello.rules.board import Board
from othello.rules.symmetry import transform_board, transform_planes
from tests.othello.positions import boards


def planes_of(board: Board, planes: int = 4) -> np.ndarray:
    own, opp = (np.array([word], np.uint64) for word in (board.own, board.opp))
    return encode(own, opp, board.size, planes)[0]


@given(boards())
def test_the_first_planes_are_the_discs_of_the_side_to_move_and_of_its_opponent(
    board: Board,
) -> None:
    discs, side = str(board).split()
    other = "O" if side == "X" else "X"
    shape = (board.size, board.size)
    planes = planes_of(board)
    assert np.array_equal(planes[0], np.array([d == side for d in discs]).reshape(shape))
    assert np.array_equal(planes[1], np.array([d == other for d in discs]).reshape(shape))


@given(boards())
def test_the_third_plane_holds_the_legal_moves(board: Board) -> None:
    assert tuple(np.flatnonzero(planes_of(board)[2])) == tuple(board.legal_moves())


@given(boards())
def test_the_fourth_plane_holds_the_moves_of_the_opponent_if_it_were_its_turn(board: Board) -> None:
    own, opp = (np.array([word], np.uint64) for word in (board.opp, board.own))
    assert np.array_equal(planes_of(board)[3], encode(own, opp, board.size)[0, 2])


@given(boards(), st.integers(0, 7))
def test_turning_the_board_turns_every_plane(board: Board, symmetry: int) -> None:
    turned = transform_planes(planes_of(board)[None], symmetry)[0]
    assert np.array_equal(planes_of(transform_board(board, symmetry)), turned)


@pytest.mark.parametrize("count", range(2, len(PLANE_NAMES) + 1))
def test_fewer_planes_are_the_first_of_them(count: int) -> None:
    board = Board.initial()
    assert np.array_equal(planes_of(board, count), planes_of(board)[:count])


def test_planes_are_float32_and_channels_last_in_memory() -> None:
    planes = encode(np.zeros(3, np.uint64), np.zeros(3, np.uint64))
    assert planes.dtype == np.float32 and planes.shape == (3, 4, 8, 8)
    assert planes.transpose(0, 2, 3, 1).flags.c_contiguous
