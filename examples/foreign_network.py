"""Explain a policy–value network written like alpha-zero-general's, as it is: `python examples/foreign_network.py`."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lrp


class OthelloNNet(nn.Module):
    """Boards [B, 6, 6] of −1, 0, +1 -> (log policy [B, 37], value [B, 1])."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3), nn.BatchNorm2d(channels)
        self.fc1, self.fc_bn1 = nn.Linear(channels * 16, 32), nn.BatchNorm1d(32)
        self.fc3, self.fc4 = nn.Linear(32, 37), nn.Linear(32, 1)

    def forward(self, s: Tensor) -> tuple[Tensor, Tensor]:
        s = F.relu(self.bn1(self.conv1(s.view(-1, 1, 6, 6))))
        s = F.relu(self.bn2(self.conv2(s))).view(-1, self.conv2.out_channels * 16)
        s = F.dropout(F.relu(self.fc_bn1(self.fc1(s))), p=0.3, training=self.training)
        return F.log_softmax(self.fc3(s), dim=1), torch.tanh(self.fc4(s))


torch.manual_seed(0)
model, boards = OthelloNNet(), torch.randint(-1, 2, (4, 6, 6)).float()
explainer = lrp.LRP(model, "EpsilonPlusFlat", boards)
print("value ", explainer.attribute(boards, 0, output=1))  # of the value before tanh
print("policy", explainer.attribute(boards, lambda y: y[:, 8] - y[:, 9], output=0))  # why 8, not 9
