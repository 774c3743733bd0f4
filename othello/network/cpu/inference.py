"""The network's inference as one compiled kernel: bitboards in, logits and values out, without torch or a BLAS.

Samples are taken a few at a time so that all intermediate results stay in the processor's cache.  Per 3×3 layer and
chunk: matrix products [T] × [M, C] · [C, K] of `othello.network.cpu.winograd` (T = (m+2)² tile elements, M tiles, C
input and K
output channels), then for each sample and eight channels the output transform, bias, skip connection, ReLU and the
next layer's input transform in one go, through a padded plane that never leaves the first-level cache.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.network.batchnorm_folding import Folded, Layer
from othello.network.cpu.winograd import (
    LANES,
    PITCH,
    ROWS,
    VECTOR_BYTES,
    input_transform,
    output_transform,
    panel_product,
    transform_filters,
)
from othello.rules.bitboard import BOARD_MASK, legal_mask

if TYPE_CHECKING:
    from othello.network.architecture import Architecture

_input3, _input4 = input_transform(3), input_transform(4)
_output3, _output4 = output_transform(3, residual=False), output_transform(4, residual=False)
_output3_skip, _output4_skip = (
    output_transform(3, residual=True),
    output_transform(4, residual=True),
)
_product8, _product16 = panel_product(1), panel_product(2)

Floats = NDArray[np.float32]
Words = NDArray[np.uint64]

_PLANE = PITCH * PITCH * LANES  # floats in one padded plane of eight channels


class Packed(NamedTuple):
    """Weights in the order in which the kernel reads them; channels are padded with zeros to multiples of eight."""

    stem: Floats  # [T, 8·K]: filters of the first layer in panels
    tower: Floats  # [L, T, C·K]
    biases: Floats  # [1 + L, K]
    policy_conv: Floats
    policy_conv_bias: Floats
    policy_out: Floats
    policy_out_bias: Floats
    value_conv: Floats
    value_conv_bias: Floats
    value_hidden: Floats
    value_hidden_bias: Floats
    value_out: Floats
    value_out_bias: Floats


class Workspace(NamedTuple):
    """What one thread computes in; `left` and `right` are [T, step] with M·C of every step in use."""

    left: Floats
    right: Floats
    planes: Floats  # [samples, C/8, PITCH, PITCH, 8]; borders stay zero
    scratch: Floats  # one such plane
    pixels: Floats  # [samples, N², C]
    policy: Floats
    value: Floats
    logits: Floats
    hidden: Floats


def _multiple(number: int, of: int) -> int:
    return -(-number // of) * of


def _aligned(*shape: int) -> Floats:
    """Zeros that begin on a cache line."""
    count = int(np.prod(shape))
    memory = np.zeros(count + 16, np.float32)
    skip = (-memory.ctypes.data % 64) // 4
    return memory[skip : skip + count].reshape(shape)


def _panels(matrix: NDArray[np.float64]) -> Floats:
    """[depth, columns] -> panels of 16 columns (a last one of 8 if needed), each [depth, 16], one after another."""
    columns = matrix.shape[1]
    whole = columns // 16 * 16
    parts = [matrix[:, start : start + 16].ravel() for start in range(0, whole, 16)]
    if columns > whole:
        parts.append(matrix[:, whole:].ravel())
    with np.errstate(over="ignore"):  # a weight that overflows shows in the evaluations
        return np.concatenate(parts).astype(np.float32)


def _padded(matrix: NDArray[np.float64], *shape: int) -> NDArray[np.float64]:
    return np.pad(matrix, [(0, wanted - size) for size, wanted in zip(matrix.shape, shape)])


def _copy(array: NDArray[np.floating[Any]]) -> Floats:
    result = _aligned(*array.shape)
    result[...] = array
    return result


def pack(folded: Folded) -> Packed:
    """Transform and lay out the weights, in float64 until the last step."""
    size = folded.architecture.size
    outputs = 3 if size == 6 else 4
    width = _multiple(folded.architecture.channels, LANES)

    def filters(layer: Layer, depth: int) -> Floats:
        elements = transform_filters(layer.weight, outputs)
        return _copy(np.stack([_panels(_padded(element, depth, width)) for element in elements]))

    def convolution(layer: Layer) -> tuple[Floats, Floats]:
        columns = _multiple(len(layer.bias), LANES)
        matrix = _padded(layer.weight[:, :, 0, 0].T, width, columns)
        return _copy(_panels(matrix)), _copy(_padded(layer.bias, columns))

    def linear(layer: Layer, channels: int) -> tuple[Floats, Floats]:
        columns, padded = _multiple(len(layer.bias), LANES), _multiple(channels, LANES)
        by_pixel = layer.weight.reshape(-1, channels, size * size).transpose(2, 1, 0)
        matrix = _padded(by_pixel, size * size, padded, columns).reshape(
            size * size * padded, columns
        )
        return _copy(_panels(matrix)), _copy(_padded(layer.bias, columns))

    tower = [filters(layer, width) for layer in folded.tower]
    biases = [_padded(layer.bias, width) for layer in (folded.stem, *folded.tower)]
    hidden = _multiple(len(folded.value_hidden.bias), LANES)
    return Packed(
        filters(folded.stem, LANES),
        _copy(np.stack(tower)) if tower else _aligned(0, (outputs + 2) ** 2, width * width),
        _copy(np.stack(biases)),
        *convolution(folded.policy_conv),
        *linear(folded.policy_out, folded.architecture.policy_channels),
        *convolution(folded.value_conv),
        *linear(folded.value_hidden, folded.architecture.value_channels),
        _copy(_padded(folded.value_out.weight[0], hidden)),
        _copy(folded.value_out.bias),
    )


def workspace(a: Architecture, samples: int) -> Workspace:
    """Memory for chunks of up to `samples` positions."""
    tiles = 1 if a.size == 4 else 4
    elements = 25 if a.size == 6 else 36
    width = _multiple(a.channels, LANES)
    squares = a.size**2
    rows = _multiple(samples, ROWS)
    step = (
        _multiple(samples * tiles, ROWS) * width + 16
    )  # a cache line more: steps of 4 KiB would share cache sets
    return Workspace(
        _aligned(elements, step),
        _aligned(elements, step),
        _aligned(samples, width // LANES, PITCH, PITCH, LANES),
        _aligned(PITCH, PITCH, LANES),
        _aligned(samples, squares, width),
        _aligned(rows, squares * _multiple(a.policy_channels, LANES)),
        _aligned(rows, squares * _multiple(a.value_channels, LANES)),
        _aligned(rows, _multiple(a.actions, LANES)),
        _aligned(rows, _multiple(a.value_hidden, LANES)),
    )


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
            if columns - column >= 16:
                _product16(
                    left + row * left_bytes,
                    left_bytes,
                    panel,
                    out + row * out_bytes + 4 * column,
                    out_bytes,
                    depth,
                )
            else:
                _product8(
                    left + row * left_bytes,
                    left_bytes,
                    panel,
                    out + row * out_bytes + 4 * column,
                    out_bytes,
                    depth,
                )


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
    if size == 6:
        for tile in range(4):
            _input3(
                plane + ((tile >> 1) * PITCH + (tile & 1)) * (3 * VECTOR_BYTES),
                product + tile * row_bytes,
                step_bytes,
            )
    else:
        for tile in range(4 if size == 8 else 1):
            _input4(
                plane + ((tile >> 1) * PITCH + (tile & 1)) * (4 * VECTOR_BYTES),
                product + tile * row_bytes,
                step_bytes,
            )


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
