"""The 8 symmetries of the board, on squares, actions, boards, arrays [..., N, N] and policies [..., A].

A symmetry is a number s in 0..7: transpose if s & 4, then mirror the rows (top to bottom) if s & 2, then the columns
if s & 1.  Symmetry 0 changes nothing; 0, 3, 4 and 7 keep the start position.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from othello.errors import ParseError
from othello.rules.board import Board

SYMMETRIES: Final = tuple(range(8))
_Array = TypeVar("_Array", bound=Any)  # numpy arrays and torch tensors alike


def _image(row: int, column: int, symmetry: int, size: int) -> tuple[int, int]:
    if symmetry & 4:
        row, column = column, row
    if symmetry & 2:
        row = size - 1 - row
    if symmetry & 1:
        column = size - 1 - column
    return row, column


@cache
def action_map(symmetry: int, size: int = 8) -> NDArray[np.int64]:
    """Where each action goes: `action_map(s)[action]` [A]; the pass stays.  Read-only."""
    _check(symmetry)
    places = (
        _image(square // size, square % size, symmetry, size) for square in range(size * size)
    )
    table = np.array([*(row * size + column for row, column in places), size * size], np.int64)
    table.setflags(write=False)
    return table


@cache
def _sources(symmetry: int, size: int) -> NDArray[np.int64]:
    """Where each action of the image comes from: the inverse of `action_map` [A]."""
    return np.argsort(action_map(symmetry, size))


def inverse(symmetry: int) -> int:
    """The symmetry that undoes `symmetry`.

    >>> [inverse(s) for s in SYMMETRIES]
    [0, 1, 2, 3, 4, 6, 5, 7]
    """
    _check(symmetry)
    return {5: 6, 6: 5}.get(symmetry, symmetry)


@cache
def compose(first: int, second: int) -> int:
    """The symmetry that does `first` and then `second`."""
    table = action_map(second)[action_map(first)]
    return next(s for s in SYMMETRIES if np.array_equal(action_map(s), table))


def transform_action(action: int, symmetry: int, size: int = 8) -> int:
    """The image of an action (the pass N² is its own)."""
    return int(action_map(symmetry, size)[action])


def transform_word(word: int, symmetry: int, size: int = 8) -> int:
    """The image of a word of discs (bit 8·row + column)."""
    _check(symmetry)
    image = 0
    while word:
        bit = (word & -word).bit_length() - 1
        row, column = _image(bit >> 3, bit & 7, symmetry, size)
        image |= 1 << (8 * row + column)
        word &= word - 1
    return image


def transform_board(board: Board, symmetry: int) -> Board:
    """The image of a position; the side to move stays."""
    black = transform_word(board.black, symmetry, board.size)
    white = transform_word(board.white, symmetry, board.size)
    return Board(black, white, board.side, board.size)


def transform_planes(planes: _Array, symmetry: int) -> _Array:
    """The image of an array or tensor [..., N, N] whose last two axes are rows and columns.

    >>> transform_planes(np.arange(16).reshape(4, 4), 1)[0].tolist()
    [3, 2, 1, 0]
    """
    size = planes.shape[-1]
    flat = planes.reshape(*planes.shape[:-2], size * size)
    return cast(_Array, flat[..., _sources(symmetry, size)[: size * size]].reshape(planes.shape))


def transform_policy(policy: _Array, symmetry: int) -> _Array:
    """The image of policies [..., A], A = N² + 1; the pass, last, stays."""
    size = round((policy.shape[-1] - 1) ** 0.5)
    return cast(_Array, policy[..., _sources(symmetry, size)])


def canonical(board: Board) -> tuple[Board, int]:
    """The image with the smallest words among the 8, and the first symmetry that leads there."""
    images = ((transform_board(board, symmetry), symmetry) for symmetry in SYMMETRIES)
    return min(images, key=lambda pair: (pair[0].black, pair[0].white, pair[1]))


def _check(symmetry: int) -> None:
    if symmetry not in SYMMETRIES:
        raise ParseError(f"symmetry {symmetry!r}: accepted are 0..7")
