"""A ResNet of torchvision, as it is (needs torchvision): `python examples/torchvision_resnet.py`."""

import torch
import torchvision

import lrp

torch.manual_seed(0)
model = torchvision.models.resnet18(weights=None).eval()  # weights="DEFAULT" fetches trained ones
image = torch.rand(1, 3, 224, 224)

explain = lrp.LRP(model, "EpsilonPlusFlat", image)
relevance = explain.attribute(image, "argmax", layers=True)
print(relevance)
for name in ("conv1", "layer2.1.conv2", "layer4.1.conv2"):
    print(f"{name:>14}: a map {tuple(relevance.layers[name].shape[1:])} to look at")
