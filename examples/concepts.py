"""Which channel of a CNN stands for a row, and which images show it best: `python examples/concepts.py`."""

import torch
from torch import nn

import lrp

torch.manual_seed(0)
images, labels = 0.3 * torch.rand(256, 1, 12, 12), torch.arange(256) % 2
for i, place in enumerate(torch.randint(2, 10, (256,)).tolist()):
    images[(i, 0, place) if labels[i] else (i, 0, slice(None), place)] = 1.0  # a row or a column
stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
model = nn.Sequential(stem, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 2))
optimizer = torch.optim.Adam(model.parameters(), 0.03)
for _ in range(60):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()

explain = lrp.LRP(model, "EpsilonPlus", images[:1])
found = lrp.concepts.channels(explain, images.split(64), "0.0", target=1, top=8)
best, worst = found.ranking[0], found.ranking[-1]
rows = [float(labels[found.by_activation.samples[k]].float().mean()) for k in (best, worst)]
print(f"channel {best}: {rows[0]:.0%} of its images hold a row; of channel {worst}: {rows[1]:.0%}")
shown = images[found.by_relevance.samples[best]]
where = found.map(shown, best).input  # relevance through that channel alone
lit = float((where * (shown == 1)).sum() / where.sum())
print(
    f"{lit:.0%} of what it says lies on the bars, which are {float((shown == 1).float().mean()):.0%}"
)
accounted = float(found.relevance.sum()) + found.bias + found.rest
print(f"target {found.target:.4f} = channels + bias + rest {accounted:.4f}")
