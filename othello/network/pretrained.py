"""Checkpoints by the names that Hugging Face's libraries use: `from_pretrained`, `save_pretrained`, `config.json`.

The files are those of `othello.network.checkpoint`: there is no second format of weights.  `config.json` repeats the
architecture for people, model hubs and other tools; what is loaded is described by `meta.json` alone, and a
`config.json` that says something else is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import nn

from othello import atomic
from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.safetensors_io import read_json, read_regular_file

CONFIG: Final = "config.json"
_MAX_BYTES: Final = 1 << 16


def config(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What `config.json` says of the checkpoint that a `meta.json` describes.

    >>> found = config(checkpoint.info("othello8"))
    >>> found["model_type"], found["size"], found["blocks"], found["channels"]
    ('othello-network', 8, 4, 48)
    """
    about = {"model_type": meta["kind"], "library_name": "othello-lrp"}
    return {**about, **meta["architecture"]}


def write_config(folder: str | os.PathLike[str]) -> None:
    """Put `config.json` beside the `meta.json` of a checkpoint folder; raises what `checkpoint.info` raises."""
    atomic.write_json(Path(folder) / CONFIG, config(checkpoint.info(folder)))


def save_pretrained(
    network: nn.Module,
    folder: str | os.PathLike[str],
    meta: Mapping[str, Any] | None = None,
    *,
    replace: bool = False,
) -> str:
    """`checkpoint.save`, and a `config.json` beside it; returns the SHA-256 of the weights.

    >>> import tempfile
    >>> network = from_pretrained("othello6")
    >>> digest = save_pretrained(network, Path(tempfile.mkdtemp(), "mine"), {"note": "a copy"})
    """
    digest = checkpoint.save(network, folder, meta, replace=replace)
    write_config(folder)
    return digest


def from_pretrained(path: str | os.PathLike[str]) -> nn.Module:
    """The network of a checkpoint's folder, or of the name of a shipped one, in evaluation mode.

    planes [B, C, N, N] -> (policy logits [B, A], value [B] in [−1, 1]) for the side to move.  Raises what
    `checkpoint.load` raises, and `CheckpointError` where a `config.json` beside it contradicts `meta.json`.

    >>> str(from_pretrained("othello8").architecture)
    '4x48 on 8x8, 4 planes'
    """
    loaded = checkpoint.load(path)
    file = loaded.path / CONFIG
    if os.path.lexists(file):
        told = read_json(read_regular_file(file, _MAX_BYTES), str(file))
        for name, value in config(loaded.meta).items():
            if told.get(name) != value:
                raise CheckpointError(
                    f"{file}: {name} is {str(told.get(name))[:40]!r}, in {checkpoint.META} {value!r}"
                )
    return loaded.network
