"""The function that the agent learned, and the files it is kept in.

>>> import othello.network
>>> othello.network.load("othello8").meta["generation"]
201
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from othello.network.checkpoint import Checkpoint, load
    from othello.network.pretrained import from_pretrained, save_pretrained

_HOMES = {
    "Checkpoint": "othello.network.checkpoint",
    "from_pretrained": "othello.network.pretrained",
    "load": "othello.network.checkpoint",
    "save_pretrained": "othello.network.pretrained",
}
__all__ = ["Checkpoint", "from_pretrained", "load", "save_pretrained"]


def __getattr__(name: str) -> Any:  # imported when asked for: boards as planes need no torch
    if name not in _HOMES:
        raise AttributeError(f"module 'othello.network' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
