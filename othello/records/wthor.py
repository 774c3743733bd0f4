"""WTHOR, the game base of the French Othello Federation: games in .wtb, players in .jou, tournaments in .trn.

All numbers are little-endian.  A header of 16 bytes: century, year, month, day of creation, u32 games, u16 names, u16
year of the games, board size (0 or 8), 1 for solitaires, depth of the theoretical score, a spare byte.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from othello.errors import IllegalMove, OthelloError, ParseError
from othello.records.game import GameRecord, Ply, Theory, strict

_HEADER = struct.Struct("<BBBBIHHBBBx")
_GAME = struct.Struct("<HHHBB60s")
PLAYER_BYTES = 20
TOURNAMENT_BYTES = 26


@dataclass(frozen=True, slots=True)
class WthorFiles:
    """The three files of a base."""

    games: bytes
    players: bytes
    tournaments: bytes


def read_wthor(
    games: bytes, players: bytes | None = None, tournaments: bytes | None = None
) -> list[GameRecord]:
    """The games of a .wtb file; names come from the .jou and .trn files, or are numbers such as #17 without them.

    Scores of WTHOR are black's discs, the winner's empties included; here they are black minus white.  A game keeps its
    theoretical score where the header says from how many empty squares on it is meant, or where it is another than the
    real one.  ParseError and IllegalMove say which game.
    """
    return strict(scan_wthor(games, players, tournaments))


def scan_wthor(
    games: bytes, players: bytes | None = None, tournaments: bytes | None = None
) -> Iterator[GameRecord | OthelloError]:
    """As `read_wthor`, game by game; one that is wrong comes as the error that says so, and so does a base cut short.

    ParseError where the base itself cannot be read: no header, boards of another size, damaged names.
    """
    fields, body = _games_header(games)
    count, year, depth = fields[4], fields[6], fields[9]
    names = read_names(players, PLAYER_BYTES) if players is not None else None
    places = read_names(tournaments, TOURNAMENT_BYTES) if tournaments is not None else None
    whole = body[: len(body) - len(body) % _GAME.size]
    for number, entry in enumerate(_GAME.iter_unpack(whole), 1):
        place, black, white, score, best, moves = entry
        try:
            if not any(entry[:5]) and not any(moves):
                raise ParseError("nothing but zeros, as where a disk lost what was written")
            if max(score, best) > 64:
                raise ParseError(f"black's score {max(score, best)}; 0..64 is accepted")
            yield GameRecord(
                _plies(moves),
                black=_name(names, black, "player"),
                white=_name(names, white, "player"),
                result=float(2 * score - 64),
                date=str(year) if year else "",
                place=_name(places, place, "tournament"),
                theory=Theory(float(2 * best - 64), depth) if depth or best != score else None,
            )
        except OthelloError as error:
            yield type(error)(f"WTHOR .wtb, game {number}: {error}")
    if len(body) != count * _GAME.size:
        yield _cut_short(games, count)


def game_table(data: bytes) -> NDArray[np.void]:
    """The games of a .wtb file as a table with the columns `black` (discs, uint8) and `moves` (bytes [60], uint8).

    Nothing is replayed: a square may be none, and a move illegal.  ParseError where `scan_wthor` would raise it, and
    for a base cut short.
    """
    fields, body = _games_header(data)
    if len(body) != fields[4] * _GAME.size:
        raise _cut_short(data, fields[4])
    layout = np.dtype(
        {
            "names": ["black", "moves"],
            "formats": ["u1", ("u1", 60)],
            "offsets": [6, 8],
            "itemsize": _GAME.size,
        }
    )
    return np.frombuffer(body, layout)


def _games_header(data: bytes) -> tuple[tuple[int, ...], bytes]:
    fields, body = _header(data, "WTHOR .wtb")
    if fields[7] not in (0, 8):
        raise ParseError(f"WTHOR .wtb: board size {fields[7]}; 8 (or 0, which means 8) is accepted")
    return fields, body


def _cut_short(data: bytes, count: int) -> ParseError:
    return ParseError(
        f"WTHOR .wtb: {len(data)} bytes where the header's {count} games need {16 + count * _GAME.size}"
    )


def _header(data: bytes, what: str) -> tuple[tuple[int, ...], bytes]:
    if len(data) < _HEADER.size:
        raise ParseError(f"{what}: {len(data)} bytes; the header alone has {_HEADER.size}")
    return _HEADER.unpack_from(data), data[_HEADER.size :]


def _plies(moves: bytes) -> tuple[Ply, ...]:
    plies = []
    for number, code in enumerate(moves.rstrip(b"\0"), 1):
        row, column = divmod(code, 10)
        if not (1 <= row <= 8 and 1 <= column <= 8):
            raise ParseError(f"move {number}: byte {code}; 10·row + column of 1..8 is accepted")
        plies.append(Ply(8 * (row - 1) + column - 1))
    return tuple(plies)


def _name(names: Sequence[str] | None, index: int, what: str) -> str:
    if names is None:
        return f"#{index}"
    if index >= len(names):
        raise ParseError(f"{what} {index}; the file of names has 0..{len(names) - 1}")
    return names[index]


def read_names(data: bytes, record_bytes: int) -> list[str]:
    """The names of a .jou (20 bytes each) or .trn (26 bytes each) file."""
    what = "WTHOR .jou" if record_bytes == PLAYER_BYTES else "WTHOR .trn"
    fields, body = _header(data, what)
    count = fields[5] or fields[4]
    if len(body) != count * record_bytes:
        raise ParseError(
            f"{what}: {len(data)} bytes where the header's {count} names need {16 + count * record_bytes}"
        )
    names = (body[i * record_bytes : (i + 1) * record_bytes] for i in range(count))
    return [name.partition(b"\0")[0].decode("latin-1") for name in names]


def write_wthor(
    games: Iterable[GameRecord], year: int | None = None, created: datetime.date | None = None
) -> WthorFiles:
    """The three files of a base of these games; `year` is theirs, found in the first date if not given.

    WTHOR knows 8×8 games from the usual first position, names of 19 and 25 Latin-1 letters, whole scores and no
    evaluations; what does not fit in a letter becomes `?`.  Games without a result get that of their last position,
    games without a theoretical score their result.
    """
    records, players, places = list(games), _Names(PLAYER_BYTES), _Names(TOURNAMENT_BYTES)
    depths = sorted({game.theory.empties for game in records if game.theory is not None}) or [0]
    if len(depths) > 1:
        raise ParseError(
            f"WTHOR .wtb: theoretical scores from {depths[0]} and {depths[1]} empty squares; one fits a base"
        )
    body: list[bytes] = []
    for number, game in enumerate(records, 1):
        moves = bytes(10 * (a // 8 + 1) + a % 8 + 1 for a in game.actions if a != 64)
        if game.start != GameRecord().start:
            raise ParseError(
                f"WTHOR .wtb, game {number}: it does not begin at the usual 8×8 position"
            )
        if len(moves) > 60:
            raise IllegalMove(f"WTHOR .wtb, game {number}: {len(moves)} moves; 60 fit")
        result = game.final.score() if game.result is None else game.result
        score = _black_discs(result)
        best = score if game.theory is None else _black_discs(game.theory.score)
        names = places[game.place], players[game.black], players[game.white]
        body.append(_GAME.pack(*names, score, best, moves))
    if year is None:
        digits = next((game.date[:4] for game in records if game.date[:4].isdecimal()), "0")
        year = int(digits)
    day = created or datetime.date.today()
    stamp = (day.year // 100, day.year % 100, day.month, day.day)
    return WthorFiles(
        _HEADER.pack(
            *stamp, len(records), 0, min(max(year, 0), 65535), 8, 0, min(max(depths[0], 0), 60)
        )
        + b"".join(body),
        _HEADER.pack(*stamp, 0, len(players.bytes), 0, 0, 0, 0) + b"".join(players.bytes),
        _HEADER.pack(*stamp, 0, len(places.bytes), 0, 0, 0, 0) + b"".join(places.bytes),
    )


def _black_discs(score: float) -> int:
    return min(64, max(0, round(32 + score / 2)))


class _Names:
    """Names in the order of their first use, as fixed fields of bytes."""

    def __init__(self, record_bytes: int) -> None:
        self.record_bytes, self.bytes, self._places = (
            record_bytes,
            list[bytes](),
            dict[bytes, int](),
        )

    def __getitem__(self, name: str) -> int:
        letters = name.encode("latin-1", "replace")[: self.record_bytes - 1].rstrip()
        field = letters.ljust(self.record_bytes, b"\0")
        if field not in self._places:
            if len(self.bytes) > 65535:
                raise ParseError("WTHOR: more than 65536 names; 16 bits number them")
            self._places[field] = len(self.bytes)
            self.bytes.append(field)
        return self._places[field]
