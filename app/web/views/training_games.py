"""Self-play games of a training run, put together from its replay files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app.present.sentences import outcome_words
from app.web import state, widgets
from app.web.components import parts
from othello.errors import CheckpointError
from othello.rules.board import Board
from othello.rules.notation import format_moves
from othello.training.replay import read_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from othello.training.selfplay import Samples


@dataclass(frozen=True)
class SelfPlayGame:
    """A game that a run played against itself; `values` [plies + 1] for black in [−1, 1], from the searches."""

    actions: tuple[int, ...]
    boards: tuple[Board, ...]
    values: tuple[float | None, ...]

    @property
    def words(self) -> str:
        """How it ended."""
        last = self.boards[-1]
        return outcome_words(last) if last.is_over else f"{len(self.actions)} plies, then solved"


@st.cache_data(ttl=60, max_entries=8, show_spinner=False)
def sample_games(file: str, stamp: float, count: int = 8) -> list[SelfPlayGame]:
    """The first whole games of a replay file, put together from its positions; `stamp` is the file's time."""
    samples = read_samples(Path(file))
    size = {17: 4, 37: 6, 65: 8}.get(samples.policy.shape[1])
    if size is None:
        raise CheckpointError(f"{file}: not a replay file: {samples.policy.shape[1]} actions")
    found = []
    for number in dict.fromkeys(samples.game.tolist()):
        rows = np.flatnonzero(samples.game == number)
        game = _joined(samples, rows, size)
        if game is not None:
            found.append(game)
        if len(found) == count:
            break
    return found


def _joined(samples: Samples, rows: NDArray[np.intp], size: int) -> SelfPlayGame | None:
    """The game whose positions, passes left out, are the given rows in order; None if they do not follow each other."""
    board = Board.initial(size)
    actions: list[int] = []
    boards, values = [board], list[float | None]([None])
    for place, row in enumerate(rows):
        own, opp = int(samples.own[row]), int(samples.opp[row])
        if place == 0 and (board.own, board.opp) != (own, opp):
            return None
        values[-1] = float(samples.search_value[row]) * (1 if board.side == "X" else -1)
        following = rows[place + 1] if place + 1 < len(rows) else None
        step = (
            _step(board, samples, following)
            if following is not None
            else _likeliest(board, samples.policy[row])
        )
        if step is None:
            return None
        for action in step:
            board = board.play(action)
            actions.append(action)
            boards.append(board)
            values.append(None)
    return SelfPlayGame(tuple(actions), tuple(boards), tuple(values)) if actions else None


def _step(board: Board, samples: Samples, row: np.intp) -> list[int] | None:
    """The move, and the pass that may follow, that lead from `board` to the position of a row."""
    wanted = (int(samples.own[row]), int(samples.opp[row]))
    for action in board.legal_actions():
        after = board.play(action)
        if (after.own, after.opp) == wanted:
            return [action]
        if after.must_pass and (after.opp, after.own) == wanted:
            return [action, board.size**2]
    return None


def _likeliest(board: Board, policy: NDArray[np.float16]) -> list[int]:
    legal = board.legal_actions()
    return [max(legal, key=lambda action: float(policy[action]))] if legal else []


@st.fragment
def draw(folder: Path) -> None:
    """Self-play games of the newest iterations, taken from the replay files, to look at and to take to Play."""
    with state.error_box():
        _games(folder)


def _games(folder: Path) -> None:
    files = sorted((folder / "replay").glob("*.npz"))[-20:]
    if not files:
        return
    st.markdown("##### Self-play games")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        looks: dict[str, Any] = {"format_func": lambda path: path.stem, "on_change": _end}
        file = widgets.select("Iteration", files[::-1], key="t_iteration", width=160, **looks)
        games = sample_games(str(file), file.stat().st_mtime)
        if not games:
            st.caption("No game that can be read.")
            return
        looks["format_func"] = lambda number: f"{number + 1}: {games[number].words}"
        number = widgets.select("Game", range(len(games)), key="t_sample", width=240, **looks)
        game = games[number]
        last = len(game.boards) - 1
        ply = widgets.slider("Ply", 0, last, key="t_ply", default=last, width=220)
    _walk(game, ply, f"Self-play game {number}, after ply {ply}")
    if st.session_state.pop("t_taken", False):
        state.open_in_play(game.boards[ply])


def _walk(game: SelfPlayGame, ply: int, label: str) -> None:
    """A game at one ply: its board, its values, its moves."""
    left, right = st.columns([1, 2], gap="large")
    board, last = game.boards[ply], game.actions[ply - 1] if ply else None
    with left:
        parts.picture(board, key="t_board", title=f"After ply {ply}", label=label, last=last)
    with right:
        words = [f"ply {number}" for number in range(len(game.boards))]
        parts.graph(
            parts.Course(game.values, [None] * len(words), words, span=board.size**2 - 4),
            ply,
            key="t_values",
            serial=ply,
            title="The search's value, black above",
        )
        st.code(format_moves(game.actions, board.size), language=None, wrap_lines=True)
        widgets.button("Play on from here", "sports_esports", key="t_play", do=_take)


def _end() -> None:
    """Show another game from its end."""
    widgets.forget("t_ply")


def _take() -> None:
    st.session_state.t_taken = True
