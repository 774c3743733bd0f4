"""The 8 symmetries: a group that the rules do not notice."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from othello.network.encoding import encode
from othello.rules.board import Board
from othello.rules.symmetry import (
    SYMMETRIES,
    action_map,
    canonical,
    compose,
    inverse,
    transform_action,
    transform_board,
    transform_planes,
    transform_policy,
)
from tests.othello.positions import boards

symmetries = st.sampled_from(SYMMETRIES)


@given(boards(), symmetries)
def test_a_symmetry_is_undone_by_its_inverse(board: Board, symmetry: int) -> None:
    assert transform_board(transform_board(board, symmetry), inverse(symmetry)) == board


@given(boards(), symmetries, symmetries)
def test_composition_is_one_after_the_other(board: Board, first: int, second: int) -> None:
    both = transform_board(transform_board(board, first), second)
    assert transform_board(board, compose(first, second)) == both


@given(boards(), symmetries)
def test_the_rules_do_not_notice_a_symmetry(board: Board, symmetry: int) -> None:
    image = transform_board(board, symmetry)
    moved = {transform_action(action, symmetry, board.size) for action in board.legal_actions()}
    assert moved == set(image.legal_actions())
    for action in board.legal_actions():
        child = image.play(transform_action(action, symmetry, board.size))
        assert child == transform_board(board.play(action), symmetry)


def test_the_eight_are_different_and_fix_the_pass() -> None:
    for size in (4, 6, 8):
        assert len({tuple(action_map(symmetry, size)) for symmetry in SYMMETRIES}) == 8
        assert all(action_map(symmetry, size)[-1] == size * size for symmetry in SYMMETRIES)


@given(boards(), symmetries)
def test_planes_and_policies_move_with_the_board(board: Board, symmetry: int) -> None:
    def planes(position: Board) -> np.ndarray:
        own, opp = np.array([position.own], np.uint64), np.array([position.opp], np.uint64)
        return encode(own, opp, position.size)

    image = transform_board(board, symmetry)
    assert np.array_equal(transform_planes(planes(board), symmetry), planes(image))
    assert torch.equal(
        transform_planes(torch.tensor(planes(board)), symmetry), torch.tensor(planes(image))
    )
    policy = np.arange(2 * (board.size**2 + 1)).reshape(2, -1)
    moved = transform_policy(policy, symmetry)
    for action in range(board.size**2 + 1):
        assert moved[1, transform_action(action, symmetry, board.size)] == policy[1, action]


@given(boards(), symmetries)
def test_all_images_have_one_canonical_form(board: Board, symmetry: int) -> None:
    form, leads_there = canonical(board)
    assert (
        canonical(transform_board(board, symmetry))[0]
        == form
        == transform_board(board, leads_there)
    )
