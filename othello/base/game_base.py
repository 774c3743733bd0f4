"""WTHOR files as an index in SQLite: what was played in a position and its mirror images, and how it ended.

    base = open_base([Path("WTH_2001.wtb")])       indexed once in the user's cache, under the files' digest
    base.moves(Board.parse("f5"))                  {square: BaseMove(games, wins, draws, discs)}

The index holds every position that at least two games reached; of others nothing is remembered.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from othello.base.walk import key_of, keys_of
from othello.errors import ParseError
from othello.jit import CACHE
from othello.records.wthor import game_table
from othello.rules.board import Board

BASES: Final = "OTHELLO_BASES"  # files of the Explorer page's base, as PATH lists folders
VERSION: Final = 1
_FEWEST = 2  # games through a position that the index holds
_MOST_BYTES: Final = 1 << 30
_SCHEMA = """
CREATE TABLE played (position INTEGER, after INTEGER, games INTEGER, wins INTEGER, draws INTEGER, discs INTEGER,
                     PRIMARY KEY (position, after)) WITHOUT ROWID;
CREATE TABLE about (games INTEGER, skipped INTEGER);
"""


@dataclass(frozen=True)
class BaseMove:
    """How often a move was played, and its mover's wins, draws and mean result in discs."""

    games: int
    wins: int
    draws: int
    discs: float

    @property
    def points(self) -> float:
        """The mover's share of the points in [0, 1], a draw counted half."""
        return (self.wins + self.draws / 2) / self.games


@dataclass(frozen=True)
class GameBase:
    """An index on disk; may be asked from any thread.  `skipped`: games left out for an illegal move."""

    path: Path
    games: int
    skipped: int

    def moves(self, board: Board) -> dict[int, BaseMove]:
        """The moves that were played in a position, the most frequent first; mirror images count as one move.

        A move that is another's mirror image has that one's numbers.  Empty for a position the index does not hold, of
        another size or at the end of a game.
        """
        if board.size != 8 or board.is_over:
            return {}
        mover = board.pass_turn() if board.must_pass else board
        with closing(_connected(self.path)) as index:
            rows = index.execute(
                "SELECT after, games, wins, draws, discs FROM played WHERE position = ?",
                (_key(mover),),
            ).fetchall()
        found = {
            after: BaseMove(n, wins, draws, discs / n) for after, n, wins, draws, discs in rows
        }
        after = {move: _key(_passed(mover.play(move))) for move in mover.legal_moves()}
        known = [(move, found[key]) for move, key in after.items() if key in found]
        return dict(sorted(known, key=lambda pair: -pair[1].games))


def open_base(
    files: Sequence[Path],
    folder: Path | None = None,
    progress: Callable[[float, str], None] = lambda share, what: None,
) -> GameBase:
    """The base of WTHOR files (.wtb), indexed first where no index of the same contents lies in `folder`.

    folder: usually the user's cache.  Raises ParseError for a file that cannot be read or is no WTHOR base of 8×8
    games, OSError where no index can be written.
    """
    tables, digest = [], hashlib.sha256(str(VERSION).encode())
    for number, file in enumerate(files):
        progress(0.2 * number / len(files), f"reading {file.name}")
        data = _read(file)
        try:
            tables.append(game_table(data))
        except ParseError as error:
            raise ParseError(f"{file}: {error}") from None
        digest.update(hashlib.sha256(data).digest())
    if not tables:
        raise ParseError("no file of games: at least one WTHOR .wtb is accepted")
    path = (folder or _usual_folder()) / f"base-{digest.hexdigest()[:16]}.sqlite"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_index(path, np.concatenate(tables), progress)
    with closing(_connected(path)) as index:
        games, skipped = index.execute("SELECT games, skipped FROM about").fetchone()
    return GameBase(path, games, skipped)


def _read(file: Path) -> bytes:
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            raise ParseError(f"{file}: no plain file of at most 1 GiB, as a base of games is")
        return file.read_bytes()
    except OSError as error:
        raise ParseError(f"{file}: cannot be read: {error.strerror}") from None


def _usual_folder() -> Path:
    """The user's cache, beside the machine code; a temporary folder where none can be written."""
    if CACHE is None:
        return Path(tempfile.mkdtemp(prefix="othello-bases-"))
    return CACHE.parents[1] / "bases"


def _write_index(
    path: Path, games: NDArray[np.void], progress: Callable[[float, str], None]
) -> None:
    progress(0.2, f"playing {len(games)} games")
    keys, black = keys_of(_bits(games["moves"]))
    progress(0.5, "counting moves")
    rows = _rows(keys, black, 2 * games["black"].astype(np.int64) - 64)
    progress(0.8, f"writing {len(rows)} moves")
    skipped = int((keys[:, 0] < 0).sum())
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with closing(sqlite3.connect(unfinished)) as index, index:
            index.executescript(_SCHEMA)
            index.executemany("INSERT INTO played VALUES (?, ?, ?, ?, ?, ?)", rows.tolist())
            index.execute("INSERT INTO about VALUES (?, ?)", (len(games) - skipped, skipped))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    progress(1.0, "indexed")


def _bits(codes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Bits of WTHOR's bytes 10·row + column [G, 60], −1 for 0, 64 for what is no square and so never legal."""
    row, column = np.divmod(codes.astype(np.int8), 10)
    square = (row >= 1) & (row <= 8) & (column >= 1) & (column <= 8)
    return np.where(codes == 0, -1, np.where(square, 8 * (row - 1) + column - 1, 64)).astype(
        np.int8
    )


def _rows(
    keys: NDArray[np.int64], black: NDArray[np.bool_], score: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Moves [M, 6] in order: position, position after, games, wins, draws and the sum of discs of the mover."""
    made = keys[:, 1:] >= 0
    before, after = keys[:, :-1][made], keys[:, 1:][made]
    discs = np.where(black, score[:, None], -score[:, None])[made]
    order = np.lexsort((after, before))
    before, after, discs = before[order], after[order], discs[order]
    first = np.ones(len(before), bool)
    first[1:] = (before[1:] != before[:-1]) | (after[1:] != after[:-1])
    place = np.flatnonzero(first)
    if not len(place):
        return np.empty((0, 6), np.int64)
    columns = [np.ones_like(discs), discs > 0, discs == 0, discs]
    sums = [np.add.reduceat(column.astype(np.int64), place) for column in columns]
    found = np.stack([before[place], after[place], *sums], 1)
    _, where, times = np.unique(before, return_inverse=True, return_counts=True)
    return found[times[where][place] >= _FEWEST]


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _passed(board: Board) -> Board:
    return board.pass_turn() if board.must_pass else board


def _key(board: Board) -> int:
    return int(key_of(np.uint64(board.own), np.uint64(board.opp)))
