"""Transcripts as files: a game a line, perhaps with its opening's name or its score behind the moves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from othello.errors import OthelloError, ParseError
from othello.records.game import GameRecord
from othello.rules.board import Board
from othello.rules.notation import plain

_NAME = re.compile(r"(?<=[\s:])(?!(?:pass|pa|ps)\b)[A-Z][^\W\d][^0-9\n]*$", re.IGNORECASE)


def scan_transcripts(text: str, size: int = 8) -> Iterator[GameRecord | OthelloError]:
    """One game a line; empty lines and comments behind `%` or `#` are skipped, a bad line comes as an error.

    Behind the moves a score may stand, which is the result of a game not played out, or the name of an opening.

    >>> [game.transcript for game in scan_transcripts("C4c3 Diagonal\\nf5-d6 34-30")]
    ['c4c3', 'f5d6']
    """
    for number, line in enumerate(text.split("\n"), 1):
        line = plain(line).partition("%")[0].partition("#")[0].strip()
        if line:
            try:
                yield GameRecord.from_transcript(_NAME.sub("", line[:8192]), size)
            except OthelloError as error:
                yield type(error)(f"line {number}: {error}")


def write_transcripts(games: Iterable[GameRecord]) -> str:
    """The moves of each game, one game a line; ParseError for one that does not begin at the usual position."""
    lines = []
    for number, game in enumerate(games, 1):
        if game.start != Board.initial(game.start.size):
            raise ParseError(
                f"game {number}: a transcript begins at the usual position, this game does not"
            )
        lines.append(f"{game.transcript}\n")
    return "".join(lines)
