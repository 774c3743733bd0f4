"""Clusters for ViRelAy: the files hold what version 0.6 of it reads, and are what the experiment found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.cli import run as command
from app.experiments.record import Findings, PerPosition, Settings
from app.experiments.results import write
from app.experiments.studies.inside.clusters import EXPERIMENT
from app.experiments.studies.inside.virelay import PIXELS, export, pictures
from app.models import Model
from othello.errors import ConfigError
from othello.rules.board import Board


def results(model: Model, folder: Path, maps: np.ndarray | None) -> dict[str, object]:
    """The files of an experiment on five positions in three clusters."""
    boards = [Board.parse("f5d6c3d3c4"[: 2 * n]) for n in range(1, 6)]
    own, opp = (np.array([getattr(b, side) for b in boards], np.uint64) for side in ("own", "opp"))
    columns = {"cluster": np.array([0.0, 0, 1, 2, 1]), "value": np.linspace(-1, 1, 5)}
    columns |= {f"vector {d}": np.arange(5.0) * d for d in (1, 2)}
    each = PerPosition("positions", own, opp, columns, maps)
    numbers = {"eigenvalues": [0.0, 0.1, 0.2, 0.6]}
    found = Findings(numbers, "words", (), (), (each,))
    return write(folder, EXPERIMENT, Settings(5), model, found)


def test_the_project_holds_positions_maps_embedding_and_clusters(
    model: Model, tmp_path: Path
) -> None:
    h5py = pytest.importorskip("h5py", reason="of the extra `experiments`")
    maps = np.random.default_rng(0).standard_normal((5, 8, 8)).astype(np.float32)
    file = export(results(model, tmp_path, maps), tmp_path)
    told = json.loads(file.read_text("utf-8"))["project"]  # JSON is YAML
    side = 8 * PIXELS
    assert (told["dataset"]["input_width"], told["dataset"]["type"]) == (side, "hdf5")
    labels = json.loads((file.parent / told["label_map"]).read_text("utf-8"))
    assert {"index", "word_net_id", "name"} == labels[0].keys()
    with h5py.File(file.parent / told["dataset"]["path"]) as stored:
        assert stored["data"].shape == (5, 3, side, side) and stored["data"].dtype == np.uint8
        assert stored["label"][:].tolist() == [0, 0, 0, 1, 1]
    with h5py.File(file.parent / told["attributions"]["sources"][0]) as stored:
        shown = stored["attribution"][:].sum(1)[:, ::PIXELS, ::PIXELS]
        np.testing.assert_allclose(shown, maps, rtol=1e-6)
        assert stored["attribution"].shape == (5, 3, side, side)
        assert stored["index"][:].tolist() == list(range(5))
        np.testing.assert_allclose(stored["prediction"][:, 0], np.linspace(-1, 1, 5))
    with h5py.File(file.parent / told["analyses"][0]["sources"][0]) as stored:
        (category,) = stored.values()
        assert category["cluster"]["spectral-3"][:].tolist() == [0, 0, 1, 2, 1]
        spectral = category["embedding"]["spectral"]
        assert spectral[:, 1].tolist() == [0, 2, 4, 6, 8]
        np.testing.assert_allclose(spectral.attrs["eigenvalue"], [0.1, 0.2])
        assert category["index"][:].tolist() == list(range(5))
    before = {path: path.read_bytes() for path in file.parent.iterdir()}
    export(results(model, tmp_path, maps), tmp_path)
    assert before == {path: path.read_bytes() for path in file.parent.iterdir()}


def test_a_picture_shows_the_side_to_move_in_black() -> None:
    (picture,) = pictures(np.array([str(Board.parse("f5"))]))  # white to move: d4, and black's e4
    square = [picture[:, PIXELS * r, PIXELS * c].tolist() for r, c in ((3, 3), (3, 4), (0, 0))]
    assert square == [[0, 0, 0], [255, 255, 255], [20, 120, 70]]


def test_what_cannot_be_exported_is_said_before_anything_runs(
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ConfigError, match="holds no maps; --again makes them"):
        export(results(model, tmp_path, None), tmp_path)
    asked = ["experiments", "prior", "--virelay", "--out", str(tmp_path / "out")]
    assert command(asked) == 2
    assert "--virelay goes with clusters" in capsys.readouterr().err
    monkeypatch.setattr("app.commands.experiments.find_spec", lambda name: None)
    asked[1] = "clusters"
    assert command(asked) == 2
    assert (
        "this needs h5py, which is not installed: pip install 'othello-lrp[experiments]'"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()
