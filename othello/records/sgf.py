"""SGF, the Smart Game Format (FF[4], GM[2]): the main line of every game of a collection.

Evaluations are node values V[…], which count for black; the seconds of a move, for which SGF has no property, are a
private one, MT[…].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from othello.errors import OthelloError, ParseError
from othello.records.game import Ending, GameRecord, Ply, format_number, parse_number, strict
from othello.records.properties import (
    GAME_START,
    Property,
    blanks_end,
    read_plies,
    read_property,
    scan_collection,
    write_plies,
    written,
)
from othello.rules.bitboard import SIZES
from othello.rules.board import Board
from othello.rules.notation import COLUMNS, Side, excerpt, parse_square, square_name, squares_word


def read_sgf(text: str) -> list[GameRecord]:
    """All the games of an SGF text, of each its first variation; squares as `f5` or as letter pairs `fe`.

    Raises ParseError or IllegalMove that say which game, which move and which character.

    >>> game, = read_sgf("(;GM[2]FF[4]SZ[8]PB[Ada]PW[Alan]RE[B+12];B[f5];W[d6](;B[c3])(;B[c4]))")
    >>> game.transcript, game.result
    ('f5d6c3', 12.0)
    """
    return strict(scan_sgf(text))


def scan_sgf(text: str) -> Iterator[GameRecord | OthelloError]:
    """As `read_sgf`, game by game; one that is wrong comes as the error that says so."""
    return scan_collection(text, "SGF", _main_line, _record)


def _main_line(text: str, place: int) -> tuple[list[list[Property]], int]:
    """The nodes of the first variation of the game tree at `place`, and the place behind the tree."""
    if not text.startswith("(", place):
        raise ParseError(
            f"character {place + 1}: {excerpt(text[place : place + 99], 16)}; a game that begins with (; is accepted"
        )
    start, depth, closed = place, 0, False
    nodes: list[list[Property]] = []
    while place < len(text):
        letter = text[place]
        if letter == "(":
            if depth and GAME_START.match(text, place):
                raise ParseError(f"the game at character {start + 1} has no closing )")
            depth += 1
            place += 1
        elif letter == ")":
            depth, closed = (
                depth - 1,
                True,
            )  # the first variation ends at the first closing parenthesis
            place += 1
            if depth == 0:
                return nodes, place
        elif letter == ";":
            place += 1
            if not closed:
                nodes.append([])
        else:
            found, place = read_property(text, place)
            if not closed:
                if not nodes:
                    raise ParseError(
                        f"character {found.place}: {found.key} outside a node; ; is accepted first"
                    )
                nodes[-1].append(found)
        place = blanks_end(text, place)
    raise ParseError(f"the game at character {start + 1} has no closing )")


def _square(text: str, size: int) -> int:
    """The action of a move value: `f5`, a letter pair such as `fe`, or a pass."""
    word = text.strip().lower()
    if word in ("", "tt", "pass", "pa", "ps", "--"):
        return size * size
    if len(word) == 2 and word[0] in COLUMNS[:size] and word[1] in COLUMNS[:size]:
        return COLUMNS.index(word[1]) * size + COLUMNS.index(word[0])
    return parse_square(word, size)


def _record(nodes: list[list[Property]]) -> GameRecord:
    entries = [entry for node in nodes for entry in node]
    facts = {
        entry.key: entry.values[0] for entry in reversed(entries) if entry.key not in ("B", "W")
    }
    if facts.get("GM", "2").strip() != "2":
        raise ParseError(f"GM {excerpt(facts['GM'])}: 2, Othello, is accepted")
    size = _size(facts.get("SZ", ""))
    start = _start(entries, facts, size)
    result, ending = _result(facts.get("RE", ""), start.size)
    return GameRecord(
        _read_plies(nodes, start),
        start,
        facts.get("PB", ""),
        facts.get("PW", ""),
        result,
        ending,
        facts.get("DT", ""),
        facts.get("PC", "") or facts.get("EV", ""),
        _rating(facts.get("BR", "")),
        _rating(facts.get("WR", "")),
        facts.get("TM", ""),
        komi=_rating(facts.get("KM", "")),
    )


def _size(text: str) -> int:
    """The side of the board: one number, or columns and rows as `8:8`; 8 if the file does not say."""
    columns, colon, rows = text.strip().lower().replace("x", ":").partition(":")
    sizes = {str(size): size for size in SIZES} | {"": 8}
    if columns.strip() not in sizes or (colon and columns.strip() != rows.strip()):
        raise ParseError(f"SZ {excerpt(text)}: 4, 6 and 8 are accepted, also as 8:8")
    return sizes[columns.strip()]


def _squares(text: str, size: int) -> list[int]:
    """The squares of a setup value: one, or a rectangle such as `c3:f4` by two opposite corners."""
    corners = [_square(word, size) for word in text.split(":")]
    if len(corners) > 2 or size * size in corners:
        raise ParseError(f"{excerpt(text)}: squares and rectangles such as c3:f4 are accepted")
    top, bottom = sorted(corner // size for corner in (corners[0], corners[-1]))
    left, right = sorted(corner % size for corner in (corners[0], corners[-1]))
    return [
        row * size + column for row in range(top, bottom + 1) for column in range(left, right + 1)
    ]


def _start(entries: list[Property], facts: dict[str, str], size: int) -> Board:
    """The position that AB, AW and AE, which empties squares, set up; its side is PL, else that of the first move."""
    placed = {"AB": 0, "AW": 0, "AE": 0}
    for entry in entries:
        if entry.key in placed:
            try:
                squares = [square for value in entry.values for square in _squares(value, size)]
            except ParseError as error:
                raise ParseError(f"character {entry.place}: {entry.key} {error}") from None
            word = squares_word(squares, size)
            placed = {key: discs & ~word for key, discs in placed.items()}
            placed[entry.key] |= word
    placing = placed["AB"] | placed["AW"]
    moves = (entry.key for entry in entries if entry.key in ("B", "W") and placing)
    player = facts.get("PL", next(moves, "B")).strip().upper()[:1]
    if player not in ("B", "W", "1", "2"):
        raise ParseError(f"PL {excerpt(facts['PL'])}: B and W are accepted")
    side: Side = "X" if player in ("B", "1") else "O"
    initial = Board.initial(size)
    if placing:
        return Board(placed["AB"], placed["AW"], side, size)
    return Board(initial.black, initial.white, side, size)


def _rating(text: str) -> float | None:
    """A rating if it is a number; other ranks, such as `3d`, are none of ours."""
    try:
        return parse_number(text, "rating")
    except ParseError:
        return None


def _result(text: str, size: int) -> tuple[float | None, Ending | None]:
    word = text.strip().upper()
    if word in ("", "?", "VOID"):
        return None, None
    if word in ("0", "DRAW", "="):
        return 0.0, None
    winner, _, by = word.partition("+")
    if winner not in ("B", "W"):
        raise ParseError(f"RE {excerpt(text)}: B+12, W+4, 0, B+R, B+T and ? are accepted")
    sign = 1.0 if winner == "B" else -1.0
    if by in ("", "R", "RESIGN", "T", "TIME", "F", "FORFEIT"):
        return sign * size * size, None if by == "" else Ending.RESIGNED if by[
            0
        ] == "R" else Ending.TIME
    return sign * (parse_number(by, "RE") or 0.0), None


def _read_plies(nodes: list[list[Property]], start: Board) -> tuple[Ply, ...]:
    notes = {id(entry): node for node in nodes for entry in node}

    def ply(entry: Property) -> Ply:
        facts = {other.key: other.values[0] for other in reversed(notes[id(entry)])}
        value = parse_number(facts.get("V", ""), "V")
        if value is not None and entry.key == "W":
            value = 0.0 - value
        return Ply(
            _square(entry.values[0], start.size), value, parse_number(facts.get("MT", ""), "MT")
        )

    return read_plies(
        [entry for node in nodes for entry in node if entry.key in ("B", "W")], start, ply
    )


def write_sgf(games: Iterable[GameRecord]) -> str:
    """The games as SGF, one a line; `read_sgf` gives them back, but that a score hides how the game ended."""
    return "".join(f"{_written(game)}\n" for game in games)


def _written(game: GameRecord) -> str:
    size = game.start.size
    facts = {
        "GM": "2",
        "FF": "4",
        "CA": "UTF-8",
        "SZ": str(size),
        "PB": game.black,
        "PW": game.white,
    }
    facts |= {"BR": format_number(game.black_rating), "WR": format_number(game.white_rating)}
    facts |= {"DT": game.date, "PC": game.place, "TM": game.clock, "RE": _result_text(game)}
    facts["KM"] = format_number(game.komi)
    text = ";" + "".join(written(key, value) for key, value in facts.items())
    if game.start != Board.initial(size):
        for key, word in (("AB", game.start.black), ("AW", game.start.white)):
            squares = (s for s in range(size * size) if word >> (8 * (s // size) + s % size) & 1)
            values = "".join(f"[{square_name(square, size)}]" for square in squares)
            text += key + values if values else ""
        text += "PL[B]" if game.start.side == "X" else "PL[W]"
    return f"({text}{write_plies(game.plies, game.start, lambda ply, key: _move(ply, key, size))})"


def _move(ply: Ply, key: str, size: int) -> str:
    value = ply.value if ply.value is None or key == "B" else 0.0 - ply.value
    name = "" if ply.action == size * size else square_name(ply.action, size)
    notes = written("V", format_number(value, sign=True)) + written(
        "MT", format_number(ply.seconds)
    )
    return f";{key}[{name}]{notes}"


def _result_text(game: GameRecord) -> str:
    if game.result is None:
        return "?"
    if game.result == 0:
        return "0"
    winner, everything = "B" if game.result > 0 else "W", game.start.size**2
    if abs(game.result) == everything and game.ending in (Ending.RESIGNED, Ending.TIME):
        return f"{winner}+{'R' if game.ending is Ending.RESIGNED else 'T'}"
    return f"{winner}+{format_number(abs(game.result))}"
