"""Game files on disk: a WTHOR base comes with its names, and an error says which file it is about."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from othello import atomic
from othello.errors import OthelloError, ParseError
from othello.records.formats import FORMATS, guess_format, read_games, scan_games, write_games
from othello.records.game import GameRecord, strict
from othello.records.wthor import scan_wthor, write_wthor
from othello.rules.notation import excerpt

_NAMES = ("jou", "trn")
_MOST = 1 << 30  # bytes of a file; WTHOR's largest base has some 10 MB


def load_games(path: str | Path, kind: str | None = None, size: int = 8) -> list[GameRecord]:
    """As `scan_file`, all the games; the first that is wrong is raised."""
    return strict(scan_file(path, kind, size))


def scan_file(
    path: str | Path, kind: str | None = None, size: int = 8
) -> list[GameRecord | OthelloError]:
    """The games of a file in one of FORMATS, found out if not given; `size` is that of transcripts.

    In place of a game that is wrong stands the error that says the file, the game's number and the reason.  Names of a
    .wtb file come from the .jou and .trn files beside it: those of the same name, else `WTHOR`.  Raises ParseError or
    IllegalMove where no game can be read at all.
    """
    file = Path(path)
    try:
        data = read_file(file)
        names = _names(file) if file.suffix.lower() == ".wtb" or kind == "wthor" else [None, None]
    except OSError as error:
        raise ParseError(f"{error.filename or file}: cannot be read: {error.strerror}") from None
    chosen = kind or guess_format(data, file.name)
    try:
        scan = scan_wthor(data, *names) if chosen == "wthor" else scan_games(data, chosen, size)
        found = [
            type(each)(f"{file}: {each}") if isinstance(each, OthelloError) else each
            for each in scan
        ]
    except OthelloError as error:
        found = [type(error)(f"{file}: {error}")]
    if any(isinstance(each, GameRecord) for each in found):
        return found
    if not found:
        raise ParseError(f"{file}: holds no game, read as {chosen}")
    first = next(each for each in found if isinstance(each, OthelloError))
    other = None if kind else _other_kind(data, chosen, size)
    hint = f"\nits contents are {other}, not {chosen} as its name says" if other else ""
    raise type(first)(f"{first}{hint}")


def open_game(source: str, number: int = 1, size: int = 8) -> GameRecord:
    """The game that a text names: the number-th of a file, or the transcript that it is itself.

    Raises ParseError or IllegalMove.
    """
    file = Path(source)
    if not os.path.isfile(file):
        if any(character in source for character in "/\\."):
            raise ParseError(f"{source}: no such file")
        return GameRecord.from_transcript(source, size=size)
    games = scan_file(file, None, size)
    if number > len(games):
        raise ParseError(f"{file}: holds {len(games)} games, there is no game {number}")
    return strict(games[number - 1 : number])[0]


def save_games(path: str | Path, games: Iterable[GameRecord], kind: str) -> list[Path]:
    """Write the games atomically in one of FORMATS; the files written: with a WTHOR base, its names beside it."""
    file = Path(path)
    if kind != "wthor":
        atomic.write_bytes(file, write_games(games, kind))
        return [file]
    base = write_wthor(games)
    parts = {
        file: base.games,
        file.with_suffix(".jou"): base.players,
        file.with_suffix(".trn"): base.tournaments,
    }
    if len(parts) < 3:
        raise ParseError(
            f"{file}: a WTHOR base is written as .wtb, beside which its .jou and .trn stand"
        )
    for part, data in parts.items():
        atomic.write_bytes(part, data)
    return list(parts)


def read_file(file: Path) -> bytes:
    """The bytes of a file or a pipe, at most 1 GiB; ParseError for a device, OSError."""
    if "\0" in str(file):
        raise ParseError(f"{excerpt(str(file))}: no file can have this name")
    with open(file, "rb") as source:
        if stat.S_ISCHR(os.fstat(source.fileno()).st_mode):
            raise ParseError(f"{file}: a device; a file or a pipe is accepted")
        data = source.read(_MOST + 1)
    if len(data) > _MOST:
        raise ParseError(f"{file}: more than {_MOST >> 20} MiB; such a file is accepted in parts")
    return data


def _names(file: Path) -> list[bytes | None]:
    """The bytes of the .jou and the .trn file that belong to a .wtb file, None for one that is missing."""
    near = {other.name.lower(): other for other in file.absolute().parent.iterdir()}
    found: list[bytes | None] = []
    for suffix in _NAMES:
        names = near.get(f"{file.stem}.{suffix}".lower()) or near.get(f"wthor.{suffix}")
        found.append(read_file(names) if names is not None and names.is_file() else None)
    return found


def _other_kind(data: bytes, kind: str, size: int) -> str | None:
    """The format that the bytes themselves are in, if that is another than `kind`."""
    for other in FORMATS:
        if other != kind:
            try:
                if read_games(data, other, size):
                    return other
            except OthelloError:
                continue
    return None
