"""PGN, chess players' format (Edwards, "Portable Game Notation", 1994), as PlayOK and converters of Thor write Othello.

A result is black's discs, then white's.  `1-0` names the winner in a way that programs disagree about and is not read.
Evaluations and seconds stand in comments, `{[%eval 1.5][%emt 2.3]}`; games that do not begin as usual have a FEN, which
is a board string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from othello.errors import OthelloError, ParseError
from othello.records.game import Ending, GameRecord, Ply, format_number, parse_number, strict
from othello.rules.board import Board
from othello.rules.notation import excerpt, parse_moves, split_score, square_name

_BROKEN = ""  # the key under which a line stands that begins like a tag and is none
_TAG = re.compile(r'\s*\[\s*([A-Za-z0-9_]{1,40})\s+"((?:[^"\\]|\\.)*+)"\s*\]\s*', re.ASCII)
_COMMENT = re.compile(r"(\{[^}]*+\}?|;[^\n]*)")
_NOTE = re.compile(r"\[%(eval|emt)\s+([^\]\s]{1,400})\s*\]")
_GLYPH = re.compile(r"\$[0-9]{1,3}", re.ASCII)  # what an annotator thinks of a move
_END = re.compile(r"(?:^|\s)(?:1-0|0-1|1/2-1/2|\*)\s*$")
_UNKNOWN = ("?", "-", "????.??.??")
_SCORE = re.compile(r"([0-9]{1,2})\s*-\s*([0-9]{1,2})", re.ASCII)
_ENDINGS = {
    Ending.RESIGNED: "resigned",
    Ending.TIME: "time forfeit",
    Ending.MUTUAL: "agreement",
    Ending.LEFT: "abandoned",
}


def read_pgn(text: str) -> list[GameRecord]:
    """All the games of a PGN text.  Raises ParseError or IllegalMove that say which game.

    >>> game, = read_pgn('[Black "Ada"][Result "38-26"]\\n\\n1. f5 d6 2. c3 38-26')
    >>> game.black, game.transcript, game.result
    ('Ada', 'f5d6c3', 12.0)
    """
    return strict(scan_pgn(text))


def scan_pgn(text: str) -> Iterator[GameRecord | OthelloError]:
    """As `read_pgn`, game by game; one that is wrong comes as the error that says so."""
    for number, (facts, moves) in enumerate(_parts(text), 1):
        try:
            yield _record(facts, moves)
        except OthelloError as error:
            yield type(error)(f"PGN, game {number}: {error}")


def _parts(text: str) -> Iterator[tuple[dict[str, str], str]]:
    """The tags and the text of the moves of every game: a game begins where a tag follows moves."""
    facts: dict[str, str] = {}
    moves: list[str] = []
    for line in text.split("\n"):
        if line.startswith("%"):  # an escape: for other programs
            continue
        place = 0
        while tag := _TAG.match(line, place):
            if moves:
                yield facts, "\n".join(moves)
                facts, moves = {}, []
            facts[tag[1]] = tag[2]
            place = tag.end()
        rest = line[place:].strip()
        if rest.startswith("[") and not moves:
            facts[_BROKEN] = rest
        elif rest:
            moves.append(rest)
    if facts or moves:
        yield facts, "\n".join(moves)


def _record(facts: dict[str, str], text: str) -> GameRecord:
    if _BROKEN in facts:
        raise ParseError(f'{excerpt(facts[_BROKEN])}: a tag such as [Black "name"] is accepted')
    start = Board.parse(facts["FEN"]) if facts.get("FEN", "").strip() else Board.initial()
    moves, score = split_score(f" {_END.sub('', text.rstrip())}", start.size)
    plies = _plies(moves, start.size)
    if not facts and not plies:
        raise ParseError(f"{excerpt(text)}: tags or moves are accepted")
    ending = {word: ending for ending, word in _ENDINGS.items()}.get(facts.get("Termination", ""))
    return GameRecord(
        plies,
        start,
        _text(facts, "Black"),
        _text(facts, "White"),
        _result(facts, score, start.size),
        ending,
        _text(facts, "Date"),
        _text(facts, "Event") or _text(facts, "Site"),
        _elo(facts.get("BlackElo", "")),
        _elo(facts.get("WhiteElo", "")),
        _text(facts, "TimeControl"),
        komi=parse_number(facts.get("Komi", ""), "Komi"),
    )


def _plies(text: str, size: int) -> tuple[Ply, ...]:
    """The moves, each with the notes of the comments behind it; variations, in parentheses, are left out."""
    plies: list[Ply] = []
    depth = 0
    for piece in _COMMENT.split(text):
        if piece[:1] not in ("{", ";"):
            main, depth = _main_line(_GLYPH.sub("", piece), depth)
            plies += (Ply(action) for action in parse_moves(main, size))
        elif plies and not depth:
            notes = {key: parse_number(value, key) for key, value in _NOTE.findall(piece)}
            last = plies[-1]
            value, seconds = notes.get("eval", last.value), notes.get("emt", last.seconds)
            plies[-1] = Ply(last.action, value, seconds)
    if depth:
        raise ParseError("a variation has no closing )")
    return tuple(plies)


def _main_line(text: str, depth: int) -> tuple[str, int]:
    """What of a text is in no parentheses, where it begins in so many, and in how many it ends."""
    kept = []
    for piece in re.split(r"([()])", text):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth -= 1
        elif depth == 0:
            kept.append(piece)
    if depth < 0:
        raise ParseError(f"{excerpt(text)}: a ) without its (")
    return " ".join(kept), depth


def _text(facts: dict[str, str], key: str) -> str:
    """The value of a tag, escapes undone; empty where the file says that nobody knows."""
    raw = facts.get(key, "")
    return "" if raw.strip() in _UNKNOWN else re.sub(r"\\(.)", r"\1", raw)


def _elo(text: str) -> float | None:
    try:
        return parse_number(text, "Elo")
    except ParseError:
        return None


def _result(facts: dict[str, str], behind: float | None, size: int) -> float | None:
    """Black minus white as the tags say it, else as it stands behind the moves; None if nobody says."""
    if exact := facts.get("Score", "").strip():
        return parse_number(exact, "Score")
    word = facts.get("Result", "").strip()
    score = _SCORE.fullmatch(word)
    if score is None or word in ("1-0", "0-1"):
        return 0.0 if word == "1/2-1/2" else behind
    black, white = int(score[1]), int(score[2])
    if black + white > size * size:
        raise ParseError(f"Result {excerpt(word)}: black's discs and white's, such as 38-26")
    return float(black - white)


def write_pgn(games: Iterable[GameRecord]) -> str:
    """The games as PGN; `read_pgn` gives them back, but for what only GGF, OBF and WTHOR know."""
    return "\n".join(_written(game) for game in games)


def _written(game: GameRecord) -> str:
    size, result = game.start.size, "*"
    squares = size * size
    facts = {"Event": game.place, "Date": game.date, "Black": game.black, "White": game.white}
    if game.result is not None and game.result % 2 == 0 and abs(game.result) <= squares:
        black = (squares + int(game.result)) // 2
        result = f"{black}-{squares - black}"
    facts["Result"] = result
    if result == "*":
        facts["Score"] = format_number(game.result, sign=True)
    facts |= {"BlackElo": format_number(game.black_rating), "TimeControl": game.clock}
    facts |= {"WhiteElo": format_number(game.white_rating), "Komi": format_number(game.komi)}
    if game.ending is not None:
        facts["Termination"] = _ENDINGS[game.ending]
    if game.start != Board.initial():
        facts |= {"SetUp": "1", "FEN": str(game.start)}
    tags = "".join(f'[{key} "{_escaped(text)}"]\n' for key, text in facts.items() if text)
    moves = []
    for number, ply in enumerate(game.plies):
        label = f"{number // 2 + 1}. " if number % 2 == 0 else ""
        name = "--" if ply.action == squares else square_name(ply.action, size)
        moves.append(f"{label}{name}{_notes(ply)}")
        moves.append("\n" if number % 16 == 15 else " ")
    return f"{tags}\n{''.join(moves)}{result}\n"


def _escaped(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f"\\{escaped}" if text in _UNKNOWN else escaped


def _notes(ply: Ply) -> str:
    notes = (("eval", format_number(ply.value, sign=True)), ("emt", format_number(ply.seconds)))
    text = "".join(f"[%{key} {value}]" for key, value in notes if value)
    return f" {{{text}}}" if text else ""
