"""`othello checkpoint import|info|verify`, from a file that alpha-zero-general would write to an explained move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from app.cli import run
from othello.network import checkpoint
from othello.network.evaluator import NetworkEvaluator
from othello.rules.board import Board


class OthelloNNet(nn.Module):
    """A network of the shape alpha-zero-general trains: one signed plane, log policy and tanh value."""

    def __init__(self, size: int, channels: int, hidden: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, stride=1, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=1, padding=1)
        self.conv3 = nn.Conv2d(channels, channels, 3, stride=1)
        self.conv4 = nn.Conv2d(channels, channels, 3, stride=1)
        self.bn1, self.bn2, self.bn3, self.bn4 = (nn.BatchNorm2d(channels) for _ in range(4))
        self.fc1 = nn.Linear(channels * (size - 4) ** 2, hidden[0])
        self.fc_bn1 = nn.BatchNorm1d(hidden[0])
        self.fc2 = nn.Linear(*hidden)
        self.fc_bn2 = nn.BatchNorm1d(hidden[1])
        self.fc3 = nn.Linear(hidden[1], size * size + 1)
        self.fc4 = nn.Linear(hidden[1], 1)

    def forward(self, board: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        s = board.unsqueeze(1)
        for convolution, norm in zip(
            (self.conv1, self.conv2, self.conv3, self.conv4),
            (self.bn1, self.bn2, self.bn3, self.bn4),
        ):
            s = F.relu(norm(convolution(s)))
        s = s.flatten(1)
        s = F.dropout(F.relu(self.fc_bn1(self.fc1(s))), 0.3, self.training)
        s = F.dropout(F.relu(self.fc_bn2(self.fc2(s))), 0.3, self.training)
        return F.log_softmax(self.fc3(s), dim=1), torch.tanh(self.fc4(s))


def foreign_file(path: Path, size: int, channels: int, hidden: tuple[int, int]) -> OthelloNNet:
    """A net that has seen some training batches, saved as alpha-zero-general saves its checkpoints."""
    torch.manual_seed(size)
    net = OthelloNNet(size, channels, hidden).train()
    with torch.no_grad():
        for _ in range(3):  # moves the running statistics away from 0 and 1
            net(torch.randint(-1, 2, (32, size, size)).float())
    torch.save({"state_dict": net.state_dict()}, path)
    return net.eval()


def ok(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    code = run(arguments)
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize("size", [6, 8])
def test_a_file_of_alpha_zero_general_is_imported_verified_and_explained(
    size: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = foreign_file(tmp_path / "best.pth.tar", size, 12, (24, 16))
    folder = str(tmp_path / "imported")
    told = ok(
        capsys, "checkpoint", "import", str(tmp_path / "best.pth.tar"), "--to", folder, "--json"
    )
    assert told["architecture"] == {"size": size, "channels": 12, "hidden1": 24, "hidden2": 16}
    assert ok(capsys, "checkpoint", "info", folder, "--json") == told
    verified = ok(capsys, "checkpoint", "verify", folder, "--json")
    assert verified["ok"] and verified["parameters"] == sum(
        parameter.numel() for parameter in theirs.parameters()
    )

    board = Board.initial(size)
    signs = {"X": 1.0, "O": -1.0, "-": 0.0}  # black, X, is to move
    planes = torch.tensor([[signs[disc] for disc in str(board)[: size * size]]]).view(1, size, size)
    with torch.no_grad():
        log_policy, value = theirs(planes)
    own, opp = np.array([board.own], np.uint64), np.array([board.opp], np.uint64)
    logits, values = NetworkEvaluator(checkpoint.load(folder).network)(own, opp)  # type: ignore[arg-type]
    assert np.allclose(logits - np.log(np.exp(logits).sum()), log_policy.numpy(), atol=1e-4)
    assert values == pytest.approx(value.numpy().ravel(), abs=1e-5)

    explained = ok(capsys, "explain", str(board), "--no-symmetry", "--checkpoint", folder, "--json")
    assert np.tanh(explained["target"]) == pytest.approx(float(value), abs=1e-4)
    assert np.array(explained["squares"]).shape == (size, size)


def test_an_existing_checkpoint_is_not_overwritten_by_an_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign_file(tmp_path / "a.pth.tar", 6, 4, (8, 8))
    arguments = (
        "checkpoint",
        "import",
        str(tmp_path / "a.pth.tar"),
        "--to",
        str(tmp_path / "net"),
        "--json",
    )
    first = ok(capsys, *arguments)
    assert run(arguments) == 2
    assert "holds a checkpoint already" in capsys.readouterr().err
    assert checkpoint.verify(tmp_path / "net")["weights"] == first["weights"]
