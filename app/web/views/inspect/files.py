"""Inspect's way to positions and games of others: pasted or uploaded, in any format that the records know."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from app.web import state, widgets
from othello.errors import OthelloError, ParseError
from othello.records import GameRecord, guess_format, scan_games
from othello.rules.board import Board

FORMATS = "Board string, transcript, GGF, SGF, PGN or OBF"


class Opened(NamedTuple):
    """What a text or a file holds: its games, how many more cannot be read, and why the first of them."""

    games: list[GameRecord]
    wrong: int = 0
    reason: str = ""


def read(data: bytes, name: str = "") -> Opened:
    """The games in one of the formats of records; the error of the first where none can be read."""
    found = list(scan_games(data, guess_format(data, name)))
    wrong = [one for one in found if isinstance(one, OthelloError)]
    games = [one for one in found if isinstance(one, GameRecord)]
    if wrong and not games:
        raise wrong[0]
    return Opened(games, len(wrong), str(wrong[0]) if wrong else "")


def holds_games(text: str) -> bool:
    """Whether a pasted text is of games or scored positions rather than a board or a transcript."""
    if any(mark in text for mark in (";", "%")):
        return True
    try:
        return guess_format(text.encode()) == "pgn"
    except ParseError:
        return False


def opened() -> list[GameRecord]:
    """The games that were pasted or uploaded last."""
    _, read_last = st.session_state.get("i_read", ("", None))
    found: Opened | None = st.session_state.get("i_games") or read_last
    return found.games if found is not None else []


def draw(size: int, take: Callable[[Board], None]) -> None:
    """The text field and the file button; `take` gets the position that is chosen, transcripts are of N×N games."""
    with st.expander("Paste or upload a position or a game", icon=":material/content_paste:"):
        widgets.text(FORMATS, key="i_paste", lines=90, max_chars=20000)
        st.button("Open", key="i_open", on_click=_open_paste, args=(size, take))
        uploaded = st.file_uploader("A file: also WTHOR (.wtb)", key="i_file", max_upload_size=5)
        with state.error_box():
            if uploaded is not None:
                _choose(_uploaded(uploaded.file_id, uploaded.getvalue(), uploaded.name), take)
            elif (pasted := st.session_state.get("i_games")) is not None:
                _choose(pasted, take)


def _uploaded(identity: str, data: bytes, name: str) -> Opened:
    """The games of an upload, read once."""
    known, found = st.session_state.get("i_read", ("", Opened([])))
    if known != identity:
        with st.spinner("reading the file"):
            found = read(data, name)
        st.session_state.i_read = identity, found
    return Opened(*found)


def _open_paste(size: int, take: Callable[[Board], None]) -> None:
    text = widgets.typed("i_paste")
    st.session_state.pop("i_games", None)
    widgets.forget("i_game", "i_ply")
    try:
        if holds_games(text):
            st.session_state.i_games = read(text.encode())
        elif text:
            take(state.parse_position(text, size))
    except OthelloError as error:
        st.session_state.inspect_error = str(error)


def _choose(found: Opened, take: Callable[[Board], None]) -> None:
    """Widgets that take one position out of the games."""
    games = [game for game in found.games if game.start.size in state.sizes()]
    if found.wrong:
        st.caption(state.plain(f"{found.wrong} could not be read; the first: {found.reason}"))
    if not games:
        raise ParseError("no game or position in it of a size that there is a network for")
    number, count = 1, len(games)
    if count > 1:
        number = widgets.number(f"Game (1 to {count})", 1, count, key="i_game", default=1)
    game = games[number - 1]
    boards = list(game.start.replay(ply.action for ply in game.plies))
    last = len(boards) - 1
    ply = widgets.slider("After ply", 0, last, key="i_ply", default=last) if last else 0
    names = " – ".join(name for name in (game.black, game.white) if name)
    st.caption(state.plain(names) if names else "no names")
    st.button("Inspect this position", key="i_take", on_click=take, args=(boards[ply],))
