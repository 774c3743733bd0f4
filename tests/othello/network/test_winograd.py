"""Winograd's matrices against plain correlation, exactly, and the compiled pieces against NumPy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from othello.jit import kernel
from othello.network.cpu.winograd import (
    LANES,
    PITCH,
    ROWS,
    VECTOR_BYTES,
    matrices,
    output_transform,
    panel_product,
    tile_transform,
    transform_filters,
)

_product8, _product16 = panel_product(1, unroll=4), panel_product(2)
_input3, _input4 = tile_transform(matrices(3)[2]), tile_transform(matrices(4)[2])
_output3, _output4 = output_transform(3, residual=False), output_transform(4, residual=True)


def dot(matrix: list[list[Fraction]], vector: list[Fraction]) -> list[Fraction]:
    return [sum((x * y for x, y in zip(row, vector)), Fraction(0)) for row in matrix]


@pytest.mark.parametrize("outputs", [3, 4])
@given(data=st.data())
def test_the_algorithm_is_correlation_in_exact_arithmetic(
    outputs: int, data: st.DataObject
) -> None:
    at, g, bt = matrices(outputs)
    numbers = st.integers(-99, 99).map(Fraction)
    signal = data.draw(st.lists(numbers, min_size=outputs + 2, max_size=outputs + 2))
    taps = data.draw(st.lists(numbers, min_size=3, max_size=3))
    products = [x * y for x, y in zip(dot(g, taps), dot(bt, signal))]
    assert dot(at, products) == [
        sum(taps[k] * signal[i + k] for k in range(3)) for i in range(outputs)
    ]


def test_the_matrices_for_four_outputs_are_the_published_ones() -> None:
    at, g, bt = matrices(4)
    assert at == [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ]
    assert bt[5] == [0, 4, 0, -5, 0, 1] and g[0] == [Fraction(1, 4), 0, 0]


def test_filters_are_transformed_from_both_sides() -> None:
    weight = np.random.default_rng(0).standard_normal((5, 2, 3, 3))
    g = np.array(matrices(4)[1], float)
    slow = np.array([[g @ weight[k, c] @ g.T for k in range(5)] for c in range(2)])
    assert np.allclose(
        transform_filters(weight, 4), slow.transpose(2, 3, 0, 1).reshape(36, 2, 5), atol=1e-12
    )


@kernel
def run_input(outputs: int, plane: np.ndarray, out: np.ndarray) -> None:
    source, line, target, step = (
        plane.ctypes.data,
        PITCH * VECTOR_BYTES,
        out.ctypes.data,
        4 * out.shape[1],
    )
    if outputs == 3:
        _input3(source, line, VECTOR_BYTES, target, 5 * step, step)
    else:
        _input4(source, line, VECTOR_BYTES, target, 6 * step, step)


@pytest.mark.parametrize("outputs", [3, 4])
def test_the_compiled_input_transform_is_the_matrix_product(outputs: int) -> None:
    plane = np.random.default_rng(1).standard_normal((PITCH, PITCH, LANES)).astype(np.float32)
    size = outputs + 2
    out = np.zeros((size * size, LANES), np.float32)
    run_input(outputs, plane, out)
    bt = np.array(matrices(outputs)[2], float)
    slow = np.einsum("ia,abl,jb->ijl", bt, plane[:size, :size].astype(float), bt)
    assert np.allclose(out.reshape(size, size, LANES), slow, atol=1e-4)


@kernel
def run_output(
    outputs: int, product: np.ndarray, bias: np.ndarray, skip: np.ndarray, out: np.ndarray
) -> None:
    step = 4 * product.shape[1]
    row, column = 4 * out.shape[1] * out.shape[2], 4 * out.shape[2]
    if outputs == 3:
        _output3(
            product.ctypes.data,
            step,
            bias.ctypes.data,
            skip.ctypes.data,
            out.ctypes.data,
            row,
            column,
        )
    else:
        _output4(
            product.ctypes.data,
            step,
            bias.ctypes.data,
            skip.ctypes.data,
            out.ctypes.data,
            row,
            column,
        )


@pytest.mark.parametrize("outputs", [3, 4])
def test_the_compiled_output_transform_adds_bias_and_skip_and_rectifies(outputs: int) -> None:
    random = np.random.default_rng(2)
    size = outputs + 2
    product = random.standard_normal((size * size, LANES)).astype(np.float32)
    bias = random.standard_normal(LANES).astype(np.float32)
    skip = random.standard_normal((PITCH, PITCH, LANES)).astype(np.float32)
    out = np.full((outputs + 1, outputs + 1, LANES), 7, np.float32)
    run_output(outputs, product, bias, skip, out)
    at = np.array(matrices(outputs)[0], float)
    slow = (
        np.einsum("ia,abl,jb->ijl", at, product.reshape(size, size, LANES).astype(float), at) + bias
    )
    if outputs == 4:  # compiled with the skip connection
        slow += skip[:4, :4]
    assert np.allclose(out[:outputs, :outputs], np.maximum(slow, 0), atol=1e-4)
    assert (out[outputs:] == 7).all() and (out[:, outputs:] == 7).all(), "wrote outside its tile"


@kernel
def run_product(left: np.ndarray, panel: np.ndarray, out: np.ndarray) -> None:
    a, row = left.ctypes.data, 4 * left.shape[1]
    b, right_row = panel.ctypes.data, 4 * panel.shape[1]
    c, out_row = out.ctypes.data, 4 * out.shape[1]
    if panel.shape[1] == 8:
        _product8(a, row, 4, b, right_row, c, out_row, panel.shape[0], 0)
    else:
        _product16(a, row, 4, b, right_row, c, out_row, panel.shape[0], 0)


@pytest.mark.parametrize("columns", [8, 16])
@pytest.mark.parametrize("depth", [4, 8, 48, 100])
def test_the_compiled_panel_product_is_the_matrix_product(columns: int, depth: int) -> None:
    random = np.random.default_rng(depth)
    left = random.standard_normal((ROWS, depth + 3)).astype(
        np.float32
    )  # rows further apart than they are long
    panel = random.standard_normal((depth, columns)).astype(np.float32)
    out = np.full((ROWS + 1, columns + 8), 7, np.float32)
    run_product(left, panel, out)
    assert np.allclose(out[:ROWS, :columns], left[:, :depth] @ panel, atol=1e-4)
    assert (out[ROWS:] == 7).all() and (out[:, columns:] == 7).all(), "wrote outside its panel"
