"""The replay window: samples of past iterations, one `.npz` file each, read without pickle."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from othello import atomic
from othello.errors import CheckpointError
from othello.network.encoding import encode
from othello.network.safetensors_io import MAX_FILE_BYTES, read_regular_file
from othello.rules.symmetry import SYMMETRIES, transform_planes, transform_policy
from othello.training.config import LearnerSettings
from othello.training.selfplay import Samples

Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class Cost(NamedTuple):
    """What making samples took: network evaluations and seconds of processor time."""

    evaluations: int
    seconds: float


_DTYPES = (
    "uint64",
    "uint64",
    "float16",
    "int8",
    "int8",
    "float16",
    "int32",
)  # of the columns of `Samples`
_UNREADABLE = (  # what NumPy and zipfile raise at damaged files, besides `OSError` and `ValueError`
    *(
        OSError,
        ValueError,
        LookupError,
        EOFError,
        TypeError,
        AttributeError,
        RuntimeError,
        SyntaxError,
    ),
    *(ArithmeticError, MemoryError, zipfile.BadZipFile, zlib.error, struct.error),
)


def sample_bytes(samples: Samples, cost: Cost | None = None) -> bytes:
    """Samples, and if given what they cost, as the bytes of one compressed `.npz` file."""
    buffer = io.BytesIO()
    arrays = samples._asdict() if cost is None else {**samples._asdict(), **cost._asdict()}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def write_samples(path: Path, samples: Samples) -> None:
    """Write samples as one compressed file, atomically."""
    atomic.write_bytes(path, sample_bytes(samples))


def read_samples(path: Path) -> Samples:
    """Read what `write_samples` wrote; `CheckpointError` if it is missing, damaged or something else."""
    return parse_samples(read_regular_file(path, MAX_FILE_BYTES), path)


def parse_samples(data: bytes, path: Path) -> Samples:
    """The samples in the bytes of the file at `path`; `CheckpointError` if they are damaged or something else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            samples = Samples(*(stored[name] for name in Samples._fields))
        _check_columns(samples)
    except _UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise CheckpointError(f"{path}: not a replay file: {reason}") from None
    return samples


def _check_columns(samples: Samples) -> None:
    for name, column, dtype in zip(Samples._fields, samples, _DTYPES):
        wide = name == "policy"
        if not isinstance(column, np.ndarray) or column.dtype != dtype or column.ndim != 1 + wide:
            raise ValueError(f"{name} is no array of {dtype} with {1 + wide} dimensions")
        if len(column) != len(samples.own):
            raise ValueError(f"{len(column)} rows of {name} for {len(samples.own)} positions")


def read_cost(path: Path) -> Cost:
    """The cost that `sample_bytes` was given; nothing for a file without one, `CheckpointError` as `read_samples`."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if "evaluations" not in stored or "seconds" not in stored:
                return Cost(0, 0.0)
            return Cost(int(stored["evaluations"]), float(stored["seconds"]))
    except _UNREADABLE as error:
        raise CheckpointError(f"{path}: not a replay file: {error}") from None


def window_size(total: int, settings: LearnerSettings) -> int:
    """How many of the newest positions to learn from once `total` have been made."""
    return int(
        min(settings.window_limit, max(settings.window_start, settings.window_growth * total))
    )


def newest(parts: list[Samples], positions: int) -> Samples:
    """The newest files that together hold `positions`, the oldest of them cut."""
    chosen: list[Samples] = []
    missing = positions
    for samples in reversed(parts):
        if missing <= 0:
            break
        chosen.append(Samples(*(column[-missing:] for column in samples)))  # type: ignore[arg-type]
        missing -= len(samples.own)
    return Samples.concatenate(chosen[::-1])


def targets(
    samples: Samples, chosen: NDArray[np.int64], outcome_share: float, squares: int
) -> NDArray[np.float32]:
    """Value and score targets [2, B]: a mix of outcome and search value in [−1, 1], and final discs / N²."""
    value = (
        outcome_share * samples.outcome[chosen] + (1 - outcome_share) * samples.search_value[chosen]
    )
    return np.stack([value, samples.score[chosen] / squares]).astype(np.float32)


def batches(
    samples: Samples,
    steps: int,
    settings: LearnerSettings,
    size: int,
    planes: int,
    generator: np.random.Generator,
) -> Iterator[tuple[Batch, NDArray[np.bool_]]]:
    """Yield `steps` random batches under random symmetries: (planes, policy, value, score) and legal [B, A]."""
    for _ in range(steps):
        chosen = generator.integers(len(samples.own), size=settings.batch)
        x = encode(samples.own[chosen], samples.opp[chosen], size, max(planes, 3))
        policy = samples.policy[chosen].astype(np.float32)
        images = np.empty_like(x)
        turned = np.empty_like(policy)
        for symmetry in SYMMETRIES:  # one eighth of the batch under each
            part = slice(symmetry * len(chosen) // 8, (symmetry + 1) * len(chosen) // 8)
            images[part] = transform_planes(x[part], symmetry)
            turned[part] = transform_policy(policy[part], symmetry)
        legal = np.zeros(policy.shape, np.bool_)
        legal[:, :-1] = images[:, 2].reshape(len(chosen), -1) > 0
        value, score = targets(samples, chosen, settings.outcome_share, size * size)
        yield (images[:, :planes], turned, value, score), legal
