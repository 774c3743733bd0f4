"""Checkpoints: what is saved comes back; damaged files are in `test_hostile_checkpoints`."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from othello.errors import CheckpointError
from othello.network import checkpoint
from othello.network.alpha_zero_general import AlphaZeroGeneralArchitecture, AlphaZeroGeneralNetwork
from othello.network.architecture import Architecture, Network
from othello.network.safetensors_io import load_tensors, save_tensors, skeleton
from tests.othello.networks import lively_network

SMALL = {"blocks": 1, "channels": 8, "value_hidden": 8}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "net"
    checkpoint.save(lively_network(**SMALL), folder, {"generation": 3, "seed": 7, "games": 1000})
    return folder


@pytest.mark.parametrize("size", [4, 6, 8])
def test_a_network_comes_back_bit_by_bit_in_evaluation_mode_with_its_meta(
    tmp_path: Path, size: int
) -> None:
    network = lively_network(size=size, **SMALL).train()
    digest = checkpoint.save(network, tmp_path / "deep" / "net", {"generation": 3, "note": "é"})
    loaded = checkpoint.load(tmp_path / "deep" / "net")
    assert not loaded.network.training and network.training
    assert (
        loaded.sha256
        == digest
        == hashlib.sha256((loaded.path / "weights.safetensors").read_bytes()).hexdigest()
    )
    assert loaded.meta["generation"] == 3 and loaded.meta["note"] == "é"
    assert loaded.network.architecture == network.architecture
    assert all(parameter.requires_grad for parameter in loaded.network.parameters())
    state = loaded.network.state_dict()
    assert list(state) == list(network.state_dict())
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_half_precision_takes_half_the_bytes_and_comes_back_as_float32(tmp_path: Path) -> None:
    network = lively_network(**SMALL)
    checkpoint.save(network, tmp_path / "whole")
    checkpoint.save(network, tmp_path / "half", precision="float16")
    whole, half = (checkpoint.load(tmp_path / name) for name in ("whole", "half"))
    assert half.meta["weights"]["size"] < 0.6 * whole.meta["weights"]["size"]
    assert checkpoint.verify(tmp_path / "half")["weights"]["precision"] == "float16"
    state = half.network.state_dict()
    for name, tensor in whole.network.state_dict().items():
        assert state[name].dtype == tensor.dtype
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(state[name], expected)
    with torch.no_grad():
        network.stem.weight.fill_(1e5)  # beyond the largest float16
    with pytest.raises(CheckpointError, match="infinite"):
        checkpoint.save(network, tmp_path / "large", precision="float16")
    assert not (tmp_path / "large").exists()


@pytest.mark.parametrize("name", ["", "weights.safetensors", "meta.json"])
def test_the_folder_or_either_file_names_the_checkpoint(saved: Path, name: str) -> None:
    assert checkpoint.load(saved / name).path == saved
    assert checkpoint.load(str(saved / name)).meta["seed"] == 7


def test_info_reads_the_meta_alone_and_verify_everything(saved: Path) -> None:
    count = sum(parameter.numel() for parameter in lively_network(**SMALL).parameters())
    assert checkpoint.verify(saved)["parameters"] == count
    (saved / "weights.safetensors").write_bytes(b"")
    assert checkpoint.info(saved)["games"] == 1000
    with pytest.raises(CheckpointError):
        checkpoint.verify(saved)


def test_a_finished_checkpoint_is_replaced_only_on_request(saved: Path) -> None:
    before = checkpoint.load(saved).sha256
    with pytest.raises(CheckpointError, match="holds a checkpoint already"):
        checkpoint.save(lively_network(1, **SMALL), saved)
    assert checkpoint.load(saved).sha256 == before
    after = checkpoint.save(lively_network(1, **SMALL), saved, replace=True)
    assert checkpoint.load(saved).sha256 == after != before
    assert sorted(os.listdir(saved)) == ["meta.json", f"weights-{after[:12]}.safetensors"]


@pytest.mark.parametrize("saves", [20, pytest.param(500, marks=pytest.mark.long)])
@pytest.mark.timeout(3600)
def test_a_reader_finds_the_old_or_the_new_checkpoint_in_every_load(
    tmp_path: Path, saves: int
) -> None:
    networks, folder = [lively_network(seed, **SMALL) for seed in (0, 1)], tmp_path / "net"
    digests = {checkpoint.save(network, folder, replace=True) for network in networks}
    finished, found, refused = threading.Event(), list[str](), list[str]()

    def read() -> None:
        while not finished.is_set():
            try:
                found.append(checkpoint.load(folder).sha256)
            except CheckpointError as error:
                refused.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(saves):
        checkpoint.save(networks[number % 2], folder, replace=True)
    finished.set()
    for reader in readers:
        reader.join()
    assert not refused and set(found) <= digests and len(found) >= 3


def test_of_two_writers_at_once_the_second_waits_and_neither_loses_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first stands still between its weights and its meta; without a lock the second would delete the weights."""
    networks, folder = [lively_network(seed, **SMALL) for seed in range(3)], tmp_path / "net"
    checkpoint.save(networks[2], folder)
    written, go_on, real = threading.Event(), threading.Event(), checkpoint.write_sealed

    def slowly(path: Path, value: Any) -> None:
        written.set()
        assert go_on.wait(60)
        real(path, value)

    monkeypatch.setattr(checkpoint, "write_sealed", slowly)
    writers = [
        threading.Thread(target=checkpoint.save, args=(network, folder), kwargs={"replace": True})
        for network in networks[:2]
    ]
    writers[0].start()
    assert written.wait(60)
    writers[1].start()
    writers[1].join(0.3)
    assert writers[1].is_alive() and len(list(folder.glob("weights*"))) == 2
    go_on.set()
    for writer in writers:
        writer.join(60)
    found = checkpoint.load(folder)
    same = [
        torch.equal(a, b)
        for a, b in zip(found.network.state_dict().values(), networks[1].state_dict().values())
    ]
    assert all(same) and len(list(folder.glob("weights*"))) == 1


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_read_again(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, digests = checkpoint.read_sealed, list[str]()

    def replaced_after(path: Path, limit: int) -> Any:
        meta = real(path, limit)
        if len(digests) < 3:
            network = lively_network(len(digests) + 1, **SMALL)
            digests.append(checkpoint.save(network, saved, replace=True))
        return meta

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "read_sealed", replaced_after)
        assert checkpoint.load(saved).sha256 == digests[-1]


def test_damage_is_told_at_once_though_the_checkpoint_could_have_been_replaced(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (saved / "weights.safetensors").unlink()
    reads: list[Path] = []
    real = checkpoint.read_sealed
    monkeypatch.setattr(
        checkpoint, "read_sealed", lambda path, limit: (reads.append(path), real(path, limit))[1]
    )
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        checkpoint.load(saved)
    assert len(reads) == 1


def test_a_network_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    network = lively_network(**SMALL)
    with torch.no_grad():
        network.value_out.bias.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="value_out"):
        checkpoint.save(network, tmp_path / "net")
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    "meta",
    [{"weights": 1}, {"loss": float("nan")}, {"object": object()}],
    ids=["reserved", "not a number", "not JSON"],
)
def test_meta_that_is_reserved_or_not_json_is_refused(tmp_path: Path, meta: dict[str, Any]) -> None:
    with pytest.raises((CheckpointError, TypeError)):
        checkpoint.save(lively_network(**SMALL), tmp_path / "net", meta)
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "net")


def test_modules_of_another_family_are_refused_and_imported_networks_kept(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Linear"):
        checkpoint.save(torch.nn.Linear(2, 2), tmp_path / "linear")
    network = AlphaZeroGeneralNetwork(AlphaZeroGeneralArchitecture(6, 4, 8, 8)).eval()
    checkpoint.save(network, tmp_path / "foreign")
    loaded = checkpoint.load(tmp_path / "foreign").network
    planes = torch.rand(3, 1, 6, 6)
    assert isinstance(loaded, AlphaZeroGeneralNetwork) and torch.equal(
        loaded(planes)[0], network(planes)[0]
    )


@pytest.mark.parametrize("size", [4, 6, 8])
def test_the_default_checkpoint_loads_or_the_places_searched_are_named(size: int) -> None:
    shipped = Path(checkpoint.__file__).parents[2] / "checkpoints" / f"othello{size}"
    if shipped.exists():
        assert checkpoint.default_checkpoint(size) == shipped
        assert checkpoint.load(shipped).network.architecture.size == size
    else:
        with pytest.raises(CheckpointError, match=f"othello{size}"):
            checkpoint.default_checkpoint(size)


def test_a_skeleton_has_shapes_but_neither_memory_nor_random_numbers() -> None:
    state = torch.get_rng_state()
    with skeleton():
        network = Network(Architecture(blocks=64, channels=1024))
    assert all(tensor.is_meta for tensor in network.state_dict().values())
    assert torch.equal(state, torch.get_rng_state())


# --- tensors alone: the optimiser's state ------------------------------------------------------------------------

DTYPES = [np.float32, np.float64, np.float16, np.int64, np.int32, np.uint8, np.bool_]
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20
).filter(lambda name: name != "__metadata__")


@given(
    st.dictionaries(
        NAMES,
        st.sampled_from(DTYPES).flatmap(
            lambda dtype: arrays.arrays(
                dtype,
                arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
                elements={"allow_nan": False, "allow_infinity": False}
                if np.dtype(dtype).kind == "f"
                else None,
            )
        ),
        max_size=4,
    )
)
@settings(max_examples=40)
def test_named_tensors_come_back_with_their_types(
    tmp_path_factory: Any, tensors: dict[str, np.ndarray]
) -> None:
    path = tmp_path_factory.mktemp("tensors") / "optimizer.safetensors"
    save_tensors(path, tensors)
    loaded = load_tensors(path)
    assert loaded.keys() == tensors.keys()
    for name, array in tensors.items():
        assert loaded[name].numpy().dtype == array.dtype and np.array_equal(
            loaded[name].numpy(), array
        )


def test_optimiser_state_survives(tmp_path: Path) -> None:
    network = lively_network(**SMALL).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    network(torch.rand(4, 4, 8, 8))[0].sum().backward()
    optimizer.step()
    flat = {
        f"{i}.{key}": value
        for i, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }
    save_tensors(tmp_path / "o", flat)
    assert all(
        torch.equal(value, flat[name]) for name, value in load_tensors(tmp_path / "o").items()
    )


def test_no_unpickler_is_called_in_the_source(saved: Path) -> None:
    source = Path(checkpoint.__file__).read_text("utf-8")
    source += Path(sys.modules["othello.network.safetensors_io"].__file__ or "").read_text("utf-8")
    assert (
        "torch.load" not in source
        and "pickle." not in source
        and "eval(" not in source.replace(".eval()", "")
    )
