"""Mounting of the page's components: the board, the value graph, tables, the ledger and curves."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack

import streamlit as st

from app.explain.explanation import Explanation
from app.present.numbers import fixed
from othello.rules.board import Board, squares_of
from othello.rules.notation import format_squares


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _declared(name: str, css: str = "panels.css") -> Any:
    """The component of that name, made of the files beside this one."""
    return st.components.v2.component(
        f"othello_{name}", css=_read(css), js=_read(f"{name}.js"), isolate_styles=False
    )


_BOARD = _declared("board", "board.css")
_GRAPH = _declared("graph")
_MOVES = _declared("moves")
_LEDGER = _declared("ledger")
_LINES = _declared("lines")
_MATRIX = _declared("matrix")
_ADDRESS = st.components.v2.component(
    "othello_address", js=_read("address.js"), isolate_styles=False
)


class BoardOptions(TypedDict, total=False):
    """How an interactive board stands."""

    serial: int  # grows with every change
    ply: int  # goes back with a move, so that the server knows which position it was made in
    mode: str  # play, view or edit
    busy: bool
    last: int | None  # the square played last
    names: Sequence[str]  # of black and white
    status: str  # one line under the board, read out
    label: str  # what the board is, for screen readers
    games: int  # how many were begun here: one more brings the board into view


class Over(TypedDict, total=False):
    """What lies over the squares of a board; lists that are not of squares have an entry a square."""

    fills: Sequence[str]  # a heatmap: colours, the ink on them, what is said of them, the legend
    inks: Sequence[str]
    notes: Sequence[str]
    legend: Mapping[str, Any]
    numbers: Sequence[str] | None
    steps: Sequence[int]  # the squares of an expected line: discs, numbered in this order
    movers: str  # whose those discs would be, X or O
    outlined: Sequence[int]  # squares that something beside the board speaks of


BARE: Final[Over] = {}


@dataclass(frozen=True)
class Course:
    """The values of a game by ply in [−1, 1] for black, None where there is none, and what is said of each ply."""

    searched: Sequence[float | None]  # what searches found, and the outcome
    sight: Sequence[float | None]  # what the network alone says
    words: Sequence[str]
    span: int  # plies that the axis has room for, at least
    marks: Sequence[int] = ()


def _nothing() -> None:
    """A callback that leaves the event to the result."""


def _stamp() -> dict[str, Any]:
    """Which browser session draws, and which time: while a component loads, older data may come after newer."""
    session: str = st.session_state.setdefault("stamp_of", secrets.token_hex(4))
    number: int = st.session_state.get("stamps", 0) + 1
    st.session_state.stamps = number
    return {"session": session, "number": number}


def address(
    query: str, *, page: str, bare: bool = False, on_found: Callable[[], None] = _nothing
) -> None:
    """Let the browser's address of a page end in `?query`, without another entry in its history; its storage keeps it.

    A `bare` page was opened without a query: if the storage has one, that is reported instead, with its page.
    """
    data = {"query": query, "page": page, "bare": bare, "stamp": _stamp()}
    _ADDRESS(key=f"address_{page}", data=data, on_found_change=on_found)


def flips_of(board: Board) -> dict[str, list[int]]:
    """The discs that each legal move turns over."""
    found = {}
    for square in board.legal_moves():
        turned = board.opp & board.play(square).opp  # the mover's discs are the other side's then
        found[str(square)] = list(squares_of(turned, board.size))
    return found


def _discs(position: Board) -> dict[str, Any]:
    return {
        "size": position.size,
        "cells": format_squares(position.black, position.white, position.size),
        "side": position.side,
        "serial": 0,
    }


def expected(position: Board, actions: Sequence[int], count: int) -> Over:
    """The next `count` discs of an expected line of play, passes not counted, as `Over` shows them."""
    steps: list[int] = []
    movers = ""
    for action in actions:
        if action < position.size**2 and len(steps) < count:
            steps.append(action)
            movers += position.side
        position = position.play(action)
    return {"steps": steps, "movers": movers}


def board(
    position: Board,
    *,
    key: str,
    playable: bool = False,
    over: Over = BARE,
    on_move: Callable[[], None] = _nothing,
    on_edit: Callable[[], None] = _nothing,
    **looks: Unpack[BoardOptions],
) -> None:
    """The one interactive board of a page: an ARIA grid of N² gridcells named "c4 …"."""
    turn = None if position.is_over else position.side
    _BOARD(
        key=key,
        data={
            **_discs(position),
            "turn": turn,
            "stamp": _stamp(),
            "legal": flips_of(position) if playable else {},
            **over,
            **looks,
        },
        on_move_change=on_move,
        on_edit_change=on_edit,
    )


def picture(
    position: Board,
    *,
    key: str,
    title: str,
    label: str,
    last: int | None = None,
    over: Over = BARE,
) -> None:
    """A board to look at: an ARIA image with a label."""
    _BOARD(
        key=key,
        data={
            **_discs(position),
            "picture": True,
            "small": True,
            "title": title,
            "label": label,
            "last": last,
            **over,
        },
        on_move_change=_nothing,
    )


def graph(
    course: Course,
    ply: int,
    *,
    key: str,
    serial: int,
    title: str,
    on_jump: Callable[[], None] = _nothing,
) -> None:
    """The value of a game by ply: a line of what searches found, a thin one of what the network says by itself."""
    _GRAPH(
        key=key,
        data={**asdict(course), "ply": ply, "serial": serial, "title": title},
        on_jump_change=on_jump,
    )


def into_view(key: str) -> None:
    """Let the table of that key be scrolled into view when it is drawn next."""
    st.session_state[f"news_{key}"] = st.session_state.get(f"news_{key}", 0) + 1


def moves(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: str,
    title: str = "",
    verb: str = "",
    serial: int = 0,
    shows: str = "",
    on_pick: Callable[[], None] | None = None,
) -> None:
    """A table; a cell is a text or {"share": 0..1, "text": …}; rows carry a `value` that a click reports.

    shows: the CSS selector of what a click changes, which is scrolled into view.
    """
    _MOVES(
        key=key,
        data={
            "columns": list(columns),
            "rows": list(rows),
            "title": title,
            "pickable": on_pick is not None,
            "verb": verb,
            "serial": serial,
            "shows": shows,
            "news": st.session_state.get(f"news_{key}", 0),
        },
        on_pick_change=on_pick or _nothing,
    )


@dataclass(frozen=True)
class MatrixCell:
    """A small map: the letters of its board, the squares' colours, numbers under it, words for who cannot see it."""

    letters: str
    fills: Sequence[str]
    numbers: Sequence[str]
    words: str
    pinned: bool = False


def matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[MatrixCell | None]],
    *,
    key: str,
    size: int,
    legend: Mapping[str, Any],
    title: str = "",
    on_pick: Callable[[], None] = _nothing,
) -> None:
    """Maps of N×N boards by row and column, None where there is none; a click reports `row` and `column`."""
    data: list[list[Any]] = []
    for line in cells:
        data.append([None if cell is None else asdict(cell) for cell in line])
    _MATRIX(
        key=key,
        data={
            "rows": list(rows),
            "columns": list(columns),
            "cells": data,
            "size": size,
            "legend": dict(legend),
            "title": title,
        },
        on_pick_change=on_pick,
    )


def bar(share: float, text: str) -> dict[str, Any]:
    """A cell of `moves` with a bar for a share in [0, 1]."""
    return {"share": share, "text": text}


def reported(component: str, event: str) -> Any:
    """What a component says of an event; None where it says nothing, or where a browser speaks for one not drawn."""
    return getattr(st.session_state.get(component), event, None)


def picked(component: str, event: str, name: str = "value") -> Any:
    """What a click on a component reports under a name; None where it reports nothing of the kind."""
    found = reported(component, event)
    return found.get(name) if isinstance(found, dict) else None


def ledger(
    explanation: Explanation,
    *,
    key: str,
    title: str = "",
    colours: str = "blue–red",
    digits: int = 3,
) -> None:
    """The bar target = squares + bias + stabilizer (+ solved positions) of an explanation."""
    rows = {"squares": float(explanation.squares.sum()), "bias": explanation.bias_total}
    rows |= {name: value for name, value in explanation.given.items() if value}
    rows["stabilizer"] = explanation.stabilizer
    texts = {name: _signed(value, digits) for name, value in rows.items()}
    sum_words = " + ".join(f"{name} {text}" for name, text in texts.items())
    _LEDGER(
        key=key,
        data={
            "rows": [{"name": n, "value": value, "text": texts[n]} for n, value in rows.items()],
            "total": explanation.value,
            "name": str(explanation.target),
            "text": _signed(explanation.value, digits),
            "title": title,
            "label": f"{explanation.target} = {sum_words}",
            "swap": colours != "blue–red",
        },
    )


def lines(
    title: str,
    x: Sequence[float],
    series: Mapping[str, Sequence[float | None]],
    *,
    key: str,
    axis: str = "iteration",
) -> None:
    """Curves over a common axis; None leaves a gap."""
    ends = []
    for name, values in series.items():
        known = [value for value in values if value is not None]
        ends += [f"{name} {known[-1]:.4g}"] if known else []
    _LINES(
        key=key,
        data={
            "title": title,
            "x": list(x),
            "series": [{"name": name, "values": list(values)} for name, values in series.items()],
            "label": f"{title} by {axis}; last: {', '.join(ends) or 'nothing yet'}",
        },
    )


def _signed(value: float, digits: int) -> str:
    return fixed(value, digits) if abs(value) >= 0.5 * 10**-digits else "0"
