"""Small image networks written as their authors' code writes them: ResNet, DenseNet, MobileNetV3, ConvNeXt, U-Net, …

Only widths and depths are smaller; blocks, calls and the order of operations are the published ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE = (3, 16, 16)


class Bottleneck(nn.Module):
    """ResNet's 1×1, 3×3, 1×1 block with one in-place ReLU used three times and an optional projection."""

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        outputs = width * 2
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = (
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """7×7 stem, max pooling with padding, bottlenecks, global average pooling."""

    shape = IMAGE

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Bottleneck(8, 4), Bottleneck(8, 4))
        self.layer2 = nn.Sequential(Bottleneck(8, 6, 2))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(x, 1))


class DenseNet(nn.Module):
    """Pre-activation layers that read the concatenation of all before them, and a transition."""

    shape = IMAGE

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4 + 2 * i) for i in range(3))
        self.convs = nn.ModuleList(
            nn.Conv2d(4 + 2 * i, 2, 3, padding=1, bias=False) for i in range(3)
        )
        self.transition = nn.Sequential(
            nn.BatchNorm2d(10),
            nn.ReLU(inplace=True),
            nn.Conv2d(10, 5, 1, bias=False),
            nn.AvgPool2d(2, 2),
        )
        self.norm, self.classifier = nn.BatchNorm2d(5), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for norm, conv in zip(self.norms, self.convs, strict=True):
            features.append(conv(F.relu(norm(torch.cat(features, 1)), inplace=True)))
        out = F.relu(self.norm(self.transition(torch.cat(features, 1))), inplace=True)
        out = F.adaptive_avg_pool2d(out, (1, 1))
        return self.classifier(torch.flatten(out, 1))


class SqueezeExcitation(nn.Module):
    """A channel gate: global average, two 1×1 convolutions, hard sigmoid, product."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)
        self.activation, self.scale_activation = nn.ReLU(), nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))
        return scale * x


class InvertedResidual(nn.Module):
    """Expand, depthwise, squeeze and excite, project; the input is added where shapes agree."""

    def __init__(
        self, inputs: int, wide: int, outputs: int, stride: int, activation: type[nn.Module]
    ) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and inputs == outputs
        self.block = nn.Sequential(
            nn.Conv2d(inputs, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            activation(inplace=True),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            activation(inplace=True),
            SqueezeExcitation(wide),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        result = self.block(x)
        if self.use_res_connect:
            result += x
        return result


class MobileNet(nn.Module):
    """MobileNetV2's ReLU6 and V3's Hardswish with squeeze and excitation; dropout in the head."""

    shape = IMAGE

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1, bias=False),
            nn.BatchNorm2d(6),
            nn.Hardswish(inplace=True),
            InvertedResidual(6, 8, 6, 1, nn.ReLU6),
            InvertedResidual(6, 8, 8, 2, nn.Hardswish),
        )
        self.classifier = nn.Sequential(
            nn.Linear(8, 10), nn.Hardswish(inplace=True), nn.Dropout(0.2), nn.Linear(10, 4)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean([2, 3]))


class LayerNorm2d(nn.Module):
    """ConvNeXt's own channels-first LayerNorm, written out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.ones(channels)),
            nn.Parameter(torch.zeros(channels)),
        )
        self.eps = 1e-6

    def forward(self, x: Tensor) -> Tensor:
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        x = (x - u) / torch.sqrt(s + self.eps)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class ConvNeXtBlock(nn.Module):
    """Depthwise 7×7, LayerNorm and linear layers on channels last, layer scale, residual."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv, self.norm = (
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim),
            nn.LayerNorm(dim, eps=1e-6),
        )
        self.pwconv1, self.act, self.pwconv2 = (
            nn.Linear(dim, 2 * dim),
            nn.GELU(),
            nn.Linear(2 * dim, dim),
        )
        self.gamma = nn.Parameter(torch.full((dim,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(self.act(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


class GlobalResponseNorm(nn.Module):
    """ConvNeXt V2's GRN on channels last: γ (x · n) + β + x."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma, self.beta = (
            nn.Parameter(torch.ones(1, 1, 1, dim)),
            nn.Parameter(torch.zeros(1, 1, 1, dim)),
        )

    def forward(self, x: Tensor) -> Tensor:
        g = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
        n = g / (g.mean(dim=-1, keepdim=True) + 1e-6)
        return self.gamma * (x * n) + self.beta + x


class ConvNeXt(nn.Module):
    """Patchify stem, blocks, norm-and-stride downsampling, global response norm, mean over the image."""

    shape = IMAGE

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 4, 4), LayerNorm2d(6))
        self.stage = nn.Sequential(ConvNeXtBlock(6), LayerNorm2d(6), nn.Conv2d(6, 8, 2, 2))
        self.grn, self.norm, self.head = GlobalResponseNorm(8), nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grn(self.stage(self.stem(x)).permute(0, 2, 3, 1))
        return self.head(self.norm(x.mean([1, 2])))


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """U-Net's two convolutions."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1, inplace=True),
    )


class UNet(nn.Module):
    """Down, up by interpolation and by a transposed convolution, `F.pad` to size, concatenation of the skips."""

    shape = (3, 11, 11)

    def __init__(self) -> None:
        super().__init__()
        self.inc, self.down1, self.down2 = double_conv(3, 4), double_conv(4, 6), double_conv(6, 6)
        self.up1, self.conv1 = nn.ConvTranspose2d(6, 6, 2, stride=2), double_conv(12, 4)
        self.up2, self.conv2 = (
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            double_conv(8, 4),
        )
        self.outc = nn.Conv2d(4, 2, 1)

    def _joined(self, x: Tensor, skip: Tensor) -> Tensor:
        high, wide = skip.size(2) - x.size(2), skip.size(3) - x.size(3)
        x = F.pad(x, [wide // 2, wide - wide // 2, high // 2, high - high // 2])
        return torch.cat([skip, x], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down1(F.max_pool2d(x1, 2))
        x3 = self.down2(F.max_pool2d(x2, 2))
        x = self.conv1(self._joined(self.up1(x3), x2))
        x = self.conv2(self._joined(self.up2(x), x1))
        return self.outc(x)


class ChannelAttention(nn.Module):
    """CBAM: gates from average and from maximum pooling, over channels and over places."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Flatten(), nn.Linear(channels, 2), nn.ReLU(), nn.Linear(2, channels)
        )
        self.spatial = nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1))
        x = x * torch.sigmoid(pooled)[:, :, None, None].expand_as(x)
        places = torch.cat([torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)], dim=1)
        return x * torch.sigmoid(self.spatial(places))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """ShuffleNet's shuffle."""
    b, c, h, w = x.size()
    x = x.view(b, groups, c // groups, h, w)
    return torch.transpose(x, 1, 2).contiguous().view(b, c, h, w)


class Mixed(nn.Module):
    """Pieces of ShuffleNet, ESPCN, ghost and inception nets: chunk, shuffle, pixel shuffle, PReLU, adaptive maxima."""

    shape = IMAGE

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.prelu = nn.Conv2d(3, 8, 3, 2, 1), nn.PReLU(8)
        self.branch = nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4), nn.ELU(inplace=True)
        )
        self.attention, self.up = ChannelAttention(8), nn.PixelShuffle(2)
        self.pool, self.norm = nn.AdaptiveMaxPool2d((3, 2)), nn.GroupNorm(2, 4)
        self.pointwise = nn.Conv2d(2, 4, 1)
        self.head = nn.Linear(4 * 6 + 8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu(self.stem(x))
        x1, x2 = x.chunk(2, dim=1)
        x = channel_shuffle(torch.cat((x1, self.branch(x2)), dim=1), 2)
        x = self.attention(x)
        wide = F.softplus(self.norm(self.pointwise(self.up(x))))
        peak = torch.amax(x, dim=(2, 3)).clamp(min=-1.0, max=2.0)
        return self.head(torch.cat([self.pool(wide).flatten(1), F.silu(peak)], 1))


VISION: tuple[type[nn.Module], ...] = (ResNet, DenseNet, MobileNet, ConvNeXt, UNet, Mixed)
