"""3×3 convolutions for training: forward, input gradient and weight gradient by Winograd's minimal algorithm.

Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: with V = Bᵀ d B of every input tile and
U = G g Gᵀ of every filter, a tile of outputs is Aᵀ(Σ V ⊙ U)A.  Its adjoints have the same shape: the input gradient is
the convolution of the output gradient with the turned filters, the weight gradient Gᵀ(Σ V ⊙ A dY Aᵀ)G.  Each is
T = (m+2)² small matrix products between tile transforms, a quarter of the multiplications of the plain sums for m = 4.

Around each convolution the kernels do what a BatchNorm with ReLU would otherwise read and write all activations for:
the normalisation of the input before, the statistics of the output after.  Boards are taken a few at a time so that
their tiles stay in the cache.  Activations are float32 [B, N², C], channels last, C a multiple of `LANES`.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello.jit import kernel
from othello.network.cpu.winograd import LANES, ROWS, from_tiles, matrices, multiply, to_tiles

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SAMPLES: Final = 16  # boards in a chunk


class Rectified(NamedTuple):
    """The input of a convolution, relu(scale · x + shift), as it is read: x [B, N², C], scale and shift [C]."""

    x: Floats
    scale: Floats
    shift: Floats


class Normalised(NamedTuple):
    """A convolution's output y [B, N², K] and its mean [K], from which ŷ of the BatchNorm after it follows."""

    y: Floats
    mean: Floats


class Slope(NamedTuple):
    """The gradient of a convolution's output as it is read, a · g + b · y + c: g and y [B, N², K], `abc` [3, K].

    That is the gradient g of what a BatchNorm makes of y, taken back through it.
    """

    g: Floats
    y: Floats
    abc: Floats


@kernel
def _rectified(size: int, x: Floats, scale: Floats, shift: Floats, padded: Floats) -> None:
    """padded = relu(scale · x + shift) inside its border."""
    zero = np.float32(0)
    for row in range(size):
        for column in range(size):
            source, target = x[row * size + column], padded[row + 1, column + 1]
            for c in range(len(scale)):
                value = scale[c] * source[c] + shift[c]
                target[c] = zero if value < zero else value  # NaN stays NaN


@kernel
def _normalised(size: int, g: Floats, y: Floats, coefficients: Floats, padded: Floats) -> None:
    """padded = a · g + b · y + c inside its border: BatchNorm's gradient with `coefficients` (a, b, c)."""
    a, b, c = coefficients[0], coefficients[1], coefficients[2]
    for row in range(size):
        for column in range(size):
            first, second = g[row * size + column], y[row * size + column]
            target = padded[row + 1, column + 1]
            for k in range(len(a)):
                target[k] = a[k] * first[k] + (b[k] * second[k] + c[k])


@kernel
def _gather(board: Floats, part: Floats, moments: Doubles) -> None:
    """Add one board's [N², K] part to `moments` (see `convolve`)."""
    pixels, channels = board.shape
    part[:] = 0
    for p in range(pixels):
        for c in range(channels):
            part[0, c] += board[p, c]
    for c in range(channels):
        total = np.float64(part[0, c])
        moments[0, c] += total
        moments[1, c] += total * total
        part[0, c] /= np.float32(pixels)
    for p in range(pixels):
        for c in range(channels):
            distance = board[p, c] - part[0, c]
            part[1, c] += distance * distance
    for c in range(channels):
        moments[2, c] += part[1, c]


@kernel
def _forward(
    size: int, source: Rectified, filters: Floats, y: Floats, moments: Doubles, chunk: int
) -> None:
    elements, depth, width = filters.shape
    tiles = 1 if size == 4 else 4
    rows = -(-chunk * tiles // ROWS) * ROWS
    # a line more: steps of 4 KiB would share cache sets
    left = np.zeros((elements, rows * depth + 16), np.float32)
    right = np.empty((elements, rows * width + 16), np.float32)
    from_, to = left.ctypes.data, right.ctypes.data
    padded = np.zeros((size + 2, size + 2, depth), np.float32)
    part = np.empty((2, width), np.float32)
    for start in range(0, len(source.x), chunk):
        stop = min(start + chunk, len(source.x))
        for s in range(start, stop):
            place = (s - start) * tiles * 4
            _rectified(size, source.x[s], source.scale, source.shift, padded)
            to_tiles(size, padded, from_ + place * depth, 4 * left.shape[1], False)
        used = (stop - start) * tiles
        for t in range(elements):
            u = filters[t].ctypes.data
            multiply(
                left[t].ctypes.data, 4 * depth, 4, used, u, depth, width, right[t].ctypes.data, 0
            )
        for s in range(start, stop):
            place = (s - start) * tiles * 4
            from_tiles(size, to + place * width, 4 * right.shape[1], y[s])
            _gather(y[s], part, moments)


@kernel
def _rectify(
    s: int,
    dz: Floats,
    source: Rectified,
    before: Normalised,
    g: Floats,
    part: Floats,
    sums: Doubles,
) -> None:
    """g = dz where scale · x + shift > 0, for board s [N², C]; adds Σ g and Σ g · (y − mean) to `sums`."""
    zero = np.float32(0)
    pixels, channels = dz.shape
    x, y, scale, shift, mean = source.x[s], before.y[s], source.scale, source.shift, before.mean
    part[:] = 0
    for p in range(pixels):
        for c in range(channels):
            value = zero if scale[c] * x[p, c] + shift[c] <= zero else dz[p, c]
            g[p, c] = value
            part[0, c] += value
            part[1, c] += value * (y[p, c] - mean[c])
    for c in range(channels):
        sums[0, c] += part[0, c]
        sums[1, c] += part[1, c]


@kernel
def _rectify_all(
    dz: Floats, source: Rectified, before: Normalised, g: Floats, sums: Doubles
) -> None:
    part = np.empty((2, dz.shape[2]), np.float32)
    for s in range(len(dz)):
        _rectify(s, dz[s], source, before, g[s], part, sums)


class _Adjoint(NamedTuple):
    """What `_backward` fills: the gradient of the input, its sums as of `rectify_gradient`, and the gradient of U."""

    out: Floats  # [B, N², C]; empty if the input gets none
    sums: Doubles  # [2, C]
    filters: Floats  # [T, C, K]


@kernel
def _backward(
    size: int,
    slope: Slope,
    source: Rectified,
    turned: Floats,
    before: Normalised,
    skip: Floats,
    found: _Adjoint,
    chunk: int,
) -> None:
    elements, width, depth = turned.shape
    out = found.out
    tiles = 1 if size == 4 else 4
    rows = -(-chunk * tiles // ROWS) * ROWS
    left = np.zeros((elements, rows * depth + 16), np.float32)
    adjoint = np.zeros((elements, rows * width + 16), np.float32)
    errors = np.zeros((elements, rows * width + 16), np.float32)
    step, wide_step = 4 * left.shape[1], 4 * errors.shape[1]
    padded = np.zeros((size + 2, size + 2, depth), np.float32)
    padded_error = np.zeros((size + 2, size + 2, width), np.float32)
    board = np.empty((size * size, depth), np.float32)
    part = np.empty((2, depth), np.float32)
    for start in range(0, len(source.x), chunk):
        stop = min(start + chunk, len(source.x))
        for s in range(start, stop):
            place = (s - start) * tiles * 4
            _rectified(size, source.x[s], source.scale, source.shift, padded)
            to_tiles(size, padded, left.ctypes.data + place * depth, step, False)
            _normalised(size, slope.g[s], slope.y[s], slope.abc, padded_error)
            to_tiles(size, padded_error, adjoint.ctypes.data + place * width, wide_step, True)
            if len(out):
                to_tiles(size, padded_error, errors.ctypes.data + place * width, wide_step, False)
        used = (stop - start) * tiles
        for t in range(elements):
            v, a, e = left[t].ctypes.data, adjoint[t].ctypes.data, errors[t].ctypes.data
            multiply(v, 4, 4 * depth, depth, a, used, width, found.filters[t].ctypes.data, 1)
            if len(out):  # `left` has done its duty and takes the product
                multiply(e, 4 * width, 4, used, turned[t].ctypes.data, width, depth, v, 0)
        if len(out):
            for s in range(start, stop):
                place = (s - start) * tiles * 4
                from_tiles(size, left.ctypes.data + place * depth, step, board)
                if len(skip):
                    board += skip[s]
                _rectify(s, board, source, before, out[s], part, found.sums)


def _elements(weight: Floats, size: int) -> Floats:
    """Filters [K, C, 3, 3] -> U = G g Gᵀ [T, C, K], channels filled up with zeros to multiples of `LANES`."""
    k, c = weight.shape[:2]
    padded = np.zeros((3, 3, _multiple(c), _multiple(k)), np.float32)
    padded[:, :, :c, :k] = weight.transpose(2, 3, 1, 0)
    g = _kronecker(size)
    return (g @ padded.reshape(9, -1)).reshape(len(g), *padded.shape[2:])


@cache
def _kronecker(size: int) -> Floats:
    """G ⊗ G [T, 9] of the boards' tiles, which takes a filter to its U."""
    g = np.array(matrices(3 if size == 6 else 4)[1], np.float64)
    return np.kron(g, g).astype(np.float32)


def _multiple(channels: int) -> int:
    return -(-channels // LANES) * LANES


def board_layout(x: Floats) -> Floats:
    """[B, C, N, N] in any memory order -> [B, N², C] with channels of zeros up to a multiple of `LANES`."""
    batch, channels, size, _ = x.shape
    if channels % LANES == 0:
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(batch, size * size, channels)
    out = np.zeros((batch, size * size, _multiple(channels)), np.float32)
    out.reshape(batch, size, size, -1)[..., :channels] = x.transpose(0, 2, 3, 1)
    return out


def plain(x: Floats) -> Rectified:
    """An input x ≥ 0 that is to be convolved as it is."""
    return Rectified(x, np.ones(x.shape[2], np.float32), np.zeros(x.shape[2], np.float32))


def convolve(
    size: int, source: Rectified, weight: Floats, chunk: int = SAMPLES
) -> tuple[Floats, Doubles, Doubles]:
    """relu(scale · x + shift) convolved with `weight` [K, C, 3, 3]: y [B, N², K], and its mean and variance [K]."""
    filters = _elements(weight, size)
    batch, pixels, width = len(source.x), size * size, filters.shape[2]
    y = np.empty((batch, pixels, width), np.float32)
    moments = np.zeros(
        (3, width)
    )  # totals, squares of boards' totals, squared distances from boards' means
    _forward(size, source, filters, y, moments, chunk)
    mean = moments[0] / (batch * pixels)
    between = moments[1] / pixels - moments[0] * mean
    return y, mean, (moments[2] + between) / (batch * pixels)


def rectify_gradient(dz: Floats, source: Rectified, before: Normalised) -> tuple[Floats, Doubles]:
    """g = dz where relu(scale · x + shift) > 0, and Σ g and Σ g · (y − mean) [2, C] with `before`."""
    g, sums = np.empty_like(dz), np.zeros((2, dz.shape[2]))
    _rectify_all(dz, source, before, g, sums)
    return g, sums


def convolve_backward(
    size: int,
    slope: Slope,
    source: Rectified,
    weight: Floats,
    before: Normalised | None,
    skip: Floats | None = None,
    out: Floats | None = None,
    chunk: int = SAMPLES,
) -> tuple[Floats, Floats | None, Doubles]:
    """Gradients of `convolve` where that of its output is `slope`.

    Returns the weight's [K, C, 3, 3]; that of scale · x + shift, to which `skip` has been added before the ReLU, in
    `out` or in new memory; and, with y and the mean of `before`, its Σ g and Σ g · (y − mean) [2, C].  Without
    `before` the input gets no gradient.
    """
    turned = _elements(weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3), size)
    elements, width, depth = turned.shape
    nothing = np.empty((0, *source.x.shape[1:]), np.float32)
    if before is None:
        before, out = Normalised(source.x, source.shift), nothing
    elif out is None:
        out = np.empty_like(source.x)
    filters = np.zeros((elements, depth, width), np.float32)
    found = _Adjoint(out, np.zeros((2, depth)), filters)
    skip = nothing if skip is None else skip
    _backward(size, slope, source, turned, before, skip, found, chunk)
    k, c = weight.shape[:2]
    taps = (_kronecker(size).T @ filters.reshape(elements, -1)).reshape(3, 3, depth, width)
    gradient = np.ascontiguousarray(taps.transpose(3, 2, 0, 1)[:k, :c])
    return gradient, out if len(out) else None, found.sums
