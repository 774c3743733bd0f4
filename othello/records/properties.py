"""What GGF and SGF share: the syntax `(;KEY[value]KEY[value][value];…)`, and the rules of their moves B[…] and W[…]."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from othello.errors import OthelloError, ParseError
from othello.records.game import Ply
from othello.rules.board import Board
from othello.rules.notation import excerpt


class Property(NamedTuple):
    """A key in capitals, its values with escapes undone, and the character of the text where it stands, from 1."""

    key: str
    values: tuple[str, ...]
    place: int


def blanks_end(text: str, place: int) -> int:
    """The next place that is no white space."""
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def read_property(text: str, place: int) -> tuple[Property, int]:
    """The property at `place` and the place behind it."""
    start = place
    while place < len(text) and text[place].isalpha() and place - start < 32:
        place += 1
    key = "".join(letter for letter in text[start:place] if letter.isupper() and letter.isascii())
    place = blanks_end(text, place)
    if not key or place >= len(text) or text[place] != "[":
        raise ParseError(
            f"character {start + 1}: {excerpt(text[start:], 16)}; a property such as PB[name] is accepted"
        )
    values = []
    while place < len(text) and text[place] == "[":
        value, place = _read_value(text, place)
        values.append(value)
        place = blanks_end(text, place)
    return Property(key, tuple(values), start + 1), place


def _read_value(text: str, place: int) -> tuple[str, int]:
    start, letters = place, []
    place += 1
    while place < len(text) and text[place] != "]":
        if text[place] == "\\" and place + 1 < len(text):
            place += 1
        letters.append(text[place])
        place += 1
    if place >= len(text):
        raise ParseError(
            f"character {start + 1}: the value {excerpt(text[start:], 16)} has no closing ]"
        )
    return "".join(letters), place + 1


def written(key: str, value: str) -> str:
    """One property as text, empty if its value is."""
    escaped = value.replace("\\", "\\\\").replace("]", "\\]")
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
