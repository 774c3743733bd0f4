"""Reading and writing games by the name of their format, for converting one into another."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Final

from othello.errors import OthelloError, ParseError
from othello.records.game import GameRecord
from othello.records.ggf import read_ggf, write_ggf
from othello.records.obf import ScoredPosition, read_obf, write_obf
from othello.records.sgf import read_sgf, write_sgf
from othello.records.wthor import read_wthor, write_wthor
from othello.rules.board import Board
from othello.rules.notation import looks_like_board

FORMATS: Final = ("transcript", "ggf", "sgf", "wthor", "obf")
_SUFFIXES: Final = {"ggf": "ggf", "sgf": "sgf", "wtb": "wthor", "obf": "obf", "txt": "transcript"}


def guess_format(data: bytes, name: str = "") -> str:
    """The format of a file by its name's suffix, else by its first bytes; ParseError if nothing fits."""
    suffix = name.rpartition(".")[2].lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix in ("jou", "trn"):
        raise ParseError(f"{name}: holds the names of a WTHOR base; the games are in its .wtb file")
    head = data[:4096].decode("latin-1").strip()
    if "\0" in head:
        return "wthor"
    if "(;" in head:
        return "ggf" if "Othello" in head or "BO[" in head else "sgf"
    if head.startswith("%") or (looks_like_board(head[:16]) and ";" in head):
        return "obf"
    if head[:1].isalnum():
        return "transcript"
    raise ParseError(
        f"format of {name or 'the text'} is unknown: accepted are {', '.join(FORMATS)}"
    )


def read_games(data: bytes, kind: str, size: int = 8) -> list[GameRecord]:
    """The games of a file in one of FORMATS; transcripts stand one a line, an OBF line is a game of no moves."""
    if kind == "wthor":
        return read_wthor(data)
    text = _text(data)
    if kind == "ggf":
        return read_ggf(text)
    if kind == "sgf":
        return read_sgf(text)
    if kind == "obf":
        return [GameRecord(start=position.board) for position in read_obf(text)]
    if kind == "transcript":
        return read_transcripts(text, size)
    raise ParseError(f"format {kind[:24]!r}: accepted are {', '.join(FORMATS)}")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_transcripts(text: str, size: int = 8) -> list[GameRecord]:
    """One game a line, empty lines skipped; errors say the line."""
    games = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                games.append(GameRecord.from_transcript(line, size))
            except OthelloError as error:
                raise type(error)(f"line {number}: {error}") from None
    return games


def write_games(
    games: Iterable[GameRecord], kind: str, created: datetime.date | None = None
) -> bytes:
    """The games as a file in one of FORMATS; OBF keeps the last position of each, WTHOR the .wtb alone."""
    if kind == "wthor":
        return write_wthor(games, created=created).games
    if kind == "ggf":
        return write_ggf(games).encode()
    if kind == "sgf":
        return write_sgf(games).encode()
    if kind == "obf":
        return write_obf(ScoredPosition(game.final) for game in games).encode()
    if kind == "transcript":
        lines = []
        for number, game in enumerate(games, 1):
            if game.start != Board.initial(game.start.size):
                raise ParseError(
                    f"game {number}: a transcript begins at the usual position, this game does not"
                )
            lines.append(f"{game.transcript}\n")
        return "".join(lines).encode()
    raise ParseError(f"format {kind[:24]!r}: accepted are {', '.join(FORMATS)}")
