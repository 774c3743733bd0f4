"""Winograd's minimal 3×3 convolutions as machine code: tile transforms and the small matrix product between them.

Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: F(m×m, 3×3) computes m×m outputs from
(m+2)² products instead of 9m², Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A.  A 4×4 board is one tile with m = 4, a 6×6 board 2×2
tiles with m = 3, an 8×8 board 2×2 tiles with m = 4, so no product is spent outside the board.  The transforms' code
is generated from their matrices, eight channels (one vector of float32) at a time.

What inference packs beforehand, training takes as it was made: matrices there may be transposed and added to.
Arguments of the generated functions are integers: addresses, and distances in bytes where they are called `row`,
`column` or `step`.  A padded board is [N+2, N+2, C] with a border of zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from inspect import Parameter, Signature
from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from othello.jit import kernel

Matrix = list[list[Fraction]]

LANES: Final = 8
VECTOR_BYTES: Final = 4 * LANES
ROWS: Final = 4  # of the left matrix in one step of the product
PITCH: Final = 10  # pixels from row to row of a padded plane: the widest board and its border
_POINTS: Final = {3: (0, 1, -1, 2), 4: (0, 1, -1, 2, -2)}
_ZERO: Final = Fraction(0)
_FUSE: Final = ("contract",)
_FLOAT = ir.FloatType()
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_BYTES = _INT64(VECTOR_BYTES)
_ZEROS, _NEGATIVE_ZEROS = (ir.Constant(_VECTOR, [zero] * LANES) for zero in (0.0, -0.0))


def matrices(outputs: int) -> tuple[Matrix, Matrix, Matrix]:
    """(Aᵀ [m, m+2], G [m+2, 3], Bᵀ [m+2, m+2]) of F(m, 3), m = 3 or 4, by Toom–Cook with a point at infinity.

    >>> at, g, bt = matrices(4)
    >>> [int(x) for x in bt[0]]
    [4, 0, -5, 0, 1, 0]
    """
    points = [Fraction(point) for point in _POINTS[outputs]]
    size = outputs + 2

    at: Matrix = []
    for power in range(outputs):
        at.append([*(point**power for point in points), Fraction(power == outputs - 1)])
    g: Matrix = []
    bt: Matrix = []
    for index, point in enumerate(points):
        others = points[:index] + points[index + 1 :]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        sign = -1 if scale < 0 else 1
        g.append([point**power / abs(scale) for power in range(3)])
        bt.append([sign * coefficient for coefficient in _polynomial(others)] + [_ZERO])
    g.append([_ZERO, _ZERO, Fraction(1)])
    bt.append(_polynomial(points))
    assert all(len(row) == size for row in (*at, *bt))
    return at, g, bt


def _polynomial(roots: Sequence[Fraction]) -> list[Fraction]:
    """The coefficients of Π (x − root), the lowest first."""
    result = [Fraction(1)]
    for root in roots:
        pairs = zip([_ZERO, *result], [*result, _ZERO])
        result = [low - root * high for low, high in pairs]
    return result


def transform_filters(weight: NDArray[np.float64], outputs: int) -> NDArray[np.float64]:
    """Filters [K, C, 3, 3] -> [(m+2)², C, K], in float64."""
    g = np.array(matrices(outputs)[1], np.float64)
    elements: NDArray[np.float64] = np.einsum("ia,kcab,jb->ijck", g, weight, g)
    return elements.reshape(-1, weight.shape[1], weight.shape[0])


def _combination(builder: Any, coefficients: Sequence[Fraction], vectors: Sequence[Any]) -> Any:
    """Σ cⱼ vⱼ, or None when every coefficient is zero."""
    total = None
    for coefficient, vector in sorted(zip(coefficients, vectors), key=lambda pair: -abs(pair[0])):
        if coefficient == 0:
            continue
        term, size = vector, float(abs(coefficient))
        if size != 1:
            term = builder.fmul(vector, ir.Constant(_VECTOR, [size] * LANES), flags=_FUSE)
        if total is None:
            total = term if coefficient > 0 else builder.fsub(_NEGATIVE_ZEROS, term, flags=_FUSE)
        else:
            total = (builder.fadd if coefficient > 0 else builder.fsub)(total, term, flags=_FUSE)
    return total


def _mirrored(first: Sequence[Fraction], second: Sequence[Fraction]) -> bool:
    """Whether the two differ, and only in signs: sum and difference of two parts then give both."""
    return list(first) != list(second) and all(abs(x) == abs(y) for x, y in zip(first, second))


def _halves(row: list[Fraction], j: int) -> list[Fraction]:
    """The row with its entries j and j + 1, equal but for the sign, as those of their vectors' sum and difference."""
    pair = (row[j], _ZERO) if row[j] == row[j + 1] else (_ZERO, row[j])
    return [*row[:j], *pair, *row[j + 2 :]]


def _product(builder: Any, matrix: Matrix, vectors: list[Any]) -> list[Any]:
    """matrix · vectors, sharing work between rows, or columns, that differ only in signs."""
    columns = list(zip(*matrix))
    for j in range(len(columns) - 1):
        if _mirrored(columns[j], columns[j + 1]):
            total = builder.fadd(vectors[j], vectors[j + 1], flags=_FUSE)
            difference = builder.fsub(vectors[j], vectors[j + 1], flags=_FUSE)
            shorter = [_halves(row, j) for row in matrix]
            return _product(builder, shorter, [*vectors[:j], total, difference, *vectors[j + 2 :]])
    result: list[Any] = []
    while len(result) < len(matrix):
        row = matrix[len(result)]
        following = matrix[len(result) + 1] if len(result) + 1 < len(matrix) else row
        if _mirrored(row, following):
            pairs = list(zip(row, following))
            same = _combination(builder, [x if x == y else _ZERO for x, y in pairs], vectors)
            opposite = _combination(builder, [x if x != y else _ZERO for x, y in pairs], vectors)
            result.append(builder.fadd(same, opposite, flags=_FUSE))
            result.append(builder.fsub(same, opposite, flags=_FUSE))
        else:
            result.append(_combination(builder, row, vectors))
    return result


def _sandwich(builder: Any, matrix: Matrix, grid: list[list[Any]]) -> list[list[Any]]:
    """matrix · grid · matrixᵀ, for a square grid of vectors."""
    columns = [_product(builder, matrix, list(column)) for column in zip(*grid)]
    return [_product(builder, matrix, list(row)) for row in zip(*columns)]


def _instructions(names: str, emit: Callable[..., None]) -> Any:
    """A function for kernels, of integers so named, without a result; `emit(builder, *arguments)` writes its code."""

    def function(typingctx: Any, *arguments: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            emit(builder, *values)
            return context.get_dummy_value()

        return types.void(*[types.intp] * len(arguments)), generate

    named = [Parameter(name, Parameter.POSITIONAL_ONLY) for name in ("context", *names.split())]
    function.__signature__ = Signature(named)  # type: ignore[attr-defined]  # Numba wants names
    return intrinsic(function)


def _pointer(builder: Any, address: Any, *steps: tuple[Any, int]) -> Any:
    for step, count in steps:
        address = builder.add(address, builder.mul(step, _INT64(count)))
    return builder.inttoptr(address, _VECTOR.as_pointer())


def _load(builder: Any, address: Any, *steps: tuple[Any, int]) -> Any:
    return builder.load(_pointer(builder, address, *steps), align=4)


def _store(builder: Any, vector: Any, address: Any, *steps: tuple[Any, int]) -> None:
    builder.store(vector, _pointer(builder, address, *steps), align=4)


def _load_grid(builder: Any, size: int, address: Any, row: Any, column: Any) -> list[list[Any]]:
    grid = []
    for i in range(size):
        grid.append([_load(builder, address, (row, i), (column, j)) for j in range(size)])
    return grid


def _repeat(builder: Any, address: Any) -> Any:
    """The float at an address in all lanes of a vector."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    number = builder.load(builder.inttoptr(address, _FLOAT.as_pointer()))
    first = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
    wide = builder.insert_element(undefined, number, _INT32(0))
    return builder.shuffle_vector(wide, undefined, first)


def tile_transform(matrix: Matrix) -> Any:
    """`f(source, row, column, target, target_row, target_column)`: matrix · X · matrixᵀ for eight channels at once.

    X's entries are vectors at `source`, `row` and `column` apart; the result's at `target` likewise.
    """

    def emit(builder: Any, *arguments: Any) -> None:
        source, row, column, target, to_row, to_column = arguments
        grid = _load_grid(builder, len(matrix[0]), source, row, column)
        for i, vectors in enumerate(_sandwich(builder, matrix, grid)):
            for j, vector in enumerate(vectors):
                _store(builder, vector, target, (to_row, i), (to_column, j))

    return _instructions("source row column target to_row to_column", emit)


def output_transform(outputs: int, residual: bool) -> Any:
    """`f(product, step, bias, skip, out, row, column)`: relu(Aᵀ M A + bias [+ skip]) to m×m pixels at `out`.

    Element t of M is at `product` + t · step, `bias` is one vector for all pixels, and `skip` (used only with
    `residual`; it may be `out`) lies as a padded plane does, `PITCH` vectors a row.
    """
    size, matrix = outputs + 2, matrices(outputs)[0]

    def finished(builder: Any, value: Any, skip: Any, pixel: int) -> Any:
        if residual:
            value = builder.fadd(value, _load(builder, skip, (_BYTES, pixel)), flags=_FUSE)
        negative = builder.fcmp_ordered("<", value, _ZEROS)  # false for NaN, which must not vanish
        return builder.select(negative, _ZEROS, value)

    def emit(builder: Any, *arguments: Any) -> None:
        product, step, bias, skip, out, row, column = arguments
        shift = _load(builder, bias)
        grid = _load_grid(builder, size, product, builder.mul(step, _INT64(size)), step)
        for i, vectors in enumerate(_sandwich(builder, matrix, grid)):
            for j, vector in enumerate(vectors):
                value = builder.fadd(vector, shift, flags=_FUSE)
                value = finished(builder, value, skip, i * PITCH + j)
                _store(builder, value, out, (row, i), (column, j))

    return _instructions("product step bias skip out row column", emit)


def panel_product(vectors: int, unroll: int = 1) -> Any:
    """`f(left, row, step, right, right_row, out, out_row, depth, keep)`: out [ROWS, 8·vectors] = left · right.

    `left` [ROWS, depth] has its rows `row` and its columns `step` apart, so that it may be a transposed matrix.  With
    `keep` not 0 the product is added to what is in `out`.  `depth` is a multiple of `unroll`; all sums stay in
    registers.
    """

    def emit(builder: Any, *arguments: Any) -> None:
        left, row, step, right, right_row, out, out_row, depth, keep = arguments
        reserve: Any = cgutils.alloca_once
        kept = builder.icmp_signed("!=", keep, _INT64(0))
        places = [((out_row, i), (_BYTES, j)) for i in range(ROWS) for j in range(vectors)]
        sums = [reserve(builder, _VECTOR) for _ in places]
        for variable, place in zip(sums, places):
            old = builder.select(kept, _load(builder, out, *place), _ZEROS)
            builder.store(old, variable)
        starts = [builder.add(left, builder.mul(row, _INT64(i))) for i in range(ROWS)]
        span = (_INT64(0), depth, _INT64(unroll))
        with cgutils.for_range_slice(builder, *span, inc=True) as (block, _):
            for offset in range(unroll):
                k = builder.add(block, _INT64(offset))
                at = builder.add(right, builder.mul(k, right_row))
                columns = [_load(builder, at, (_BYTES, j)) for j in range(vectors)]
                for i, start in enumerate(starts):
                    wide = _repeat(builder, builder.add(start, builder.mul(k, step)))
                    for column, variable in zip(columns, sums[i * vectors : (i + 1) * vectors]):
                        term = builder.fmul(wide, column, flags=_FUSE)
                        total = builder.fadd(builder.load(variable), term, flags=_FUSE)
                        builder.store(total, variable)
        for variable, place in zip(sums, places):
            _store(builder, builder.load(variable), out, *place)

    return _instructions("left row step right right_row out out_row depth keep", emit)


_input3, _input4 = (tile_transform(matrices(m)[2]) for m in (3, 4))
_output3, _output4 = (tile_transform(matrices(m)[0]) for m in (3, 4))
_adjoint3, _adjoint4 = (tile_transform(list(map(list, zip(*matrices(m)[0])))) for m in (3, 4))
_product8, _product16, _product24 = (panel_product(vectors) for vectors in (1, 2, 3))


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
        taken = 24 if rest % 24 == 0 else 16 if rest >= 16 else 8
        for i in range(0, rows, ROWS):
            source, target = left + i * row, b + i * width
            if taken == 24:
                _product24(source, row, step, a, width, target, width, depth, keep)
            elif taken == 16:
                _product16(source, row, step, a, width, target, width, depth, keep)
            else:
                _product8(source, row, step, a, width, target, width, depth, keep)
        column += taken


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
