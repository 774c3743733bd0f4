"""Mounting of the page's components: the board, the value graph, tables of moves and the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app.explain.explanation import Explanation, Map
from app.present.colormap import MAPS, NEUTRAL, fills, ink, numbers, scale_of
from othello.rules.board import Board, squares_of
from othello.rules.notation import format_squares

_HERE = Path(__file__).parent


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_BOARD = st.components.v2.component(
    "othello_board", css=_read("board.css"), js=_read("board.js"), isolate_styles=False
)
_GRAPH = st.components.v2.component(
    "othello_graph", css=_read("panels.css"), js=_read("graph.js"), isolate_styles=False
)
_MOVES = st.components.v2.component(
    "othello_moves", css=_read("panels.css"), js=_read("moves.js"), isolate_styles=False
)
_LEDGER = st.components.v2.component(
    "othello_ledger", css=_read("panels.css"), js=_read("ledger.js"), isolate_styles=False
)

_LINES = st.components.v2.component(
    "othello_lines", css=_read("panels.css"), js=_read("lines.js"), isolate_styles=False
)

_ADDRESS = st.components.v2.component(
    "othello_address", js=_read("address.js"), isolate_styles=False
)


def address(query: str, *, page: str) -> None:
    """Let the browser's address of a page end in `?query`, without another entry in its history."""
    _ADDRESS(key=f"address_{page}", data={"query": query})


def _nothing() -> None:
    """A callback that leaves the event to the result."""


def flips_of(board: Board) -> dict[int, list[int]]:
    """The discs that each legal move turns over."""
    own, found = board.own, {}
    for square in board.legal_moves():
        after = board.play(square)
        mine = after.black if board.side == "X" else after.white
        found[square] = [s for s in squares_of(mine & ~own, board.size) if s != square]
    return found


def heat(
    relevance: Map,
    *,
    scale: float | None = None,
    colours: str = "blue–red",
    with_numbers: bool = False,
) -> dict[str, Any]:
    """What the board component needs to show a map [N, N] with its legend."""
    full = scale_of(relevance) if scale is None else scale
    paint = fills(relevance, full, colours)
    cells = relevance.size
    shown = numbers(relevance, full) if with_numbers else {}
    return {
        "fills": [paint.get(square, NEUTRAL) for square in range(cells)],
        "inks": [ink(paint.get(square, NEUTRAL)) for square in range(cells)],
        "numbers": [shown.get(square, "") for square in range(cells)] if with_numbers else None,
        "notes": [
            f"relevance {value:+.3g}" if abs(value) > 1e-12 else "" for value in relevance.flat
        ],
        "legend": {"low": f"−{full:.3g}", "high": f"+{full:.3g}", "colours": _ramp(colours)},
    }


def _ramp(colours: str) -> list[str]:
    return ["#" + "".join(f"{channel:02x}" for channel in stop) for stop in MAPS[colours]]


def board(
    position: Board,
    *,
    key: str,
    serial: int = 0,
    ply: int = 0,
    playable: bool = False,
    mode: str = "play",
    busy: bool = False,
    last: int | None = None,
    names: Sequence[str] | None = None,
    status: str = "",
    label: str = "Othello board",
    extra: Mapping[str, Any] | None = None,
    on_move: Callable[[], None] | None = None,
    on_edit: Callable[[], None] | None = None,
) -> Any:
    """The one interactive board of a page: an ARIA grid of N² gridcells named "c4 …"."""
    data = {
        "size": position.size,
        "cells": format_squares(position.black, position.white, position.size),
        "side": position.side,
        "turn": None if position.is_over else position.side,
        "legal": {str(s): f for s, f in flips_of(position).items()} if playable else {},
        "busy": busy,
        "mode": mode,
        "ply": ply,
        "serial": serial,
        "last": last,
        "names": names,
        "status": status,
        "label": label,
        **(extra or {}),
    }
    return _BOARD(
        key=key, data=data, on_move_change=on_move or _nothing, on_edit_change=on_edit or _nothing
    )


def picture(
    position: Board,
    *,
    key: str,
    title: str,
    label: str,
    last: int | None = None,
    small: bool = True,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """A board to look at: an ARIA image with a label."""
    _BOARD(
        key=key,
        data={
            "size": position.size,
            "cells": format_squares(position.black, position.white, position.size),
            "side": position.side,
            "picture": True,
            "small": small,
            "title": title,
            "label": label,
            "last": last,
            "serial": 0,
            **(extra or {}),
        },
        on_move_change=_nothing,
    )


def graph(
    values: Sequence[float | None],
    searched: Sequence[bool],
    words: Sequence[str],
    ply: int,
    *,
    key: str,
    serial: int,
    marks: Sequence[int] = (),
    title: str = "",
    span: int = 60,
    on_jump: Callable[[], None] | None = None,
) -> Any:
    """The value of the game by ply, in [−1, 1] for black."""
    data = {
        "values": list(values),
        "searched": list(searched),
        "words": list(words),
        "ply": ply,
        "serial": serial,
        "marks": list(marks),
        "title": title,
        "span": span,
    }
    return _GRAPH(key=key, data=data, on_jump_change=on_jump or _nothing)


def moves(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: str,
    title: str = "",
    verb: str = "",
    pickable: bool = False,
    serial: int = 0,
    on_pick: Callable[[], None] | None = None,
) -> Any:
    """A table; a cell is a text or {"share": 0..1, "text": …}; rows carry a `value` that a click reports."""
    data = {
        "columns": list(columns),
        "rows": list(rows),
        "title": title,
        "pickable": pickable,
        "verb": verb,
        "serial": serial,
    }
    return _MOVES(key=key, data=data, on_pick_change=on_pick or _nothing)


def ledger(
    explanation: Explanation, *, key: str, title: str = "", colours: str = "blue–red"
) -> None:
    """The bar target = squares + bias + stabilizer (+ solved positions) of an explanation."""
    squares = float(explanation.squares.sum())
    rows = [
        ("squares", squares),
        ("bias", explanation.bias_total),
        ("stabilizer", explanation.stabilizer),
    ]
    rows[2:2] = [(name, value) for name, value in explanation.given.items() if value]
    data = {
        "rows": [{"name": name, "value": value, "text": _signed(value)} for name, value in rows],
        "total": explanation.value,
        "name": str(explanation.target),
        "text": _signed(explanation.value),
        "title": title,
        "label": f"{explanation.target} = "
        + " + ".join(f"{name} {_signed(value)}" for name, value in rows),
        "swap": colours != "blue–red",
    }
    _LEDGER(key=key, data=data)


def lines(
    title: str,
    x: Sequence[float],
    series: Mapping[str, Sequence[float | None]],
    *,
    key: str,
    axis: str = "iteration",
) -> None:
    """Curves over a common axis; None leaves a gap."""
    ends = {
        name: next((v for v in reversed(values) if v is not None), None)
        for name, values in series.items()
    }
    last = ", ".join(f"{name} {value:.4g}" for name, value in ends.items() if value is not None)
    data = {
        "title": title,
        "x": list(x),
        "series": [{"name": name, "values": list(values)} for name, values in series.items()],
        "label": f"{title} by {axis}; last: {last or 'nothing yet'}",
    }
    _LINES(key=key, data=data)


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−") if abs(value) >= 5e-4 else "0"
