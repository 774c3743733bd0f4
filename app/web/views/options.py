"""The Play page's settings: how the agent plays, what is revealed and when, which explanation."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.explain.composites import BIAS_MEANINGS, DEFAULT_BIAS, DEFAULT_COMPOSITE, MEANINGS, composite_names
from app.explain.heat import MAPS
from app.rivals import offered_engines
from app.session import Session
from app.web import state
from othello.board import Board
from othello.errors import OthelloError

REVEAL = ("Never", "After my move", "Always")
QUESTIONS = ("Value", "A move", "X rather than Y", "Q after search", "What it changed")
ON_SQUARES = ("nothing", "relevance", "prior", "Q", "best line")
SIMULATIONS = (0, 16, 32, 64, 100, 200, 400, 800, 1600)
SEAT_WORDS = {"black": "Black", "white": "White", "watch": "Watch", "both": "Both sides"}
SIZE_WORDS = {8: "8×8", 6: "6×6", 4: "4×4"}
OPPONENTS = {"agent": "the agent", "random": "random moves", "greedy": "greedy", "alphabeta:3": "alpha-beta, 3 plies"}


@dataclass(frozen=True)
class View:
    """What the page shall show."""

    reveal: str  # never, after, always
    question: str
    composite: str
    bias: str
    colours: str
    on_squares: str  # one of ON_SQUARES


def reading() -> View:
    """The settings as the widgets hold them, defaults where they have not been drawn yet."""
    get = st.session_state.get
    reveal = {"Never": "never", "Always": "always"}.get(get("reveal") or "", "after")
    return View(
        reveal,
        get("question") or QUESTIONS[0],
        get("composite") or DEFAULT_COMPOSITE,
        get("bias") or DEFAULT_BIAS,
        get("colours") or "blue–red",
        get("on_squares") or ON_SQUARES[0],
    )


def revealing() -> None:
    """The widgets for when an explanation shows and what it is about."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control("Reveal explanations", REVEAL, key=state.remember("reveal", REVEAL[1]), required=True)
        with st.popover("Method", icon=":material/tune:"):
            st.selectbox("Composite", composite_names(), key="composite", format_func=_composite_label)
            st.caption(MEANINGS.get(st.session_state.get("composite") or DEFAULT_COMPOSITE, ""))
            st.selectbox("Bias", tuple(BIAS_MEANINGS), key="bias")
            st.caption(BIAS_MEANINGS[st.session_state.get("bias") or DEFAULT_BIAS])
            st.selectbox("Colours", tuple(MAPS), key="colours")
            st.selectbox("Numbers on the squares", ON_SQUARES, key="on_squares")


def _composite_label(name: str) -> str:
    return f"{name} (default)" if name == DEFAULT_COMPOSITE else name


def new_game(game: Session) -> None:
    """The menu that starts a game: side, strength, opponent, position."""
    with st.popover("New", icon=":material/add_circle:"):
        st.segmented_control(
            "You play",
            tuple(SEAT_WORDS),
            key=state.remember("seat", game.seat),
            format_func=SEAT_WORDS.get,
            required=True,
        )
        sizes = state.sizes()
        if len(sizes) > 1:
            st.segmented_control(
                "Board", sizes, key=state.remember("size", game.start.size), format_func=SIZE_WORDS.get, required=True
            )
        st.text_input("Position or transcript", key="start_text", placeholder="start", max_chars=4096)
        st.button("Start", type="primary", key="start", on_click=_start, width="stretch")
        st.divider()
        strength(game)


def settle(game: Session) -> None:
    """Let the game follow the widgets before anybody moves, also where a move came before the widgets are drawn."""
    get = st.session_state.get
    if (opponent := get("opponent")) is not None:
        game.opponent = opponent if opponent in opponents(game.start.size) else "agent"
    if get("limit") == "seconds":
        game.set_strength(seconds=float(get("seconds") or 1.0))
    elif get("simulations") is not None:
        game.set_strength(simulations=int(st.session_state.simulations), seconds=None)
    if get("temperature") is not None:
        game.set_strength(temperature=float(st.session_state.temperature))


def strength(game: Session) -> None:
    """The widgets for how the agent plays and who the opponent is; `settle` reads them."""
    limit = st.segmented_control(
        "Agent thinks by", ("simulations", "seconds"), key=state.remember("limit", "simulations"), required=True
    )
    if limit == "seconds":
        st.slider("Seconds a move", 0.1, 10.0, step=0.1, key=state.remember("seconds", 1.0))
    else:
        kept = state.remember("simulations", 100)
        st.select_slider("Simulations a move", SIMULATIONS, key=kept, format_func=_simulations)
    words = "0 plays the most visited move; higher varies more."
    st.slider("Temperature", 0.0, 1.5, step=0.1, key=state.remember("temperature", 0.0), help=words)
    names = opponents(game.start.size)
    if st.session_state.get("opponent") not in names:
        st.session_state.opponent = "agent"
    st.selectbox("Opponent", tuple(names), key="opponent", format_func=names.get)
    if not offered_engines():
        st.caption("Other programs: start the app with --engine NAME=gtp:COMMAND or NAME=nboard:COMMAND.")
    paths = state.checkpoint_paths(game.start.size)
    if len(paths) > 1:
        if st.session_state.get("checkpoint") not in paths:
            st.session_state.pop("checkpoint", None)
        st.selectbox("Network", paths, key="checkpoint", format_func=state.checkpoint_label)


def opponents(size: int) -> dict[str, str]:
    """{player: words} of everybody who can play on N×N: the agent, simple players, the operator's programs."""
    return OPPONENTS | engines(size)


def engines(size: int) -> dict[str, str]:
    """{player: name} of the operator's programs that play on N×N; NBoard programs know 8×8 only."""
    return {spec: name for name, spec in offered_engines().items() if size == 8 or spec.startswith("gtp:")}


def _simulations(count: int) -> str:
    return "no search" if count == 0 else str(count)


def _start() -> None:
    game = state.game()
    text = (st.session_state.get("start_text") or "").strip()
    seat = st.session_state.get("seat") or game.seat
    try:
        game = state.game_of_size(st.session_state.get("size") or game.start.size)
        if text and text.lower() != "start":
            game.open(text, seat=seat)
        else:
            game.new_game(seat=seat, start=Board.initial(game.start.size))
        st.session_state.paused = False
    except OthelloError as error:
        game.goto(game.cursor)
        st.session_state.move_error = str(error)
