"""The network's inference as one compiled kernel: bitboards in, logits and values out, without torch or a BLAS.

Samples are taken a few at a time so that all intermediate results stay in the processor's cache.  Per 3×3 layer and
chunk: matrix products [T] × [M, C] · [C, K] of `othello.network.cpu.winograd` (T = (m+2)² tile elements, M tiles, C
input and K output channels), then for each sample and eight channels the output transform, bias, skip connection, ReLU
and the next layer's input transform in one go, through a padded plane that never leaves the first-level cache.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.network.batchnorm_folding import Folded
from othello.network.cpu.packing import Packed, Workspace, pack, workspace
from othello.network.cpu.winograd import (
    LANES,
    PITCH,
    ROWS,
    VECTOR_BYTES,
    matrices,
    output_transform,
    panel_product,
    tile_transform,
)
from othello.rules.bitboard import BOARD_MASK, legal_mask

_input3, _input4 = (tile_transform(matrices(m)[2]) for m in (3, 4))
_output3, _output4 = (output_transform(m, residual=False) for m in (3, 4))
_output3_skip, _output4_skip = (output_transform(m, residual=True) for m in (3, 4))
_product8, _product16 = (panel_product(vectors, unroll=4) for vectors in (1, 2))

Floats = NDArray[np.float32]
Words = NDArray[np.uint64]

_PLANE = PITCH * PITCH * LANES  # floats in one padded plane of eight channels


@kernel
def _multiply(
    left: int,
    left_bytes: int,
    rows: int,
    panels: int,
    depth: int,
    columns: int,
    out: int,
    out_bytes: int,
) -> None:
    """out [rows, columns] = left [rows, depth] · panels; all addresses; rows are rounded up to a multiple of ROWS."""
    for column in range(0, columns, 16):
        panel = panels + 4 * depth * column
        for row in range(0, rows, ROWS):
            source, target = left + row * left_bytes, out + row * out_bytes + 4 * column
            if columns - column >= 16:
                _product16(source, left_bytes, 4, panel, 64, target, out_bytes, depth, 0)
            else:
                _product8(source, left_bytes, 4, panel, 32, target, out_bytes, depth, 0)


@kernel
def _add_relu(matrix: Floats, bias: Floats) -> None:
    for row in range(matrix.shape[0]):
        for column in range(matrix.shape[1]):
            value = matrix[row, column] + bias[column]
            matrix[row, column] = (
                np.float32(0.0) if value < np.float32(0.0) else value
            )  # NaN stays NaN


@kernel
def _transform_input(size: int, plane: int, product: int, row_bytes: int, step_bytes: int) -> None:
    """One padded plane of eight channels -> the tile elements of its tiles, which are consecutive rows of products."""
    line = PITCH * VECTOR_BYTES
    for tile in range(1 if size == 4 else 4):
        corner = (tile >> 1) * line + (tile & 1) * VECTOR_BYTES
        target = product + tile * row_bytes
        if size == 6:
            _input3(plane + 3 * corner, line, VECTOR_BYTES, target, 5 * step_bytes, step_bytes)
        else:
            _input4(plane + 4 * corner, line, VECTOR_BYTES, target, 6 * step_bytes, step_bytes)


@kernel
def _transform_output(
    size: int,
    product: int,
    row_bytes: int,
    step_bytes: int,
    bias: int,
    skip: int,
    out: int,
    out_row: int,
    out_col: int,
) -> None:
    """The reverse, with bias, ReLU and, unless `skip` is 0, the skip connection; `skip` and `out` are first squares."""
    side = 3 if size == 6 else 4
    for tile in range(1 if size == 4 else 4):
        source = product + tile * row_bytes
        old = skip + ((tile >> 1) * PITCH + (tile & 1)) * (side * VECTOR_BYTES)
        target = out + side * ((tile >> 1) * out_row + (tile & 1) * out_col)
        if side == 3:
            if skip == 0:
                _output3(source, step_bytes, bias, old, target, out_row, out_col)
            else:
                _output3_skip(source, step_bytes, bias, old, target, out_row, out_col)
        elif skip == 0:
            _output4(source, step_bytes, bias, old, target, out_row, out_col)
        else:
            _output4_skip(source, step_bytes, bias, old, target, out_row, out_col)


@kernel
def _tower(
    own: Words, opp: Words, board: np.uint64, size: int, planes: int, net: Packed, work: Workspace
) -> None:
    """The stem and the residual tower of one chunk of positions, into `work.pixels`."""
    samples, tiles = len(own), 1 if size == 4 else 4
    width = net.biases.shape[1]
    layers = net.tower.shape[0]
    left, right, step_bytes = work.left.ctypes.data, work.right.ctypes.data, 4 * work.left.shape[1]
    scratch = work.scratch.ctypes.data
    first = (PITCH + 1) * VECTOR_BYTES
    row_bytes = 4 * width
    for sample in range(samples):
        words = (own[sample], opp[sample], np.uint64(0), np.uint64(0))
        if planes > 2:
            words = (
                own[sample],
                opp[sample],
                legal_mask(own[sample], opp[sample], board),
                legal_mask(opp[sample], own[sample], board),
            )
        for row in range(size):
            for column in range(size):
                bit = np.uint64(8 * row + column)
                for plane in range(planes):
                    work.scratch[row + 1, column + 1, plane] = np.float32(
                        (words[plane] >> bit) & np.uint64(1)
                    )
        _transform_input(
            size, scratch, left + sample * tiles * VECTOR_BYTES, VECTOR_BYTES, step_bytes
        )
    rows = samples * tiles
    for element in range(net.stem.shape[0]):
        _multiply(
            left + element * step_bytes,
            VECTOR_BYTES,
            rows,
            net.stem[element].ctypes.data,
            LANES,
            width,
            right + element * step_bytes,
            row_bytes,
        )
    for layer in range(layers + 1):
        for sample in range(samples):
            for group in range(width // LANES):
                source = right + sample * tiles * row_bytes + group * VECTOR_BYTES
                target = left + sample * tiles * row_bytes + group * VECTOR_BYTES
                bias = net.biases.ctypes.data + layer * row_bytes + group * VECTOR_BYTES
                kept = work.planes.ctypes.data + 4 * _PLANE * (sample * (width // LANES) + group)
                skip = kept + first if layer > 0 and layer % 2 == 0 else 0
                if layer == layers:
                    out = (
                        work.pixels.ctypes.data
                        + sample * size * size * row_bytes
                        + group * VECTOR_BYTES
                    )
                    _transform_output(
                        size,
                        source,
                        row_bytes,
                        step_bytes,
                        bias,
                        skip,
                        out,
                        size * row_bytes,
                        row_bytes,
                    )
                    continue
                plane = kept if layer % 2 == 0 else scratch
                _transform_output(
                    size,
                    source,
                    row_bytes,
                    step_bytes,
                    bias,
                    skip,
                    plane + first,
                    PITCH * VECTOR_BYTES,
                    VECTOR_BYTES,
                )
                _transform_input(size, plane, target, row_bytes, step_bytes)
        if layer < layers:
            for element in range(net.tower.shape[1]):
                _multiply(
                    left + element * step_bytes,
                    row_bytes,
                    rows,
                    net.tower[layer, element].ctypes.data,
                    width,
                    width,
                    right + element * step_bytes,
                    row_bytes,
                )


@kernel
def _heads(samples: int, net: Packed, work: Workspace, logits: Floats, value: Floats) -> None:
    """`work.pixels` -> logits [samples, A] and value [samples]."""
    squares, width = work.pixels.shape[1], work.pixels.shape[2]
    pixels = work.pixels.ctypes.data
    for matrix, bias, panels in (
        (work.policy, net.policy_conv_bias, net.policy_conv),
        (work.value, net.value_conv_bias, net.value_conv),
    ):
        count = len(bias)
        _multiply(
            pixels,
            4 * width,
            samples * squares,
            panels.ctypes.data,
            width,
            count,
            matrix.ctypes.data,
            4 * count,
        )
        _add_relu(matrix.reshape(matrix.shape[0] * squares, count)[: samples * squares], bias)
    for source, panels, target in (
        (work.policy, net.policy_out, work.logits),
        (work.value, net.value_hidden, work.hidden),
    ):
        depth, columns = source.shape[1], target.shape[1]
        _multiply(
            source.ctypes.data,
            4 * depth,
            samples,
            panels.ctypes.data,
            depth,
            columns,
            target.ctypes.data,
            4 * columns,
        )
    _add_relu(work.hidden[:samples], net.value_hidden_bias)
    for sample in range(samples):
        for action in range(logits.shape[1]):
            logits[sample, action] = work.logits[sample, action] + net.policy_out_bias[action]
        total = net.value_out_bias[0]
        for unit in range(len(net.value_out)):
            total += work.hidden[sample, unit] * net.value_out[unit]
        value[sample] = np.tanh(total)


@kernel
def _evaluate(
    own: Words,
    opp: Words,
    board: np.uint64,
    size: int,
    planes: int,
    net: Packed,
    work: Workspace,
    logits: Floats,
    value: Floats,
) -> None:
    chunk = work.planes.shape[0]
    for start in range(0, len(own), chunk):
        end = min(start + chunk, len(own))
        _tower(own[start:end], opp[start:end], board, size, planes, net, work)
        _heads(end - start, net, work, logits[start:end], value[start:end])


class WinogradBackend:
    """Folded weights run by the compiled kernel; every calling thread gets a workspace of its own.

    `chunk` is the number of positions whose intermediate results share the cache; by default 16 for narrow networks,
    and 32 for those whose filters no longer fit the cache and are better read less often.
    """

    def __init__(self, folded: Folded, chunk: int | None = None) -> None:
        self._architecture = folded.architecture
        self._net = pack(folded)
        self._chunk = chunk or (16 if folded.architecture.channels <= 48 else 32)
        self._threads = threading.local()

    def __call__(self, own: Words, opp: Words) -> tuple[Floats, Floats]:
        a = self._architecture
        logits, value = np.empty((len(own), a.actions), np.float32), np.empty(len(own), np.float32)
        work = getattr(self._threads, "work", None)
        if work is None:
            work = self._threads.work = workspace(a, self._chunk)
        _evaluate(own, opp, BOARD_MASK[a.size], a.size, a.planes, self._net, work, logits, value)
        return logits, value
