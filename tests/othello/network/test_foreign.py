"""alpha-zero-general's checkpoints: imported exactly, explained by their own arithmetic, and hostile ones refused."""

from __future__ import annotations

import collections
import io
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.alpha_zero_general import (
    AlphaZeroGeneralArchitecture,
    AlphaZeroGeneralNetwork,
    convert,
    import_alpha_zero_general,
)
from othello.network.confined import run_confined
from othello.network.evaluator import NetworkEvaluator
from othello.network.safetensors_io import load_tensors
from othello.rules.board import Board
from tests.othello.networks import enliven, random_words

State = dict[str, torch.Tensor]


def foreign_state(
    size: int = 8, channels: int = 6, hidden1: int = 12, hidden2: int = 10, seed: int = 0
) -> State:
    """Weights under the names that alpha-zero-general gives them, made without our module."""
    generator = torch.Generator().manual_seed(seed)
    flat = channels * (size - 4) ** 2
    layers = {
        "conv1": (channels, 1, 3, 3), "conv2": (channels, channels, 3, 3), "conv3": (channels, channels, 3, 3),
        "conv4": (channels, channels, 3, 3), "fc1": (hidden1, flat), "fc2": (hidden2, hidden1),
        "fc3": (size * size + 1, hidden2), "fc4": (1, hidden2),
    }  # fmt: skip
    state: State = collections.OrderedDict()
    for name, shape in layers.items():
        state[f"{name}.weight"] = (
            torch.randn(shape, generator=generator) * (2 / torch.Size(shape[1:]).numel()) ** 0.5
        )
        state[f"{name}.bias"] = torch.randn(shape[0], generator=generator) * 0.2
    norms = {f"bn{i}": channels for i in (1, 2, 3, 4)} | {"fc_bn1": hidden1, "fc_bn2": hidden2}
    for name, width in norms.items():
        state[f"{name}.weight"] = 0.5 + torch.rand(width, generator=generator)
        state[f"{name}.bias"] = torch.randn(width, generator=generator) * 0.3
        state[f"{name}.running_mean"] = torch.randn(width, generator=generator) * 0.3
        state[f"{name}.running_var"] = 0.5 + torch.rand(width, generator=generator)
        state[f"{name}.num_batches_tracked"] = torch.tensor(1000)
    return state


def slow_forward(state: State, board: np.ndarray) -> tuple[np.ndarray, float]:
    """Policy and value of one board of +1, −1, 0 by loops over the formulae, in float64."""
    s = {name: tensor.double().numpy() for name, tensor in state.items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        shape = (-1,) + (1,) * (x.ndim - 1)
        mean, variance, weight, bias = (
            s[f"{name}.{part}"].reshape(shape)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return np.maximum((x - mean) / np.sqrt(variance + 1e-5) * weight + bias, 0)

    def convolve(x: np.ndarray, name: str, padding: int) -> np.ndarray:
        x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
        weight, side = s[f"{name}.weight"], x.shape[1] - 2
        out = np.zeros((len(weight), side, side))
        for row in range(side):
            for column in range(side):
                out[:, row, column] = (weight * x[None, :, row : row + 3, column : column + 3]).sum(
                    (1, 2, 3)
                )
        return out + s[f"{name}.bias"][:, None, None]

    x = board[None].astype(float)
    for index, padding in enumerate((1, 1, 0, 0), 1):
        x = norm(convolve(x, f"conv{index}", padding), f"bn{index}")
    x = norm(s["fc1.weight"] @ x.ravel() + s["fc1.bias"], "fc_bn1")
    x = norm(s["fc2.weight"] @ x + s["fc2.bias"], "fc_bn2")
    logits = s["fc3.weight"] @ x + s["fc3.bias"]
    policy = np.exp(logits - logits.max())
    return policy / policy.sum(), float(np.tanh(s["fc4.weight"] @ x + s["fc4.bias"])[0])


@pytest.mark.parametrize("size, legacy", [(6, True), (8, False)], ids=["6-legacy", "8-zip"])
def test_an_imported_network_computes_what_the_formulae_say(
    tmp_path: Path, size: int, legacy: bool
) -> None:
    state = foreign_state(size)
    path = tmp_path / "best.pth.tar"
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=not legacy)
    network, info = import_alpha_zero_general(path)
    assert (
        network.architecture == AlphaZeroGeneralArchitecture(size, 6, 12, 10)
        and not network.training
    )
    assert info["source"]["file"] == "best.pth.tar" and len(info["source"]["sha256"]) == 64
    own, opp = random_words(4, size)
    logits, value = NetworkEvaluator(network)(own, opp)
    for index, board in enumerate(network.encode(own, opp)[:, 0]):
        policy, outcome = slow_forward(state, board)
        shown = np.exp(logits[index] - logits[index].max())
        assert (
            np.allclose(shown / shown.sum(), policy, atol=1e-5)
            and abs(value[index] - outcome) < 1e-5
        )


def test_the_input_is_plus_one_for_the_side_to_move() -> None:
    network = AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(8, 2, 4, 4))
    board = Board.initial().play(19)
    planes = network.encode(np.array([board.own], np.uint64), np.array([board.opp], np.uint64))
    signs = {str(board)[-1]: 1, "-": 0}
    assert np.array_equal(planes[0, 0].ravel(), [signs.get(disc, -1) for disc in str(board)[:64]])


def test_an_import_survives_our_own_format(tmp_path: Path) -> None:
    torch.save({"state_dict": foreign_state()}, tmp_path / "a.pth.tar")
    network, info = import_alpha_zero_general(tmp_path / "a.pth.tar")
    os.remove(tmp_path / "a.pth.tar")
    checkpoint.save(network, tmp_path / "net", info)
    loaded = checkpoint.load(tmp_path / "net")
    assert (
        isinstance(loaded.network, AlphaZeroGeneralNetwork)
        and loaded.meta["kind"] == "alpha-zero-general"
    )
    words = random_words(3, 8)
    assert np.array_equal(
        NetworkEvaluator(loaded.network)(*words)[0], NetworkEvaluator(network)(*words)[0]
    )


@pytest.mark.parametrize(
    "change", ["data-parallel", "double", "half", "no counters", "extra keys beside"]
)
def test_harmless_variations_are_accepted(tmp_path: Path, change: str) -> None:
    state = foreign_state()
    content: dict[str, Any] = {"state_dict": state}
    if change == "data-parallel":
        content = {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}
    elif change in ("double", "half"):
        content = {
            "state_dict": {
                n: t.to(getattr(torch, change)) if t.ndim else t for n, t in state.items()
            }
        }
    elif change == "no counters":
        content = {"state_dict": {n: t for n, t in state.items() if not n.endswith("tracked")}}
    else:
        content["epoch"] = 3
    torch.save(content, tmp_path / "a")
    convert(str(tmp_path / "a"), str(tmp_path / "plain"))
    weight = load_tensors(tmp_path / "plain")["fc3.weight"]
    assert weight.dtype == torch.float32
    assert torch.allclose(weight, state["fc3.weight"], atol=1e-3)


executed: list[str] = []


class Payload:
    """Unpickling this would call `executed.append`."""

    def __reduce__(self) -> Any:
        return executed.append, ("a payload ran",)


def saved(content: Any, **options: Any) -> Callable[[Path], object]:
    return lambda path: torch.save(content, path, **options)


def state_with(**changes: Any) -> dict[str, Any]:
    state: dict[str, Any] = {**foreign_state(), **changes}
    return {"state_dict": {name: value for name, value in state.items() if value is not None}}


def recompressed(path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"state_dict": foreign_state()}, stream)
    with (
        zipfile.ZipFile(stream) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))


def truncated(path: Path) -> None:
    torch.save({"state_dict": foreign_state()}, path)
    path.write_bytes(path.read_bytes()[:-3000])


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a payload": saved({"state_dict": Payload()}),
    "a payload, legacy": saved({"state_dict": Payload()}, _use_new_zipfile_serialization=False),
    "a payload beside": saved({"state_dict": foreign_state(), "optimizer": Payload()}),
    "a whole module": saved(torch.nn.Linear(2, 2)),
    "text": lambda path: path.write_text("hello"),
    "nothing": lambda path: path.write_bytes(b""),
    "a folder": lambda path: path.mkdir(),
    "truncated": truncated,
    "recompressed": recompressed,
    "bare state": saved(foreign_state()),
    "a list": saved([1, 2]),
    "empty state": saved({"state_dict": {}}),
    "not tensors": saved(state_with(**{"fc3.bias": [1.0, 2.0]})),
    "meta tensor": saved(state_with(**{"fc3.bias": torch.empty(65, device="meta")})),
    "sparse": saved(state_with(**{"fc3.bias": torch.zeros(65).to_sparse()})),
    "complex": saved(state_with(**{"fc3.bias": torch.zeros(65, dtype=torch.complex64)})),
    "integers": saved(state_with(**{"fc3.weight": torch.zeros(65, 10, dtype=torch.int32)})),
    "missing": saved(state_with(**{"conv3.weight": None})),
    "unknown": saved(state_with(conv5=torch.zeros(2))),
    "wrong shape": saved(state_with(**{"conv3.weight": torch.zeros(6, 6, 5, 5)})),
    "seven by seven": saved(state_with(**{"fc3.bias": torch.zeros(50)})),
    "one action": saved(state_with(**{"fc3.bias": torch.zeros(1)})),
    "expanded": saved(state_with(**{"fc3.bias": torch.zeros(1).expand(2**40)})),
    "NaN": saved(state_with(**{"fc4.bias": torch.tensor([float("nan")])})),
}


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a\.pth\.tar: reading it took more than 0\.05 s"):
        run_confined(
            "othello.network.alpha_zero_general:convert",
            [str(tmp_path), str(tmp_path)],
            memory=1 << 28,
            seconds=0.05,
            subject="a.pth.tar",
        )


@pytest.mark.long
@pytest.mark.parametrize("case", HOSTILE)
def test_anything_else_is_refused_within_two_seconds(tmp_path: Path, case: str) -> None:
    HOSTILE[case](tmp_path / "a.pth.tar")
    busy = time.process_time()
    with pytest.raises(CheckpointError):
        import_alpha_zero_general(tmp_path / "a.pth.tar")
    assert time.process_time() - busy < 2


@pytest.mark.parametrize("case", HOSTILE)
def test_anything_else_is_refused_in_a_line_and_nothing_in_it_is_run(
    tmp_path: Path, case: str
) -> None:
    path = tmp_path / "a.pth.tar"
    HOSTILE[case](path)
    with pytest.raises(CheckpointError) as caught:
        convert(str(path), str(tmp_path / "plain"))
    assert (
        str(path) in str(caught.value)
        and str(caught.value).count("\n") <= 1
        and len(str(caught.value)) < 500
    )
    assert executed == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        import_alpha_zero_general(tmp_path / "none")


def test_dropout_acts_in_training_mode_only() -> None:
    network = AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(8, 4, 32, 32))
    enliven(network, 0)
    planes = torch.rand(6, 1, 8, 8)
    network.train()
    assert not torch.equal(network(planes)[0], network(planes)[0])
    network.eval()
    assert torch.equal(network(planes)[0], network(planes)[0])
