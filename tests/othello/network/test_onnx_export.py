"""Networks as ONNX models: ONNX Runtime answers as the network does, for any batch, and the extra is named."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.cli import run
from othello.network import checkpoint
from othello.network.alpha_zero_general import AlphaZeroGeneralArchitecture, AlphaZeroGeneralNetwork
from othello.network.architecture import Network
from othello.network.encoding import encode
from tests.othello.networks import lively_network
from tests.othello.positions import random_position

WORDS = "the extra is not installed: pip install 'othello-lrp[onnx]'"


def exported(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code = run(["checkpoint", "export", *words, "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize("name", ["othello8", "othello6", 4, 6, 8])
def test_onnx_runtime_answers_as_the_network_does(
    name: str | int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason=WORDS)
    runtime = pytest.importorskip("onnxruntime", reason=WORDS)
    if isinstance(name, int):
        shape = {"size": name, "planes": name // 2, "blocks": 2, "channels": 12}
        checkpoint.save(lively_network(name, **shape), tmp_path / "net")
        name = str(tmp_path / "net")
    network = checkpoint.load(name).network
    assert isinstance(network, Network)
    file = tmp_path / "net.onnx"
    report = exported(capsys, name, "--onnx", str(file))
    assert 0 < report["difference"] <= 1e-5 and report["size"] == file.stat().st_size
    session = runtime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    assert told["checkpoint_sha256"] == checkpoint.info(name)["weights"]["sha256"]
    a = network.architecture
    assert len(told["planes"].split(",")) == a.planes
    generator, worst = random.Random(0), 0.0
    for batch in (1, 2, 7, 33):
        boards = [random_position(generator, a.size) for _ in range(batch)]
        words = (np.array([getattr(b, side) for b in boards], np.uint64) for side in ("own", "opp"))
        planes = np.ascontiguousarray(encode(*words, a.size, a.planes))
        policy, value = session.run(None, {"planes": planes})
        assert policy.shape == (batch, a.actions) and value.shape == (batch,)
        with torch.no_grad():
            ours = [output.numpy() for output in network(torch.from_numpy(planes))]
        worst = max(worst, float(np.abs(value - ours[1]).max()))
        worst = max(worst, float(np.abs(policy - ours[0]).max() / max(1, np.abs(ours[0]).max())))
    print(f"{a}: largest difference {worst:.1e}")
    assert worst <= 1e-5


def test_what_is_not_ours_or_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(6, 4, 8, 8)).eval()
    checkpoint.save(foreign, tmp_path / "net")
    for words, complaint in (
        ([str(tmp_path / "net"), "--onnx", str(tmp_path / "a.onnx")], "an imported network"),
        (["othello6", "--onnx", str(tmp_path / "a.pt")], "accepted are .onnx files"),
        (["othello6", "--onnx", str(tmp_path / "none" / "a.onnx")], "its folder must exist"),
        (["othello6"], "--onnx FILE"),
    ):
        assert run(["checkpoint", "export", *words]) == 2
        assert complaint in capsys.readouterr().err
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_the_extra_the_command_says_what_to_install(missing: str, tmp_path: Path) -> None:
    hidden = "import sys; sys.modules[sys.argv[1]] = None\nfrom app.cli import run; sys.exit(run(sys.argv[2:]))"
    words = [missing, "checkpoint", "export", "othello6", "--onnx", str(tmp_path / "a.onnx")]
    done = subprocess.run([sys.executable, "-c", hidden, *words], capture_output=True, text=True)
    assert done.returncode == 2 and "pip install 'othello-lrp[onnx]'" in done.stderr
    assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())
