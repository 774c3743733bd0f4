"""The Training page: runs on disk with their losses and speed, and two checkpoints side by side."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.models import Model, board_size_of, load_model
from app.present.numbers import MINUS
from app.web import record, state, turns, widgets
from app.web.components import parts
from app.web.pages import WebPage
from app.web.views import training_games
from othello.players.agent import PolicyPlayer, SearchPlayer, evaluate
from othello.rules.board import Board
from othello.rules.notation import format_moves
from othello.strength.arena import MatchSettings, play_match
from othello.strength.ladder import read_ladder
from othello.training.manifest import State, read_state
from othello.training.metrics import read_metrics
from othello.training.release import seen

CARD = "README.md"
CURVES = {
    "Policy loss": ("train_policy", "fresh_policy"),
    "Value loss": ("train_value", "fresh_value"),
    "Value error on fresh games": ("fresh_value_error",),
}


def page() -> None:
    """Draw the page."""
    with state.drawing():
        record.follow("training")
        state.messages("link_error")
        record.write("training")
        runs, courses = _runs(), _courses()
        if courses:
            chosen = widgets.select(
                "Run", courses, key="t_run", format_func=lambda path: path.name, width=300
            )
            _run(chosen)
            if chosen in runs:
                training_games.draw(chosen)
        if not runs:
            st.caption("No training run in the folder runs/ here. Start one with: othello train")
        _compare(courses)


def _runs() -> list[Path]:
    return sorted(path.parent for path in Path("runs").glob("*/state.json"))


def _courses() -> list[Path]:
    """What may be chosen: the runs here, and the checkpoints that tell how their run went."""
    return [*_runs(), *_released()]


def _first_course() -> Path | None:
    return next(iter(_courses()), None)


def _released() -> list[Path]:
    """The checkpoints that a person may choose and that tell how their run went or who they are."""
    paths = [Path(path) for size in state.sizes() for path in state.checkpoint_paths(size)]
    told = [path for path in paths if (path / "metrics" / "metrics.csv").is_file()]
    carded = [path for path in paths if (path / CARD).is_file() and path not in told]
    return told + carded


@st.fragment(run_every=30)
def _run(folder: Path) -> None:
    with state.error_box():
        going = (folder / "state.json").exists()
        summary = read_state(folder / "state.json") if going else seen(folder)
        metrics = folder / "metrics" / "metrics.csv"
        rows = read_metrics(metrics) if metrics.exists() else []
        if going or summary.games:  # a network that another taught has played none
            _seen(summary)
        _card(folder)
        if not rows:
            none = "No iteration is finished yet." if going else "Its curves did not come with it."
            st.caption(none)
            return
        columns = st.columns(2)
        x = [row["iteration"] for row in rows]
        for number, (title, names) in enumerate(CURVES.items()):
            with columns[number % 2]:
                curves = {name.replace("_", " "): _column(rows, name) for name in names}
                parts.lines(title, x, curves, key=f"t_curve_{number}")
        with columns[len(CURVES) % 2]:
            speed = [3600 * row.get("games", 0) / max(row.get("seconds", 0), 1e-9) for row in rows]
            parts.lines("Self-play games an hour", x, {"games an hour": speed}, key="t_speed")
        _ladder(folder)


def _seen(summary: State) -> None:
    """How far a run is, in numbers."""
    with st.container(horizontal=True):  # two in a row on a phone
        st.metric("Generation", summary.iteration, width=150)
        st.metric("Self-play games", f"{summary.games:,}", width=150)
        st.metric("Positions", f"{summary.positions:,}", width=150)
        st.metric("Core hours", f"{summary.core_seconds / 3600:.1f}", width=150)


def _card(folder: Path) -> None:
    """What a released checkpoint's card says of it: what it is for, how strong, how to make it again."""
    file = folder / CARD
    if not file.is_file():
        return
    text = re.sub(
        r"\A---\n.*?\n---\n", "", file.read_text("utf-8", "replace")[:20_000], flags=re.DOTALL
    )
    with st.expander("Its card: strength, limits, how to make it again", icon=":material/badge:"):
        st.markdown(text.replace("![", "[").replace("\n# ", "\n### ").replace("\n## ", "\n#### "))


def _column(rows: list[dict[str, float]], name: str) -> list[float | None]:
    values = [row.get(name) or None for row in rows]
    return [value if value is not None and math.isfinite(value) else None for value in values]


def _ladder(folder: Path) -> None:
    """The ratings of the run's generations and of the fixed players, from the ladder that `othello ladder` wrote."""
    file = folder / "metrics" / "ladder.csv"
    if not file.is_file():
        if (folder / "state.json").exists():
            st.caption("No ladder yet. Play one with: othello ladder " + state.plain(str(folder)))
        return
    rungs = [rung for rung in read_ladder(file) if rung.rating.elo is not None]
    mine = {rung.generation: rung.rating for rung in rungs if rung.generation is not None}
    graph, table = st.columns(2, gap="large")
    if len(mine) > 1:
        numbers = sorted(mine)
        curves = {
            "Elo": [mine[number].elo for number in numbers],
            "95 % low": [mine[number].low for number in numbers],
            "95 % high": [mine[number].high for number in numbers],
        }
        with graph:
            parts.lines(
                "Ladder: Elo by generation", numbers, curves, key="t_ladder", axis="generation"
            )
    rows = []
    for rung in rungs[:12]:
        elo, low, high = (_whole(x) for x in (rung.rating.elo, rung.rating.low, rung.rating.high))
        interval = "–" if rung.rating.low is None else f"{low} … {high}"
        cells = [rung.player, elo, interval, str(rung.rating.games)]
        rows.append({"cells": cells, "value": rung.player})
    with table:
        parts.moves(
            ("player", "Elo", "95 % interval", "games"),
            rows,
            key="t_rungs",
            title="Ladder, the strongest first",
        )


def _whole(elo: float | None) -> str:
    return "–" if elo is None else f"{elo:.0f}".replace("-", MINUS)


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
        looks: dict[str, Any] = {"format_func": state.checkpoint_label, "width": 300}
        a = widgets.select("A", paths, key="t_a", **looks)
        fitting = [path for path in paths if board_size_of(path) == board_size_of(a)]
        b = widgets.select("B", fitting, key="t_b", default=fitting[-1], **looks)
        go = st.button("Compare", key="t_compare")
        play = st.button("A game of A (black) against B", key="t_game")
    if go or play:
        first, second = load_model(a), load_model(b)
        with st.spinner("playing"), turns.searching():
            if go:
                _agreement(first, second)
            else:
                _game(first, second)


def _agreement(a: Model, b: Model, count: int = 400) -> None:
    """Values and first choices of both on positions of random games, and a match of their policies."""
    boards = _positions(count, a.size)
    best_a, values_a = _choices(a, boards)
    best_b, values_b = _choices(b, boards)
    same = np.mean(np.equal(best_a, best_b))
    result = play_match(
        PolicyPlayer(a.evaluator, "A"),
        PolicyPlayer(b.evaluator, "B"),
        MatchSettings(games=100, seed=1, size=a.size),
    )
    rows = {
        "same first choice": f"{100 * same:.0f} %",
        "correlation of the values": f"{np.corrcoef(values_a, values_b)[0, 1]:+.3f}",
        "mean difference of the values": f"{np.mean(np.abs(values_a - values_b)):.3f}",
        "points of A in 100 games without search": f"{result.points:g}",
        "Elo of A above B, 95 % interval": (
            f"{result.rating.elo:+.0f} ({result.rating.low:+.0f} … {result.rating.high:+.0f})"
        ),
    }
    parts.moves(
        (f"on {len(boards)} positions of random games", ""),
        [{"cells": list(row), "value": row[0]} for row in rows.items()],
        key="t_table",
    )


def _choices(model: Model, boards: list[Board]) -> tuple[list[int], NDArray[np.float64]]:
    """The move that a network's policy puts first on each board, and its values."""
    logits, values = evaluate(model.evaluator, boards)
    best = []
    for board, row in zip(boards, logits):
        legal = list(board.legal_moves())
        best.append(legal[int(np.argmax(row[legal]))])
    return best, np.asarray(values, np.float64)


def _positions(count: int, size: int) -> list[Board]:
    random, boards = np.random.default_rng(0), list[Board]()
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


record.holds(
    "training",
    record.choice("run", "t_run", _courses, _first_course, lambda path: path.name if path else ""),
)
PAGE = WebPage(
    "Training",
    ":material/monitoring:",
    6,
    page,
    "How the agents taught themselves: a run's curves, strength and games, and two networks side by side.",
)
