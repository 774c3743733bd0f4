"""The Search page: what a search of a position weighed, how its visits grew, and what its Q values rest on."""

from __future__ import annotations

import time

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.game.session import Session
from app.models import Model
from app.present.sentences import value_words
from app.web import gallery, record, state, widgets
from app.web.components import parts
from app.web.pages import WebPage
from app.web.views import search_relevance, tables
from app.web.views.under_way import (
    Asked,
    Searched,
    UnderWay,
    begin_search,
    go_on,
    searched_before,
)
from othello.errors import OthelloError
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.search import C_PUCT, SearchResult

SIMULATIONS, USUAL = (25, 50, 100, 200, 400, 800, 1600, 3200), 400
EXPLORATION = (0.1, 4.0)


def page() -> None:
    """Draw the page."""
    with state.error_box():
        record.follow("search")
        _desk()


def _board() -> Board:
    if "searched_board" not in st.session_state:
        session: Session | None = st.session_state.get("game")
        usual = Board.initial(state.model().size)
        fits = session is not None and session.board.legal_moves()
        st.session_state.searched_board = session.board if session and fits else usual
    found: Board = st.session_state.searched_board
    return found


def _set_board(position: Board) -> None:
    widgets.close("s_menu")
    st.session_state.searched_board, st.session_state.search_made = position, 0
    st.session_state.search_serial = st.session_state.get("search_serial", 0) + 1


def _desk() -> None:
    with state.drawing():
        position = _board()
        state.messages("link_error", "search_error")
        record.write("search")
        model = state.model(position.size)
        left, right = st.columns([11, 10], gap="large")
        with right:
            _choose_position()
        asked = _asked(model, position)
        found = _found(asked)
        under_way: UnderWay | None = st.session_state.get("search_under_way")
        if under_way is None and found is not None:
            _show(model, found, left, right)
            return
        with left:
            parts.board(position, key="s_board", mode="view", names=["Black", "White"])
        with right:
            _offer(model, asked, under_way)


def _show(model: Model, searched: Searched, left: DeltaGenerator, right: DeltaGenerator) -> None:
    """All that a search found, the board on the left."""
    position, wanted = searched.result.board, searched.key[2]
    with right:
        if searched.result.simulations < wanted:
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                made = f"Stopped after {searched.result.simulations} of {wanted} simulations."
                st.caption(made, width="content")
                args = (searched.key,)
                widgets.button("Search again", "replay", key="s_again", do=begin_search, args=args)
        shown = searched.stages[_stage(searched)] if len(searched.stages) > 1 else searched.result
        _moves_table(shown)
    with left:
        _draw_board(position, shown)
        told = (
            f"{value_words(position, shown.value, 'Search')}, "
            f"{value_words(position, shown.network_value, 'network alone')}. "
            f"{sum(part.evaluations for part in searched.stages)} network evaluations."
        )
        st.caption(state.plain(told))
    _principal_variation(position, searched.result)
    search_relevance.draw(model, searched)
    _next_part(len(searched.stages))


def _offer(model: Model, asked: Asked, under_way: UnderWay | None) -> None:
    """The button that begins the search the widgets ask for, or the search that is under way."""
    if not asked[1].legal_moves():
        st.info("The side to move has no move here: there is nothing to search.")
    elif under_way is not None and under_way.key == asked:
        go_on(model, under_way)
    else:
        st.session_state.search_under_way = None  # it was of another position or other settings
        widgets.button(
            "Search", "play_arrow", key="s_search", do=begin_search, args=(asked,), type="primary"
        )
        if made := st.session_state.get("search_made"):
            st.caption(
                f"The {made} simulations of this link are no longer here; Search makes them again."
            )
        st.caption(
            "Nothing is searched until you press Search; then come the visits of each move, "
            "the best line, and what Q rests on."
        )


def _choose_position() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        gallery.game_position("s_game", _set_board)
        if "inspected" in st.session_state:
            widgets.button(
                "The inspected position",
                "search_insights",
                key="s_inspected",
                do=_set_board,
                args=(st.session_state.inspected,),
            )
        with widgets.menu("Another position", "content_paste", "s_menu"):
            gallery.choose("s_gallery", _set_board)
            widgets.text(
                "Board string or transcript", key="s_text", max_chars=4096, on_change=_from_text
            )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        widgets.steps("Simulations", SIMULATIONS, key="s_simulations", default=USUAL, width=280)
        label, (low, high) = "Exploration c_puct", EXPLORATION
        widgets.slider(label, low, high, key="s_puct", default=C_PUCT, step=0.1, width=200)


def _from_text() -> None:
    try:
        _set_board(state.parse_position(widgets.typed("s_text") or "start", _board().size))
    except OthelloError as error:
        st.session_state.search_error = str(error)


def _asked(model: Model, position: Board) -> Asked:
    """The search that the widgets ask for."""
    simulations = widgets.chosen("s_simulations", SIMULATIONS, USUAL)
    return model.sha256, position, simulations, widgets.within("s_puct", *EXPLORATION, C_PUCT)


def _found(asked: Asked) -> Searched | None:
    """The search that the widgets ask for, where it has been made: here, or before a reload."""
    found: Searched | None = st.session_state.get("search_record")
    if found is not None and found.key == asked:
        return found
    found = searched_before(asked, st.session_state.get("search_made", 0))
    if found is not None:
        st.session_state.search_record, st.session_state.search_made = found, 0
    return found


def _stage(searched: Searched) -> int:
    """How far into the search to look; the play button runs through it."""
    last = len(searched.stages) - 1
    if st.session_state.get("s_running"):
        st.session_state.s_stage = st.session_state.get("s_at", 0)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        stage = widgets.slider(
            "Look into the search after part",
            0,
            last,
            key="s_stage",
            default=last,
            width=280,
            help="Each part is a sixteenth of the simulations.",
        )
        widgets.button("Watch it grow", "play_arrow", key="s_play", do=_run_through)
    return stage


def _run_through() -> None:
    st.session_state.s_running, st.session_state.s_at = True, 0


def _next_part(count: int) -> None:
    """While the search is replayed: wait a moment and show the next part."""
    if st.session_state.get("s_running"):
        st.session_state.s_at += 1
        st.session_state.s_running = st.session_state.s_at < count
        if st.session_state.s_running:
            time.sleep(0.3)
            state.rerun()


def _moves_table(found: SearchResult) -> None:
    size = found.board.size
    names = {square_name(move.square, size): move.square for move in found.moves}
    tables.moves(
        found,
        key="s_moves",
        chosen=names.get(widgets.chosen("s_move_x", names, "")),
        bonus=True,
        verb="explain its Q",
        serial=st.session_state.get("search_serial", 0),
        on_pick=_on_pick,
    )
    st.caption(
        "Click a move to see what its Q rests on. The search next tries the move with the highest Q + U."
    )


def _on_pick() -> None:
    square, board = parts.picked("s_moves", "pick"), _board()
    if square in board.legal_moves():
        widgets.put("s_move_x", square_name(square, board.size))


def _draw_board(position: Board, found: SearchResult) -> None:
    texts = [""] * position.size**2
    for move in found.moves:
        if move.visits:
            texts[move.square] = f"{100 * move.visits / found.simulations:.0f} %"
    line = parts.expected(position, found.principal_variation, 8)
    words = "Share of visits on each move; numbered discs are the line that the search expects, beginning with"
    parts.board(
        position,
        key="s_board",
        mode="view",
        names=["Black", "White"],
        serial=st.session_state.get("search_serial", 0),
        label="Position that is searched",
        last=found.moves[0].square,
        over={"numbers": texts, **line},
        status=f"{words} {square_name(line['steps'][0], position.size)}." if line["steps"] else "",
    )


def _principal_variation(position: Board, found: SearchResult) -> None:
    st.markdown("##### Principal variation")
    boards = list(position.replay(found.principal_variation))[1:7]
    with st.container(horizontal=True, gap="small"):
        for number, after in enumerate(boards):
            square = found.principal_variation[number]
            name = square_name(square, position.size)
            with st.container(width=170, key=f"s_pv_place_{number}"):
                parts.picture(
                    after,
                    key=f"s_pv_{number}",
                    title=f"{number + 1}. {name}",
                    label=f"Position after {name}",
                    last=square,
                )


def _position() -> str:
    return str(_board())


def _take_position(text: str) -> None:
    _set_board(state.parse_position(text))


def _made() -> str:
    """How many simulations the search that is shown has made."""
    position = _board()
    found = _found(_asked(state.model(position.size), position))
    return "" if found is None else str(found.result.simulations)


def _take_made(text: str) -> None:
    if text.isdecimal() and len(text) < 5:
        st.session_state.search_made = int(text)


def _tried() -> list[str]:
    """The names of the moves whose Q may be asked for."""
    position = _board()
    return [square_name(square, position.size) for square in position.legal_moves()]


record.holds(
    "search",
    record.Part("position", _position, _take_position),
    record.choice("simulations", "s_simulations", lambda: SIMULATIONS, lambda: USUAL),
    record.span("c_puct", "s_puct", *EXPLORATION, C_PUCT),
    record.Part("searched", _made, _take_made),
    record.choice("move", "s_move_x", _tried, lambda: ""),
    record.choice("about", "s_about", lambda: search_relevance.ABOUT, lambda: "q"),
    record.choice("rather", "s_move_y", _tried, lambda: search_relevance.NOBODY),
)
PAGE = WebPage(
    "Search",
    ":material/account_tree:",
    3,
    page,
    "What the agent weighs before a move: how often it tries each one, and the game that it expects.",
)
