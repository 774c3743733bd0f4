"""The words of the field with a sentence each, once for the pages and for the documentation."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")


class GlossaryEntry(NamedTuple):
    """The forms of a word, as they are printed in a sentence, and what it means."""

    forms: tuple[str, ...]
    words: str


@cache
def terms() -> tuple[GlossaryEntry, ...]:
    """Every term of `glossary.md`.

    >>> terms()[0]
    GlossaryEntry(forms=('Ply', 'plies'), words='One move or one pass.')
    """
    text = Path(__file__).with_name("glossary.md").read_text(encoding="utf-8")
    found = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("**"):
            line = " ".join(paragraph.split())
            words = re.sub(r"[*`]", "", line.partition("** ")[2])
            found += [
                GlossaryEntry(tuple(forms.split(", ")), words) for forms in _BOLD.findall(line)
            ]
    return tuple(found)
