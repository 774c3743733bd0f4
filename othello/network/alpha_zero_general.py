"""Networks of alpha-zero-general (https://github.com/suragnair/alpha-zero-general): their shape, and import of files.

Its Othello network reads one plane of +1 (own disc), −1 and 0, runs four 3×3 convolutions (the last two without
padding) and two fully connected layers, each with BatchNorm and ReLU, and ends in a policy and a value layer.  Its
`.pth.tar` files are torch archives; only their tensors are read, in a child process, and nothing in them is run.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from othello.errors import CheckpointError
from othello.network.confined import run_confined
from othello.network.encoding import encode
from othello.network.safetensors_io import load_tensors, save_tensors, skeleton

_MAX_FILE_BYTES = 1 << 30
_SPARE_BYTES = 160 << 20  # that a child may allocate beside what the file's size explains
_COPIES = 8  # of a file that its child may hold: mapped, as float32 (twice a half), written
_SECONDS = 120.0
_MAX_TENSORS = 256
_ACCEPTED = "a torch file {'state_dict': {…}} of alpha-zero-general's Othello network"


@dataclass(frozen=True)
class AlphaZeroGeneralArchitecture:
    """Board side, channels of the four convolutions, width of the two hidden layers; theirs is 8, 512, 1024, 512."""

    size: int = 8
    channels: int = 512
    hidden1: int = 1024
    hidden2: int = 512

    def __post_init__(self) -> None:
        if self.size not in (6, 8):
            raise CheckpointError(f"board size {self.size!r} is not 6 or 8")
        for name, high in (("channels", 2048), ("hidden1", 8192), ("hidden2", 8192)):
            number = getattr(self, name)
            if type(number) is not int or not 1 <= number <= high:
                raise CheckpointError(f"{name} {number!r} is not a whole number in 1..{high}")

    @property
    def actions(self) -> int:
        """N² squares and the pass."""
        return self.size**2 + 1

    def to_dict(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> AlphaZeroGeneralArchitecture:
        try:
            return cls(**data)
        except TypeError:
            known = ", ".join(asdict(cls()))
            raise CheckpointError(
                f"unknown architecture entries in {sorted(data)}; known: {known}"
            ) from None


class AlphaZeroGeneralNetwork(nn.Module):
    """Signed discs [B, 1, N, N] -> (policy logits [B, A], value [B] in [−1, 1]), both for the side to move.

    >>> network = AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(6, 4, 8, 8)).eval()
    >>> policy, value = network(torch.zeros(2, 1, 6, 6))
    >>> tuple(policy.shape), tuple(value.shape)
    ((2, 37), (2,))
    """

    def __init__(self, architecture: AlphaZeroGeneralArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = a = architecture or AlphaZeroGeneralArchitecture()
        self.conv1 = nn.Conv2d(1, a.channels, 3, padding=1)
        self.conv2 = nn.Conv2d(a.channels, a.channels, 3, padding=1)
        self.conv3 = nn.Conv2d(a.channels, a.channels, 3)
        self.conv4 = nn.Conv2d(a.channels, a.channels, 3)
        self.bn1, self.bn2, self.bn3, self.bn4 = (nn.BatchNorm2d(a.channels) for _ in range(4))
        self.fc1 = nn.Linear(a.channels * (a.size - 4) ** 2, a.hidden1)
        self.fc_bn1 = nn.BatchNorm1d(a.hidden1)
        self.fc2 = nn.Linear(a.hidden1, a.hidden2)
        self.fc_bn2 = nn.BatchNorm1d(a.hidden2)
        self.fc3 = nn.Linear(a.hidden2, a.actions)
        self.fc4 = nn.Linear(a.hidden2, 1)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.bn1(self.conv1(planes)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.relu(self.bn4(self.conv4(x)))
        x = F.dropout(F.relu(self.fc_bn1(self.fc1(x.flatten(1)))), 0.3, self.training)
        x = F.dropout(F.relu(self.fc_bn2(self.fc2(x))), 0.3, self.training)
        logits: Tensor = self.fc3(x)
        return logits, torch.tanh(self.fc4(x)).flatten()

    def encode(self, own: NDArray[np.uint64], opp: NDArray[np.uint64]) -> NDArray[np.float32]:
        """The input [B, 1, N, N] of positions given as words [B]: +1 for discs of the side to move, −1, 0."""
        planes = encode(own, opp, self.architecture.size, 2)
        return np.ascontiguousarray(planes[:, :1] - planes[:, 1:])


def import_alpha_zero_general(
    path: str | os.PathLike[str],
) -> tuple[AlphaZeroGeneralNetwork, dict[str, Any]]:
    """Read the weights of an alpha-zero-general Othello checkpoint, and only those.

    Returns the network in evaluation mode and what `checkpoint.save` may keep as meta: the source's name, size and
    SHA-256.  The file is opened by a child process of limited memory and time, which hands over plain tensors.
    Raises `CheckpointError` for anything that is not such a file.
    """
    file = Path(path)
    if not file.is_file():
        raise CheckpointError(f"{file}: no such file; {_ACCEPTED} is accepted")
    size = file.stat().st_size
    if size > _MAX_FILE_BYTES:
        raise CheckpointError(f"{file}: {size} bytes; at most {_MAX_FILE_BYTES} are accepted")
    with tempfile.TemporaryDirectory(prefix="othello-import-") as folder:
        plain = Path(folder, "plain.safetensors")
        run_confined(
            f"{__name__}:convert",
            [str(file), str(plain)],
            memory=_SPARE_BYTES + _COPIES * size,
            seconds=_SECONDS,
            subject=str(file),
        )
        network = _network(file, load_tensors(plain))
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return network, {
        "source": {
            "format": "alpha-zero-general",
            "file": file.name,
            "size": size,
            "sha256": digest,
        }
    }


def convert(source: str, target: str) -> None:
    """Write the checked weights of the file `source` as the safetensors file `target`; for a child process.

    Raises `CheckpointError` for anything that is not an alpha-zero-general checkpoint.
    """
    file = Path(source)
    save_tensors(target, _network(file, _tensors(file, _read(file))).state_dict())


def _read(file: Path) -> Any:
    """The archive's contents through torch's weights-only reader, which builds tensors and plain containers only."""
    zipped = zipfile.is_zipfile(file)
    if zipped:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise CheckpointError(f"{file}: damaged archive ({_first_line(error)})") from None
        if any(
            entry.compress_type != zipfile.ZIP_STORED or entry.file_size > _MAX_FILE_BYTES
            for entry in entries
        ):
            raise CheckpointError(
                f"{file}: a compressed or oversized archive, which torch does not write"
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(
                file, map_location="cpu", weights_only=True, mmap=True if zipped else None
            )
    except Exception as error:
        reason = _first_line(error)
        raise CheckpointError(
            f"{file}: not readable as weights ({reason}); {_ACCEPTED} is accepted"
        ) from None


def _tensors(file: Path, content: Any) -> dict[str, Tensor]:
    state = content.get("state_dict") if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not 0 < len(state) <= _MAX_TENSORS:
        raise CheckpointError(f"{file}: holds no state_dict; {_ACCEPTED} is accepted")
    result: dict[str, Tensor] = {}
    for key, value in state.items():
        dense = isinstance(value, Tensor) and value.layout == torch.strided and value.is_cpu
        if not isinstance(key, str) or not dense:
            raise CheckpointError(
                f"{file}: state_dict entry {str(key)[:60]!r} is not a dense tensor"
            )
        if (
            value.numel() * value.element_size() > _MAX_FILE_BYTES
            or value.is_quantized
            or value.is_complex()
        ):
            raise CheckpointError(
                f"{file}: tensor {key[:60]!r} of shape {list(value.shape)} is not accepted"
            )
        result[key.removeprefix("module.")] = value
    return result


def _network(file: Path, tensors: dict[str, Tensor]) -> AlphaZeroGeneralNetwork:
    def rows(name: str) -> int:
        tensor = tensors.get(name)
        if tensor is None or tensor.ndim != 1:
            raise CheckpointError(f"{file}: lacks the vector {name!r}; {_ACCEPTED} is accepted")
        return len(tensor)

    size = round(max(rows("fc3.bias") - 1, 0) ** 0.5)
    widths = [rows(name) for name in ("conv1.bias", "fc1.bias", "fc2.bias")]
    try:
        architecture = AlphaZeroGeneralArchitecture(size, *widths)
    except CheckpointError as error:
        raise CheckpointError(f"{file}: {error}; {_ACCEPTED} is accepted") from None
    with skeleton():
        network = AlphaZeroGeneralNetwork(architecture)
    expected = network.state_dict()
    for name, wanted in expected.items():
        if name.endswith(
            "num_batches_tracked"
        ):  # files older than torch 0.4.1 have none; inference does not use it
            tensors[name] = torch.zeros((), dtype=torch.int64)
        elif (
            name not in tensors
            or tensors[name].shape != wanted.shape
            or not tensors[name].is_floating_point()
        ):
            found = list(tensors[name].shape) if name in tensors else "missing"
            raise CheckpointError(
                f"{file}: tensor {name!r} is {found}; a {size}x{size} net needs {list(wanted.shape)}"
            )
        elif not bool(torch.isfinite(tensors[name]).all()):
            raise CheckpointError(f"{file}: tensor {name!r} holds NaN or infinite numbers")
    if unknown := sorted(tensors.keys() - expected.keys()):
        names = ", ".join(map(repr, unknown[:3]))
        raise CheckpointError(f"{file}: has unknown tensors {names}; {_ACCEPTED} is accepted")
    network.load_state_dict(
        {name: tensors[name].to(wanted.dtype, copy=True) for name, wanted in expected.items()},
        assign=True,
    )
    return network.eval()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
