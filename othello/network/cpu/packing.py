"""What inference reads and writes: folded weights in the order of the kernel, and the memory it computes in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.network.architecture import Architecture
from othello.network.batchnorm_folding import Folded, FoldedLayer
from othello.network.cpu.winograd import LANES, PITCH, ROWS, transform_filters

Floats = NDArray[np.float32]


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

    def filters(layer: FoldedLayer, depth: int) -> Floats:
        elements = transform_filters(layer.weight, outputs)
        return _copy(np.stack([_panels(_padded(element, depth, width)) for element in elements]))

    def convolution(layer: FoldedLayer) -> tuple[Floats, Floats]:
        columns = _multiple(len(layer.bias), LANES)
        matrix = _padded(layer.weight[:, :, 0, 0].T, width, columns)
        return _copy(_panels(matrix)), _copy(_padded(layer.bias, columns))

    def linear(layer: FoldedLayer, channels: int) -> tuple[Floats, Floats]:
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
