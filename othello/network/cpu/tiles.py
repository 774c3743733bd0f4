"""Machine code of training's convolutions: tile transforms and matrix products with strides of any kind.

`othello.network.cpu.winograd` has what inference needs: filters packed beforehand, a product that overwrites.  Here
the matrices
lie as they were made, may be transposed and may be added to.  A padded board is [N+2, N+2, C] with a border of zeros;
arguments that end in `row`, `column` or `step` of an address are in bytes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from othello.jit import kernel
from othello.network.cpu.winograd import (
    LANES,
    ROWS,
    VECTOR_BYTES,
    Matrix,
    constant_vector,
    load_vector,
    matrices,
    sandwich,
    store_vector,
)

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_FLOAT = ir.FloatType()
_FUSE: Final = ("contract",)


def tile_transform(matrix: Matrix) -> Any:
    """`f(source, row, column, target, target_row, target_column)`: matrix · X · matrixᵀ for eight channels at once.

    X's entries are vectors at `source`, `row` and `column` bytes apart; the result's at `target` likewise.
    """
    inner = range(len(matrix[0]))

    @intrinsic
    def transform(
        typingctx: Any,
        source: Any,
        row: Any,
        column: Any,
        target: Any,
        target_row: Any,
        target_column: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source, row, column, target, target_row, target_column = arguments
            grid = [
                [load_vector(builder, source, (row, i), (column, j)) for j in inner] for i in inner
            ]
            for i, vectors in enumerate(sandwich(builder, matrix, grid)):
                for j, vector in enumerate(vectors):
                    store_vector(builder, vector, target, (target_row, i), (target_column, j))
            return context.get_dummy_value()

        return types.void(*[types.intp] * 6), generate

    return transform


def strided_product(vectors: int) -> Any:
    """`f(left, row, step, right, right_row, out, out_row, depth, keep)`: out [ROWS, 8·vectors] = left · right.

    `left` [ROWS, depth] has its rows `row` and its columns `step` bytes apart, so that it may be a transposed matrix.
    With `keep` not 0 the product is added to what is in `out`.  All sums stay in registers.
    """

    @intrinsic
    def product(
        typingctx: Any,
        left: Any,
        row: Any,
        step: Any,
        right: Any,
        right_row: Any,
        out: Any,
        out_row: Any,
        depth: Any,
        keep: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            left, row, step, right, right_row, out, out_row, depth, keep = arguments
            reserve: Any = cgutils.alloca_once
            kept = builder.icmp_signed("!=", keep, _INT64(0))
            undefined = ir.Constant(ir.VectorType(_FLOAT, LANES), ir.Undefined)
            first = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
            places = [
                [(out_row, i), (_INT64(VECTOR_BYTES), j)]
                for i in range(ROWS)
                for j in range(vectors)
            ]
            sums = [reserve(builder, ir.VectorType(_FLOAT, LANES)) for _ in places]
            for variable, place in zip(sums, places):
                builder.store(
                    builder.select(kept, load_vector(builder, out, *place), constant_vector(0.0)),
                    variable,
                )
            starts = [builder.add(left, builder.mul(row, _INT64(i))) for i in range(ROWS)]
            with cgutils.for_range_slice(builder, _INT64(0), depth, _INT64(1), inc=True) as (k, _):
                at = builder.add(right, builder.mul(k, right_row))
                columns = [
                    load_vector(builder, at, (_INT64(VECTOR_BYTES), j)) for j in range(vectors)
                ]
                for i in range(ROWS):
                    address = builder.add(starts[i], builder.mul(k, step))
                    number = builder.load(builder.inttoptr(address, _FLOAT.as_pointer()))
                    wide = builder.insert_element(undefined, number, _INT32(0))
                    wide = builder.shuffle_vector(wide, undefined, first)
                    for column, variable in zip(columns, sums[i * vectors : (i + 1) * vectors]):
                        term = builder.fmul(wide, column, flags=_FUSE)
                        builder.store(
                            builder.fadd(builder.load(variable), term, flags=_FUSE), variable
                        )
            for variable, place in zip(sums, places):
                store_vector(builder, builder.load(variable), out, *place)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 9), generate

    return product


def _transpose(matrix: Matrix) -> Matrix:
    return [list(column) for column in zip(*matrix)]


_input3, _input4 = (tile_transform(matrices(m)[2]) for m in (3, 4))
_output3, _output4 = (tile_transform(matrices(m)[0]) for m in (3, 4))
_adjoint3, _adjoint4 = (tile_transform(_transpose(matrices(m)[0])) for m in (3, 4))
_product8, _product16, _product24 = (strided_product(vectors) for vectors in (1, 2, 3))


@kernel
def multiply(
    left: int,
    row: int,
    step: int,
    rows: int,
    right: int,
    depth: int,
    columns: int,
    out: int,
    keep: int,
) -> None:
    """out [rows, columns] = left · right (+ out): addresses; `right` and `out` are contiguous, `rows` is rounded up."""
    width = 4 * columns
    column = 0
    while column < columns:
        rest = columns - column
        a, b = right + 4 * column, out + 4 * column
        if rest % 24 == 0:
            for i in range(0, rows, ROWS):
                _product24(left + i * row, row, step, a, width, b + i * width, width, depth, keep)
            column += 24
        elif rest >= 16:
            for i in range(0, rows, ROWS):
                _product16(left + i * row, row, step, a, width, b + i * width, width, depth, keep)
            column += 16
        else:
            for i in range(0, rows, ROWS):
                _product8(left + i * row, row, step, a, width, b + i * width, width, depth, keep)
            column += 8


@kernel
def to_tiles(
    size: int, padded: NDArray[np.float32], product: int, step: int, adjoint: bool
) -> None:
    """A padded board [N+2, N+2, C] -> T elements, `step` bytes apart, of its tiles, which are rows [C] of `product`.

    Bᵀ d B of the tiles with their borders or, if `adjoint`, A d Aᵀ of the tiles alone.
    """
    channels = padded.shape[2]
    column, side = 4 * channels, 3 if size == 6 else 4
    row = (size + 2) * column
    for tile in range(1 if size == 4 else 4):
        corner = padded.ctypes.data + side * ((tile >> 1) * row + (tile & 1) * column)
        inside = corner + row + column
        for group in range(0, column, VECTOR_BYTES):
            target = product + tile * column + group
            if adjoint:
                if side == 3:
                    _adjoint3(inside + group, row, column, target, 5 * step, step)
                else:
                    _adjoint4(inside + group, row, column, target, 6 * step, step)
            elif side == 3:
                _input3(corner + group, row, column, target, 5 * step, step)
            else:
                _input4(corner + group, row, column, target, 6 * step, step)


@kernel
def from_tiles(size: int, product: int, step: int, board: NDArray[np.float32]) -> None:
    """Aᵀ M A of a board's tiles, laid out as by `to_tiles`, -> board [N², C]."""
    column, side = 4 * board.shape[1], 3 if size == 6 else 4
    row = size * column
    for tile in range(1 if size == 4 else 4):
        corner = board.ctypes.data + side * ((tile >> 1) * row + (tile & 1) * column)
        for group in range(0, column, VECTOR_BYTES):
            source = product + tile * column + group
            if side == 3:
                _output3(source, 5 * step, step, corner + group, row, column)
            else:
                _output4(source, 6 * step, step, corner + group, row, column)
