"""Models that lrp must explain unmodified, and ways to give them random weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mlp(nn.Module):
    """Three linear layers with functional ReLUs."""

    shape = (6,)

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(6, 8), nn.Linear(8, 7), nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.three(F.relu(self.two(F.relu(self.one(x)))))


class VggLike(nn.Module):
    """Convolutions with BatchNorm, max and average pooling, a linear head."""

    shape = (2, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 5, 3, padding=1),
            nn.BatchNorm2d(5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(5, 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.5),
        )
        self.head = nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class PostActivation(nn.Module):
    """A residual policy–value net: conv-BN-ReLU-conv-BN, then relu(x + y); a tuple of outputs."""

    shape = (2, 4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(2, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5)
        self.conv1, self.norm1 = nn.Conv2d(5, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5)
        self.conv2, self.norm2 = nn.Conv2d(5, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5)
        self.policy, self.value = nn.Linear(80, 5), nn.Linear(80, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.norm(self.stem(x)))
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        x = F.relu(x + y).flatten(1)
        return self.policy(x), torch.tanh(self.value(x)).squeeze(1)


class PreActivation(nn.Module):
    """BN-ReLU-conv twice, then x + y without a ReLU; mean over the board; BatchNorm that cannot be folded."""

    shape = (2, 4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.norm1, self.conv1 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.norm2, self.conv2 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.conv1(F.relu(self.norm1(x)))
        x = x + self.conv2(F.relu(self.norm2(y)))
        return self.head(F.relu(x).mean((2, 3)))


class AlphaZeroGeneralLike(nn.Module):
    """The shape of alpha-zero-general's Othello net: `view`, functional ReLU and dropout, BatchNorm1d, log-softmax."""

    shape = (6, 6)

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
        self.fc1, self.fc_bn1 = nn.Linear(64, 12), nn.BatchNorm1d(12)
        self.fc2, self.fc3 = nn.Linear(12, 37), nn.Linear(12, 1)

    def forward(self, s: Tensor) -> tuple[Tensor, Tensor]:
        s = s.view(-1, 1, 6, 6)
        s = F.relu(self.bn1(self.conv1(s)))
        s = F.relu(self.bn2(self.conv2(s)))
        s = s.view(-1, 4 * 4 * 4)
        s = F.dropout(F.relu(self.fc_bn1(self.fc1(s))), p=0.3, training=self.training)
        return F.log_softmax(self.fc2(s), dim=1), torch.tanh(self.fc3(s))


class Reused(nn.Module):
    """One linear layer and one activation used twice; a dictionary of outputs; slices and concatenation."""

    shape = (4,)

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.act = nn.Linear(4, 4), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.act(self.shared(self.act(self.shared(x))))
        return {"half": y[:, 1:], "both": torch.cat([y, x], 1)}


class Lstm(nn.Module):
    """An LSTM whose last state is classified."""

    shape = (4, 3)

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.lstm(x)
        return self.head(out[:, -1])


class Gru(nn.Module):
    """A GRU whose last state is classified."""

    shape = (3, 3)

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.gru(x)
        return self.head(out[:, -1])


class Transformer(nn.Module):
    """A transformer encoder block and a linear head over the mean of its tokens."""

    shape = (5, 8)

    def __init__(self) -> None:
        super().__init__()
        self.block, self.head = (
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
            nn.Linear(8, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(x).mean(1))


RECTIFIED: tuple[type[nn.Module], ...] = (Mlp, VggLike, PostActivation, PreActivation)
ALL: tuple[type[nn.Module], ...] = (
    *RECTIFIED,
    AlphaZeroGeneralLike,
    Reused,
    Lstm,
    Gru,
    Transformer,
)


def randomise(model: nn.Module, seed: int, scale: float = 1.0, biased: bool = True) -> None:
    """Random weights, biases and running statistics."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            fan = max(1, parameter[0].numel()) if parameter.dim() > 1 else 4
            value = (
                torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) * fan**-0.5
            )
            parameter.copy_(
                value * scale if biased or parameter.dim() > 1 else torch.zeros_like(value)
            )
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                draw = torch.rand(
                    4, module.num_features, generator=generator, dtype=module.weight.dtype
                )
                module.running_var.copy_(draw[0] + 0.5)
                module.weight.copy_(draw[1] + 0.5)
                module.running_mean.copy_((draw[2] - 0.5) if biased else 0 * draw[2])
                module.bias.copy_((draw[3] - 0.5) if biased else 0 * draw[3])


def outputs_before_activation(model: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """The model's outputs in eval mode, as a tuple."""
    with torch.no_grad():
        y = model.eval()(x)
    if isinstance(y, dict):
        return tuple(y.values())
    return y if isinstance(y, tuple) else (y,)
