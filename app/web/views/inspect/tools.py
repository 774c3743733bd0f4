"""The tools of the Inspect page: counterfactuals, before and after a move, A against B, planes, symmetry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import streamlit as st

from app.explain.ask import explain
from app.explain.explanation import Explanation, Map
from app.explain.move_effect import explain_change
from app.explain.network import explain_many
from app.models import Model
from app.present.numbers import signed
from app.present.sentences import explanation_words, q_words, side_word
from app.web import record, state, widgets
from app.web.components import parts
from app.web.components.maps import Legend, Look
from app.web.views.inspect import bench, layers, save
from app.web.views.question import Pin
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name
from othello.rules.symmetry import (
    SYMMETRIES,
    inverse,
    transform_board,
    transform_planes,
)

TAB = "i_tab"
OF_SEVERAL = ("q", "change")  # targets that are not one number of the network in one position
PLANES = {
    "own": "Own discs",
    "opponent": "Opponent's discs",
    "legal": "Legal moves",
    "opponent_legal": "Opponent's moves",
}
SYMMETRY_NAMES = (
    "as it is",
    "mirrored left–right",
    "mirrored top–bottom",
    "turned by 180°",
    "mirrored in a1–h8",
    "turned by 90°",
    "turned by 270°",
    "mirrored in a8–h1",
)


def draw(model: Model, found: Explanation, look: Look, simulations: int) -> None:
    """The tools under the board; `simulations` are those of the search that a Q rests on."""
    here = Pin(found.board, found.target, found.composite, found.bias_mode, simulations)
    tools: dict[str, Callable[[], None]] = {
        "What if": lambda: _what_if(model, found),
        "Before and after": lambda: _before_and_after(model, found, look),
        "A against B": lambda: _compare(found, here, look),
        "Bench": lambda: bench.draw(model, found, here, look),
        "Layers": lambda: layers.draw(found, look),
        "Planes": lambda: _planes(found, look),
        "Symmetry": lambda: _symmetry(model, found, look),
        "Copy and save": lambda: save.draw(found, state.checkpoint_argument(model)),
    }
    for tab, (name, tool) in zip(widgets.tabs(tools, key=TAB), tools.items()):
        if name != "Bench" or tab.open:  # it takes a moment
            with tab, state.error_box():
                tool()


def with_content(board: Board, square: int, content: str) -> Board:
    """The board with X, O or - on a square."""
    letters = list(str(board))
    letters[square] = content
    return Board.parse("".join(letters))


def bias_table(found: Explanation, count: int = 7) -> None:
    """The layers whose biases keep most."""
    order = sorted(found.bias.items(), key=lambda entry: -abs(entry[1]))[:count]
    largest = abs(order[0][1]) if order else 0.0
    rows = []
    for name, kept in order:
        rows.append(
            {"cells": [name, parts.bar(abs(kept) / (largest or 1.0), signed(kept))], "value": name}
        )
    if rows:
        parts.moves(("layer", "its bias keeps"), rows, key="i_bias_table", title="Biases by layer")
    else:
        st.caption("In this bias mode no layer keeps a share of its own.")


def _what_if(model: Model, found: Explanation) -> None:
    square = st.session_state.get("looked_at")
    if square is None:
        st.caption(
            "Choose *Look* and click a square: what would the target be with another content there?"
        )
        return
    board, n = found.board, found.board.size
    now = str(board)[square]
    words = {"-": "empty", "X": "a black disc", "O": "a white disc"}
    st.markdown(
        f"**{square_name(square, n)}** is {words[now]} "
        f"and has relevance **{signed(float(found.squares.flat[square]))}**."
    )
    others = {content: with_content(board, square, content) for content in words if content != now}
    rows = [{"cells": [words[c], *_asked(model, found, b)], "value": c} for c, b in others.items()]
    parts.moves(
        ("instead", "target", "change"),
        rows,
        key="i_what_if",
        title=f"{found.target} is {signed(found.value)} now",
    )
    st.caption("A relevance divides up one value; a change compares two. They need not agree.")


def _asked(model: Model, found: Explanation, board: Board) -> tuple[str, str]:
    """What the target would be on another board and how far that is from what it is, or why nobody asks."""
    if found.target.kind in OF_SEVERAL:
        return "–", "not asked: several positions"
    if not set(found.target.actions) <= set(board.legal_actions()):
        return "–", "not asked: the target's move is not legal then"
    other = explain(
        model,
        board,
        found.target,
        composite=found.composite,
        bias=found.bias_mode,
        symmetric=found.symmetric,
    )
    return signed(other.value), signed(other.value - found.value)


def _before_and_after(model: Model, found: Explanation, look: Look) -> None:
    board = found.board
    names = [square_name(move, board.size) for move in board.legal_moves()]
    if not names:
        st.caption("Nobody can move here.")
        return
    name = widgets.select("The value before and after", names, key="i_change_move", width=200)
    action = parse_square(name, board.size)
    made = explain_change(
        model, board, action, composite=found.composite, bias=found.bias_mode, symmetric=True
    )
    before, change = made.before.squares, made.change.squares
    after = made.sign * made.after.squares
    legend = Legend.of(made.change, look, before, after, change)
    mover = side_word(board.side)
    shown = (
        ("before", f"Before {name}: {signed(made.before.value)}", board, before),
        ("after", f"After {name}: {signed(made.sign * made.after.value)}", made.after.board, after),
        ("change", f"Change: {signed(made.change.value)}", made.after.board, change),
    )
    for column, (key, title, position, relevance) in zip(st.columns(3), shown):
        with column:
            legend.picture(
                position,
                relevance,
                key=f"i_ba_{key}",
                title=title,
                label=f"{title}, relevance of every square for {mover}",
                last=action,
            )
    st.markdown(state.plain(explanation_words(made.change)))
    title = "Where the change comes from"
    parts.ledger(made.change, key="i_ba_ledger", title=title, colours=look.colours)
    st.caption(
        f"All three for {mover}, who moves, with one scale; the change is the second map minus the first."
    )


def _compare(found: Explanation, here: Pin, look: Look) -> None:
    pin: Pin | None = st.session_state.get("pin")
    with st.container(horizontal=True):
        widgets.button("Pin this as A", "keep", key="i_pin", do=_pin, args=(here,))
        st.button("Unpin", key="i_unpin", on_click=_pin, args=(None,), disabled=pin is None)
    if pin is None:
        st.caption(
            "Pin what you see, then change the question, the rules or the board: both maps are shown with one scale."
        )
        return
    if pin.board.size != found.board.size:
        st.caption("What is pinned is of a board of another size.")
        return
    pinned = pin.explain()
    maps = pinned.squares, found.squares
    columns = st.columns(3)
    for column, name, shown in zip(columns, "AB", (pinned, found)):
        with column:
            Legend.of(shown, look, *maps).picture(
                shown.board,
                shown.squares,
                key=f"i_pair_{name}",
                title=f"{name}: {shown.target}, {shown.composite}, {shown.bias_mode}",
                label=f"Map {name}",
            )
            parts.ledger(shown, key=f"i_pair_ledger_{name}", colours=look.colours)
    with columns[2]:
        legend = replace(Legend.of(found, look, *maps), poles=("more in A", "more in B"))
        legend.picture(
            found.board,
            found.squares - pinned.squares,
            key="i_pair_d",
            title="B − A, same scale",
            label="Difference of the maps",
        )
        st.caption(f"Correlation of the maps: {_correlation(*maps)}")


def _pin(pin: Pin | None) -> None:
    st.session_state.pin = pin


def _pinned() -> str:
    pin = st.session_state.get("pin")
    return "" if pin is None else str(pin)


def _tab() -> str:
    return "bench" if widgets.chosen(TAB, ("Bench",), "") else ""


def _open_tab(text: str) -> None:
    if text == "bench":
        widgets.put(TAB, "Bench")


PARTS = (
    record.Part("pin", _pinned, lambda text: _pin(Pin.parse(text))),
    record.Part("tool", _tab, _open_tab),
    *bench.PARTS,
)


def _correlation(a: Map, b: Map) -> str:
    if a.std() < 1e-12 or b.std() < 1e-12:
        return "not defined"
    return q_words(float(np.corrcoef(a.ravel(), b.ravel())[0, 1]))


def _planes(found: Explanation, look: Look) -> None:
    legend = Legend.of(found, look, *found.planes.values())
    for column, (name, plane) in zip(st.columns(max(len(found.planes), 2)), found.planes.items()):
        with column:
            legend.picture(
                found.board,
                plane,
                key=f"i_plane_{name}",
                title=f"{PLANES.get(name, name)}: {signed(float(plane.sum()))}",
                label=f"Relevance in the plane {name}",
            )
    st.caption("The planes add up to the map on the board; all with one scale.")


def _symmetry(model: Model, found: Explanation, look: Look) -> None:
    st.caption(
        "The rules of the game do not change under the board's eight symmetries. Does the network's answer?"
    )
    if found.target.kind in OF_SEVERAL:
        st.caption("Available for targets of the network itself.")
        return
    boards = [transform_board(found.board, s) for s in SYMMETRIES]
    targets = [found.target.turned(s) for s in SYMMETRIES]
    turned = explain_many(model, boards, targets, composite=found.composite, bias=found.bias_mode)
    maps = [transform_planes(e.squares, inverse(s)) for s, e in zip(SYMMETRIES, turned)]
    rows = []
    for symmetry, one, relevance in zip(SYMMETRIES, turned, maps):
        change = signed(one.value - turned[0].value)
        rows.append(
            {
                "cells": [
                    SYMMETRY_NAMES[symmetry],
                    signed(one.value),
                    change,
                    _correlation(relevance, maps[0]),
                ],
                "value": symmetry,
            }
        )
    left, right = st.columns([2, 1])
    with left:
        parts.moves(("symmetry", "target", "change", "map's correlation"), rows, key="i_symmetry")
    with right:
        mean = np.mean(maps, axis=0)
        Legend.of(found, look, found.squares, mean).picture(
            found.board,
            mean,
            key="i_mean_map",
            title="Mean of the eight maps",
            label="Mean map over the symmetries",
        )
