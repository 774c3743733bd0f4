"""The clusters of maps as a project of ViRelAy, which shows positions, maps, embedding and clusters in a browser.

ViRelAy: Anders et al., "Software for dataset-wide XAI" (2021).  As version 0.6 reads it: `dataset.h5` has `data`
[P, 3, S, S] and `label` [P]; `attribution.h5` has `index`, `attribution`, `label` and `prediction`; `analysis.h5` has
for each category `index`, `embedding`/NAME [P, D] with the attribute `eigenvalue`, and `cluster`/NAME [P]; a project
file in YAML and a label map in JSON bind them.  A square of the board is `PIXELS` × `PIXELS` pixels.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.experiments.results import Record
from othello import atomic
from othello.errors import ConfigError
from othello.rules.board import Board, squares_of

FOLDER: Final = "virelay"
PROJECT: Final = "project.yaml"
PIXELS: Final = 4
FELT, BLACK, WHITE = (20, 120, 70), (0, 0, 0), (255, 255, 255)
SIDES: Final = ("the side to move is behind", "the side to move is ahead")


def export(record: Record, folder: Path) -> Path:
    """Write what `folder` holds of the experiment on clusters as `folder`/virelay; returns the project's file.

    Raises ConfigError where the results are of a version that kept no maps.
    """
    (name,) = record["each"]
    with np.load(folder / f"{name}.npz", allow_pickle=False) as stored:
        if "maps" not in stored:
            raise ConfigError(f"{folder / name}.npz: holds no maps; --again makes them")
        found = {key: stored[key] for key in stored.files}
    columns = dict(zip(found["columns"].tolist(), found["values"].T))
    label = (columns["value"] > 0).astype(np.uint8)
    index = np.arange(len(label), dtype=np.uint32)
    write(folder / FOLDER / "dataset.h5", {"data": pictures(found["positions"]), "label": label})
    attribution = {
        "index": index,
        "attribution": enlarged(found["maps"][:, None].repeat(3, 1) / 3),  # channels are summed
        "label": label,
        "prediction": columns["value"].astype(np.float32)[:, None],
    }
    write(folder / FOLDER / "attribution.h5", attribution)
    vectors = [columns[name] for name in columns if name.startswith("vector")]
    cluster = f"spectral-{int(columns['cluster'].max()) + 1}"
    analysis = {
        "value/index": index,
        "value/embedding/spectral": np.stack(vectors, 1).astype(np.float32),
        f"value/cluster/{cluster}": columns["cluster"].astype(np.uint32),
    }
    eigenvalues = np.array(record["numbers"]["eigenvalues"][1 : 1 + len(vectors)], np.float32)
    attributes: dict[str, dict[str, Any]] = {
        "value/embedding/spectral": {"eigenvalue": eigenvalues},
        f"value/cluster/{cluster}": {"embedding": "spectral"},
    }
    write(folder / FOLDER / "analysis.h5", analysis, attributes)
    labels = [
        {"index": number, "word_net_id": text, "name": text} for number, text in enumerate(SIDES)
    ]
    atomic.write_text(folder / FOLDER / "label-map.json", json.dumps(labels, indent=1))
    file = folder / FOLDER / PROJECT
    atomic.write_text(file, json.dumps(project(record), indent=1))  # JSON is YAML
    return file


def project(record: Record) -> dict[str, Any]:
    """What the project's file says."""
    side = 8 * PIXELS
    dataset = {"name": "self-play", "type": "hdf5", "path": "dataset.h5"}
    unscaled = {"up_sampling_method": "none", "down_sampling_method": "none"}
    attributions = {"attribution_method": "LRP", "attribution_strategy": "predicted_label"}
    return {
        "project": {
            "name": f"Othello: {record['title']}",
            "model": f"{record['checkpoint']['name']} {record['checkpoint']['sha256'][:12]}",
            "label_map": "label-map.json",
            "dataset": {**dataset, "input_width": side, "input_height": side, **unscaled},
            "attributions": {**attributions, "sources": ["attribution.h5"]},
            "analyses": [{"analysis_method": "Spectral", "sources": ["analysis.h5"]}],
        }
    }


def pictures(positions: NDArray[np.str_]) -> NDArray[np.uint8]:
    """Boards as pictures [P, 3, S, S], the side to move in black."""
    found = np.empty((len(positions), 64, 3), np.uint8)
    found[:] = FELT
    for picture, text in zip(found, positions.tolist()):
        board = Board.parse(text)
        picture[list(squares_of(board.own, 8))] = BLACK
        picture[list(squares_of(board.opp, 8))] = WHITE
    return enlarged(found.transpose(0, 2, 1).reshape(-1, 3, 8, 8))


def enlarged(planes: NDArray[Any]) -> NDArray[Any]:
    """Planes [..., 8, 8] with a block of `PIXELS` × `PIXELS` for every square."""
    return planes.repeat(PIXELS, -2).repeat(PIXELS, -1)


def write(
    file: Path,
    arrays: Mapping[str, NDArray[Any]],
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write an HDF5 file of compressed arrays, atomically, and their attributes."""
    h5py = import_module("h5py")  # of the extra `experiments`
    file.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as stored:
        for name, array in arrays.items():
            stored.create_dataset(name, data=array, compression="gzip")
        for name, values in (attributes or {}).items():
            stored[name].attrs.update(values)
    atomic.write_bytes(file, buffer.getvalue())
