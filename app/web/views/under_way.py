"""A search that a person began on the Search page: it goes on where it was, ends when told, and keeps what it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import streamlit as st

from app.explain.explanation import Explanation
from app.explain.targets import Target
from app.game.kept import Kept
from app.models import Model
from app.web import state, turns, widgets
from othello.rules.board import Board
from othello.search.search import Puct, Search, SearchResult, TreeView

_SNAPSHOTS: Final = 16
_REMEMBERED: Final = 8  # ended searches of a server, a few megabytes each

Asked: TypeAlias = tuple[str, Board, int, float]
"""What is searched: the weights' SHA-256, the position, the simulations, c_puct."""


@dataclass
class UnderWay:
    """A search that a person began; it outlives the run of the page that makes it."""

    key: Asked
    search: Search | None = None
    stages: list[SearchResult] = field(default_factory=list)


@dataclass(frozen=True)
class Searched:
    """A search that has ended, with the stages it went through, its tree, and what was explained of it."""

    key: Asked
    stages: tuple[SearchResult, ...]
    tree: TreeView
    explained: dict[Target, Explanation] = field(default_factory=dict)

    @property
    def result(self) -> SearchResult:
        """The search at its end."""
        return self.stages[-1]


@st.cache_resource(show_spinner=False)
def _ended() -> Kept[Searched]:
    return Kept[Searched](_REMEMBERED)


def searched_before(asked: Asked, simulations: int) -> Searched | None:
    """What a search that ended on this server after so many simulations found, if that is remembered."""

    def unknown() -> Searched:
        raise LookupError

    try:
        return _ended().get((asked, simulations), unknown)
    except LookupError:
        return None


def begin_search(asked: Asked) -> None:
    """Let the page make this search when it is drawn next."""
    st.session_state.search_made = 0
    st.session_state.search_under_way = UnderWay(asked)


def go_on(model: Model, under_way: UnderWay) -> None:
    """Search to the end, from where it was when the page was left; a press on Stop ends the run that draws this."""
    _, position, simulations, c_puct = under_way.key
    bar = st.empty()
    widgets.button("Stop", "stop", key="s_stop", do=_keep, args=(under_way,))
    with turns.searching(bar):
        if under_way.search is None:
            under_way.search = Search(model.evaluator, Puct(c_puct=c_puct))
        while (done := len(under_way.stages)) < _SNAPSHOTS:
            made = under_way.stages[-1].simulations if done else 0
            bar.progress(done / _SNAPSHOTS, f"searching: {made} simulations")
            budget = max(1, simulations * (done + 1) // _SNAPSHOTS)
            under_way.stages.append(under_way.search.run(position, simulations=budget))
    _keep(under_way)
    state.rerun()


def _keep(under_way: UnderWay) -> None:
    """Show what a search has found, be it at its end or not."""
    st.session_state.search_under_way = None
    if under_way.search is not None and under_way.stages:
        found = Searched(under_way.key, tuple(under_way.stages), under_way.search.tree())
        _ended().get((found.key, found.result.simulations), lambda: found)
        st.session_state.search_record = found
        st.session_state.s_stage = len(under_way.stages) - 1
