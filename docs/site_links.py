"""A hook of the documentation's site: links to files beside docs/ become text, since the site has only docs/."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **given: Any) -> str:
    """The page's text, a link out of docs/ as the words that it stands on."""
    return _OUTSIDE.sub(r"\1", markdown)
