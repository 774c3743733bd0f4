"""Hostile or damaged checkpoints are refused at once, in a line or two, and nothing in them is run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.safetensors_io import load_tensors, save_tensors
from othello.network.sealed_json import write_sealed
from tests.othello.networks import lively_network

SMALL = {"blocks": 1, "channels": 8, "value_hidden": 8}


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "net"
    checkpoint.save(lively_network(**SMALL), folder)
    return folder


@pytest.fixture
def saved(pattern: Path, tmp_path: Path) -> Path:
    """A good checkpoint of one's own to damage."""
    return Path(shutil.copytree(pattern, tmp_path / "net"))


executed: list[str] = []


class Payload:
    """Unpickling this would call `executed.append`."""

    def __reduce__(self) -> Any:
        return executed.append, ("a payload ran",)


def weights_file(
    tensors: dict[str, tuple[str, list[int]]], data: bytes | None = None, **raw: Any
) -> bytes:
    """A safetensors file with any header at all."""
    widths = {"F64": 8, "F32": 4, "F16": 2, "I64": 8}
    header: dict[str, Any] = {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + widths.get(dtype, 4) * int(np.prod(shape, dtype=object))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps({**header, **raw}).encode()
    return struct.pack("<Q", len(text)) + text + (bytes(end) if data is None else data)


def shapes() -> dict[str, tuple[str, list[int]]]:
    state = lively_network(**SMALL).state_dict()
    return {
        name: ("I64" if value.dtype == torch.int64 else "F32", list(value.shape))
        for name, value in state.items()
    }


def set_weights(folder: Path, data: bytes) -> None:
    """Replace the weights and make `meta.json` agree with them, so that only their contents can give them away."""
    (folder / "weights.safetensors").write_bytes(data)
    edit(
        folder,
        weights={
            "file": "weights.safetensors",
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        },
    )


def edit(folder: Path, **entries: Any) -> None:
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    del meta["digest"]
    write_sealed(folder / "meta.json", {**meta, **entries})


def unsealed(folder: Path, **entries: Any) -> None:
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    del meta["digest"]
    (folder / "meta.json").write_text(json.dumps({**meta, **entries}))


def with_weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        from safetensors.torch import load, save

        tensors = load((folder / "weights.safetensors").read_bytes())
        change(tensors)
        set_weights(folder, save(tensors))

    return damage


def stored(folder: Path, **entries: Any) -> None:
    edit(
        folder,
        weights={**json.loads((folder / "meta.json").read_text("utf-8"))["weights"], **entries},
    )


def architecture(folder: Path, **entries: Any) -> None:
    edit(
        folder,
        architecture={
            **json.loads((folder / "meta.json").read_text("utf-8"))["architecture"],
            **entries,
        },
    )


def with_hole(folder: Path, between: int, after: int) -> None:
    """Bytes that belong to no tensor: the last one moved away from the others, or something behind it."""
    data = (folder / "weights.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    last = max(
        (key for key in header if key != "__metadata__"),
        key=lambda key: header[key]["data_offsets"],
    )
    begin, end = header[last]["data_offsets"]
    header[last]["data_offsets"] = [begin + between, end + between]
    text = json.dumps(header).encode()
    moved = body[:begin] + bytes(between) + body[begin:] + bytes(after)
    set_weights(folder, struct.pack("<Q", len(text)) + text + moved)


def move_out(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(f"../{name}")


def as_pipe(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


def zip_bomb(folder: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    set_weights(folder, stream.getvalue())


def torch_archive(folder: Path) -> None:
    stream = io.BytesIO()
    torch.save({"state_dict": Payload()}, stream)
    set_weights(folder, stream.getvalue())


def truncate(folder: Path, name: str, keep: int) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:keep])


def longer(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")


def flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-100] ^= 1
    (folder / "weights.safetensors").write_bytes(data)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "no weights": lambda f: (f / "weights.safetensors").unlink(),
    "no meta": lambda f: (f / "meta.json").unlink(),
    "empty weights": lambda f: truncate(f, "weights.safetensors", 0),
    "truncated weights": lambda f: truncate(f, "weights.safetensors", 3000),
    "one byte short": lambda f: truncate(f, "weights.safetensors", -1),
    "truncated meta": lambda f: truncate(f, "meta.json", 60),
    "longer weights": lambda f: longer(f / "weights.safetensors"),
    "one bit flipped": flip_a_bit,
    "unknown precision": lambda f: stored(f, precision=["float32"]),
    "another precision than the file's": lambda f: stored(f, precision="float16"),
    "wrong hash": lambda f: stored(f, sha256="0" * 64),
    "hash of another type": lambda f: stored(f, sha256=None),
    "pickled weights": lambda f: set_weights(f, pickle.dumps(Payload())),
    "old pickled weights": lambda f: set_weights(f, pickle.dumps(Payload(), protocol=0)),
    "a torch archive": torch_archive,
    "a zip bomb": zip_bomb,
    "a pickle as meta": lambda f: (f / "meta.json").write_bytes(pickle.dumps(Payload())),
    "header of 2^63 bytes": lambda f: set_weights(f, struct.pack("<Q", 2**63) + bytes(5000)),
    "header of 200 MB": lambda f: set_weights(f, struct.pack("<Q", 200_000_000) + bytes(5000)),
    "header not JSON": lambda f: set_weights(f, struct.pack("<Q", 5000) + bytes(9000)),
    "header nested": lambda f: set_weights(
        f, struct.pack("<Q", 500_000) + b"[" * 500_000 + bytes(9000)
    ),
    "header of a list": lambda f: set_weights(f, struct.pack("<Q", 2) + b"[]" + bytes(9000)),
    "huge shape": lambda f: set_weights(
        f, weights_file({"stem.weight": ("F32", [2**40, 2**40])}, bytes(9000))
    ),
    "negative shape": lambda f: set_weights(
        f, weights_file({"stem.weight": ("F32", [-1, -4])}, bytes(9000))
    ),
    "overlapping tensors": lambda f: set_weights(
        f,
        weights_file(
            {**shapes(), "stem.weight": ("F32", [0])},
            bytes(20000),
            **{"stem.weight": {"dtype": "F32", "shape": [8, 4, 3, 3], "data_offsets": [0, 1152]}},
        ),
    ),
    "offsets outside": lambda f: set_weights(
        f,
        weights_file(
            {**shapes(), "stem.weight": ("F32", [0])},
            bytes(20000),
            **{
                "stem.weight": {
                    "dtype": "F32",
                    "shape": [8, 4, 3, 3],
                    "data_offsets": [2**50, 2**50 + 1152],
                }
            },
        ),
    ),
    "a hole between tensors": lambda f: with_hole(f, 64, 0),
    "a hole at the end": lambda f: with_hole(f, 0, 64),
    "a sparse file of a terabyte": lambda f: os.truncate(f / "weights.safetensors", 1 << 40),
    "a sparse file of a gigabyte": lambda f: (
        os.truncate(f / "weights.safetensors", 1 << 30),
        stored(f, size=1 << 30),
    ),
    "metadata of another type": lambda f: set_weights(
        f, weights_file(shapes(), __metadata__={"a": [1]})
    ),
    "missing tensor": with_weights(lambda t: t.pop("stem.weight")),
    "extra tensor": with_weights(lambda t: t.update(extra=torch.zeros(2))),
    "renamed tensor": with_weights(lambda t: t.update({"stem.wéight": t.pop("stem.weight")})),
    "transposed tensor": with_weights(
        lambda t: t.update({"policy_out.weight": t["policy_out.weight"].T.contiguous()})
    ),
    "float64 tensor": with_weights(lambda t: t.update({"stem.weight": t["stem.weight"].double()})),
    "NaN": with_weights(lambda t: t["stem.weight"].view(-1)[5].fill_(float("nan"))),
    "infinity": with_weights(lambda t: t["value_out.bias"].fill_(float("inf"))),
    "negative variance": with_weights(lambda t: t["stem_norm.running_var"].fill_(-1.0)),
    "symlinked weights": lambda f: move_out(f, "weights.safetensors"),
    "symlinked meta": lambda f: move_out(f, "meta.json"),
    "a pipe as weights": lambda f: as_pipe(f, "weights.safetensors"),
    "a pipe as meta": lambda f: as_pipe(f, "meta.json"),
    "a folder as weights": lambda f: (
        (f / "weights.safetensors").unlink(),
        (f / "weights.safetensors").mkdir(),
    ),
    "traversal": lambda f: stored(f, file="../weights.safetensors"),
    "absolute path": lambda f: stored(f, file="/etc/passwd"),
    "name with a zero": lambda f: stored(f, file="weights.safetensors\0"),
    "weights not described": lambda f: edit(f, weights=[1, 2]),
    "size of 2^60": lambda f: stored(f, size=2**60),
    "size negative": lambda f: stored(f, size=-1),
    "size too small": lambda f: stored(f, size=100),
    "other format": lambda f: edit(f, format=3),
    "digest missing": lambda f: unsealed(f),
    "digest of another type": lambda f: unsealed(f, digest=["0"]),
    "digest in an older format": lambda f: unsealed(f, format=1, digest="0" * 64),
    "format true": lambda f: edit(f, format=True),
    "other kind": lambda f: edit(f, kind="os.system"),
    "kind of a list": lambda f: edit(f, kind=["othello-network"]),
    "architecture missing": lambda f: edit(f, architecture=None),
    "architecture unknown": lambda f: architecture(f, activation="__import__('os')"),
    "deeper architecture": lambda f: architecture(f, blocks=64, channels=1024),
    "absurd architecture": lambda f: architecture(f, channels=10**30),
    "fractional architecture": lambda f: architecture(f, channels=8.0),
    "boolean architecture": lambda f: architecture(f, blocks=True),
    "another board": lambda f: architecture(f, size=6),
    "meta of 20 MB": lambda f: edit(f, note="x" * 20_000_000),
    "meta nested": lambda f: (f / "meta.json").write_text("[" * 900_000),
    "meta of a list": lambda f: (f / "meta.json").write_text("[]"),
    "meta with NaN": lambda f: (f / "meta.json").write_text('{"format": NaN}'),
    "meta with a long number": lambda f: (f / "meta.json").write_text(
        '{"format": ' + "9" * 100_000 + "}"
    ),
    "meta with a key twice": lambda f: (f / "meta.json").write_text('{"format": 2, "format": 1}'),
    "meta not UTF-8": lambda f: (f / "meta.json").write_bytes(b"\xff\xfe{}"),
}


@pytest.mark.long
@pytest.mark.parametrize("case", HOSTILE)
def test_a_bad_checkpoint_is_refused_within_a_second(saved: Path, case: str) -> None:
    HOSTILE[case](saved)
    began, busy = time.perf_counter(), time.process_time()
    with pytest.raises(CheckpointError):
        checkpoint.load(saved)
    assert time.process_time() - busy < 1 and time.perf_counter() - began < 5


@pytest.mark.parametrize("case", HOSTILE)
def test_a_bad_checkpoint_is_refused_in_a_line_or_two(saved: Path, case: str) -> None:
    HOSTILE[case](saved)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(saved)
    text = str(caught.value)
    assert text.count("\n") <= 1 and len(text) < 500
    assert re.search(r"meta\.json|weights\.safetensors|net", text), "says where"
    assert executed == []


@pytest.mark.parametrize("path", ["nothing", "", "a\0b", "/dev/zero", "/etc/passwd", "x" * 5000])
def test_paths_that_are_no_checkpoint_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / path)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_weights_file_whose_hash_was_made_to_agree_never_crashes(
    saved: Path, data: st.DataObject
) -> None:
    """Damage of the header and data: refused as a `CheckpointError`, or loaded because it is a valid file."""
    original = (saved / "weights.safetensors").read_bytes()
    meta = (saved / "meta.json").read_bytes()
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.one_of(st.integers(0, 300), st.integers(0, len(original) - 1)))
        changed[position] = data.draw(st.integers(0, 255))
    try:
        set_weights(saved, bytes(changed))
        try:
            loaded = checkpoint.load(saved).network
            assert all(
                bool(torch.isfinite(tensor).all()) for tensor in loaded.state_dict().values()
            )
        except CheckpointError as error:
            assert str(error).count("\n") <= 1
    finally:
        (saved / "weights.safetensors").write_bytes(original)
        (saved / "meta.json").write_bytes(meta)


@pytest.mark.parametrize(
    "damage", ["bit", "short", "empty", "pickle", "foreign", "link", "missing", "big"]
)
def test_damaged_tensor_files_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "o"
    save_tensors(path, {"a": torch.arange(1000.0)})
    data = path.read_bytes()
    if damage == "bit":
        path.write_bytes(data[:-6] + bytes([data[-6] ^ 1]) + data[-5:])
    elif damage in ("short", "empty"):
        path.write_bytes(data[: -1 if damage == "short" else 0])
    elif damage == "pickle":
        path.write_bytes(pickle.dumps(Payload()))
    elif damage == "foreign":
        from safetensors.torch import save

        path.write_bytes(save({"a": torch.zeros(3)}))
    elif damage == "link":
        path.rename(tmp_path / "real")
        path.symlink_to("real")
    elif damage == "missing":
        path.unlink()
    with pytest.raises(CheckpointError, match=re.escape(str(path))):
        load_tensors(path, limit=100 if damage == "big" else 1 << 20)
    assert executed == []
