"""What GGF and SGF share: the syntax `(;KEY[value]KEY[value][value];…)`, and the rules of their moves B[…] and W[…]."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from othello.errors import OthelloError, ParseError
from othello.records.game import GameRecord, Ply
from othello.rules.board import Board
from othello.rules.notation import excerpt

# Where a game begins.  Values cannot hold this text but with an escape, so that a game without its end costs no other.
GAME_START: Final = re.compile(
    r"(?<!\\)\(\s{0,9};\s{0,9}(?:GM|FF|CA|AP|SZ|PB|PW|PC|DT|RE|BO|TY)\s{0,9}\[", re.ASCII
)
_VALUE = re.compile(
    r"\[((?:[^\]\\(]|\\.|\((?!\s{0,9};\s{0,9}[A-Z]{2}\s{0,9}\[))*+)(\]?)", re.ASCII | re.DOTALL
)
_HEAD = re.compile(r"(?:[0-9]{1,9}\s*+)?\(", re.ASCII)  # of a game, its match file's count included
_BEGINNING = re.compile(r"\((?=\s*;)")
_BLANKS = re.compile(r"\s*+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_Tree = TypeVar("_Tree")


class Property(NamedTuple):
    """A key in capitals, its values with escapes undone, and the character of the text where it stands, from 1."""

    key: str
    values: tuple[str, ...]
    place: int


def blanks_end(text: str, place: int) -> int:
    """The next place that is no white space."""
    found = _BLANKS.match(text, place)
    return found.end() if found else place


def read_property(text: str, place: int) -> tuple[Property, int]:
    """The property at `place` and the place behind it."""
    start = place
    while place < len(text) and text[place].isalpha() and place - start < 32:
        place += 1
    key = "".join(letter for letter in text[start:place] if letter.isupper() and letter.isascii())
    place = blanks_end(text, place)
    if not key or place >= len(text) or text[place] != "[":
        raise ParseError(
            f"character {start + 1}: {excerpt(text[start : start + 99], 16)}; a property such as PB[name] is accepted"
        )
    values = []
    while place < len(text) and text[place] == "[":
        value, place = _read_value(text, place)
        values.append(value)
        place = blanks_end(text, place)
    return Property(key, tuple(values), start + 1), place


def _read_value(text: str, place: int) -> tuple[str, int]:
    found = _VALUE.match(text, place)
    if found is None or not found[2]:
        raise ParseError(
            f"character {place + 1}: the value {excerpt(text[place : place + 99], 16)} has no closing ]"
        )
    return _ESCAPED.sub(r"\1", found[1]), found.end()


def scan_collection(
    text: str,
    what: str,
    read_tree: Callable[[str, int], tuple[_Tree, int]],
    record_of: Callable[[_Tree], GameRecord],
) -> Iterator[GameRecord | OthelloError]:
    """The games of a text one behind the other, and for one that is wrong the error that says its number and place.

    `read_tree` gives a game's properties and the place behind them.  After a game without an end, reading goes on at
    the next GAME_START; no character is looked at more than a few times.
    """
    number, place = 0, blanks_end(text, 0)
    while place < len(text):
        number += 1
        behind = 0
        try:
            tree, behind = read_tree(text, place)
            yield record_of(tree)
        except OthelloError as error:
            yield type(error)(f"{what}, game {number}: {error}")
            if not behind:
                head = _HEAD.match(text, place)
                following = GAME_START.search(text, head.end() if head else place)
                behind = following.start() if following else len(text)
        place = blanks_end(text, behind)


def written(key: str, value: str) -> str:
    """One property as text, empty if its value is."""
    escaped = value.replace("\\", "\\\\").replace("]", "\\]")
    escaped = _BEGINNING.sub(r"\\(", escaped)
    return f"{key}[{escaped}]" if value else ""


def read_plies(
    moves: Iterable[Property], start: Board, ply_of: Callable[[Property], Ply]
) -> tuple[Ply, ...]:
    """The plies of the moves `B[…]` and `W[…]`; a forced pass that nobody wrote is left to `GameRecord`.

    A move out of turn or against the rules is an error that says its number and its character.
    """
    plies, board, skip = [], start, start.size * start.size
    for number, entry in enumerate(moves, 1):
        side = "X" if entry.key == "B" else "O"
        try:
            ply = ply_of(entry)
            if board.must_pass and ply.action != skip:
                board = board.pass_turn()
            if board.side != side:
                mover = "black" if side == "O" else "white"
                raise ParseError(
                    f"{entry.key} {excerpt(entry.values[0])} although {mover} is to move"
                )
            board = board.play(ply.action)
        except OthelloError as error:
            raise type(error)(f"move {number}, character {entry.place}: {error}") from None
        plies.append(ply)
    return tuple(plies)


def write_plies(plies: Iterable[Ply], start: Board, text_of: Callable[[Ply, str], str]) -> str:
    """The text of all plies; `text_of` is given each with its key, B or W, colours taking turns."""
    text, side = "", start.side
    for ply in plies:
        text += text_of(ply, "B" if side == "X" else "W")
        side = "O" if side == "X" else "X"
    return text
