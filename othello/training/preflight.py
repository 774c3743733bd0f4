"""What a run needs of its machine, asked before anything is written: a device, first weights that fit, free disk."""

from __future__ import annotations

import errno
import importlib.util
import shutil
from pathlib import Path

import torch

from othello.errors import CheckpointError, ConfigError
from othello.network import checkpoint
from othello.network.architecture import Network
from othello.network.safetensors_io import skeleton
from othello.training.config import RunConfig
from othello.training.manifest import account
from othello.training.net2net import GROWING
from othello.training.run import Run

POSITION_BYTES = 48  # of a position in a replay file, compressed; 37 measured on 8×8
_SPARE_BYTES = 1 << 20  # manifest, settings, metrics and the file system's own


def check_start(config: RunConfig, folder: Path) -> str | None:
    """Raise if a run with `config` cannot start or go on in `folder`; returns a warning if it cannot end there.

    `ConfigError`: its device is not in this machine.  `CheckpointError`: its first weights are missing or do not fit.
    `OSError`: too little free disk for even one more iteration.
    """
    check_device(config.device)
    check_backend(config.backend)
    check_teacher(config)
    if config.initial and not (folder / "state.json").exists():
        check_initial(config)
    check_disk(config, folder)
    needed, free = whole_run_bytes(config), _free(folder)
    if needed <= free:
        return None
    return (
        f"{folder}: {_megabytes(free)} free, but all {config.iterations} iterations may need {_megabytes(needed)}; "
        "the run will stop cleanly when the disk is full"
    )


def check_device(device: str) -> None:
    """Raise `ConfigError` unless torch can use `device` here."""
    kind, _, number = device.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f'device = "{device}": torch finds no CUDA device on this machine; "cpu" is accepted'
        )
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f'device = "{device}": this machine has cuda:0 to cuda:{torch.cuda.device_count() - 1}'
        )


def check_backend(backend: str) -> None:
    """Raise `ConfigError` unless what the backend needs is installed."""
    if backend == "openvino" and importlib.util.find_spec("openvino") is None:
        raise ConfigError(
            'backend = "openvino" needs OpenVINO: pip install \'othello-lrp[amx]\'; "auto" does without'
        )


def check_teacher(config: RunConfig) -> None:
    """Raise `CheckpointError` unless the run's teacher is a network of this project for the run's board."""
    if not config.teacher:
        return
    meta = checkpoint.info(checkpoint.locate(config.teacher))
    size = meta["architecture"].get("size")
    if meta["kind"] != "othello-network" or size != config.network.size:
        raise CheckpointError(
            f"{config.teacher}: {meta['kind']} on {size}×{size}; a teacher plays the run's board, "
            f"{config.network.size}×{config.network.size}, and is of this project"
        )


def check_initial(config: RunConfig) -> None:
    """Raise `CheckpointError` unless the checkpoint or run to start from is there and of the same board and planes."""
    folder = Path(config.initial)
    older = Run.open(folder) if (folder / "state.json").exists() else None
    meta = checkpoint.info(folder if older is None else older.generation(older.state.iteration))
    if older is None:
        account(meta, folder)
    if meta["kind"] != "othello-network":
        raise CheckpointError(
            f"{config.initial}: {meta['kind']} network; a run starts from one of this project"
        )
    for name, value in config.network.to_dict().items():
        other = meta["architecture"].get(name)
        if (other > value) if name in GROWING else (other != value):
            raise CheckpointError(
                f"{config.initial}: {name} {other} does not fit {value}, the run's [network] {name}"
            )


def check_disk(config: RunConfig, folder: Path) -> None:
    """Raise `OSError` (ENOSPC) if the disk of `folder` has no room for one more iteration."""
    needed, free = iteration_bytes(config), _free(folder)
    if free < needed:
        text = f"no free disk: {_megabytes(free)} free, the next iteration may need {_megabytes(needed)}"
        raise OSError(errno.ENOSPC, text, str(folder))


def iteration_bytes(config: RunConfig) -> int:
    """Upper estimate of what an iteration writes before it removes anything: samples twice, weights, optimizer."""
    return 2 * _sample_bytes(config) + 5 * _weight_bytes(config) + _SPARE_BYTES


def whole_run_bytes(config: RunConfig) -> int:
    """Upper estimate of a finished run: every generation's weights, three optimizers, a full replay window."""
    iterations, weights, samples = config.iterations, _weight_bytes(config), _sample_bytes(config)
    window = min(iterations * samples, config.learner.window_limit * POSITION_BYTES + samples)
    return iterations * (weights + 8192) + 9 * weights + window + 2 * samples + _SPARE_BYTES


def _sample_bytes(config: RunConfig) -> int:
    return config.games * (config.network.size**2 - 4) * POSITION_BYTES


def _weight_bytes(config: RunConfig) -> int:
    with skeleton():
        network = Network(config.network)
    return sum(tensor.nbytes for tensor in network.state_dict().values())


def _free(folder: Path) -> int:
    """Bytes that may still be written where `folder` is or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
