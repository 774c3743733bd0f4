"""The network's stem and residual tower for training on a CPU, as one differentiable function of its parameters.

Every convolution runs by `othello.network.cpu.convolution`, which reads and writes each activation once: BatchNorm and
ReLU happen while the next convolution reads.  The backward pass of BatchNorm (Ioffe & Szegedy 2015, section 3),
dy = γ/σ · (g − mean(g) − ŷ · mean(g · ŷ)), is a linear function of g and y for each channel and happens likewise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from othello.jit import kernel
from othello.network.architecture import Block, Network
from othello.network.cpu.convolution import (
    Doubles,
    Floats,
    Normalised,
    Rectified,
    Slope,
    board_layout,
    convolve,
    convolve_backward,
    plain,
    rectify_gradient,
)


class _Layer(NamedTuple):
    """What the backward pass needs of a convolution and its BatchNorm."""

    source: Rectified
    weight: Floats  # [K, C, 3, 3]
    output: Normalised
    scale: Doubles  # γ/σ [K padded]
    deviation: Doubles  # σ [K padded]


@kernel
def _join(y: Floats, scale: Floats, shift: Floats, skip: Floats, z: Floats) -> None:
    """z = relu(scale · y + shift + skip); an empty `skip` is none."""
    zero = np.float32(0)
    batch, pixels, channels = y.shape
    for s in range(batch):
        for p in range(pixels):
            if len(skip):
                for c in range(channels):
                    value = scale[c] * y[s, p, c] + shift[c] + skip[s, p, c]
                    z[s, p, c] = zero if value < zero else value  # NaN stays NaN
            else:
                for c in range(channels):
                    value = scale[c] * y[s, p, c] + shift[c]
                    z[s, p, c] = zero if value < zero else value


def _padded(parameter: Tensor, channels: int) -> Doubles:
    return np.pad(parameter.detach().double().numpy(), (0, channels - len(parameter)))


@torch.no_grad()
def _update(norm: nn.BatchNorm2d, mean: Doubles, variance: Doubles, count: int) -> None:
    """The running statistics, as `nn.BatchNorm2d` keeps them."""
    assert (
        norm.running_mean is not None
        and norm.running_var is not None
        and norm.num_batches_tracked is not None
    )
    norm.num_batches_tracked.add_(1)
    share = norm.momentum if norm.momentum is not None else 1 / int(norm.num_batches_tracked)
    norm.running_mean.lerp_(torch.from_numpy(mean[: norm.num_features]).float(), share)
    unbiased = variance[: norm.num_features] * (count / max(count - 1, 1))
    norm.running_var.lerp_(torch.from_numpy(unbiased).float(), share)


class _Tower(torch.autograd.Function):
    """forward(planes [B, C, N, N], norms, then weight, γ, β of every layer) -> the tower's output [B, K, N, N]."""

    @staticmethod
    def forward(
        ctx: Any, planes: Tensor, norms: list[nn.BatchNorm2d], *parameters: Tensor
    ) -> Tensor:
        batch, _, size, _ = planes.shape
        source = plain(board_layout(planes.numpy()))
        z = np.empty((0, *source.x.shape[1:]), np.float32)
        layers: list[_Layer] = []
        for index, norm in enumerate(norms):
            weight, gamma, beta = parameters[3 * index : 3 * index + 3]
            # a copy: the parameter may change before the backward pass
            filters = np.array(weight.detach().numpy(), order="C")
            y, mean, variance = convolve(size, source, filters)
            _update(norm, mean, variance, batch * size * size)
            deviation = np.sqrt(variance + norm.eps)
            scale = _padded(gamma, len(mean)) / deviation
            shift = (_padded(beta, len(mean)) - mean * scale).astype(np.float32)
            layers.append(
                _Layer(source, filters, Normalised(y, mean.astype(np.float32)), scale, deviation)
            )
            source = Rectified(y, scale.astype(np.float32), shift)
            if index % 2 == 0:  # the stem or the second convolution of a block
                joined = np.empty_like(y)
                _join(*source, z if index else z[:0], joined)
                z, source = joined, plain(joined)
        ctx.size, ctx.layers, ctx.joined = size, layers, source
        out = torch.from_numpy(z).view(batch, size, size, -1).permute(0, 3, 1, 2)
        return out[:, : len(parameters[-1])]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        layers: list[_Layer] = ctx.layers
        count = ctx.joined.x.shape[0] * ctx.joined.x.shape[1]
        error, sums = rectify_gradient(
            board_layout(gradient.detach().numpy()), ctx.joined, layers[-1].output
        )
        found: list[Tensor] = []
        skip: Floats | None = None
        for index in reversed(range(len(layers))):
            layer = layers[index]
            beta, gamma = sums[0], sums[1] / layer.deviation
            slope = -layer.scale * gamma / (count * layer.deviation)
            offset = -layer.scale * beta / count - slope * layer.output.mean
            coefficients = np.stack([layer.scale, slope, offset]).astype(np.float32)
            first = (
                index % 2 == 1
            )  # of its block: the skip connection's gradient joins at its input
            joining = skip if first else None
            weight, out, sums = convolve_backward(
                ctx.size,
                Slope(error, layer.output.y, coefficients),
                layer.source,
                layer.weight,
                layers[index - 1].output if index else None,
                joining,
                joining,
            )
            features = len(layer.weight)
            found += [
                torch.from_numpy(part[:features].astype(np.float32)) for part in (beta, gamma)
            ]
            found.append(torch.from_numpy(weight))
            if out is not None:
                skip, error = (None, out) if first else (error, out)
        return None, None, *found[::-1]


def winograd_tower(network: Network, planes: Tensor) -> Tensor:
    """The tower's output [B, K, N, N] for planes [B, C, N, N] ≥ 0, with gradients for the parameters, not the planes.

    BatchNorm uses the batch's statistics and updates its running ones, as in training mode.  `ValueError` for a network
    in evaluation mode, for tensors not float32 on a CPU, and for planes that want a gradient.

    >>> from othello.network.architecture import Architecture
    >>> network = Network(Architecture(blocks=1, channels=8))
    >>> out = winograd_tower(network, torch.rand(2, 4, 8, 8))
    >>> out.sum().backward()
    >>> tuple(network.stem.weight.grad.shape)
    (8, 4, 3, 3)
    """
    weight = network.stem.weight
    if (
        not network.training
        or planes.requires_grad
        or {planes.dtype, weight.dtype} != {torch.float32}
    ):
        raise ValueError(
            "the Winograd tower trains float32 networks and gives the planes no gradient"
        )
    if {planes.device.type, weight.device.type} != {"cpu"}:
        raise ValueError(
            f"the Winograd tower runs on a CPU, not on {planes.device} with weights on {weight.device}"
        )
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = [(network.stem, network.stem_norm)]
    for block in network.blocks:
        assert isinstance(block, Block)
        pairs += [(block.conv1, block.norm1), (block.conv2, block.norm2)]
    parameters = [
        tensor for conv, norm in pairs for tensor in (conv.weight, norm.weight, norm.bias)
    ]
    out: Tensor = _Tower.apply(planes, [norm for _, norm in pairs], *parameters)  # type: ignore[no-untyped-call]
    return out
