"""Squares, transcripts and board strings as text; every error says where the text is wrong and what is accepted.

A *square* is r·N + c (a1 = 0, rows counted from the top), an *action* a square or N² for the pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from othello.errors import ParseError
from othello.rules.bitboard import SIZES

Side = Literal["X", "O"]
COLUMNS: Final = "abcdefgh"
BLACK_LETTERS: Final = "Xx*Bb"
WHITE_LETTERS: Final = "OoWw"
EMPTY_LETTERS: Final = "-."
MAX_TEXT: Final = 4096  # characters; the longest transcript anybody writes is far shorter

_AREAS: Final = tuple(size * size for size in SIZES)
_BOARD_LETTERS = frozenset(BLACK_LETTERS + WHITE_LETTERS + EMPTY_LETTERS)
_PASS_WORDS = frozenset({"pass", "pa", "ps", "--"})
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: " "}
_DRAWN = str.maketrans("●⚫○⚪·・□🟩＋_–—−│┃", "XXOO---------||", "\u200b\u2060\ufe0e\ufe0f\ufeff")
_PLAIN: Final = _FULL_WIDTH | _DRAWN
_SEPARATORS = re.compile(r"(?:[\s,;\"'/|>_!?…]|(?<!-)-(?!-))+|\.+(?=[\s.]|[a-h])", re.IGNORECASE)
_TOKEN = re.compile(r"(?P<square>[a-h][1-8])|(?P<skip>pass|pa|ps|--)", re.IGNORECASE | re.ASCII)
_ROW_FIRST = re.compile(r"(?:[1-8][a-h])++(?![a-z0-9])", re.IGNORECASE | re.ASCII)
_MOVE_NUMBER = re.compile(
    r"[(\[]?[0-9]{1,3}(?:\s*[.):\]]+|(?=\s)|(?=[a-h][1-8]))", re.IGNORECASE | re.ASCII
)
_SCORE = re.compile(
    r"(?<=[\s,;:(\[=])(?:(?P<black>[0-9]{1,2})\s{0,3}[-:/]\s{0,3}(?P<white>[0-9]{1,2})"
    r"|(?P<winner>[bw]?)(?P<lead>[+-][0-9]{1,2}(?:\.[0-9]{1,9})?))[)\]]?$",
    re.IGNORECASE | re.ASCII,
)
_CELL = "[Xx*BbOoWw.-]"
_DRAWN_ROW = re.compile(
    rf"[\s|>]*(?:([1-8])[\s|]*)?({_CELL}(?:[\s|]{{0,4}}{_CELL}){{3,7}})[\s|]*(?:\1|$|\s\s\S)"
)
_TO_MOVE = re.compile(
    r"(?<!\w)(?P<before>black|white|[xo*])(?:'s)?\s{1,3}(?:to (?:move|play)|turn)\b"
    r"|\b(?:to move|to play|turn|next|side|player)\s{0,3}[:=]?\s{0,3}(?P<after>black|white|[xo*])(?!\w)"
    r"|(?P<kanji>[黒白])の?番",
    re.IGNORECASE,
)


class Placement(NamedTuple):
    """A parsed board string: the words of both colours, the side to move (None if the text does not say), the size."""

    black: int
    white: int
    side: Side | None
    size: int


def plain(text: str) -> str:
    """`text` with full-width characters and drawn discs as ASCII, letter by letter.

    >>> plain("ｆ５　●○・")
    'f5 XO-'
    """
    return text if text.isascii() else text.translate(_PLAIN)


def excerpt(text: str, limit: int = 24) -> str:
    """`text` quoted for an error message, printable and cut to `limit` characters."""
    return repr(text[:limit] + ("…" if len(text) > limit else ""))


def check_size(size: int) -> int:
    """`size` itself, or a ParseError if no board has that side."""
    if size not in SIZES:
        raise ParseError(f"board size {size!r}: accepted are 4, 6 and 8")
    return size


def square_name(action: int, size: int = 8) -> str:
    """The name of an action: "a1" for 0, "pass" for N².

    >>> square_name(26), square_name(35, size=6), square_name(64)
    ('c4', 'f6', 'pass')
    """
    if action == size * size:
        return "pass"
    if not 0 <= action < size * size:
        raise ParseError(
            f"action {action}: a {size}×{size} board has 0..{size * size - 1} and {size * size} (pass)"
        )
    return f"{COLUMNS[action % size]}{action // size + 1}"


def parse_square(text: str, size: int = 8) -> int:
    """The action that `text` names: a square in either case, or pass, pa, ps, --; full width will do.

    >>> parse_square("c4"), parse_square("PASS")
    (26, 64)
    """
    word = plain(text).strip().lower() if len(text) <= MAX_TEXT else text
    if word in _PASS_WORDS:
        return size * size
    if len(word) == 2 and word[0] in COLUMNS[:size] and word[1] in "12345678"[:size]:
        return (ord(word[1]) - ord("1")) * size + COLUMNS.index(word[0])
    raise ParseError(f"square {excerpt(text)}: accepted are a1..{COLUMNS[size - 1]}{size} and pass")


def parse_moves(text: str, size: int = 8) -> tuple[int, ...]:
    """The actions a transcript writes, without looking at the rules.

    White space, commas, quotes, single hyphens, move numbers and a score at the end are skipped; squares may name their
    row first; characters may be of full width.  Raises ParseError that says the character.

    >>> parse_moves("1. f5 d6  2. C3") == parse_moves("f5-d6-c3 34-30") == parse_moves("5f6d3c") == (37, 43, 18)
    True
    """
    if len(text) > MAX_TEXT:
        raise ParseError(f"transcript of {len(text)} characters: at most {MAX_TEXT} are read")
    accepted = f"squares a1..{COLUMNS[size - 1]}{size}, move numbers and -- for a pass"
    given, (text, _) = text, split_score(text, size)
    moves: list[int] = []
    place = 0
    fresh = True  # at the start or behind a separator, where a move number may stand
    while place < len(text):
        if gap := _SEPARATORS.match(text, place):
            place, fresh = gap.end(), True
        elif token := _TOKEN.match(text, place):
            moves.append(_square_at(token.group(), place, size))
            place, fresh = token.end(), False
        elif fresh and (run := _ROW_FIRST.match(text, place)):
            for start in range(place, run.end(), 2):
                moves.append(_square_at(text[start + 1] + text[start], start, size))
            place, fresh = run.end(), False
        elif fresh and (number := _MOVE_NUMBER.match(text, place)):
            place = number.end()
        else:
            raise ParseError(
                f"transcript, character {place + 1}: {excerpt(text[place:], 8)}; accepted are {accepted}"
            )
    if not moves and any(letter.isalnum() for letter in given):
        raise ParseError(f"transcript {excerpt(given)}: holds no move; accepted are {accepted}")
    return tuple(moves)


def _square_at(word: str, place: int, size: int) -> int:
    try:
        return parse_square(word, size)
    except ParseError as error:
        raise ParseError(f"transcript, character {place + 1}: {error}") from None


def split_score(text: str, size: int = 8) -> tuple[str, float | None]:
    """A transcript without the score at its end, and that score in discs, black minus white; None if there is none.

    Scores are `34-30` or `34:30` (black's discs first, at most all squares), or `+4`, `B+4`, `W+4`, in brackets or not.

    >>> split_score("f5d6 (34-30)"), split_score("f5d6 W+4"), split_score("f5 d6")
    (('f5d6', 4.0), ('f5d6', -4.0), ('f5 d6', None))
    """
    text = plain(text).rstrip("* \t\r\n")  # a star: not played out, as PGN writes it
    found = _SCORE.search(text)
    if found is None:
        return text, None
    if found["lead"] is not None:
        score = float(found["lead"]) * (-1 if found["winner"].lower() == "w" else 1)
    else:
        score = float(found["black"]) - float(found["white"])
        if int(found["black"]) + int(found["white"]) > size * size:
            return text, None
    return text[: found.start()].rstrip(" \t,;:=(["), score


def format_moves(actions: Iterable[int], size: int = 8, passes: bool = False) -> str:
    """The transcript of `actions`; passes are left out unless `passes`, then they are `--`.

    >>> format_moves((37, 43, 64, 18)), format_moves((37, 64, 43), passes=True)
    ('f5d6c3', 'f5--d6')
    """
    names = (square_name(action, size) for action in actions)
    return "".join(("--" if passes else "") if name == "pass" else name for name in names)


def looks_like_board(text: str) -> bool:
    """Whether `text` has only letters of board strings (a transcript has digits, a board string has none)."""
    return bool(text.strip()) and all(
        letter in _BOARD_LETTERS or letter.isspace() for letter in plain(text)
    )


def parse_placement(text: str) -> Placement:
    """Read a board string: 16, 36 or 64 squares a1, b1, …, then perhaps the side to move; white space is free.

    A letter that stands alone behind longer words is the side, not a square: the board lacks one then.
    """
    if len(text) > MAX_TEXT:
        raise ParseError(
            f"board string of {len(text)} characters: accepted are 16, 36 or 64 squares and a side"
        )
    words = plain(text).split()
    letters = "".join(words)
    for place, letter in enumerate(letters):
        if letter not in _BOARD_LETTERS:
            raise ParseError(
                f"board string, square {place + 1}: {excerpt(letter)}; accepted are X x * B b, O o W w and - ."
            )
    squares, side = len(letters), None
    if squares in _AREAS and len(words[-1]) == 1 < len(words[0]) and words[-1] not in EMPTY_LETTERS:
        raise ParseError(
            f"board string of {squares - 1} squares and the side {words[-1]}: accepted are 16, 36 or 64 squares"
        )
    for size in SIZES:
        if squares == size * size + 1:
            if letters[-1] in EMPTY_LETTERS:
                raise ParseError(
                    f"board string: {excerpt(letters[-1])} as side to move; accepted are X and O"
                )
            side = parse_side(letters[-1])
            squares -= 1
        if squares == size * size:
            black = white = 0
            for square in range(squares):
                bit = 1 << (8 * (square // size) + square % size)
                if letters[square] in BLACK_LETTERS:
                    black |= bit
                elif letters[square] in WHITE_LETTERS:
                    white |= bit
            return Placement(black, white, side, size)
    raise ParseError(
        f"board string of {squares} squares: accepted are 16, 36 or 64, then perhaps the side X or O"
    )


def parse_picture(text: str) -> Placement | None:
    """The placement that a board drawn on lines of its own shows, with row numbers or frames; None for other text.

    In a frame with a bar between all squares a blank is an empty one; a star beside discs X marks an empty square where
    one may move.  Rows numbered from the last one down are turned over; in any other order they are no picture.
    The side is the one that `Black to move`, `O's turn` or `to move: X` names.  `Board.diagram` is such a picture.
    """
    found = [
        row for line in plain(text).splitlines() if (row := _drawn_row(line.replace("_", "-")))
    ]
    numbers, rows = [number for number, _ in found if number], [squares for _, squares in found]
    if len(rows) not in SIZES or any(len(row) != len(rows) for row in rows):
        return None
    if numbers == sorted(set(numbers), reverse=True) and len(numbers) == len(rows):
        rows.reverse()
    elif numbers != sorted(set(numbers)):
        return None
    squares = "".join(rows)
    placement = parse_placement(squares.replace("*", "-") if "X" in squares.upper() else squares)
    said = _TO_MOVE.search(text)
    if said is None:
        return placement
    if said["kanji"]:
        return placement._replace(side="X" if said["kanji"] == "黒" else "O")
    return placement._replace(side=parse_side((said["before"] or said["after"])[0]))


def _drawn_row(line: str) -> tuple[str, str] | None:
    """The number and the squares of one line of a drawn board, None for a line that shows none."""
    before, *cells = (cell.strip() for cell in line.split("|"))
    if cells and len(cells) - 1 in SIZES:
        drawn = all(not cell or cell in _BOARD_LETTERS for cell in cells[:-1])
        return (before, "".join(cell or "-" for cell in cells[:-1])) if drawn else None
    row = _DRAWN_ROW.match(line)
    return (row[1] or "", "".join(row[2].replace("|", "").split())) if row else None


def parse_side(letter: str) -> Side:
    """The side a letter stands for."""
    if len(letter) == 1 and letter in BLACK_LETTERS:
        return "X"
    if len(letter) == 1 and letter in WHITE_LETTERS:
        return "O"
    raise ParseError(f"side {excerpt(letter)}: accepted are X x * B b (black) and O o W w (white)")


def squares_word(squares: Iterable[int], size: int = 8) -> int:
    """The word (bit 8·row + column) with a disc on each of `squares`."""
    word = 0
    for square in squares:
        word |= 1 << (8 * (square // size) + square % size)
    return word


def format_squares(black: int, white: int, size: int = 8) -> str:
    """The N² letters X, O and - of a position, row by row from a1."""
    bits = (1 << (8 * (square // size) + square % size) for square in range(size * size))
    return "".join("X" if black & bit else "O" if white & bit else "-" for bit in bits)
