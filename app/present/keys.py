"""The keys as one table, for the desktop and the web page: what help says, and which command a key gives.

Keys are named as browsers name them (`KeyboardEvent.key`), a letter by its small one; `Ctrl+` stands before some.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class KeyRow(NamedTuple):
    """A line of the help: the keys as people read them, what they do, and {command: its keys}."""

    shown: str
    words: str
    commands: dict[str, tuple[str, ...]]


KEYS: Final = (
    KeyRow(
        "arrows, Enter",
        "choose a square and play there (or click it)",
        {
            "left": ("ArrowLeft",),
            "right": ("ArrowRight",),
            "up": ("ArrowUp",),
            "down": ("ArrowDown",),
            "play": ("Enter", " "),
        },
    ),
    KeyRow("U, R", "undo, redo", {"undo": ("u", "Backspace", "Ctrl+z"), "redo": ("r", "Ctrl+y")}),
    KeyRow(
        "PgUp, PgDn, Home, End",
        "one ply back, one on, first, last; or click the graph",
        {"back": ("PageUp",), "forward": ("PageDown",), "first": ("Home",), "last": ("End",)},
    ),
    KeyRow("H", "hint: what the agent would play here", {"hint": ("h",)}),
    KeyRow("E", "the heatmap on the board: its kinds in turn, or none", {"heat": ("e",)}),
    KeyRow("T", "numbers on the squares of the heatmap", {"numbers": ("t",)}),
    KeyRow("B", "the biases' map instead of the squares'", {"bias": ("b",)}),
    KeyRow("N, S", "new game; play black, white, both, or watch", {"new": ("n",), "seat": ("s",)}),
    KeyRow("P", "pause the agent, or let it go on from here", {"pause": ("p",)}),
    KeyRow(
        "+, −",
        "the agent's strength in simulations a move",
        {"stronger": ("+", "="), "weaker": ("-",)},
    ),
    KeyRow(
        "Ctrl+S, Ctrl+O",
        "save the transcript; open one (or drop a file)",
        {"save": ("Ctrl+s",), "open": ("Ctrl+o",)},
    ),
    KeyRow(
        "Ctrl+C, Ctrl+V",
        "copy the transcript; paste a game or a position",
        {"copy": ("Ctrl+c",), "paste": ("Ctrl+v",)},
    ),
    KeyRow(
        "F12, G",
        "picture of the window; film of the game with heatmaps",
        {"screenshot": ("F12",), "film": ("g",)},
    ),
    KeyRow("D, Ctrl+Q", "light or dark; close", {"dark": ("d",), "quit": ("Ctrl+q",)}),
    KeyRow("?, Esc", "this card; put it away", {"help": ("?", "F1"), "escape": ("Escape",)}),
)
