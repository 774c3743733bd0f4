"""The policy–value network: a residual tower of 3×3 convolutions with a policy head and a value head.

Silver et al., "A general reinforcement learning algorithm that masters chess, shogi, and Go through self-play",
Science 362 (2018), scaled down to what two CPU cores can train; the score head follows Wu, "Accelerating self-play
learning in Go" (2019), section 3.3.  Letters: `B` batch, `C` planes, `N` board side, `A` = N²+1 actions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from othello.errors import CheckpointError
from othello.network.encoding import PLANE_NAMES
from othello.rules.bitboard import SIZES


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the shapes of a network's parameters."""

    size: int = 8
    planes: int = 4
    blocks: int = 4
    channels: int = 48
    policy_channels: int = 16
    value_channels: int = 8
    value_hidden: int = 64

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise CheckpointError(
                f"board size {self.size!r} is not one of {', '.join(map(str, SIZES))}"
            )
        if not 2 <= self.planes <= len(PLANE_NAMES):
            raise CheckpointError(f"planes {self.planes!r} is not in 2..{len(PLANE_NAMES)}")
        for name, low, high in (
            ("blocks", 0, 64),
            ("channels", 1, 1024),
            ("policy_channels", 1, 256),
            ("value_channels", 1, 256),
            ("value_hidden", 1, 4096),
        ):
            number = getattr(self, name)
            if not isinstance(number, int) or not low <= number <= high:
                raise CheckpointError(f"{name} {number!r} is not a whole number in {low}..{high}")

    @property
    def actions(self) -> int:
        """N² squares and the pass."""
        return self.size**2 + 1

    def to_dict(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Architecture:
        known = {field.name for field in fields(cls)}
        if unknown := set(data) - known:
            raise CheckpointError(
                f"unknown architecture entries {sorted(unknown)}; known: {sorted(known)}"
            )
        return cls(**data)

    def __str__(self) -> str:
        return f"{self.blocks}x{self.channels} on {self.size}x{self.size}, {self.planes} planes"


class Block(nn.Module):
    """Two 3×3 convolutions and a skip connection: relu(x + F(x))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


class Network(nn.Module):
    """planes [B, C, N, N] of 0 and 1 -> (policy logits [B, A], value [B] in [−1, 1]), both for the side to move.

    >>> policy, value = Network(Architecture(blocks=1, channels=8)).eval()(torch.zeros(2, 4, 8, 8))
    >>> tuple(policy.shape), tuple(value.shape)
    ((2, 65), (2,))
    """

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = a = architecture or Architecture()
        squares = a.size**2
        self.stem = nn.Conv2d(a.planes, a.channels, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(a.channels)
        self.blocks = nn.ModuleList(Block(a.channels) for _ in range(a.blocks))
        self.policy_conv = nn.Conv2d(a.channels, a.policy_channels, 1, bias=False)
        self.policy_norm = nn.BatchNorm2d(a.policy_channels)
        self.policy_out = nn.Linear(a.policy_channels * squares, a.actions)
        self.value_conv = nn.Conv2d(a.channels, a.value_channels, 1, bias=False)
        self.value_norm = nn.BatchNorm2d(a.value_channels)
        self.value_hidden = nn.Linear(a.value_channels * squares, a.value_hidden)
        self.value_out = nn.Linear(a.value_hidden, 1)
        self.score_out = nn.Linear(a.value_hidden, 1)
        for (
            block
        ) in self.blocks:  # a fresh block is the identity, so depth can be added to a trained net
            assert isinstance(block, Block)
            nn.init.zeros_(block.norm2.weight)
        for head in (self.policy_out, self.value_out, self.score_out):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def _tower(self, planes: Tensor) -> Tensor:
        x = F.relu(self.stem_norm(self.stem(planes)))
        for block in self.blocks:
            x = block(x)
        return x

    def _policy(self, x: Tensor) -> Tensor:
        logits: Tensor = self.policy_out(F.relu(self.policy_norm(self.policy_conv(x))).flatten(1))
        return logits

    def _value_features(self, x: Tensor) -> Tensor:
        return F.relu(self.value_hidden(F.relu(self.value_norm(self.value_conv(x))).flatten(1)))

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        x = self._tower(planes)
        return self._policy(x), torch.tanh(self.value_out(self._value_features(x))).flatten()

    def with_score(
        self, planes: Tensor, tower: Tower | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, and the expected final score [B] for the side to move, in units of N² discs (for training).

        `tower(network, planes)`, if given, computes the stem and the blocks in their place.
        """
        x = self._tower(planes) if tower is None else tower(self, planes)
        hidden = self._value_features(x)
        return (
            self._policy(x),
            torch.tanh(self.value_out(hidden)).flatten(),
            self.score_out(hidden).flatten(),
        )


Tower = Callable[[Network, Tensor], Tensor]  # planes [B, C, N, N] -> the residual tower's output
