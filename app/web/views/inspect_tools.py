"""The tools of the Inspect page: counterfactuals, A against B, layers, planes, symmetry, and what to copy."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import streamlit as st

from app.explain.heat import scale_of
from app.explain.picture import as_png, as_svg
from app.explain.position import Explanation, Map, explain_many
from app.explain.targets import Target
from app.explain.words import signed
from app.models import Model
from app.web.components import parts
from othello.board import Board
from othello.notation import square_name
from othello.symmetry import SYMMETRIES, inverse, transform_action, transform_board, transform_planes


def draw(model: Model, found: Explanation, colours: str, numbers: bool) -> None:
    """The tools under the board."""
    tabs = st.tabs(["What if", "A against B", "Layers", "Planes", "Symmetry", "Copy and save"])
    tools: tuple[Callable[[Model, Explanation, str, bool], None], ...] = (
        _what_if,
        _compare,
        _layers,
        _planes,
        _symmetry,
        _copy,
    )
    for tab, tool in zip(tabs, tools):
        with tab:
            tool(model, found, colours, numbers)


def with_content(board: Board, square: int, content: str) -> Board:
    """The board with X, O or - on a square."""
    n = board.size
    bit = 1 << (8 * (square // n) + square % n)
    black, white = board.black & ~bit, board.white & ~bit
    return Board(black | bit if content == "X" else black, white | bit if content == "O" else white, board.side, n)


def bias_table(found: Explanation, count: int = 7) -> None:
    """The layers whose biases keep most."""
    order = sorted(found.bias, key=lambda name: -abs(found.bias[name]))
    largest = max((abs(value) for value in found.bias.values()), default=0.0) or 1.0
    rows = [
        {"cells": [name, {"share": abs(found.bias[name]) / largest, "text": signed(found.bias[name])}], "value": name}
        for name in order[:count]
    ]
    if rows:
        parts.moves(("layer", "its bias keeps"), rows, key="i_bias_table", title="Biases by layer")
    else:
        st.caption("In this bias mode no layer keeps a share of its own.")


def _what_if(model: Model, found: Explanation, colours: str, numbers: bool) -> None:
    square = st.session_state.get("looked_at")
    if square is None:
        st.caption("Choose *Look* and click a square: what would the target be with another content there?")
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
        if found.target.kind == "q" or not set(found.target.actions) <= legal:
            rows.append({"cells": [words[content], "–", "the target's move is not legal then"], "value": content})
            continue
        value = explain_many(model, [other], [found.target], composite=found.composite, bias=found.bias_mode)[0].value
        rows.append({"cells": [words[content], signed(value), signed(value - found.value)], "value": content})
    parts.moves(
        ("instead", "target", "change"), rows, key="i_what_if", title=f"{found.target} is {signed(found.value)} now"
    )
    st.caption("A relevance divides up one value; a change compares two. They need not agree.")


def _compare(model: Model, found: Explanation, colours: str, numbers: bool) -> None:
    with st.container(horizontal=True):
        st.button("Pin this as A", icon=":material/keep:", key="i_pin", on_click=_pin, args=(found,))
        st.button("Unpin", key="i_unpin", on_click=_pin, args=(None,), disabled="pinned" not in st.session_state)
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


def _layers(model: Model, found: Explanation, colours: str, numbers: bool) -> None:
    names = [name for name in found.layers if "relu" not in name.rsplit(".", 1)[-1]]
    if not names:
        st.caption("Layers are shown for targets of the network itself, not for a search.")
        return
    name = st.select_slider("Layer, from the input to the output", names, key="i_layer")
    left, right, _ = st.columns(3)
    with left:
        parts.picture(
            found.board,
            key="i_layer_map",
            title=f"Relevance at {name}",
            label=f"Relevance at layer {name}",
            extra=parts.heat(found.layers[name], colours=colours, with_numbers=numbers),
        )
        st.caption(f"Sum {signed(float(found.layers[name].sum()))}")
    with right:
        kept = found.bias_maps.get(name, np.zeros_like(found.squares))
        parts.picture(
            found.board,
            key="i_layer_bias",
            title="What its bias keeps",
            label=f"Bias relevance of layer {name}",
            extra=parts.heat(kept, colours=colours, with_numbers=numbers),
        )
        st.caption(f"Sum {signed(float(kept.sum()))}")


def _planes(model: Model, found: Explanation, colours: str, numbers: bool) -> None:
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
    st.caption("The rules of the game do not change under the board's eight symmetries. Does the network's answer?")
    if found.target.kind == "q":
        st.caption("Available for targets of the network itself.")
        return
    n = found.board.size
    boards = [transform_board(found.board, s) for s in SYMMETRIES]
    targets = [_moved(found.target, s) for s in SYMMETRIES]
    turned = explain_many(model, boards, targets, composite=found.composite, bias=found.bias_mode)
    maps = [transform_planes(e.squares, inverse(s)) for s, e in zip(SYMMETRIES, turned)]
    rows = [
        {
            "cells": [
                _symmetry_name(s),
                signed(e.value),
                signed(e.value - found.value),
                _correlation(m, found.squares),
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
            extra=parts.heat(np.mean(maps, axis=0).reshape(n, n), colours=colours, with_numbers=numbers),
        )


def _moved(target: Target, symmetry: int) -> Target:
    moved = [transform_action(action, symmetry, target.size) for action in target.actions]
    return Target(target.kind, *moved, size=target.size) if moved else target


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


def _copy(model: Model, found: Explanation, colours: str, numbers: bool) -> None:
    st.caption("As a command")
    st.code(
        f'othello explain "{found.board}" --target {found.target} '
        f"--composite {found.composite} --bias {found.bias_mode} --json",
        language="bash",
        wrap_lines=True,
    )
    st.caption("As Python")
    st.code(
        "from app.explain.position import explain\nfrom app.models import load_model\nfrom othello import Board\n\n"
        f'found = explain(load_model(), Board.parse("{found.board}"), "{found.target}",\n'
        f'                composite="{found.composite}", bias="{found.bias_mode}")\n'
        "print(found.squares, found.bias, found.stabilizer, found.closure)",
        language="python",
    )
    st.caption("The address of this page reproduces the view. Files:")
    with st.container(horizontal=True):
        save = st.download_button
        save(
            "JSON",
            lambda: json.dumps(found.to_dict()),
            "explanation.json",
            "application/json",
            key="i_json",
            on_click="ignore",
        )
        save("CSV", lambda: _csv(found), "explanation.csv", "text/csv", key="i_csv", on_click="ignore")
        save("PNG", lambda: as_png(found), "explanation.png", "image/png", key="i_png", on_click="ignore")
        save("SVG", lambda: as_svg(found), "explanation.svg", "image/svg+xml", key="i_svg", on_click="ignore")


def _csv(found: Explanation) -> str:
    names = list(found.planes)
    lines = [",".join(["square", "content", "relevance", *names, "bias"])]
    for square, letter in enumerate(str(found.board)[: found.board.size**2]):
        numbers = [found.squares.flat[square], *(found.planes[name].flat[square] for name in names)]
        row = [f"{float(number):.8g}" for number in [*numbers, found.bias_squares.flat[square]]]
        lines.append(",".join([square_name(square, found.board.size), letter, *row]))
    return "\n".join(lines) + "\n"
