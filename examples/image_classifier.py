"""A tiny ResNet learns which way a bar lies; LRP shows where it looks: `python examples/image_classifier.py`."""

import torch
from torch import Tensor, nn

import lrp


class TinyResNet(nn.Module):
    """Images [B, 1, 12, 12] -> logits [B, 2]: a stem, one residual block with BatchNorm, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.conv, self.norm = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return self.head(torch.relu(x + self.norm(self.conv(x))).mean((2, 3)))


torch.manual_seed(0)
images, bar = 0.3 * torch.rand(256, 1, 12, 12), torch.zeros(256, 1, 12, 12, dtype=torch.bool)
labels = torch.arange(256) % 2
for i, place in enumerate(torch.randint(2, 10, (256,)).tolist()):
    bar[(i, 0, place) if labels[i] else (i, 0, slice(None), place)] = True  # a row or a column
images[bar] = 1.0
optimizer = torch.optim.Adam((model := TinyResNet()).parameters(), 0.01)
for _ in range(60):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()

right = model.eval()(images).argmax(1) == labels
relevance = lrp.LRP(model, "EpsilonPlus", images[:1]).attribute(images, labels)
on_bar = (relevance.input.abs() * bar).sum() / relevance.input.abs().sum()
print(f"{right.float().mean():.0%} right; {on_bar:.0%} of the relevance lies on the bar,")
of_light = (images * bar).sum() / images.sum()
print(f"of the pixels {bar.float().mean():.0%}, of the brightness {of_light:.0%}")
