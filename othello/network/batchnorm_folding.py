"""A network's weights with every BatchNorm folded into the convolution before it, as float64 NumPy arrays.

Inference with running statistics makes BatchNorm an affine map of each channel, γ(x − μ)/√(σ² + ε) + β, so it scales
the rows of the preceding weight and shifts its bias (Jacob et al. 2018, section 3.2).  The network is only read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from othello.network.architecture import Architecture, Network


class FoldedLayer(NamedTuple):
    """A convolution or linear map: weight [out, in, …] and bias [out]."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]


class Folded(NamedTuple):
    """All layers that inference needs; `tower` lists both convolutions of every block in order."""

    architecture: Architecture
    stem: FoldedLayer
    tower: tuple[FoldedLayer, ...]
    policy_conv: FoldedLayer
    policy_out: FoldedLayer
    value_conv: FoldedLayer
    value_hidden: FoldedLayer
    value_out: FoldedLayer


def fold(network: Network) -> Folded:
    """The folded weights of `network`, copied; its parameters and mode stay as they are."""
    tensors = {
        name: tensor.detach().to("cpu").double().numpy().copy()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }

    def convolution(name: str, norm: str) -> FoldedLayer:
        epsilon = batch_norm_epsilon(network.get_submodule(norm))
        scale = tensors[norm + ".weight"] / np.sqrt(tensors[norm + ".running_var"] + epsilon)
        weight = tensors[name + ".weight"] * scale[:, None, None, None]
        return FoldedLayer(
            weight, tensors[norm + ".bias"] - tensors[norm + ".running_mean"] * scale
        )

    def linear(name: str) -> FoldedLayer:
        return FoldedLayer(tensors[name + ".weight"], tensors[name + ".bias"])

    return Folded(
        network.architecture,
        convolution("stem", "stem_norm"),
        tuple(
            convolution(f"blocks.{block}.conv{half}", f"blocks.{block}.norm{half}")
            for block in range(network.architecture.blocks)
            for half in (1, 2)
        ),
        convolution("policy_conv", "policy_norm"),
        linear("policy_out"),
        convolution("value_conv", "value_norm"),
        linear("value_hidden"),
        linear("value_out"),
    )


def batch_norm_epsilon(module: nn.Module) -> float:
    """The ε that `module`, a BatchNorm, adds to its variance."""
    return float(module.eps)  # type: ignore[arg-type]
