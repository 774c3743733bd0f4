"""Starting a network from a smaller one: the same function at first, with room to learn more.

Net2Net (Chen, Goodfellow, Shlens, ICLR 2016), in the simple form that residual nets allow: added blocks begin as the
identity, because the scale of their last BatchNorm is zero; added channels, also of the heads and of the value's hidden
layer, are read by nothing that was there before.
"""

from __future__ import annotations

import torch
from torch import nn

from othello.errors import CheckpointError
from othello.network.architecture import Network

GROWING = ("blocks", "channels", "policy_channels", "value_channels", "value_hidden")


def grow(network: Network, source: nn.Module) -> None:
    """Give `network` the function of `source`, which must not be larger in any dimension of `GROWING`.

    Both in evaluation mode give the same outputs.  Raises `CheckpointError` where board or planes differ.

    >>> from othello.network.architecture import Architecture
    >>> small = Network(Architecture(blocks=1, channels=8)).eval()
    >>> large = Network(Architecture(blocks=3, channels=12)).eval()
    >>> grow(large, small)
    >>> planes = torch.rand(2, 4, 8, 8).round()
    >>> torch.allclose(large(planes)[1], small(planes)[1], atol=1e-6)
    True
    """
    if not isinstance(source, Network):
        raise CheckpointError(
            f"a run cannot start from a {type(source).__name__}; it needs a network of this project"
        )
    new, old = network.architecture, source.architecture
    for name, value in old.to_dict().items():
        other = getattr(new, name)
        if (other < value) if name in GROWING else (other != value):
            raise CheckpointError(
                f"cannot grow {old} into {new}: {name} {value} does not fit {other}"
            )
    target = network.state_dict()
    with torch.no_grad():
        for name, tensor in source.state_dict().items():
            place = target[name]
            if place.dim() > 1:
                place[: tensor.shape[0], tensor.shape[1] :] = (
                    0  # what was there reads nothing of what is new
                )
            place[tuple(slice(0, length) for length in tensor.shape)] = tensor
