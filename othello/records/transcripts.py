"""Transcripts as files: a game a line, perhaps with its opening's name or its score behind the moves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from othello.errors import OthelloError, ParseError
from othello.records.game import GameRecord
from othello.rules.board import Board
from othello.rules.notation import excerpt, plain

_NAME = re.compile(
    r"^[^\W\d][^0-9\n:]{1,80}:|(?<=[\s:])[(\[]?(?!(?:pass|pa|ps)\b)[A-Z][^\W\d][^0-9\n]*$",
    re.IGNORECASE,
)
_LINE_NUMBER = re.compile(r"[(\[]?([0-9]{1,3})(?:[.):\]]|\s)")


def scan_transcripts(text: str, size: int = 8) -> Iterator[GameRecord | OthelloError]:
    """One game a line; empty lines and comments behind `%` or `#` are skipped, a bad line comes as an error.

    Behind the moves a score may stand, which is the result of a game not played out, or the name of an opening, which
    may also stand before them and a colon.  Lines that number the moves of one game are that game.

    >>> [game.transcript for game in scan_transcripts("C4c3 Diagonal\\nf5-d6 34-30")]
    ['c4c3', 'f5d6']
    """
    lines = [plain(line).partition("%")[0].partition("#")[0].strip() for line in text.split("\n")]
    if (whole := _one_game([line for line in lines if line], size)) is not None:
        yield whole
        return
    for number, line in enumerate(lines, 1):
        if line:
            try:
                moves = _NAME.sub("", line[:8192])
                if not moves.strip():
                    raise ParseError(f"{excerpt(line)}: a name without moves")
                yield GameRecord.from_transcript(moves, size)
            except OthelloError as error:
                yield type(error)(f"line {number}: {error}")


def _one_game(lines: list[str], size: int) -> GameRecord | None:
    """The game whose moves are numbered over several lines; None where a line after the first begins a game, too."""
    numbers = [found[1] for line in lines[:120] if (found := _LINE_NUMBER.match(line))]
    if not 1 < len(numbers) == len(lines) or numbers != sorted(set(numbers), key=int):
        return None
    try:
        game = GameRecord.from_transcript(" ".join(lines), size)
    except OthelloError:
        return None
    for line in lines[1:]:
        try:
            GameRecord.from_transcript(line, size)
        except OthelloError:
            return game
    return None


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
