"""Reading and writing games by the name of their format, for converting one into another."""

from __future__ import annotations

import codecs
import datetime
import re
from collections.abc import Iterable, Iterator
from typing import Final

from othello.errors import OthelloError, ParseError
from othello.records.game import GameRecord, strict
from othello.records.ggf import scan_ggf, write_ggf
from othello.records.obf import ScoredPosition, scan_obf, write_obf
from othello.records.pgn import scan_pgn, write_pgn
from othello.records.positions import (
    looks_like_line,
    looks_like_picture,
    scan_positions,
    write_positions,
)
from othello.records.sgf import scan_sgf, write_sgf
from othello.records.transcripts import scan_transcripts, write_transcripts
from othello.records.wthor import scan_wthor, write_wthor
from othello.rules.notation import plain

FORMATS: Final = ("transcript", "ggf", "sgf", "pgn", "wthor", "obf", "positions")
_SUFFIXES: Final = {
    "ggf": "ggf",
    "sgf": "sgf",
    "pgn": "pgn",
    "wtb": "wthor",
    "obf": "obf",
    "scr": "positions",
    "txt": "transcript",
}
_WRITERS: Final = {
    "transcript": write_transcripts,
    "ggf": write_ggf,
    "sgf": write_sgf,
    "pgn": write_pgn,
    "positions": write_positions,
}
_SCANNERS: Final = {"ggf": scan_ggf, "sgf": scan_sgf, "pgn": scan_pgn, "positions": scan_positions}
_BRACKETED = re.compile(r"\(\s{0,9};")
_PGN_TAG = re.compile(r'\[\s*[A-Za-z0-9_]+\s+"')


def guess_format(data: bytes, name: str = "") -> str:
    """The format of a file by its name's suffix, else by its first bytes; ParseError if nothing fits."""
    suffix = name.rpartition(".")[2].lower()
    if suffix in _SUFFIXES and suffix != "txt":
        return _SUFFIXES[suffix]
    if suffix in ("jou", "trn"):
        raise ParseError(f"{name}: holds the names of a WTHOR base; the games are in its .wtb file")
    head = plain(_text(data[:4096])).strip()
    if "\0" in head:
        return "wthor"
    if _PGN_TAG.match(head):
        return "pgn"
    if _BRACKETED.search(head):
        return "ggf" if "Othello" in head or "BO[" in head else "sgf"
    lines = [line.partition("%")[0].strip() for line in head.split("\n")]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if looks_like_line(first) or (not first and "%" in head):
        _, scored, field = first.partition(";")
        fields = scored and (":" in field or not field.strip("; "))
        return "obf" if fields or not first else "positions"
    if looks_like_picture(head):
        return "positions"
    if first.lstrip("([\"'")[:1].isalnum() or suffix == "txt":
        return "transcript"
    raise ParseError(
        f"format of {name or 'the text'} is unknown: accepted are {', '.join(FORMATS)}"
    )


def scan_games(data: bytes, kind: str, size: int = 8) -> Iterator[GameRecord | OthelloError]:
    """The games of a file in one of FORMATS, and for each that is wrong the error that says its number and reason.

    Transcripts stand one a line; a line of OBF or of a list of positions is a game of no moves.  ParseError where the
    file as a whole cannot be read.
    """
    if kind not in FORMATS:
        raise ParseError(f"format {kind[:24]!r}: accepted are {', '.join(FORMATS)}")
    if kind == "wthor":
        return scan_wthor(data)
    if kind == "obf":
        found = scan_obf(_text(data))
        return (each.as_game() if isinstance(each, ScoredPosition) else each for each in found)
    if kind == "transcript":
        return scan_transcripts(_text(data), size)
    return _SCANNERS[kind](_text(data))


def read_games(data: bytes, kind: str, size: int = 8) -> list[GameRecord]:
    """As `scan_games`, all of them; the first that is wrong is raised."""
    return strict(scan_games(data, kind, size))


def _text(data: bytes) -> str:
    """UTF-16 where a byte order mark says so, UTF-8, else Latin-1; a carriage return alone ends a line, too."""
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return re.sub(r"\r(?!\n)", "\n", text)


def write_games(
    games: Iterable[GameRecord], kind: str, created: datetime.date | None = None
) -> bytes:
    """The games as a file in one of FORMATS; OBF and positions keep the last one of each, WTHOR is the .wtb alone."""
    if kind == "wthor":
        return write_wthor(games, created=created).games
    if kind == "obf":
        return write_obf(ScoredPosition(game.final, game.scores) for game in games).encode()
    if kind not in _WRITERS:
        raise ParseError(f"format {kind[:24]!r}: accepted are {', '.join(FORMATS)}")
    return _WRITERS[kind](games).encode()
