"""The Training page: runs on disk with their losses and speed, and two checkpoints side by side."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from app.models import Model, load_model
from app.web import state, widgets
from app.web.components import parts
from app.web.views import training_games
from othello.errors import CheckpointError
from othello.rules.board import Board
from othello.rules.notation import format_moves

CURVES = {
    "Policy loss": ("train_policy", "fresh_policy"),
    "Value loss": ("train_value", "fresh_value"),
    "Value error on fresh games": ("fresh_value_error",),
}


def page() -> None:
    """Draw the page."""
    with state.error_box():
        state.follow_game()
        state.messages("link_error")
        state.write_link("training")
        runs = sorted(path.parent for path in Path("runs").glob("*/state.json"))
        if runs:
            run = widgets.select(
                "Run", runs, key="t_run", format_func=lambda path: path.name, width=300
            )
            _run(run)
            training_games.draw(run)
        else:
            st.info("No training run in the folder runs/ here. Start one with: othello train")
        _compare(runs)


@st.fragment(run_every=30)
def _run(folder: Path) -> None:
    with state.error_box():
        summary = _json(folder / "state.json")
        rows = _metrics(folder / "metrics" / "metrics.csv")
        with st.container(horizontal=True):  # two in a row on a phone
            st.metric("Generation", summary.get("iteration", 0), width=150)
            st.metric("Self-play games", f"{summary.get('games', 0):,}", width=150)
            st.metric("Positions", f"{summary.get('positions', 0):,}", width=150)
            st.metric("Core hours", f"{summary.get('core_seconds', 0) / 3600:.1f}", width=150)
        if not rows:
            st.caption("No iteration is finished yet.")
            return
        columns = st.columns(2)
        x = [row["iteration"] for row in rows]
        for number, (title, names) in enumerate(CURVES.items()):
            with columns[number % 2]:
                curves = {
                    name.replace("_", " "): [row.get(name) or None for row in rows]
                    for name in names
                }
                parts.lines(title, x, curves, key=f"t_curve_{number}")
        with columns[len(CURVES) % 2]:
            speed = [3600 * row["games"] / max(row["seconds"], 1e-9) for row in rows]
            parts.lines("Self-play games an hour", x, {"games an hour": speed}, key="t_speed")
        _ladder(folder)


def _ladder(folder: Path) -> None:
    """The ratings of the run's generations and of the fixed players, from the ladder that `othello ladder` wrote."""
    file = folder / "metrics" / "ladder.csv"
    if not file.is_file():
        st.caption("No ladder yet. Play one with: othello ladder " + state.plain(str(folder)))
        return
    with open(file, newline="", encoding="utf-8") as text:
        rungs = [row for row in csv.DictReader(text) if row.get("elo")]
    mine = sorted((int(row["generation"]), row) for row in rungs if row.get("generation"))
    graph, table = st.columns(2, gap="large")
    if len(mine) > 1:
        curves = {
            name: [float(row[key]) if row.get(key) else None for _, row in mine]
            for name, key in (("Elo", "elo"), ("95 % low", "low"), ("95 % high", "high"))
        }
        numbers = [number for number, _ in mine]
        with graph:
            parts.lines(
                "Ladder: Elo by generation", numbers, curves, key="t_ladder", axis="generation"
            )
    rows = [
        {
            "cells": [
                row["player"],
                _minus(row["elo"]),
                f"{_minus(row['low'])} … {_minus(row['high'])}" if row.get("low") else "–",
                row["games"],
            ],
            "value": row["player"],
        }
        for row in rungs[:12]
    ]
    with table:
        columns = ("player", "Elo", "95 % interval", "games")
        parts.moves(columns, rows, key="t_rungs", title="Ladder, the strongest first")


def _minus(number: str) -> str:
    return number.replace("-", "−")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: damaged ({error})") from None
    return found if isinstance(found, dict) else {}


def _metrics(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]


def _generations(runs: list[Path]) -> list[str]:
    paths = [Path(path) for size in state.sizes() for path in state.checkpoint_paths(size)]
    for run in runs:
        found = sorted((run / "generations").glob("[0-9]*/meta.json"))
        paths.extend(meta.parent for meta in found[:: max(1, len(found) // 30)])
    return list(dict.fromkeys(str(path) for path in paths))


def _compare(runs: list[Path]) -> None:
    st.markdown("##### Two checkpoints side by side")
    paths = _generations(runs)
    if not paths:
        st.caption("No checkpoint to compare.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        looks = {"format_func": state.checkpoint_label, "width": 300}
        a = widgets.select("A", paths, key="t_a", **looks)
        b = widgets.select("B", paths, key="t_b", default=paths[-1], **looks)
        go = st.button("Compare", key="t_compare")
        play = st.button("A game of A (black) against B", key="t_game")
    if go or play:
        first, second = load_model(a), load_model(b)
        if first.size != second.size:
            raise CheckpointError(
                f"A plays {first.size}×{first.size} boards, B {second.size}×{second.size}"
            )
        with st.spinner("playing"):
            if go:
                _agreement(first, second)
            else:
                _game(first, second)


def _agreement(a: Model, b: Model, count: int = 400) -> None:
    """Values and first choices of both on positions of random games, and a match of their policies."""
    from othello.players.agent import PolicyPlayer, evaluate
    from othello.strength.arena import MatchSettings, play_match

    boards = _positions(count, a.size)
    (logits_a, values_a), (logits_b, values_b) = (
        evaluate(model.evaluator, boards) for model in (a, b)
    )
    best_a, best_b = (
        [
            max(board.legal_moves(), key=lambda s, row=row: row[s])
            for board, row in zip(boards, logits)
        ]
        for logits in (logits_a, logits_b)
    )
    same = np.mean([x == y for x, y in zip(best_a, best_b)])
    result = play_match(
        PolicyPlayer(a.evaluator, "A"),
        PolicyPlayer(b.evaluator, "B"),
        MatchSettings(games=100, seed=1, size=a.size),
    )
    rows = [
        ("same first choice", f"{100 * same:.0f} %"),
        ("correlation of the values", f"{np.corrcoef(values_a, values_b)[0, 1]:+.3f}"),
        ("mean difference of the values", f"{np.mean(np.abs(values_a - values_b)):.3f}"),
        ("points of A in 100 games without search", f"{result.points:g}"),
        (
            "Elo of A above B, 95 % interval",
            f"{result.rating.elo:+.0f} ({result.rating.low:+.0f} … {result.rating.high:+.0f})",
        ),
    ]
    parts.moves(
        ("on " + str(len(boards)) + " positions of random games", ""),
        [{"cells": list(row), "value": row[0]} for row in rows],
        key="t_table",
    )


def _positions(count: int, size: int) -> list[Board]:
    random, boards = np.random.default_rng(0), []
    while len(boards) < count:
        board = Board.initial(size)
        for _ in range(int(random.integers(2, size * size - 8))):
            if board.is_over:
                break
            board = board.play(int(random.choice(board.legal_actions())))
        if board.legal_moves():
            boards.append(board)
    return boards


def _game(a: Model, b: Model, simulations: int = 50) -> None:
    """A short-searched game, shown as a transcript and offered on the Play page."""
    from othello.players.agent import SearchPlayer

    players = {
        "X": SearchPlayer(a.evaluator, simulations),
        "O": SearchPlayer(b.evaluator, simulations),
    }
    board, actions = Board.initial(a.size), []
    while not board.is_over:
        actions.append(players[board.side].move(board))
        board = board.play(actions[-1])
    st.code(format_moves(actions, a.size), language=None, wrap_lines=True)
    score = board.score()
    words = "a draw" if not score else f"{'A' if score > 0 else 'B'} wins by {abs(score)}"
    st.caption(
        f"{simulations} simulations a move: {words}. Paste it as a new game on the Play page to walk through it."
    )
