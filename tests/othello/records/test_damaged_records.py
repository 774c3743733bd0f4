"""Damaged input in every format: it is read or refused by a documented error, quickly.

DAMAGED_FILES=1000000 python -m pytest tests/othello/records/test_damaged_records.py -m long -s --timeout 0
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from othello.errors import OthelloError
from othello.records import (
    FORMATS,
    GameRecord,
    ScoredPosition,
    Theory,
    guess_format,
    read_games,
    read_names,
    write_games,
    write_obf,
    write_wthor,
)
from othello.records.wthor import PLAYER_BYTES, TOURNAMENT_BYTES
from othello.rules.board import Board
from tests.othello.rules.test_board import PASS_GAME

DATA = Path(__file__).parents[2] / "data"
SECONDS = 0.01  # of processor time for one input
NAMED = GameRecord.from_transcript(PASS_GAME + "h7", black="a", white="b")
SHORT = [GameRecord.from_transcript("f5d6c3d3c4f4f6"), GameRecord.from_transcript("e6f4")]


def mutated(data: bytes, generator: random.Random) -> bytes:
    """`data` with a few random cuts, copies, insertions and changed bytes."""
    for _ in range(generator.randint(1, 4)):
        at, length = generator.randrange(len(data) + 1), generator.randrange(1, 12)
        kind = generator.randrange(5)
        if kind == 0:
            data = data[:at] + data[at + length :]
        elif kind == 1:
            data = data[:at] + data[at : at + length] * 2 + data[at + length :]
        elif kind == 2:
            data = data[:at] + generator.randbytes(length) + data[at:]
        elif kind == 3:
            data = data[:at]
        else:
            swap = generator.choice(b"[]();/:+-XOx8019aAhHpPBW\\\0\xff% *")
            data = data[:at] + bytes([swap]) + data[at + 1 :]
    return data


def originals(kind: str) -> list[bytes]:
    """Good inputs of a format."""
    if kind == "board":
        return [
            str(board).encode()
            for board in (*NAMED.boards[::9], Board.initial(6), Board.initial(4))
        ]
    base = write_wthor([NAMED, *SHORT])
    if kind in ("jou", "trn"):
        return [base.players if kind == "jou" else base.tournaments]
    found = [write_games([NAMED], kind), write_games(SHORT, kind)]
    if kind == "ggf":
        found.append((DATA / "games.ggf").read_bytes())
    if kind == "obf":
        found.append(write_obf([ScoredPosition(Board.initial(), ((19, 1.0), (26, -2.5)))]).encode())
    if kind == "wthor":
        found.append(write_wthor([GameRecord(NAMED.plies, theory=Theory(4.0, 24))]).games)
    return found


def reader(kind: str) -> Callable[[bytes], object]:
    """What reads a format."""
    if kind == "board":
        return lambda data: Board.parse(data.decode(errors="replace"))
    if kind in ("jou", "trn"):
        return lambda data: read_names(data, PLAYER_BYTES if kind == "jou" else TOURNAMENT_BYTES)

    def read(data: bytes) -> object:
        with contextlib.suppress(OthelloError):
            guess_format(data)
        return read_games(data, kind)

    return read


def seconds_of(read: Callable[[bytes], object], data: bytes) -> tuple[float, bool]:
    """Processor seconds that reading takes, and whether it succeeds."""
    good, start = True, time.thread_time()
    try:
        read(data)
    except OthelloError as error:
        good = False
        assert len(str(error)) < 500 and "\n" not in str(error)
    return time.thread_time() - start, good


def fuzz(kind: str, rounds: int, seed: int) -> float:
    """Read `rounds` damaged inputs; the seconds of the slowest.  One that takes long gets a second chance."""
    generator, sources, read = random.Random(seed), originals(kind), reader(kind)
    counts, slowest = {True: 0, False: 0}, 0.0
    for _ in range(rounds):
        data = mutated(generator.choice(sources), generator)
        seconds, good = seconds_of(read, data)
        if seconds > SECONDS:
            seconds = min(seconds, seconds_of(read, data)[0])
        assert seconds < SECONDS, (seconds, data)
        counts[good] += 1
        slowest = max(slowest, seconds)
    assert counts[True] and counts[False]
    return slowest


KINDS = pytest.mark.parametrize("kind", [*FORMATS, "board", "jou", "trn"])


@KINDS
def test_damaged_files_are_read_or_refused_by_a_documented_error(kind: str) -> None:
    fuzz(kind, 600, seed=1)


@pytest.mark.long
@KINDS
def test_many_damaged_files(kind: str) -> None:
    count = int(os.environ.get("DAMAGED_FILES", 100_000))
    print(f"{kind}: {count} read, the slowest took {1000 * fuzz(kind, count, seed=2):.2f} ms")
