"""The atomic writer under faults: whatever fails, or kills, the old file or the new one is there, whole."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from othello import atomic
from othello.errors import CheckpointError
from othello.network import checkpoint
from tests.othello.networks import lively_network

OLD, NEW = b"old" * 1000, b"new contents" * 5000


def fail_at(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Make one step of the writer raise what a failing disk makes it raise."""
    failure = OSError(errno.EIO, "Input/output error")

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise failure

    if step in ("open", "write", "half", "flush", "close"):

        class Failing(io.FileIO):
            def write(self, data: Any) -> int:
                if step == "half":
                    super().write(bytes(data)[: len(data) // 2])
                if step in ("write", "half"):
                    refuse()
                return super().write(data)

            def flush(self) -> None:
                if step == "flush" and not self.closed:
                    refuse()
                super().flush()

            def close(self) -> None:
                was_open = not self.closed
                super().close()
                if step == "close" and was_open:
                    refuse()

        opener = refuse if step == "open" else lambda path, mode: Failing(path, mode)
        monkeypatch.setattr(atomic, "open", opener, raising=False)
    elif step == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    elif step == "replace":
        monkeypatch.setattr(os, "replace", refuse)
    else:
        real, calls = os.fsync, []

        def second_only(descriptor: int) -> None:
            calls.append(descriptor)
            real(descriptor) if len(calls) == 1 else refuse()

        monkeypatch.setattr(os, "fsync", second_only)


@pytest.mark.parametrize("step", ["open", "write", "half", "flush", "fsync", "close", "replace"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_before_the_rename_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, existing: bool
) -> None:
    target = tmp_path / "file"
    if existing:
        target.write_bytes(OLD)
    with monkeypatch.context() as patch:
        fail_at(patch, step)
        with pytest.raises(OSError, match="Input/output error") as caught:
            atomic.write_bytes(target, NEW)
    assert caught.value.filename == str(target)
    assert os.listdir(tmp_path) == (["file"] if existing else [])
    assert not existing or target.read_bytes() == OLD
    atomic.write_bytes(target, NEW)
    assert target.read_bytes() == NEW


def test_a_failure_to_sync_the_folder_is_reported_and_the_new_file_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    target.write_bytes(OLD)
    fail_at(monkeypatch, "folder")
    with pytest.raises(OSError, match="Input/output error"):
        atomic.write_bytes(target, NEW)
    assert os.listdir(tmp_path) == ["file"] and target.read_bytes() == NEW


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt()])
def test_an_exception_inside_the_block_discards_what_was_written(
    tmp_path: Path, error: BaseException
) -> None:
    target = tmp_path / "file"
    target.write_bytes(OLD)
    with pytest.raises(type(error)), atomic.replacing(target) as file:
        file.write(NEW)
        raise error
    assert os.listdir(tmp_path) == ["file"] and target.read_bytes() == OLD


def test_permissions_follow_the_umask_as_those_of_an_ordinary_file_do(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    atomic.write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_is_replaced_and_what_it_points_to_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(OLD)
    (tmp_path / "link").symlink_to("other")
    atomic.write_bytes(tmp_path / "link", NEW)
    assert (tmp_path / "other").read_bytes() == OLD and not (tmp_path / "link").is_symlink()


def test_leftovers_of_killed_writers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file"
    atomic.write_bytes(target, OLD)
    (tmp_path / f".file.123-{'a' * 8}.tmp").write_bytes(b"half")
    (tmp_path / "notes.tmp").write_bytes(b"mine")
    assert atomic.remove_leftovers(tmp_path) == 1
    assert sorted(os.listdir(tmp_path)) == ["file", "notes.tmp"]


def test_json_with_nan_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "file", {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


WRITER = """
import sys
from othello import atomic
for number in range(10**9):
    atomic.write_bytes(sys.argv[1], bytes([65 + number % 26]) * 300_000)
    if number == 0:
        print("ready", flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    for round_ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.003 + 0.0071 * round_)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        contents = target.read_bytes()
        assert len(contents) == 300_000 and len(set(contents)) == 1
    atomic.remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["file"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 kB; skipped where the tests may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_file_and_says_so(small_disk: Path) -> None:
    target = small_disk / "file"
    atomic.write_bytes(target, OLD)
    with pytest.raises(OSError, match="No space left on device") as caught:
        atomic.write_bytes(target, bytes(2_000_000))
    assert caught.value.errno == errno.ENOSPC and str(target) in str(caught.value)
    assert os.listdir(small_disk) == ["file"] and target.read_bytes() == OLD


def test_a_disk_that_became_read_only_is_named_by_its_file_and_still_read(small_disk: Path) -> None:
    folder, network = small_disk / "net", lively_network(size=4, blocks=1, channels=8)
    checkpoint.save(network, folder)
    target = small_disk / "file"
    atomic.write_bytes(target, OLD)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OSError, match="Read-only file system") as caught:
        atomic.write_bytes(target, NEW)
    assert (caught.value.errno, caught.value.filename) == (errno.EROFS, str(target))
    with pytest.raises(OSError, match="Read-only file system"):
        checkpoint.save(network, folder, replace=True)
    assert checkpoint.verify(folder) and target.read_bytes() == OLD


def test_a_full_disk_leaves_the_old_checkpoint_loadable(small_disk: Path) -> None:
    folder = small_disk / "net"
    digest = checkpoint.save(lively_network(blocks=0, channels=8), folder, {"generation": 1})
    with pytest.raises(OSError, match="No space left on device"):
        checkpoint.save(
            lively_network(blocks=4, channels=48), folder, {"generation": 2}, replace=True
        )
    assert checkpoint.load(folder).sha256 == digest


LIMITED = """
import resource, signal, sys
from othello import atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    atomic.write_bytes(sys.argv[1], bytes(200_000))
except OSError as error:
    print(error)
"""


def test_a_quota_met_in_the_middle_of_a_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(OLD)
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, str(target)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "File too large" in result.stdout and str(target) in result.stdout
    assert os.listdir(tmp_path) == ["file"] and target.read_bytes() == OLD


@pytest.mark.parametrize("failing", range(1, 9))
def test_a_checkpoint_save_that_fails_at_any_step_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Counts the system calls of `save` and fails the n-th; a save has two files of three calls each."""
    folder = tmp_path / "net"
    old = checkpoint.save(lively_network(0, blocks=0, channels=8), folder, {"generation": 1})
    calls = 0

    def counted(real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == failing:
                raise OSError(errno.EIO, "Input/output error")
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", counted(os.fsync))
        patch.setattr(os, "replace", counted(os.replace))
        try:
            new = checkpoint.save(
                lively_network(1, blocks=0, channels=8), folder, {"generation": 2}, replace=True
            )
        except OSError:
            new = None
    loaded = checkpoint.load(folder)
    assert (new is None) == (failing <= 6)
    committed = failing >= 6  # the sixth call syncs the folder after meta.json has been replaced
    assert loaded.meta["generation"] == (2 if committed else 1)
    assert (loaded.sha256 == old) == (not committed)
    if failing <= 6:
        again = checkpoint.save(
            lively_network(2, blocks=0, channels=8), folder, {"generation": 3}, replace=True
        )
        assert checkpoint.load(folder).sha256 == again
        assert len(list(folder.glob("*.safetensors"))) == 1


def test_a_folder_without_meta_is_a_save_that_never_finished_and_can_be_saved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write_json", refuse)
        with pytest.raises(OSError, match="Input/output error"):
            checkpoint.save(lively_network(blocks=0, channels=8), tmp_path / "net")
    with pytest.raises(CheckpointError, match=r"meta\.json"):
        checkpoint.load(tmp_path / "net")
    digest = checkpoint.save(lively_network(blocks=0, channels=8), tmp_path / "net")
    assert checkpoint.load(tmp_path / "net").sha256 == digest


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_no_file_that_could_be_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="not a file") as caught:
        atomic.write_bytes(tmp_path / "pipe", NEW)
    assert caught.value.filename == str(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo() and os.listdir(tmp_path) == ["pipe"]
