"""Runs that are killed, fail, fill the disk or race: no generation is lost and the run goes on by itself.

The long ones:  pytest tests/othello/training/test_run_safety.py -m long
"""

from __future__ import annotations

import errno
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from othello.training.config import write_toml
from othello.training.run import Run
from tests.othello.training import trainers
from tests.othello.training.trainers import DIED, TINY, copied, hashes, start, wait_for

pytestmark = pytest.mark.timeout(900)
DONE = 3  # iterations of the run that the tests begin with: the next one drops a replay file and an optimizer
LIMIT = 600  # seconds that a child may take on a busy machine, compiling included


def finish(process: Any) -> int:
    process.join(LIMIT)
    assert process.exitcode is not None, "the trainer hangs"
    return int(process.exitcode)


def advance(folder: Path, iterations: int = 1, config: Any = None) -> None:
    assert finish(start(trainers.advance, folder, iterations, config)) == 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `DONE` + 3 iterations that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    advance(folder, DONE + 3, TINY)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after `DONE` iterations."""
    folder = tmp_path_factory.mktemp("base") / "run"
    advance(folder, DONE, TINY)
    return folder


def operations(folder: Path, log: Path, config: Any = None) -> list[str]:
    """What one iteration does to the disk."""
    assert finish(start(trainers.publish, folder, log, 0, None, config)) == 0
    return log.read_text("utf-8").splitlines()


def check_one_fault(
    base: Path | None, whole: Path, work: Path, at: int, failing: int | None, config: Any = None
) -> None:
    """A fault at the `at`-th operation of an iteration: nothing is lost, the run goes on and ends bit for bit alike."""
    folder, log = work / "run", work / "log"
    if base is not None:
        copied(base, folder)
    code = finish(start(trainers.publish, folder, log, at, failing, config))
    if failing is None:
        assert code == DIED
    else:  # a folder that exists already need not be made
        assert code == 3 or log.read_text("utf-8").splitlines()[at - 1].startswith("mkdir")
        assert code == 0 or os.strerror(failing) in log.read_text("utf-8")
    if base is not None:
        kept = hashes(folder)
        assert len(kept) in (DONE + 1, DONE + 2) and kept == hashes(whole)[: len(kept)]
        assert int((folder / "latest").read_text("utf-8")) in (len(kept) - 2, len(kept) - 1)
    advance(folder, 1, None if (folder / "config.toml").exists() else config)
    ended = hashes(folder)
    assert ended == hashes(whole)[: len(ended)]
    check_tidy(folder)


def check_tidy(folder: Path) -> None:
    """No file is left that the manifest does not know."""
    run = Run.open(folder)
    assert not list(folder.rglob(".*.tmp"))
    assert {path.name for path in run.replay.glob("*.npz")} == {
        entry.name for entry in run.state.replay
    }
    assert len(list((folder / "generations").iterdir())) == run.state.iteration + 1
    rows = (folder / "metrics" / "metrics.csv").read_text("utf-8").splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(run.state.iteration))


@pytest.mark.long
def test_an_iteration_that_dies_or_fails_at_some_of_its_file_operations_is_made_again(
    base: Path, whole: Path, tmp_path: Path
) -> None:
    steps = operations(copied(base, tmp_path / "count"), tmp_path / "log")
    assert {step.split()[0] for step in steps} >= {
        "half",
        "write",
        "flush",
        "fsync",
        "replace",
        "unlink",
        "mkdir",
    }
    manifest = next(
        i
        for i, step in enumerate(steps, 1)
        if step.startswith("replace") and "/.state.json" in step
    )
    removal = next(
        i for i, step in enumerate(steps, 1) if step.startswith("unlink") and "/replay/0" in step
    )
    assert manifest < removal, "a replay file is removed only when the manifest no longer names it"
    for at, failing in (
        (manifest - 1, None),
        (manifest, None),
        (removal, None),
        (manifest, errno.ENOSPC),
    ):
        check_one_fault(base, whole, tmp_path, at, failing)


@pytest.mark.long
def test_a_run_that_dies_before_its_first_generation_counts_begins_again(
    whole: Path, tmp_path: Path
) -> None:
    steps = operations(tmp_path / "count", tmp_path / "log", TINY)
    half = next(i for i, step in enumerate(steps, 1) if step.startswith("half a write"))
    described = next(
        i for i, step in enumerate(steps, 1) if step.startswith("replace") and "meta.json" in step
    )
    for number, at in enumerate((half, described)):
        (tmp_path / str(number)).mkdir()
        check_one_fault(None, whole, tmp_path / str(number), at, None, TINY)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("failing", [None, errno.EIO], ids=["killed", "failing"])
def test_an_iteration_that_ends_at_any_of_its_file_operations_is_made_again(
    base: Path, whole: Path, tmp_path: Path, failing: int | None
) -> None:
    """pytest tests/othello/training/test_run_safety.py -m long -k any_of_its"""
    steps = operations(copied(base, tmp_path / "count"), tmp_path / "log")
    for at in range(1, len(steps) + 1):
        check_one_fault(base, whole, tmp_path, at, failing)
    print(f"{len(steps)} operations")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("failing", [None, errno.EIO], ids=["killed", "failing"])
def test_a_run_that_ends_at_any_operation_of_its_beginning_begins_again(
    whole: Path, tmp_path: Path, failing: int | None
) -> None:
    """pytest tests/othello/training/test_run_safety.py -m long -k beginning"""
    steps = operations(tmp_path / "count", tmp_path / "log", TINY)
    first = next(i for i, step in enumerate(steps) if "/chunks/." in step)
    for at in range(1, first + 1):
        (tmp_path / str(at)).mkdir()
        check_one_fault(None, whole, tmp_path / str(at), at, failing, TINY)
    print(f"{first} operations")


# --- killed at random moments -------------------------------------------------------------------------------------


def ended_or_advanced(process: Any, folder: Path, iteration: int) -> bool:
    return process.exitcode is not None or Run.open(folder).state.iteration >= iteration


def kill_and_resume(folder: Path, times: int, seed: int, command: bool) -> None:
    """Kill a trainer at random moments, half of them just after it has finished an iteration."""
    advance(folder, 1, TINY)
    generator, known = random.Random(seed), hashes(folder)
    for number in range(times):
        log = folder.parent / f"log{number}"
        process = (
            start(trainers.command, folder, log, "--resume")
            if command
            else start(trainers.advance, folder, 10_000)
        )
        if number % 2:
            wait_for(partial(ended_or_advanced, process, folder, len(known)))
        time.sleep(generator.random() * (0.3 if number % 2 else 3.0))
        assert process.exitcode is None, (
            log.with_suffix(".err").read_text("utf-8") if command else "the trainer ended"
        )
        trainers.kill(process)
        found = hashes(folder)
        assert found[: len(known)] == known, "a generation was lost or changed"
        known = found
    advance(folder)
    untouched = folder.parent / "untouched"
    advance(untouched, len(known), TINY)
    assert hashes(folder) == hashes(untouched), "killed and resumed differs from uninterrupted"
    print(f"{times} kills, {len(known)} generations")


@pytest.mark.long
def test_a_trainer_killed_at_random_moments_loses_no_generation(tmp_path: Path) -> None:
    kill_and_resume(tmp_path / "run", 4, seed=1, command=False)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("command", [False, True], ids=["trainer", "command"])
def test_a_hundred_kills_lose_no_generation(tmp_path: Path, command: bool) -> None:
    """pytest tests/othello/training/test_run_safety.py -m long -k hundred  (`command`: with its worker processes)"""
    kill_and_resume(tmp_path / "run", 100, seed=2, command=command)


# --- signals ------------------------------------------------------------------------------------------------------


def stop_with(folder: Path, how: signal.Signals, delay: float) -> float:
    """Seconds that `othello train` takes to end after a signal; its save is valid and it says how to go on."""
    log = folder.parent / f"{how.name}{int(1e6 * delay)}"
    process = start(trainers.command, folder, log, "--resume")
    wait_for(lambda: f"pid {process.pid} " in (folder / "lock").read_text("utf-8"))
    time.sleep(0.2 + delay)
    began = time.perf_counter()
    os.kill(process.pid, how)
    assert finish(process) == 0, log.with_suffix(".err").read_text("utf-8")
    took = time.perf_counter() - began
    assert f"stopped, resume with: othello train --run {folder} --resume" in log.with_suffix(
        ".out"
    ).read_text("utf-8")
    assert log.with_suffix(".err").read_text("utf-8") == ""
    hashes(folder)
    return took


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_with_a_valid_save(
    base: Path, tmp_path: Path, how: signal.Signals
) -> None:
    stop_with(copied(base, tmp_path / "run"), how, 0.0)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_forty_signals_at_random_moments(base: Path, tmp_path: Path) -> None:
    """pytest tests/othello/training/test_run_safety.py -m long -k forty_signals"""
    generator, folder = random.Random(3), copied(base, tmp_path / "run")
    settings = (folder / "config.toml").read_text("utf-8")
    endless = settings.replace("iterations = 1000\n", "iterations = 10000\n")
    (folder / "config.toml").write_text(endless)
    times = [
        stop_with(folder, how, generator.random() * 12)
        for _ in range(20)
        for how in (signal.SIGINT, signal.SIGTERM)
    ]
    print(f"slowest {max(times):.2f} s of {len(times)}")
    assert max(times) < 10


# --- two trainers at once -----------------------------------------------------------------------------------------


def race(base: Path, work: Path, times: int) -> None:
    """Two trainers start at the same moment: one trains, the other is told who and ends with exit code 2."""
    folder = copied(base, work / "run")
    for number in range(times):
        moment, logs = time.time() + 0.3, [work / f"{number}{name}" for name in "ab"]
        racers = [start(trainers.timed_command, folder, log, moment, "--resume") for log in logs]
        wait_for(lambda racers=racers: any(racer.exitcode is not None for racer in racers))
        loser = 0 if racers[0].exitcode is not None else 1
        winner = racers[1 - loser]
        told = logs[loser].with_suffix(".err").read_text("utf-8")
        assert winner.exitcode is None and racers[loser].exitcode == 2, told
        assert (
            f"pid {winner.pid} on {socket.gethostname()} is training here" in told
            and told.count("\n") <= 2
        )
        trainers.kill(winner)
    hashes(folder)


def test_of_two_trainers_that_start_at_once_exactly_one_trains(base: Path, tmp_path: Path) -> None:
    race(base, tmp_path, 3)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_hundred_races_have_one_winner_each(base: Path, tmp_path: Path) -> None:
    """pytest tests/othello/training/test_run_safety.py -m long -k races"""
    race(base, tmp_path, 100)


# --- a full disk --------------------------------------------------------------------------------------------------


@pytest.fixture
def megabyte(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB; skipped where the tests may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_up_in_a_run_leaves_it_whole_and_it_goes_on_when_there_is_room(
    megabyte: Path, base: Path, tmp_path: Path
) -> None:
    folder, ballast = copied(base, megabyte / "run"), megabyte / "ballast"
    usage = os.statvfs(megabyte)
    ballast.write_bytes(bytes(usage.f_bavail * usage.f_frsize - 60_000))
    assert finish(start(trainers.advance_until_error, folder, tmp_path / "log")) == 3
    said = (tmp_path / "log").read_text("utf-8")
    assert "No space left on device" in said and str(folder) in said
    kept = hashes(folder)
    assert len(kept) > DONE
    ballast.unlink()
    advance(folder)
    assert hashes(folder)[: len(kept)] == kept and len(hashes(folder)) == len(kept) + 1
    check_tidy(folder)


def test_too_little_disk_is_said_before_anything_is_written(megabyte: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(write_toml(TINY))
    arguments = (megabyte / "run", tmp_path / "log", "--config", str(tmp_path / "tiny.toml"))
    assert finish(start(trainers.command, *arguments)) == 1
    said = (tmp_path / "log.err").read_text("utf-8")
    assert "no free disk" in said and str(megabyte / "run") in said and said.count("\n") == 1
    assert not (megabyte / "run").exists()


def test_a_disk_that_gets_scarce_in_the_middle_stops_the_run_in_words(
    megabyte: Path, base: Path, tmp_path: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,size=4m", str(megabyte)], check=True)
    folder = copied(base, megabyte / "run")
    process = start(trainers.command, folder, tmp_path / "log", "--resume")
    wait_for(lambda: f"pid {process.pid} " in (folder / "lock").read_text("utf-8"))
    (megabyte / "ballast").write_bytes(bytes(2_200_000))
    assert finish(process) == 1
    said = (tmp_path / "log.err").read_text("utf-8")
    warning, error = (
        line for line in said.splitlines() if "streamlit" not in line
    )  # of tests before this one
    assert warning.startswith("warning: ") and "all 1000 iterations may need" in warning
    assert error.startswith("error: ") and "no free disk" in error
    assert len(hashes(folder)) > DONE
