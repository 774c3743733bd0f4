"""Chunks of games that are cut short, changed or another run's: set aside, played again, the same weights at the end.

The long one:  pytest tests/othello/training/test_chunks.py -m long
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from othello.errors import CheckpointError, OthelloError
from othello.training.chunks import SET_ASIDE, read_chunk, take
from othello.training.config import RunConfig
from othello.training.loop import Trainer
from othello.training.replay import parse_samples, read_samples, write_samples
from othello.training.run import Run, locked
from othello.training.worker import Chunk, play_chunk
from tests.othello.training.trainers import TINY, advance, command, copied, hashes, start

pytestmark = pytest.mark.timeout(900)


class Stopped(Exception):
    """The trainer is gone after its first chunks."""


class Leaving(Executor):
    """Plays the chunks at once, and stops the trainer when the last one is asked for."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if args[0].stop == TINY.games:
            raise Stopped
        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


def interrupted(folder: Path, config: RunConfig = TINY) -> Chunk:
    """A run in its second iteration with the first of its two chunks played: that chunk."""
    advance(folder, 1, config)
    with locked(folder):
        trainer = Trainer(Run.open(folder), lambda state: None)
        with pytest.raises(Stopped):
            trainer.iterate(Leaving())
        chunk = trainer._chunks(1)[0]
    assert Path(chunk.out).exists()
    return chunk


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Chunk]:
    folder = tmp_path_factory.mktemp("begun") / "run"
    return folder, interrupted(folder)


@pytest.fixture(scope="module")
def whole(begun: tuple[Path, Chunk], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The weights' hashes of the run that nothing disturbs."""
    return hashes(advance(copied(begun[0], tmp_path_factory.mktemp("whole") / "run")).folder)


def damaged_run(begun: tuple[Path, Chunk], folder: Path, data: bytes) -> Path:
    """A copy of the run whose finished chunk holds `data`."""
    copied(begun[0], folder)
    chunk = folder / "replay" / "chunks" / Path(begun[1].out).name
    chunk.write_bytes(data)
    return chunk


def check_goes_on(chunk: Path, whole: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """The run of a bad chunk goes on, warns in one line, keeps the file and ends with the undisturbed weights."""
    data = chunk.read_bytes()
    caplog.clear()
    folder = chunk.parents[2]
    advance(folder)
    assert hashes(folder) == whole
    (line,) = caplog.messages
    assert str(chunk) in line and "played again" in line and "\n" not in line
    assert (chunk.parent / SET_ASIDE / chunk.name).read_bytes() == data


@pytest.mark.parametrize("kept", [0, 1, 63, 64, 65, 200, 0.5, -64, -1])
def test_a_chunk_cut_short_is_set_aside_and_its_games_are_played_again(
    begun, whole, tmp_path, caplog, kept
) -> None:
    data = Path(begun[1].out).read_bytes()
    cut = data[: int(len(data) * kept)] if isinstance(kept, float) else data[:kept]
    check_goes_on(damaged_run(begun, tmp_path / "run", cut), whole, caplog)


@pytest.mark.parametrize("seed", range(5))
def test_a_run_with_a_flipped_bit_ends_with_the_undisturbed_weights(
    begun, whole, tmp_path, caplog, seed
) -> None:
    data = bytearray(Path(begun[1].out).read_bytes())
    data[random.Random(seed).randrange(len(data))] ^= 1 << seed
    check_goes_on(damaged_run(begun, tmp_path / "run", bytes(data)), whole, caplog)


def foreign_chunks(begun: tuple[Path, Chunk], folder: Path) -> dict[str, bytes]:
    """Files that are whole and yet not the chunk of the run."""
    chunk = begun[1]
    out = folder / "other.npz"

    def played(**changed: Any) -> bytes:
        out.unlink(missing_ok=True)
        play_chunk(replace(chunk, out=str(out), **changed))
        return out.read_bytes()

    unsealed = folder / "unsealed.npz"
    write_samples(unsealed, read_samples(Path(chunk.out)))
    return {
        "another seed": played(seed=6),
        "another iteration": played(iteration=2),
        "other games": played(start=6, stop=12),
        "fewer games": played(stop=5),
        "other settings": played(settings=chunk.settings._replace(simulations=6)),
        "another generation": played(generation="0" * 64),
        "no seal": unsealed.read_bytes(),
        "text": b"own,opp\n" * 40,
    }


def test_a_chunk_of_other_games_is_set_aside_and_the_right_ones_are_played(
    begun, whole, tmp_path, caplog
) -> None:
    for name, data in foreign_chunks(begun, tmp_path).items():
        check_goes_on(damaged_run(begun, tmp_path / name, data), whole, caplog)


def test_two_runs_whose_chunks_were_exchanged_both_end_as_if_undisturbed(
    begun, whole, tmp_path, caplog
) -> None:
    other = tmp_path / "other"
    settings = TINY.selfplay._replace(simulations=6)
    chunk = interrupted(other, replace(TINY, selfplay=settings))
    undisturbed = hashes(advance(copied(other, tmp_path / "whole")).folder)
    theirs, ours = Path(chunk.out).read_bytes(), Path(begun[1].out).read_bytes()
    check_goes_on(damaged_run(begun, tmp_path / "run", theirs), whole, caplog)
    Path(chunk.out).write_bytes(ours)
    check_goes_on(Path(chunk.out), undisturbed, caplog)


@pytest.mark.parametrize("flips", [500, pytest.param(10_000, marks=pytest.mark.long)])
def test_every_flip_and_every_cut_of_a_chunk_is_found(begun, tmp_path, flips) -> None:
    generator, path = random.Random(flips), tmp_path / "chunk.npz"
    good, identity = Path(begun[1].out).read_bytes(), begun[1].identity
    for number in range(flips):
        data = bytearray(good)
        if number % 4:
            for _ in range(generator.choice((1, 1, 1, 2, 40))):
                data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        else:
            del data[generator.randrange(len(data)) :]
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"chunk\.npz") as caught:
            read_chunk(path, identity)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("flips", [500, pytest.param(10_000, marks=pytest.mark.long)])
def test_nothing_but_a_checkpoint_error_passes_the_reader_of_damaged_samples(begun, flips) -> None:
    generator, path = random.Random(flips), Path("damaged.npz")
    chunk = Path(begun[1].out).read_bytes()
    headers = [i for i in range(len(chunk) - 4) if chunk[i : i + 2] == b"PK"]
    for number in range(flips):
        data = bytearray(chunk)
        for _ in range(generator.choice((1, 1, 3, 40))):
            near = (
                generator.choice(headers) + generator.randrange(60)
                if number % 2
                else generator.randrange(len(data))
            )
            data[min(near, len(data) - 1)] = generator.randrange(256)
        if number % 8 == 0:
            del data[generator.randrange(len(data)) :]
        try:
            samples = parse_samples(bytes(data), path)
        except CheckpointError as error:
            assert "\n" not in str(error)
        else:
            assert len({len(column) for column in samples}) == 1


def test_a_chunk_is_still_a_plain_npz_file(begun) -> None:
    path, chunk = Path(begun[1].out), begun[1]
    for column, same in zip(read_chunk(path, chunk.identity), read_samples(path)):
        assert np.array_equal(column, same)


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_no_plain_file_is_set_aside_too(begun, tmp_path, kind) -> None:
    path = tmp_path / "0001-0-6.npz"
    make = {
        "folder": path.mkdir,
        "link": lambda: path.symlink_to(begun[1].out),
        "pipe": lambda: os.mkfifo(path),
    }
    make[kind]()
    assert take(path, begun[1].identity) is None
    assert not os.path.lexists(path) and os.path.lexists(tmp_path / SET_ASIDE / path.name)


def test_a_chunk_that_is_damaged_once_more_gets_a_name_of_its_own(begun, tmp_path) -> None:
    path = tmp_path / "0001-0-6.npz"
    for number in range(3):
        path.write_bytes(bytes([number]))
        assert take(path, begun[1].identity) is None
    kept = sorted(entry.name for entry in (tmp_path / SET_ASIDE).iterdir())
    assert kept == ["0001-0-6.1.npz", "0001-0-6.2.npz", "0001-0-6.npz"]


class Spoiling(ThreadPoolExecutor):
    """Workers on a disk that loses the end of the first `times` files they write."""

    def __init__(self, times: int) -> None:
        super().__init__(1)
        self.times = times

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args, **kwargs)
        future.result()
        if self.times > 0:
            self.times -= 1
            Path(args[0].out).write_bytes(Path(args[0].out).read_bytes()[:-7])
        return future


def test_a_chunk_that_goes_bad_while_the_iteration_runs_is_played_again_once(
    begun, whole, tmp_path
) -> None:
    for times in (1, 2, 4):
        folder = copied(begun[0], tmp_path / str(times))
        with locked(folder), Spoiling(times) as workers:
            trainer = Trainer(Run.open(folder, verify=True), lambda state: None)
            if times < 4:
                trainer.iterate(workers)
                assert hashes(folder) == whole
            else:
                with pytest.raises(OthelloError, match="damaged again"):
                    trainer.iterate(workers)


def test_the_command_resumes_over_a_bad_chunk_with_one_line_on_standard_error(
    begun, whole, tmp_path
) -> None:
    chunk = damaged_run(begun, tmp_path / "run", b"PK")
    process = start(command, tmp_path / "run", tmp_path / "log", "--resume", "--iterations", "1")
    process.join(300)
    said = (tmp_path / "log.err").read_text("utf-8")
    assert process.exitcode == 0, said
    assert str(chunk) in said and said.count("\n") == 1 and hashes(tmp_path / "run") == whole
