"""What the buttons and the keys of the Play page do, by the commands' names in the table of keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import streamlit as st

from app.game.session import SEATS, Session
from app.present.keys import KEYS
from app.web import state, turns, widgets
from app.web.components import guide, parts
from app.web.views import options
from othello.rules.board import Board
from othello.search.search import SearchResult

TITLE: Final = "Othello, explained"
LINE: Final = "Play a self-taught agent and see why it wants its moves."
_HINT: Final = 100  # simulations of a hint, at least


def go(where: str) -> None:
    """Show another ply of the game; who watches has it paused there."""
    game = state.game()
    steps: dict[str, Callable[[], object]] = {
        "first": lambda: game.goto(0),
        "back": lambda: game.goto(max(0, game.cursor - 1)),
        "forward": lambda: game.goto(min(game.length, game.cursor + 1)),
        "last": lambda: game.goto(game.length),
        "undo": game.undo,
        "redo": game.redo,
        "continue": game.continue_here,
    }
    steps[where]()
    if game.seat == "watch":
        st.session_state.paused = where != "continue"


def pause(paused: bool) -> None:
    """Let a game between agents stand still, or go on."""
    st.session_state.paused = paused


def again(*, other_side: bool = False, stronger: bool = False) -> None:
    """Begin a new game from the same position."""
    game = state.game()
    if other_side and game.seat in ("black", "white"):
        take_seat("white" if game.seat == "black" else "black")
    if stronger:
        strengthen(1)
    game.new_game(start=game.start)
    options.begun()


def take_seat(seat: str) -> None:
    """Let the person play another side, or both, or watch."""
    game = state.game()
    game.seat = next(one for one in SEATS if one == seat)
    widgets.put("seat", seat)
    st.session_state.paused = False


def strengthen(step: int) -> None:
    """Give the agent so many steps more simulations."""
    now = widgets.chosen("simulations", options.SIMULATIONS, options.USUAL)
    place = options.SIMULATIONS.index(now) + step
    if 0 <= place < len(options.SIMULATIONS):
        widgets.put("simulations", options.SIMULATIONS[place])
    widgets.put("limit", options.LIMITS[0])


def hinted(game: Session) -> SearchResult | None:
    """The search behind the hint, until the game goes on."""
    board, found = st.session_state.get("hint", (None, None))
    return found if board == game.board else None


def _hint() -> None:
    game = state.game()
    if hinted(game) is not None or not game.human_to_move:
        st.session_state.pop("hint", None)
        return
    board: Board = game.board
    with turns.searching():
        st.session_state.hint = board, game.analyse(board, max(_HINT, game.strength.simulations))


def _next(key: str, choices: tuple[str, ...], default: str) -> None:
    now = widgets.chosen(key, choices, default)
    widgets.put(key, choices[(choices.index(now) + 1) % len(choices)])


def _numbers() -> None:
    shown = widgets.chosen("on_squares", options.ON_SQUARES, "nothing") == "relevance"
    widgets.put("on_squares", "nothing" if shown else "relevance")


def _pause() -> None:
    if state.game().seat == "watch":
        pause(not st.session_state.get("paused"))


COMMANDS: Final[Mapping[str, Callable[[], None]]] = {
    "undo": lambda: go("undo"),
    "redo": lambda: go("redo"),
    "back": lambda: go("back"),
    "forward": lambda: go("forward"),
    "first": lambda: go("first"),
    "last": lambda: go("last"),
    "hint": _hint,
    "heat": lambda: _next("reveal", options.REVEAL, options.REVEAL[1]),
    "numbers": _numbers,
    "new": again,
    "seat": lambda: _next_seat(),
    "pause": _pause,
    "stronger": lambda: strengthen(1),
    "weaker": lambda: strengthen(-1),
}
_BY_THE_PAGE: Final = ("left", "right", "up", "down", "play", "help", "escape")
_ROWS: Final = [row for row in KEYS if {*COMMANDS, *_BY_THE_PAGE}.issuperset(row.commands)]


def _next_seat() -> None:
    seats = tuple(SEATS)
    take_seat(seats[(seats.index(state.game().seat) + 1) % len(seats)])


def title(game: Session) -> None:
    """The page's title, the tour and the keys."""
    keys = {key: name for row in _ROWS for name, given in row.commands.items() for key in given}
    rows = [(row.shown, row.words) for row in _ROWS]
    guide.title(TITLE, LINE, rows=rows, keys=keys, serial=game.serial, on_key=_on_key)


def _on_key() -> None:
    command = COMMANDS.get(str(parts.picked("guide", "key", "name")))
    if command is not None:
        command()
