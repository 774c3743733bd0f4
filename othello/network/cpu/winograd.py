"""Winograd's minimal 3×3 convolutions as machine code: the tile transforms and the small matrix product behind them.

Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: F(m×m, 3×3) computes m×m outputs from
(m+2)² products instead of 9m², Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A.  A 4×4 board is one tile with m = 4, a 6×6 board 2×2
tiles with m = 3, an 8×8 board 2×2 tiles with m = 4, so no product is spent outside the board.  The transforms' code
is generated from their matrices, eight channels (one vector of float32) at a time.

Addresses are byte addresses, sizes ending in `_bytes` are bytes; matrices are float32 and row-major.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

Matrix = list[list[Fraction]]

LANES: Final = 8
VECTOR_BYTES: Final = 4 * LANES
ROWS: Final = 4  # of the left matrix in one step of the product
PITCH: Final = (
    10  # pixels from one row of a padded plane to the next: the widest board and its border
)
_POINTS: Final = {3: (0, 1, -1, 2), 4: (0, 1, -1, 2, -2)}
_FUSE: Final = ("contract",)
_FLOAT = ir.FloatType()
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)


def matrices(outputs: int) -> tuple[Matrix, Matrix, Matrix]:
    """(Aᵀ [m, m+2], G [m+2, 3], Bᵀ [m+2, m+2]) of F(m, 3), m = 3 or 4, by Toom–Cook with a point at infinity.

    >>> at, g, bt = matrices(4)
    >>> [int(x) for x in bt[0]]
    [4, 0, -5, 0, 1, 0]
    """
    points = [Fraction(point) for point in _POINTS[outputs]]
    size = outputs + 2

    def polynomial(roots: Sequence[Fraction]) -> list[Fraction]:
        result = [Fraction(1)]
        for root in roots:
            result = [
                low - root * high
                for low, high in zip([Fraction(0), *result], [*result, Fraction(0)])
            ]
        return result

    at = [
        [point**power for point in points] + [Fraction(power == outputs - 1)]
        for power in range(outputs)
    ]
    g: Matrix = []
    bt: Matrix = []
    for index, point in enumerate(points):
        others = points[:index] + points[index + 1 :]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        sign = -1 if scale < 0 else 1
        g.append([point**power / abs(scale) for power in range(3)])
        bt.append([sign * coefficient for coefficient in polynomial(others)] + [Fraction(0)])
    g.append([Fraction(0), Fraction(0), Fraction(1)])
    bt.append(polynomial(points))
    assert all(len(row) == size for row in (*at, *bt))
    return at, g, bt


def transform_filters(weight: NDArray[np.float64], outputs: int) -> NDArray[np.float64]:
    """Filters [K, C, 3, 3] -> [(m+2)², C, K], in float64."""
    g = np.array(matrices(outputs)[1], np.float64)
    elements: NDArray[np.float64] = np.einsum("ia,kcab,jb->ijck", g, weight, g)
    return elements.reshape(-1, weight.shape[1], weight.shape[0])


def constant_vector(number: float) -> Any:
    return ir.Constant(_VECTOR, [number] * LANES)


def _combination(builder: Any, coefficients: Sequence[Fraction], vectors: Sequence[Any]) -> Any:
    """Σ cⱼ vⱼ, or None when every coefficient is zero."""
    total = None
    for coefficient, vector in sorted(zip(coefficients, vectors), key=lambda pair: -abs(pair[0])):
        if coefficient == 0:
            continue
        size = abs(coefficient)
        term = (
            vector if size == 1 else builder.fmul(vector, constant_vector(float(size)), flags=_FUSE)
        )
        if total is None:
            total = (
                term if coefficient > 0 else builder.fsub(constant_vector(-0.0), term, flags=_FUSE)
            )
        else:
            total = (builder.fadd if coefficient > 0 else builder.fsub)(total, term, flags=_FUSE)
    return total


def _mirrored(first: Sequence[Fraction], second: Sequence[Fraction]) -> bool:
    """Whether the two differ, and only in signs: sum and difference of two parts then give both."""
    return list(first) != list(second) and all(abs(x) == abs(y) for x, y in zip(first, second))


def _product(builder: Any, matrix: Matrix, vectors: list[Any]) -> list[Any]:
    """matrix · vectors, sharing work between rows, or columns, that differ only in signs."""
    columns = list(zip(*matrix))
    for j in range(len(columns) - 1):
        if _mirrored(columns[j], columns[j + 1]):
            total = builder.fadd(vectors[j], vectors[j + 1], flags=_FUSE)
            difference = builder.fsub(vectors[j], vectors[j + 1], flags=_FUSE)
            shorter = [
                [
                    *row[:j],
                    *((row[j], Fraction(0)) if row[j] == row[j + 1] else (Fraction(0), row[j])),
                    *row[j + 2 :],
                ]
                for row in matrix
            ]
            return _product(builder, shorter, [*vectors[:j], total, difference, *vectors[j + 2 :]])
    result: list[Any] = []
    while len(result) < len(matrix):
        row = matrix[len(result)]
        following = matrix[len(result) + 1] if len(result) + 1 < len(matrix) else row
        if _mirrored(row, following):
            same = _combination(
                builder, [x if x == y else Fraction(0) for x, y in zip(row, following)], vectors
            )
            opposite = _combination(
                builder, [x if x != y else Fraction(0) for x, y in zip(row, following)], vectors
            )
            result.append(builder.fadd(same, opposite, flags=_FUSE))
            result.append(builder.fsub(same, opposite, flags=_FUSE))
        else:
            result.append(_combination(builder, row, vectors))
    return result


def sandwich(builder: Any, matrix: Matrix, grid: list[list[Any]]) -> list[list[Any]]:
    """matrix · grid · matrixᵀ, for a square grid of vectors."""
    columns = [_product(builder, matrix, list(column)) for column in zip(*grid)]
    return [
        _product(builder, matrix, [column[row] for column in columns]) for row in range(len(matrix))
    ]


def _pointer(builder: Any, address: Any, *steps: tuple[Any, int]) -> Any:
    for step, count in steps:
        address = builder.add(address, builder.mul(step, _INT64(count)))
    return builder.inttoptr(address, _VECTOR.as_pointer())


def load_vector(builder: Any, address: Any, *steps: tuple[Any, int]) -> Any:
    return builder.load(_pointer(builder, address, *steps), align=4)


def store_vector(builder: Any, vector: Any, address: Any, *steps: tuple[Any, int]) -> None:
    builder.store(vector, _pointer(builder, address, *steps), align=4)


def input_transform(outputs: int) -> Any:
    """`f(plane, product, step_bytes)`: Bᵀ d B of the (m+2)² pixels at `plane` (rows `PITCH` vectors apart); element
    t goes to `product` + t · step_bytes."""
    size = outputs + 2
    bt = matrices(outputs)[2]

    @intrinsic
    def transform(typingctx: Any, plane: Any, product: Any, step_bytes: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            plane, product, step = arguments
            grid = [
                [
                    load_vector(builder, plane, (_INT64(VECTOR_BYTES), row * PITCH + column))
                    for column in range(size)
                ]
                for row in range(size)
            ]
            for row, vectors in enumerate(sandwich(builder, bt, grid)):
                for column, vector in enumerate(vectors):
                    store_vector(builder, vector, product, (step, row * size + column))
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, types.intp), generate

    return transform


def output_transform(outputs: int, residual: bool) -> Any:
    """`f(product, step_bytes, bias, skip, out, row_bytes, column_bytes)`: relu(Aᵀ M A + bias [+ skip]) to m×m pixels.

    Element t of M is at `product` + t · step_bytes, `bias` is one vector for all pixels, and `skip` (used only with
    `residual`; it may be `out`) lies as a padded plane does, `PITCH` vectors a row.
    """
    size = outputs + 2
    at = matrices(outputs)[0]

    @intrinsic
    def transform(
        typingctx: Any,
        product: Any,
        step_bytes: Any,
        bias: Any,
        skip: Any,
        out: Any,
        row_bytes: Any,
        column_bytes: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            product, step, bias, skip, out, row_bytes, column_bytes = arguments
            shift = load_vector(builder, bias)
            grid = [
                [
                    load_vector(builder, product, (step, row * size + column))
                    for column in range(size)
                ]
                for row in range(size)
            ]
            for row, vectors in enumerate(sandwich(builder, at, grid)):
                for column, vector in enumerate(vectors):
                    value = builder.fadd(vector, shift, flags=_FUSE)
                    if residual:
                        old = load_vector(
                            builder, skip, (_INT64(VECTOR_BYTES), row * PITCH + column)
                        )
                        value = builder.fadd(value, old, flags=_FUSE)
                    negative = builder.fcmp_ordered(
                        "<", value, constant_vector(0.0)
                    )  # false for NaN, which must not vanish
                    value = builder.select(negative, constant_vector(0.0), value)
                    store_vector(builder, value, out, (row_bytes, row), (column_bytes, column))
            return context.get_dummy_value()

        return types.void(*[types.intp] * 7), generate

    return transform


def panel_product(vectors: int) -> Any:
    """`f(left, left_bytes, panel, out, out_bytes, depth)`: `ROWS` rows times a panel of `vectors` · 8 columns.

    `left` [ROWS, depth] and `out` [ROWS, 8·vectors] have rows `left_bytes` and `out_bytes` apart; `panel`
    [depth, 8·vectors] is contiguous; `depth` is a multiple of 4.  All sums stay in registers.
    """
    unroll = 4

    @intrinsic
    def product(
        typingctx: Any, left: Any, left_bytes: Any, panel: Any, out: Any, out_bytes: Any, depth: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            left, left_bytes, panel, out, out_bytes, depth = arguments
            reserve: Any = cgutils.alloca_once
            sums = [[reserve(builder, _VECTOR) for _ in range(vectors)] for _ in range(ROWS)]
            for variable in (variable for row in sums for variable in row):
                builder.store(constant_vector(0.0), variable)
            starts = [
                builder.add(left, builder.mul(left_bytes, _INT64(row))) for row in range(ROWS)
            ]
            undefined = ir.Constant(_VECTOR, ir.Undefined)
            first = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
            with cgutils.for_range_slice(builder, _INT64(0), depth, _INT64(unroll), inc=True) as (
                block,
                _,
            ):
                for offset in range(unroll):
                    k = builder.add(block, _INT64(offset))
                    columns = [
                        load_vector(
                            builder,
                            panel,
                            (k, vectors * VECTOR_BYTES),
                            (_INT64(VECTOR_BYTES), vector),
                        )
                        for vector in range(vectors)
                    ]
                    for row in range(ROWS):
                        address = builder.add(starts[row], builder.mul(k, _INT64(4)))
                        number = builder.load(builder.inttoptr(address, _FLOAT.as_pointer()))
                        wide = builder.insert_element(undefined, number, _INT32(0))
                        wide = builder.shuffle_vector(wide, undefined, first)
                        for column, variable in zip(columns, sums[row]):
                            term = builder.fmul(wide, column, flags=_FUSE)
                            builder.store(
                                builder.fadd(builder.load(variable), term, flags=_FUSE), variable
                            )
            for row in range(ROWS):
                for vector, variable in enumerate(sums[row]):
                    store_vector(
                        builder,
                        builder.load(variable),
                        out,
                        (out_bytes, row),
                        (_INT64(VECTOR_BYTES), vector),
                    )
            return context.get_dummy_value()

        return types.void(*[types.intp] * 6), generate

    return product
