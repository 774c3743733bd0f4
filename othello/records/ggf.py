"""GGF, the Generic Game Format of the Generic Game Server: one game after the other, match files included."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from othello.errors import OthelloError, ParseError
from othello.records.game import Ending, GameRecord, Ply, format_number, parse_number, strict
from othello.records.properties import (
    Property,
    blanks_end,
    read_plies,
    read_property,
    scan_collection,
    write_plies,
    written,
)
from othello.rules.board import Board
from othello.rules.notation import (
    excerpt,
    format_squares,
    parse_placement,
    parse_square,
    square_name,
)

_UNKNOWN = ("NaN", "Infinity", "-", "?")
_BEGIN, _END = re.compile(r"\(\s{0,9};"), re.compile(r";\s{0,9}\)")
_KNOWN = ("GM", "BO", "RE", "PB", "PW", "DT", "PC", "RB", "RW", "TI", "KM", "TY")
_COUNT = re.compile(r"[0-9]{1,9}(?=\s*\(;)", re.ASCII)


def read_ggf(text: str) -> list[GameRecord]:
    """All the games of a GGF text, each `(;GM[Othello]…;)`; a line may begin with the number of its games.

    Raises ParseError or IllegalMove that say which game, which move and which character.

    >>> game, = read_ggf("(;GM[Othello]PB[Ada]PW[Alan]BO[8 " + str(Board.initial()) + "]B[F5/0.5/2]W[D6];)")
    >>> game.transcript, game.plies[0]
    ('f5d6', Ply(action=37, value=0.5, seconds=2.0))
    """
    return strict(scan_ggf(text))


def scan_ggf(text: str) -> Iterator[GameRecord | OthelloError]:
    """As `read_ggf`, game by game; one that is wrong comes as the error that says so."""
    return scan_collection(text, "GGF", _read_game, _record)


def _read_game(text: str, place: int) -> tuple[list[Property], int]:
    if count := _COUNT.match(text, place):
        place = blanks_end(text, count.end())
    begin = _BEGIN.match(text, place)
    if begin is None:
        raise ParseError(
            f"character {place + 1}: {excerpt(text[place : place + 99], 16)}; a game that begins with (; is accepted"
        )
    start, place = place, blanks_end(text, begin.end())
    properties: list[Property] = []
    while place < len(text):
        if end := _END.match(text, place):
            return properties, end.end()
        found, place = read_property(text, place)
        properties.append(found)
        place = blanks_end(text, place)
    raise ParseError(f"the game at character {start + 1} has no closing ;)")


def _record(properties: list[Property]) -> GameRecord:
    facts: dict[str, str] = {}
    moves: list[Property] = []
    for entry in properties:
        if entry.key in ("B", "W"):
            moves.append(entry)
        else:
            facts[entry.key] = entry.values[0]
    if facts.get("GM", "Othello").strip().lower() not in ("othello", "reversi"):
        raise ParseError(f"GM {excerpt(facts['GM'])}: Othello is accepted")
    start = _start(facts["BO"]) if "BO" in facts else Board.initial()
    result, ending = _result(facts.get("RE", ""))
    further = [(key, text) for key, text in facts.items() if key not in _KNOWN]
    if facts.get("TY", "").strip() not in ("", str(start.size)):
        further.append(("TY", facts["TY"]))
    return GameRecord(
        read_plies(moves, start, lambda entry: read_ply(entry.values[0], start.size)),
        start,
        facts.get("PB", ""),
        facts.get("PW", ""),
        result,
        ending,
        facts.get("DT", ""),
        facts.get("PC", ""),
        _rating(facts, "RB"),
        _rating(facts, "RW"),
        facts.get("TI", ""),
        komi=parse_number(facts.get("KM", ""), "KM"),
        further=tuple(sorted(further)),
    )


def _rating(facts: dict[str, str], key: str) -> float | None:
    """A rating, behind which a server may write how certain it is; `-` or `?` for a player who has none."""
    text = facts.get(key, "").partition("@")[0].strip()
    return None if text in _UNKNOWN else parse_number(text, key)


def _start(text: str) -> Board:
    size, squares = (text.split(None, 1) + ["", ""])[:2]
    placement = parse_placement(squares)
    if size != str(placement.size) or placement.side is None:
        raise ParseError(
            f"BO {excerpt(text)}: the size, its squares and the side are accepted, such as 8 … *"
        )
    return Board(placement.black, placement.white, placement.side, placement.size)


def _result(text: str) -> tuple[float | None, Ending | None]:
    number, _, why = text.strip().partition(":")
    if why not in ("", *(ending.value for ending in Ending)):
        raise ParseError(f"RE {excerpt(text)}: a score, then perhaps :r, :t, :s or :l is accepted")
    ending = Ending(why) if why else None
    return (None if number.strip() in ("?", "*") else parse_number(number, "RE")), ending


def read_ply(text: str, size: int) -> Ply:
    """A move such as `F5/0.5/2.31`: the square, its evaluation and its seconds, both optional."""
    move, value, seconds = [*text.split("/"), "", ""][:3]
    return Ply(parse_square(move, size), _note(value, "evaluation"), read_seconds(seconds))


def _note(text: str, what: str) -> float | None:
    """A number of a move; NaN and infinities, which Java programs write where they know nothing, are none."""
    known = text.strip() not in _UNKNOWN and text.strip().lstrip("+-") not in _UNKNOWN
    return parse_number(text, what) if known else None


def read_seconds(text: str) -> float | None:
    """A time written as seconds, min:sec or h:min:sec."""
    parts = text.split(":")
    if len(parts) > 3:
        raise ParseError(f"time {excerpt(text)}: seconds or min:sec are accepted")
    numbers = [_note(part, "time") for part in parts]
    if len(parts) == 1:
        return numbers[0]
    seconds = sum((number or 0.0) * 60.0**power for power, number in enumerate(reversed(numbers)))
    if not math.isfinite(seconds):
        raise ParseError(f"time {excerpt(text)}: too long")
    return seconds


def write_ggf(games: Iterable[GameRecord]) -> str:
    """The games as GGF, one a line; `read_ggf` gives them back."""
    return "".join(f"{_written(game)}\n" for game in games)


def _written(game: GameRecord) -> str:
    size = game.start.size
    squares = format_squares(game.start.black, game.start.white, size).replace("X", "*")
    result = format_number(game.result, sign=True) or "?"
    facts = {
        "GM": "Othello",
        "PC": game.place,
        "DT": game.date,
        "PB": game.black,
        "PW": game.white,
        "RB": format_number(game.black_rating),
        "RW": format_number(game.white_rating),
        "TI": game.clock,
        "TY": str(size),
        **dict(game.further),
        "KM": format_number(game.komi, sign=True),
        "RE": result + (f":{game.ending.value}" if game.ending else ""),
        "BO": f"{size} {squares} {'*' if game.start.side == 'X' else 'O'}",
    }
    head = "".join(written(key, value) for key, value in facts.items())
    return (
        f"(;{head}{write_plies(game.plies, game.start, lambda ply, key: _move(ply, key, size))};)"
    )


def _move(ply: Ply, key: str, size: int) -> str:
    name = "PA" if ply.action == size * size else square_name(ply.action, size).upper()
    notes = f"{name}/{format_number(ply.value, sign=True)}/{format_number(ply.seconds)}".rstrip("/")
    return f"{key}[{notes}]"
