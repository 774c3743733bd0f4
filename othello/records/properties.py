"""The syntax that GGF and SGF share: `(;KEY[value]KEY[value][value];…)`."""

from __future__ import annotations

from typing import NamedTuple

from othello.errors import ParseError
from othello.notation import excerpt


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
        raise ParseError(f"character {start + 1}: {excerpt(text[start:], 16)}; a property such as PB[name] is accepted")
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
        raise ParseError(f"character {start + 1}: the value {excerpt(text[start:], 16)} has no closing ]")
    return "".join(letters), place + 1


def written(key: str, value: str) -> str:
    """One property as text, empty if its value is."""
    escaped = value.replace("\\", "\\\\").replace("]", "\\]")
    return f"{key}[{escaped}]" if value else ""
