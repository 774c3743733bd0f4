"""Othello: the rules, an agent that taught itself to play, and its training.

>>> import othello
>>> board = othello.Board.initial()
>>> board.play(board.legal_moves()[0]).side
'O'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from othello.errors import IllegalMove, OthelloError, ParseError
    from othello.rules.board import Board

__version__ = "0.1.0"
_HOMES = {
    "Board": "othello.rules.board",
    "IllegalMove": "othello.errors",
    "OthelloError": "othello.errors",
    "ParseError": "othello.errors",
}
__all__ = ["Board", "IllegalMove", "OthelloError", "ParseError"]


def __getattr__(
    name: str,
) -> Any:  # imported when asked for: an error class should not cost a compiler's import
    if name not in _HOMES:
        raise AttributeError(f"module 'othello' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
