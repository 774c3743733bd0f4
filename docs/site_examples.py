"""For the documentation's site: the examples in docstrings become blocks of code."""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"(?:^>>> .*(?:\n(?!\s*$).*)*)", re.MULTILINE)


class Examples(griffe.Extension):
    """Puts every paragraph that begins with `>>>` into a fence."""

    def on_object(self, *, obj: griffe.Object, **given: Any) -> None:
        """Called for every module, class, function and attribute that is read."""
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(
                lambda found: f"```pycon\n{found[0]}\n```", obj.docstring.value
            )
