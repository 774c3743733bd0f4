"""The tools of the Inspect page: counterfactuals, before and after a move, A against B, planes, symmetry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from app.explain.ask import explain
from app.explain.explanation import Explanation, Map
from app.explain.move_effect import explain_change
from app.explain.network import explain_many
from app.models import Model
from app.present.colormap import scale_of
from app.present.sentences import explanation_words, side_word, signed
from app.web import state, widgets
from app.web.components import parts
from app.web.views import inspect_layers, inspect_save
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name
from othello.rules.symmetry import (
    SYMMETRIES,
    inverse,
    transform_board,
    transform_planes,
)

OF_SEVERAL = ("q", "change")  # targets that are not one number of the network in one position


def draw(model: Model, found: Explanation, colours: str, numbers: bool) -> None:
    """The tools under the board."""
    tools: dict[str, Callable[[], None]] = {
        "What if": lambda: _what_if(model, found),
        "Before and after": lambda: _before_and_after(model, found, colours, numbers),
        "A against B": lambda: _compare(found, colours, numbers),
        "Layers": lambda: inspect_layers.draw(found, colours, numbers),
        "Planes": lambda: _planes(found, colours, numbers),
        "Symmetry": lambda: _symmetry(model, found, colours, numbers),
        "Copy and save": lambda: inspect_save.draw(found, state.checkpoint_argument(model)),
    }
    for tab, tool in zip(st.tabs(list(tools)), tools.values()):
        with tab, state.error_box():
            tool()


def with_content(board: Board, square: int, content: str) -> Board:
    """The board with X, O or - on a square."""
    n = board.size
    bit = 1 << (8 * (square // n) + square % n)
    black, white = board.black & ~bit, board.white & ~bit
    return Board(
        black | bit if content == "X" else black,
        white | bit if content == "O" else white,
        board.side,
        n,
    )


def bias_table(found: Explanation, count: int = 7) -> None:
    """The layers whose biases keep most."""
    order = sorted(found.bias, key=lambda name: -abs(found.bias[name]))
    largest = max((abs(value) for value in found.bias.values()), default=0.0) or 1.0
    rows = [
        {
            "cells": [
                name,
                {"share": abs(found.bias[name]) / largest, "text": signed(found.bias[name])},
            ],
            "value": name,
        }
        for name in order[:count]
    ]
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
    words = {"X": "a black disc", "O": "a white disc", "-": "empty"}
    st.markdown(
        f"**{square_name(square, n)}** is {words[now]} "
        f"and has relevance **{signed(float(found.squares.flat[square]))}**."
    )
    rows = []
    for content in ("-", "X", "O"):
        if content == now:
            continue
        other = with_content(board, square, content)
        legal = set(other.legal_actions())
        if found.target.kind in OF_SEVERAL or not set(found.target.actions) <= legal:
            rows.append(
                {"cells": [words[content], "–", "not asked: " + _why_not(found)], "value": content}
            )
            continue
        value = _value_of(model, other, found)
        rows.append(
            {
                "cells": [words[content], signed(value), signed(value - found.value)],
                "value": content,
            }
        )
    parts.moves(
        ("instead", "target", "change"),
        rows,
        key="i_what_if",
        title=f"{found.target} is {signed(found.value)} now",
    )
    st.caption("A relevance divides up one value; a change compares two. They need not agree.")


def _value_of(model: Model, board: Board, found: Explanation) -> float:
    """The target's value on another board."""
    return explain(
        model,
        board,
        found.target,
        composite=found.composite,
        bias=found.bias_mode,
        symmetric=found.symmetric,
    ).value


def _why_not(found: Explanation) -> str:
    return (
        "several positions"
        if found.target.kind in OF_SEVERAL
        else "the target's move is not legal then"
    )


def _before_and_after(model: Model, found: Explanation, colours: str, numbers: bool) -> None:
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
    after = made.sign * made.after.squares
    scale = scale_of(made.before.squares, after, made.change.squares)
    mover = side_word(board.side)
    shown = (
        ("before", f"Before {name}: {signed(made.before.value)}", board, made.before.squares),
        ("after", f"After {name}: {signed(made.sign * made.after.value)}", made.after.board, after),
        ("change", f"Change: {signed(made.change.value)}", made.after.board, made.change.squares),
    )
    for column, (key, title, position, relevance) in zip(st.columns(3), shown):
        with column:
            parts.picture(
                position,
                key=f"i_ba_{key}",
                title=title,
                label=f"{title}, relevance of every square for {mover}",
                last=action,
                extra=parts.heat(relevance, scale=scale, colours=colours, with_numbers=numbers),
            )
    st.markdown(state.plain(explanation_words(made.change)))
    parts.ledger(
        made.change, key="i_ba_ledger", title="Where the change comes from", colours=colours
    )
    st.caption(
        f"All three for {mover}, who moves, with one scale; the change is the second map minus the first."
    )


def _compare(found: Explanation, colours: str, numbers: bool) -> None:
    with st.container(horizontal=True):
        st.button(
            "Pin this as A", icon=":material/keep:", key="i_pin", on_click=_pin, args=(found,)
        )
        st.button(
            "Unpin",
            key="i_unpin",
            on_click=_pin,
            args=(None,),
            disabled="pinned" not in st.session_state,
        )
    pinned: Explanation | None = st.session_state.get("pinned")
    if pinned is None:
        st.caption(
            "Pin what you see, then change the question, the rules or the board: both maps are shown with one scale."
        )
        return
    scale = scale_of(pinned.squares, found.squares)
    columns = st.columns(3)
    both: tuple[tuple[str, Explanation], ...] = (("A", pinned), ("B", found))
    for column, (name, shown) in zip(columns, both):
        with column:
            parts.picture(
                shown.board,
                key=f"i_pair_{name}",
                title=f"{name}: {shown.target}, {shown.composite}, {shown.bias_mode}",
                label=f"Map {name}",
                extra=parts.heat(shown.squares, scale=scale, colours=colours, with_numbers=numbers),
            )
            parts.ledger(shown, key=f"i_pair_ledger_{name}", colours=colours)
    with columns[2]:
        difference = found.squares - pinned.squares
        parts.picture(
            found.board,
            key="i_pair_d",
            title="B − A, same scale",
            label="Difference of the maps",
            extra=parts.heat(difference, scale=scale, colours=colours, with_numbers=numbers),
        )
        st.caption(f"Correlation of the maps: {_correlation(pinned.squares, found.squares)}")


def _pin(found: Explanation | None) -> None:
    if found is None:
        st.session_state.pop("pinned", None)
    else:
        st.session_state.pinned = found


def _correlation(a: Map, b: Map) -> str:
    if a.std() < 1e-12 or b.std() < 1e-12:
        return "not defined"
    return f"{np.corrcoef(a.ravel(), b.ravel())[0, 1]:+.2f}".replace("-", "−")


def _planes(found: Explanation, colours: str, numbers: bool) -> None:
    scale = scale_of(*found.planes.values())
    words = {
        "own": "Own discs",
        "opponent": "Opponent's discs",
        "legal": "Legal moves",
        "opponent_legal": "Opponent's moves",
    }
    for column, (name, plane) in zip(st.columns(max(len(found.planes), 2)), found.planes.items()):
        with column:
            parts.picture(
                found.board,
                key=f"i_plane_{name}",
                title=f"{words.get(name, name)}: {signed(float(plane.sum()))}",
                label=f"Relevance in the plane {name}",
                extra=parts.heat(plane, scale=scale, colours=colours, with_numbers=numbers),
            )
    st.caption("The planes add up to the map on the board; all with one scale.")


def _symmetry(model: Model, found: Explanation, colours: str, numbers: bool) -> None:
    st.caption(
        "The rules of the game do not change under the board's eight symmetries. Does the network's answer?"
    )
    if found.target.kind in OF_SEVERAL:
        st.caption("Available for targets of the network itself.")
        return
    n = found.board.size
    boards = [transform_board(found.board, s) for s in SYMMETRIES]
    targets = [found.target.turned(s) for s in SYMMETRIES]
    turned = explain_many(model, boards, targets, composite=found.composite, bias=found.bias_mode)
    maps = [transform_planes(e.squares, inverse(s)) for s, e in zip(SYMMETRIES, turned)]
    rows = [
        {
            "cells": [
                _symmetry_name(s),
                signed(e.value),
                signed(e.value - turned[0].value),
                _correlation(m, maps[0]),
            ],
            "value": s,
        }
        for s, e, m in zip(SYMMETRIES, turned, maps)
    ]
    left, right = st.columns([2, 1])
    with left:
        parts.moves(("symmetry", "target", "change", "map's correlation"), rows, key="i_symmetry")
    with right:
        parts.picture(
            found.board,
            key="i_mean_map",
            title="Mean of the eight maps",
            label="Mean map over the symmetries",
            extra=parts.heat(
                np.mean(maps, axis=0).reshape(n, n), colours=colours, with_numbers=numbers
            ),
        )


def _symmetry_name(symmetry: int) -> str:
    return (
        "as it is",
        "mirrored left–right",
        "mirrored top–bottom",
        "turned by 180°",
        "mirrored in a1–h8",
        "turned by 90°",
        "turned by 270°",
        "mirrored in a8–h1",
    )[symmetry]
