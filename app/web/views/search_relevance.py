"""What a search rests on: the relevance of a move's Q, of a difference of two, or of the bonus U, over the tree."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.explain.composites import DEFAULT_BIAS, DEFAULT_COMPOSITE
from app.explain.explanation import Explanation
from app.explain.exploration_bonus import explain_bonus
from app.explain.search import explain_tree
from app.explain.targets import Kind, Target
from app.models import Model
from app.present.sentences import headline_words, side_word
from app.web import state, turns, widgets
from app.web.components.maps import Legend
from app.web.views import tables
from app.web.views.under_way import Searched
from othello.rules.notation import square_name

ABOUT: dict[Kind, str] = {"q": "Its value Q", "u": "Its bonus U"}
NOBODY = "–"


def draw(model: Model, searched: Searched) -> None:
    """Relevance of Q, or of the difference of two moves' Q, over the whole tree, or of the exploration bonus U."""
    size = searched.result.board.size
    names = {square_name(m.square, size): m.square for m in searched.result.moves if m.visits}
    if not names:
        return
    st.markdown("##### What Q rests on")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        first, second = widgets.select("Move", names, key="s_move_x", width=140), NOBODY
        about = widgets.segments(
            "Explain", ABOUT, key="s_about", default="q", format_func=ABOUT.__getitem__
        )
        if about == "q":
            others = [NOBODY, *(name for name in names if name != first)]
            second = widgets.select("rather than", others, key="s_move_y", width=140)
    target = Target(about, names[first], names.get(second), size)
    bar = st.empty()
    if target not in searched.explained:
        searched.explained[target] = _explained(model, searched, target, bar)
        bar.empty()
    found = searched.explained[target]
    st.markdown(state.plain(headline_words(found)))
    one, two, three = st.columns([1, 1, 1.2])
    legend = Legend.of(found)
    for column, key, title, relevance in (
        (one, "s_q_map", f"Relevance of {found.target}", found.squares),
        (two, "s_q_bias", "Where the biases act", found.bias_squares),
    ):
        with column:
            legend.picture(
                found.board, relevance, key=key, title=title, label=f"{title}, {found.target}"
            )
    with three:
        tables.account(found, key="s_q_ledger", colours=legend.look.colours)
        st.caption(_reading(found))


def _explained(
    model: Model, searched: Searched, target: Target, bar: DeltaGenerator
) -> Explanation:
    """A map that may take seconds: `bar` tells how far it is, and it ends where the page is left."""
    method = {"composite": DEFAULT_COMPOSITE, "bias": DEFAULT_BIAS}
    board, action = searched.result.board, target.action

    def tell(done: int, total: int) -> None:
        bar.progress(done / total, f"explaining position {done + 1} of {total}")

    with turns.searching(bar):
        if target.kind == "u" and action is not None:
            return explain_bonus(
                model, board, action, searched.tree, c_puct=searched.key[3], **method
            )
        return explain_tree(model, board, target, searched.tree, **method, tell=tell)


def _reading(found: Explanation) -> str:
    if found.target.kind == "u":
        return (
            "U = c·P·√ΣN / (1 + N): the prior P is all that the network has in it, so the map says why the move was "
            "expected before anything was searched. P = softmax of the logits, followed from the even prior to P."
        )
    return (
        f"The mean over {found.leaves} positions of the tree, each on its own board and from the view of "
        f"{side_word(found.board.side)}."
    )
