"""The Explorer page: the moves of a position, what the agent expects of each, and what a base of games says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import streamlit as st

from app.game.explorer import ExplorerMove, explore
from app.game.session import Session
from app.models import Model
from app.present.numbers import fixed, percent
from app.present.sentences import side_word
from app.web import gallery, record, state, widgets
from app.web.components import parts
from app.web.pages import WebPage
from othello.base.game_base import BASES, GameBase, open_base
from othello.errors import OthelloError
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.rules.openings import opening_at


def page() -> None:
    """Draw the page."""
    with state.error_box():
        record.follow("explorer")
        _desk()


@st.fragment
def _desk() -> None:
    with state.drawing():
        state.messages("link_error", "explorer_error")
        record.write("explorer")
        position = _line()[-1]
        base = _base()
        found = _explored(state.model(position.size), position, base)
        left, right = st.columns([11, 10], gap="large")
        with left:
            _draw_board(position, found)
        with right:
            _choose_position()
            _table(position, found, base)


def _line() -> list[Board]:
    """The positions gone through; the last one is shown."""
    if "explored" not in st.session_state:
        session: Session | None = st.session_state.get("game")
        st.session_state.explored = [
            session.board if session else Board.initial(state.model().size)
        ]
    found: list[Board] = st.session_state.explored
    return found


def _go_to(line: list[Board]) -> None:
    st.session_state.explored = line
    st.session_state.explorer_serial = st.session_state.get("explorer_serial", 0) + 1


def _set_board(position: Board) -> None:
    widgets.close("x_menu")
    _go_to([position])


def _play(square: object) -> None:
    position = _line()[-1]
    mover = position.pass_turn() if position.must_pass else position
    if square in mover.legal_moves():
        _go_to([*_line(), mover.play(int(str(square)))])


def _base() -> GameBase | None:
    """The base that the operator gave, if any."""
    named = os.environ.get(BASES, "")
    return _opened(named) if named else None


@st.cache_resource(show_spinner="indexing the base of games")
def _opened(named: str) -> GameBase:
    return open_base([Path(name) for name in named.split(os.pathsep)])


def _explored(model: Model, position: Board, base: GameBase | None) -> list[ExplorerMove]:
    known = st.session_state.setdefault("explorer_known", {})
    key = (model.sha256, position)
    if key not in known:
        if len(known) > 200:
            known.clear()
        known[key] = explore(model, position, base)
    found: list[ExplorerMove] = known[key]
    return found


def _choose_position() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        gallery.game_position("x_game", _set_board)
        widgets.button(
            "Back",
            "undo",
            key="x_back",
            do=_go_to,
            args=(_line()[:-1],),
            disabled=len(_line()) == 1,
        )
        with widgets.menu("Another position", "content_paste", "x_menu"):
            gallery.choose("x_gallery", _set_board)
            widgets.text(
                "Board string or transcript", key="x_text", max_chars=4096, on_change=_from_text
            )


def _from_text() -> None:
    try:
        _set_board(state.parse_position(widgets.typed("x_text") or "start", _line()[-1].size))
    except OthelloError as error:
        st.session_state.explorer_error = str(error)


def _draw_board(position: Board, found: list[ExplorerMove]) -> None:
    texts = [""] * position.size**2
    for move in found:
        for square in move.squares:
            texts[square] = percent(move.outlook.percent / 100)
    opening = opening_at(position)
    turn = (
        "The game is over"
        if position.is_over
        else f"{side_word(position.side).capitalize()} to move"
    )
    parts.board(
        position.pass_turn() if position.must_pass else position,
        key="x_board",
        playable=bool(found),
        on_move=lambda: _play(parts.picked("x_board", "move", "square")),
        serial=st.session_state.get("explorer_serial", 0),
        names=["Black", "White"],
        label="Position whose moves are listed",
        over={"numbers": texts},
        status=f"{f'{opening.name}. ' if opening else ''}{turn}; black's chance after each move.",
    )


def _table(position: Board, found: list[ExplorerMove], base: GameBase | None) -> None:
    size = position.size
    columns = ["move", "opening", "for black", "discs"]
    columns += [] if base is None else ["games", "points"]
    rows: list[dict[str, Any]] = []
    for move in found:
        names = " ".join(square_name(square, size) for square in move.squares)
        discs = f"{fixed(move.outlook.discs, 1)}{' exact' if move.exact else ''}"
        chance = move.outlook.percent / 100
        cells: list[Any] = [names, move.opening or "", parts.bar(chance, percent(chance)), discs]
        if base is not None and move.played is None:
            cells += ["", ""]
        elif move.played is not None:
            share = move.played.points
            cells += [str(move.played.games), parts.bar(share, percent(share))]
        rows.append({"cells": cells, "value": move.squares[0], "chosen": False})
    parts.moves(
        columns,
        rows,
        key="x_moves",
        title="Moves, the best first",
        verb="play it",
        serial=st.session_state.get("explorer_serial", 0),
        on_pick=lambda: _play(parts.picked("x_moves", "pick")),
    )
    about = (
        "Chances and discs are the network's, black's view, averaged over the board's symmetries."
    )
    if base is not None:
        about += f" Points are the mover's in {base.games} games, a draw counts half."
    st.caption(about)


def _position() -> str:
    return str(_line()[-1])


def _take_position(text: str) -> None:
    _set_board(state.parse_position(text))


record.holds("explorer", record.Part("position", _position, _take_position))

PAGE = WebPage(
    "Explorer",
    ":material/explore:",
    4,
    page,
    "Go through positions move by move: what each is worth, its opening, and how masters played where a base is given.",
)
