"""Affine operations z = a·w + b (linear, convolutions, a diagonal): the forward map, its adjoint and its fan-in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

_convolve: Callable[..., Tensor] = torch.convolution


@dataclass(frozen=True)
class Affine(ABC):
    """An affine map with its weight and bias; every method also takes another weight of the same shape."""

    weight: Tensor
    bias: Tensor | None

    channels: ClassVar[int] = 1
    """The dimension of an output along which its units lie."""

    @property
    def paired(self) -> int | None:
        """The dimension along which two weights are laid side by side to have both outputs side by side, if so."""
        return None

    @abstractmethod
    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """x·weight + bias."""

    @abstractmethod
    def adjoint(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
        """Σ_k weight_jk s_k, of the input's `shape`."""

    @abstractmethod
    def fan_in(self, shape: Sequence[int]) -> Tensor:
        """Number of unpadded inputs of every output, as a float tensor that broadcasts against the output."""

    def laid(self, weight: Tensor) -> Tensor:
        """The weight in the memory layout that `apply` is fastest with."""
        return weight

    def spread(self, r: Tensor, shape: Sequence[int]) -> Tensor:
        """The adjoint with every weight 1."""
        return self.adjoint(r, torch.ones_like(self.weight), shape)

    def at_output(self, vector: Tensor, dims: int) -> Tensor:
        """A per-channel vector [K] shaped so that it broadcasts against an output of `dims` dimensions."""
        return vector


@dataclass(frozen=True)
class Linear(Affine):
    """z = a Wᵀ + b on the last dimension; weight [K, J]."""

    channels = -1
    paired = 0

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.linear(x, weight, bias)

    def adjoint(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
        return s @ weight

    def fan_in(self, shape: Sequence[int]) -> Tensor:
        return torch.full(
            (), float(self.weight.shape[1]), dtype=self.weight.dtype, device=self.weight.device
        )

    def spread(self, r: Tensor, shape: Sequence[int]) -> Tensor:
        return r.sum(-1, keepdim=True).expand(*r.shape[:-1], self.weight.shape[1])


@lru_cache(maxsize=1024)
def _beyond(
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    after: tuple[int, ...],
    kernel: tuple[int, ...],
    outputs: tuple[int, ...],
    inputs: tuple[int, ...],
) -> tuple[int, ...]:
    """Places of an input of these sizes that a convolution's outputs do not reach, behind each dimension."""
    found = []
    for i, size in enumerate(outputs):
        reached = (size - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1
        found.append(inputs[i] + after[i] + 2 * padding[i] - reached)
    return tuple(found)


@dataclass(frozen=True)
class Convolution(Affine):
    """A 1-, 2- or 3-dimensional convolution, plain or transposed; weight as torch lays it out."""

    stride: tuple[int, ...] = (1,)
    padding: tuple[int, ...] = (0,)
    dilation: tuple[int, ...] = (1,)
    groups: int = 1
    transposed: bool = False
    output_padding: tuple[int, ...] = (0,)
    after: tuple[int, ...] = ()
    """Zeros that are padded behind each spatial dimension only, beside `padding` (`padding="same"`, even kernels)."""

    @property
    def paired(self) -> int | None:
        return int(self.transposed) if self.groups == 1 else None

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if self.after:
            x = F.pad(x, [size for more in reversed(self.after) for size in (0, more)])
        return _convolve(
            x,
            weight,
            bias,
            self.stride,
            self.padding,
            self.dilation,
            self.transposed,
            self.output_padding,
            self.groups,
        )

    def adjoint(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
        beyond = (0,) * len(self.padding)
        if not self.transposed:
            after = self.after or beyond
            kernel, sizes, wanted = weight.shape[2:], s.shape[2:], tuple(shape[2:])
            beyond = _beyond(self.stride, self.padding, self.dilation, after, kernel, sizes, wanted)
        back: Tensor = _convolve(
            s,
            weight,
            None,
            self.stride,
            self.padding,
            self.dilation,
            not self.transposed,
            beyond,
            self.groups,
        )
        for dim in range(2, 2 + len(self.after)):
            back = back.narrow(dim, 0, shape[dim])
        return back

    def laid(self, weight: Tensor) -> Tensor:
        """Channels last for float32 on the CPU, which saves oneDNN its reorderings, forwards and backwards."""
        if weight.dim() == 4 and weight.dtype == torch.float32 and weight.device.type == "cpu":
            return weight.contiguous(memory_format=torch.channels_last)
        return weight

    def fan_in(self, shape: Sequence[int]) -> Tensor:
        ones = torch.ones((1, *shape[1:]), dtype=self.weight.dtype, device=self.weight.device)
        return self.apply(ones, torch.ones_like(self.weight)).round_()

    def spread(self, r: Tensor, shape: Sequence[int]) -> Tensor:
        if self.groups > 1:
            return super().spread(r, shape)
        ones = self.weight.new_ones((1, 1, *self.weight.shape[2:]))
        one_channel = self.adjoint(r.sum(1, keepdim=True), ones, (r.shape[0], 1, *shape[2:]))
        return one_channel.expand(r.shape[0], *shape[1:])

    def at_output(self, vector: Tensor, dims: int) -> Tensor:
        return vector.reshape(-1, *([1] * (self.weight.dim() - 2)))


@dataclass(frozen=True)
class Diagonal(Affine):
    """z = a · w + b per channel at `channel` (a BatchNorm without a linear layer before it); weight [C]."""

    channel: int = 1

    def at_output(self, vector: Tensor, dims: int) -> Tensor:
        return vector.reshape(-1, *([1] * (dims - 1 - self.channel)))

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        z = x * self.at_output(weight, x.dim())
        return z if bias is None else z + self.at_output(bias, x.dim())

    def adjoint(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
        return s * self.at_output(weight, s.dim())

    def fan_in(self, shape: Sequence[int]) -> Tensor:
        return torch.ones((), dtype=self.weight.dtype, device=self.weight.device)

    def spread(self, r: Tensor, shape: Sequence[int]) -> Tensor:
        return r
