"""The Play page's settings: how the agent plays, what is revealed and when, which explanation."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.explain.composites import (
    BIAS_MEANINGS,
    DEFAULT_BIAS,
    DEFAULT_COMPOSITE,
    MEANINGS,
    composite_names,
)
from app.game.opponents import offered_engines
from app.game.session import SEATS, Session
from app.present.colormap import MAPS
from app.web import record, state, widgets
from app.web.components.maps import Look
from othello.errors import OthelloError
from othello.rules.board import Board

REVEAL = ("Never", "After my move", "Always")
ON_SQUARES = ("nothing", "relevance", "prior", "Q", "best line")
LIMITS = ("simulations", "seconds")  # what ends the agent's search
SIMULATIONS, USUAL = (0, 16, 32, 64, 100, 200, 400, 800, 1600), 100
SECONDS, TEMPERATURE = (0.1, 10.0, 1.0), (0.0, 1.5, 0.0)  # lowest, highest, usual
SEAT_WORDS = {"black": "Black", "white": "White", "watch": "Watch", "both": "Both sides"}
SIZE_WORDS = {8: "8×8", 6: "6×6", 4: "4×4"}
OPPONENTS = {
    "agent": "the agent",
    "random": "random moves",
    "greedy": "greedy",
    "alphabeta:3": "alpha-beta, 3 plies",
}


@dataclass(frozen=True)
class Choices:
    """What the page shall show."""

    reveal: str  # never, after, always
    composite: str
    bias: str
    on_squares: str  # one of ON_SQUARES
    look: Look


def reading() -> Choices:
    """The settings as the widgets hold them, defaults where they have not been drawn yet."""
    chosen = widgets.chosen
    on_squares = chosen("on_squares", ON_SQUARES, ON_SQUARES[0])
    return Choices(
        {"Never": "never", "Always": "always"}.get(chosen("reveal", REVEAL, REVEAL[1]), "after"),
        chosen("composite", composite_names(), DEFAULT_COMPOSITE),
        chosen("bias", BIAS_MEANINGS, DEFAULT_BIAS),
        on_squares,
        Look(chosen("colours", MAPS, Look().colours), on_squares == "relevance"),
    )


def revealing() -> None:
    """The widgets for when an explanation shows and what it is about."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        widgets.segments("Reveal explanations", REVEAL, key="reveal", default=REVEAL[1])
        with st.popover("Method", icon=":material/tune:"):
            names = composite_names()
            rules = widgets.select(
                "Composite",
                names,
                key="composite",
                default=DEFAULT_COMPOSITE,
                format_func=_composite_label,
            )
            st.caption(MEANINGS.get(rules, ""))
            bias = widgets.select("Bias", BIAS_MEANINGS, key="bias", default=DEFAULT_BIAS)
            st.caption(BIAS_MEANINGS[bias])
            widgets.select("Colours", MAPS, key="colours")
            widgets.select(
                "Numbers on the squares",
                ON_SQUARES,
                key="on_squares",
                format_func=lambda name: "chance for black" if name == "Q" else name,
            )


def _composite_label(name: str) -> str:
    return f"{name} (default)" if name == DEFAULT_COMPOSITE else name


def new_game(game: Session) -> None:
    """The menu that starts a game: side, strength, opponent, position."""
    with widgets.menu("New", "add_circle", "new"):
        widgets.segments(
            "You play",
            SEAT_WORDS,
            key="seat",
            default=game.seat,
            format_func=SEAT_WORDS.__getitem__,
        )
        sizes, size = state.sizes(), game.start.size
        if len(sizes) > 1:
            widgets.segments(
                "Board", sizes, key="size", default=size, format_func=SIZE_WORDS.__getitem__
            )
        widgets.text(
            "Position or transcript", key="start_text", placeholder="start", max_chars=4096
        )
        st.button("Start", type="primary", key="start", on_click=_start, width="stretch")
        st.divider()
        strength(game)


def settle(game: Session) -> None:
    """Let the game follow the widgets before anybody moves, also where a move came before the widgets are drawn."""
    game.opponent = widgets.chosen("opponent", opponents(game.start.size), "agent")
    if widgets.chosen("limit", LIMITS, LIMITS[0]) == "seconds":
        game.set_strength(seconds=widgets.within("seconds", *SECONDS))
    else:
        game.set_strength(
            simulations=widgets.chosen("simulations", SIMULATIONS, USUAL), seconds=None
        )
    game.set_strength(temperature=widgets.within("temperature", *TEMPERATURE))


def strength(game: Session) -> None:
    """The widgets for how the agent plays and who the opponent is; `settle` reads them."""
    if widgets.segments("Agent thinks by", LIMITS, key="limit", default=LIMITS[0]) == "seconds":
        low, high, usual = SECONDS
        widgets.slider("Seconds a move", low, high, key="seconds", default=usual, step=0.1)
    else:
        widgets.steps(
            "Simulations a move",
            SIMULATIONS,
            key="simulations",
            default=USUAL,
            format_func=_simulations,
        )
    words = "0 plays the most visited move; higher varies more."
    low, high, usual = TEMPERATURE
    widgets.slider("Temperature", low, high, key="temperature", default=usual, step=0.1, help=words)
    names = opponents(game.start.size)
    widgets.select("Opponent", names, key="opponent", format_func=names.__getitem__)
    if not offered_engines():
        st.caption(
            "Other programs: start the app with --engine NAME=gtp:COMMAND or NAME=nboard:COMMAND."
        )
    paths = state.checkpoint_paths(game.start.size)
    if len(paths) > 1:
        widgets.select("Network", paths, key="checkpoint", format_func=state.checkpoint_label)


def opponents(size: int) -> dict[str, str]:
    """{player: words} of everybody who can play on N×N: the agent, simple players, the operator's programs."""
    return OPPONENTS | engines(size)


def engines(size: int) -> dict[str, str]:
    """{player: name} of the operator's programs that play on N×N; NBoard programs know 8×8 only."""
    return {
        spec: name
        for name, spec in offered_engines().items()
        if size == 8 or spec.startswith("gtp:")
    }


def _simulations(count: int) -> str:
    return "no search" if count == 0 else str(count)


def _start() -> None:
    widgets.close("new")
    game = state.game()
    text, seat = widgets.typed("start_text"), widgets.chosen("seat", SEATS, game.seat)
    try:
        game = state.game_of_size(widgets.chosen("size", state.sizes(), game.start.size))
        if text and text.lower() != "start":
            game.open(text, seat=seat)
        else:
            game.new_game(seat=seat, start=Board.initial(game.start.size))
        begun()
    except OthelloError as error:
        game.goto(game.cursor)
        st.session_state.move_error = str(error)


def begun() -> None:
    """Let a new game go on at once, with its board in view."""
    st.session_state.paused = False
    st.session_state.games = st.session_state.get("games", 0) + 1


def _all_opponents() -> dict[str, str]:
    return opponents(state.game().start.size)


def _networks() -> list[str]:
    """The checkpoints of every size, each size's usual one first."""
    paths: list[str] = []
    for size in state.sizes():
        paths += state.checkpoint_paths(size)
    return paths


PARTS = (
    record.choice("reveal", "reveal", lambda: REVEAL, lambda: REVEAL[1], str.lower),
    record.choice("composite", "composite", composite_names, lambda: DEFAULT_COMPOSITE),
    record.choice("bias", "bias", lambda: BIAS_MEANINGS, lambda: DEFAULT_BIAS),
    record.choice("colours", "colours", lambda: MAPS, lambda: Look().colours),
    record.choice("numbers", "on_squares", lambda: ON_SQUARES, lambda: ON_SQUARES[0]),
    record.choice("limit", "limit", lambda: LIMITS, lambda: LIMITS[0]),
    record.choice("simulations", "simulations", lambda: SIMULATIONS, lambda: USUAL),
    record.span("seconds", "seconds", *SECONDS),
    record.span("temperature", "temperature", *TEMPERATURE),
    record.choice(  # by name: how a program is started is no part of a link
        "opponent", "opponent", _all_opponents, lambda: "agent", lambda spec: _all_opponents()[spec]
    ),
    record.choice(
        "network", "checkpoint", _networks, lambda: _networks()[0], state.checkpoint_label
    ),
)
