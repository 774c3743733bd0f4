"""Positions worth looking at: the blog's, empty and full boards, openings, endgames with known scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from app.game.session import Session
from app.web import state, widgets
from othello.rules.board import Board

GALLERY: Final[dict[str, str]] = {
    "Start": "start",
    "Board 31 of the blog, black to move (best by its search: b6)": (
        "OX-OO----XXOOX--XXXXOO---X-OOO--XOOOOXO----X--X--OOXX------X-X-- X"
    ),
    "The empty board: nothing but bias": "-" * 64 + " X",
    "Tiger opening": "c4e3f6e6f5",
    "Rose opening": "c4e3f4c5d6f3e6c3d3e2",
    "Heath opening": "c4c3d3c5b4",
    "A middle game": "f5d6c3d3c4f4f6g5e6d7e3c5f3e7h5e2c6d2c2b3b4g6a4h6",
    "FFO 40: black wins by 38 with a2": "O--OOOOX-OOOOOOXOOXXOOOXOOXOOOXXOOOOOOXX---OOOOX----O--X-------- X",
    "FFO 41: a draw with h4": "-OOOOO----OOOOX--OOOOOO-XXXXXOO--XXOOX--OOXOXX----OXXO---OOO--O- X",
    "FFO 42: black wins by 6 with g2": "--OOO-------XX-OOOOOOXOO-OOOOXOOX-OOOXXO---OOXOO---OOOXO--OOOO-- X",
    "FFO 43: white loses by 12": "--XXXXX---XXXX---OOOXX---OOXXXX--OOXXXO-OOOOXOO----XOX----XXXXX- O",
}

SMALL: Final[
    dict[int, dict[str, str]]
] = {  # by board side, for where there is a checkpoint of that size
    6: {
        "6×6: the start": "-" * 14 + "OX" + "-" * 4 + "XO" + "-" * 14 + " X",
        "6×6: the empty board": "-" * 36 + " X",
    },
    4: {
        "4×4: the start": "-" * 5 + "OX" + "--" + "XO" + "-" * 5 + " X",
        "4×4: the empty board": "-" * 16 + " X",
    },
}


def positions() -> dict[str, str]:
    """{name: board string or transcript} of the gallery, with those of the small boards that a network plays on."""
    found = dict(GALLERY)
    for size in state.sizes():
        found |= SMALL.get(size, {})
    return found


def choose(key: str, take: Callable[[Board], None], **looks: Any) -> None:
    """A select box of the gallery; `take` is given the position that a person chooses."""

    def chosen() -> None:
        if name := widgets.chosen(key, positions(), None):
            take(Board.parse(positions()[name]))

    widgets.maybe("Gallery", positions(), key=key, on_change=chosen, **looks)


def game_position(key: str, take: Callable[[Board], None]) -> None:
    """A button that hands `take` the position of the game on Play; none where there is no game."""
    session: Session | None = st.session_state.get("game")
    if session is not None:
        widgets.button(
            "The game's position", "sports_esports", key=key, do=take, args=(session.board,)
        )
