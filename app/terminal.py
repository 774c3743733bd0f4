"""Words of strangers on a terminal: names of files and players, what a checkpoint says of itself."""

from __future__ import annotations

import unicodedata
from typing import Final

_OBEYED: Final = ("Cc", "Cf", "Cs")  # Unicode's controls, turned writing and half letters


def visible(text: str) -> str:
    """`text` with what a terminal would obey, not show, as Python writes it; lines and tabs stay.

    >>> visible("a" + chr(27) + "[31mb")
    'a\\\\x1b[31mb'
    """
    return "".join(repr(letter)[1:-1] if _is_obeyed(letter) else letter for letter in text)


def _is_obeyed(letter: str) -> bool:
    return unicodedata.category(letter) in _OBEYED and letter not in "\n\t"
