"""The Inspect page: any position, any target, any rules; edit, compare, take apart, copy."""

from __future__ import annotations

import math

import streamlit as st

from app.explain.ask import explain
from app.explain.composites import (
    BIAS_MEANINGS,
    DEFAULT_BIAS,
    DEFAULT_COMPOSITE,
    MEANINGS,
    composite_names,
)
from app.explain.explanation import Explanation
from app.explain.overrides import split
from app.explain.targets import Target
from app.game.session import Session
from app.present.colormap import MAPS
from app.present.sentences import headline_words, side_word, value_words
from app.web import gallery, record, state, widgets
from app.web.components import parts
from app.web.components.maps import USUAL, Legend, Look
from app.web.pages import WebPage
from app.web.views import tables
from app.web.views.inspect import files, layers, tools
from app.web.views.question import Question
from othello.rules.board import Board

TOOLS = {"look": "Look", "X": "Black disc", "O": "White disc", "-": "Erase"}
ASKED = Question("i_question", "i_move_x", "i_move_y")
SIMULATIONS = 100  # of the search that a target of kind q rests on


def page() -> None:
    """Draw the page."""
    with state.error_box():
        record.follow("inspect")
        _desk()


def board() -> Board:
    """The position under inspection: at first the game's."""
    if "inspected" not in st.session_state:
        game: Session | None = st.session_state.get("game")
        start = Board.parse(gallery.GALLERY["Start"])
        st.session_state.inspected = start if game is None else game.board
    found: Board = st.session_state.inspected
    return found


def set_board(position: Board) -> None:
    """Inspect another position."""
    st.session_state.inspected = position
    st.session_state.inspect_serial = st.session_state.get("inspect_serial", 0) + 1
    st.session_state.pop("looked_at", None)


def ask(target: Target, composite: str, bias: str, simulations: int) -> None:
    """Let the page explain this, with `simulations` for the search that a target of kind q rests on."""
    ASKED.put(target)
    widgets.put("i_composite", composite)
    layers.follow(())
    widgets.put("i_bias", bias)
    st.session_state.i_simulations = simulations


@st.fragment
def _desk() -> None:
    with state.drawing():
        state.messages("link_error", "inspect_error")
        model = state.model(board().size)
        left, right = st.columns([11, 10], gap="large")
        with st.container():  # below the columns, but before all that takes time
            record.write("inspect")
        found, look = None, USUAL
        with right:
            target = ASKED.draw(model.ranked(board()), board().size)
            composite, bias, look = _method()
            with state.error_box():
                found = explain(
                    model,
                    board(),
                    target,
                    composite=composite,
                    bias=bias,
                    layers=True,
                    simulations=_simulations(),
                )
                _ledger(found, look)
        with left:
            _board({} if found is None else Legend.of(found, look).heat(found.squares))
            _editor()
        if found is not None:
            tools.draw(model, found, look, _simulations())


def _method() -> tuple[str, str, Look]:
    """The widgets that say by which rules, with what of the biases, and how it is drawn."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = composite_names()
        composite = widgets.select(
            "Rules", names, key="i_composite", default=DEFAULT_COMPOSITE, width=250
        )
        bias = widgets.select("Bias", BIAS_MEANINGS, key="i_bias", default=DEFAULT_BIAS, width=150)
        colours = widgets.select("Colours", MAPS, key="i_colours", width=150)
        numbers = widgets.toggle("Numbers", key="i_numbers")
    st.caption(f"{MEANINGS.get(composite, '')} Bias: {BIAS_MEANINGS[bias]}.")
    layers.reminder()
    return layers.composite_of(composite), bias, Look(colours, numbers)


def _ledger(found: Explanation, look: Look) -> None:
    st.markdown(state.plain(headline_words(found)))
    if found.target.kind == "value":
        st.caption(state.plain(value_words(found.board, math.tanh(found.value), "Network")))
    tables.account(found, key="i_ledger", colours=look.colours)
    if not found.board.black | found.board.white:
        st.info(
            "The board is empty: what you see is what the biases and the rules do without any evidence."
        )
    left, right = st.columns(2)
    with left:
        Legend.of(found, look).picture(
            found.board,
            found.bias_squares,
            key="i_bias_map",
            title="Where the biases act",
            label=f"Bias relevance for {found.target}",
        )
    with right:
        tools.bias_table(found)


def _board(heat: parts.Over) -> None:
    position = board()
    turn = f"{side_word(position.side).capitalize()} to move"
    if position.must_pass:
        turn = "It must pass"
    parts.board(
        position,
        key="i_board",
        on_edit=_on_edit,
        serial=st.session_state.get("inspect_serial", 0),
        mode="edit",
        last=st.session_state.get("looked_at"),
        names=["Black", "White"],
        status=f"{'The game is over' if position.is_over else turn}.",
        label="Position under inspection",
        over=heat,
    )
    if (ply := _ply_of_game(position)) is not None:
        st.caption(f"The position after ply {ply} of the game on Play.")


def _ply_of_game(position: Board) -> int | None:
    """The ply of this browser session's game that the position stands at, past its start."""
    game: Session | None = st.session_state.get("game")
    plies = range(1, game.length + 1) if game is not None else ()
    return next((ply for ply in plies if game is not None and game.board_at(ply) == position), None)


def _on_edit() -> None:
    square, tool = (
        parts.picked("i_board", "edit", "square"),
        widgets.chosen("i_tool", TOOLS, "look"),
    )
    st.session_state.inspect_serial = st.session_state.get("inspect_serial", 0) + 1
    if not isinstance(square, int) or not 0 <= square < board().size ** 2:
        return
    if tool == "look":
        st.session_state.looked_at = None if st.session_state.get("looked_at") == square else square
    else:
        set_board(tools.with_content(board(), square, tool))


def _editor() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        widgets.segments(
            "A click on the board",
            TOOLS,
            key="i_tool",
            default="look",
            format_func=TOOLS.__getitem__,
        )
        widgets.button("Other side to move", "swap_vert", key="i_side", do=_other_side)
        if st.button("Play from here", icon=":material/sports_esports:", key="i_play"):
            state.open_in_play(board())
        gallery.game_position("i_game", set_board)
    gallery.choose("i_gallery", set_board, placeholder="Choose a position")
    files.draw(board().size, set_board)


def _other_side() -> None:
    position = board()
    set_board(
        Board(position.black, position.white, "O" if position.side == "X" else "X", position.size)
    )


def _simulations() -> int:
    found: int = st.session_state.get("i_simulations", SIMULATIONS)
    return found


def _position() -> str:
    return str(board())


def _target() -> str:
    return str(ASKED.held(state.model(board().size).ranked(board()), board().size))


def _take_target(text: str) -> None:
    target = Target.parse(text, board().size)
    target.check(board())
    ASKED.put(target)


def _composite() -> str:
    preset = widgets.chosen("i_composite", composite_names(), DEFAULT_COMPOSITE)
    return layers.composite_of(preset)


def _take_composite(text: str) -> None:
    preset, overrides = split(text)
    if preset in composite_names():
        widgets.put("i_composite", preset)
        layers.follow(overrides)


def _bias() -> str:
    return widgets.chosen("i_bias", BIAS_MEANINGS, DEFAULT_BIAS)


def _take_bias(text: str) -> None:
    if text in BIAS_MEANINGS:
        widgets.put("i_bias", text)


def _searched() -> str:
    return "" if _simulations() == SIMULATIONS else str(_simulations())


def _take_searched(text: str) -> None:
    if text.isdecimal() and len(text) < 5:
        st.session_state.i_simulations = max(1, int(text))


record.holds(
    "inspect",
    record.Part("position", _position, lambda text: set_board(state.parse_position(text))),
    record.Part("target", _target, _take_target),
    record.Part("composite", _composite, _take_composite),
    record.Part("bias", _bias, _take_bias),
    record.Part("simulations", _searched, _take_searched),
    record.choice("colours", "i_colours", lambda: MAPS, lambda: USUAL.colours),
    record.choice("numbers", "i_numbers", lambda: (False, True), lambda: False),
    *tools.PARTS,
)
PAGE = WebPage(
    "Inspect",
    ":material/search_insights:",
    2,
    page,
    "Ask the network about any position, by any rules: which squares and which biases its answer rests on.",
)
