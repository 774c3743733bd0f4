"""Mean relevance of every feature over a data loader, and the ledger: `python examples/data_loader.py`."""

import torch
from torch.utils.data import DataLoader, TensorDataset

import lrp

torch.manual_seed(0)
features = torch.rand(500, 5)
labels = (2 * features[:, 1] + features[:, 3] > 1.5).long()  # features 0, 2 and 4 say nothing
model = torch.nn.Sequential(torch.nn.Linear(5, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), 0.02)
for _ in range(150):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(features), labels).backward()
    optimizer.step()

explainer = lrp.LRP(model, lrp.rules.Epsilon(epsilon=1e-6), features[:1])
sums, worst = torch.zeros(5), 0.0
for x, y in DataLoader(TensorDataset(features, labels), batch_size=64):  # the last batch has 52
    relevance = explainer.attribute(x, y)
    sums += relevance.input.abs().sum(0)
    worst = max(worst, float(relevance.closure.abs().max()))
print("mean |relevance|", [round(value, 3) for value in (sums / len(features)).tolist()])
print("mean feature    ", [round(value, 3) for value in features.mean(0).tolist()])
print(f"largest |closure| of 500: {worst:.1e}")
