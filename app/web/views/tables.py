"""What every page lists: the moves of a search, where the number that is explained comes from, how far a job is."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from app.explain.explanation import Explanation
from app.present.game_view import moves_table
from app.present.numbers import fixed
from app.present.sentences import account_words, q_words, side_word
from app.web import jobs, state
from app.web.components import parts
from othello.search.search import SearchResult


def moves(
    found: SearchResult,
    *,
    key: str,
    chosen: int | None = None,
    count: int | None = None,
    bonus: bool = False,
    **options: Any,
) -> None:
    """The most visited moves with black's chance after each; with `bonus` Q and the U that the search gives it next."""
    searched = {move.square: move for move in found.moves}
    rows = []
    for move in moves_table(found, chosen, count or len(found.moves)):
        cells: list[Any] = [
            move.name,
            parts.bar(move.prior, f"{100 * move.prior:.1f} %"),
            parts.bar(move.share, str(move.visits)),
        ]
        q, u = searched[move.square].q, searched[move.square].u
        cells += [q_words(q, 3), f"{u:.2f}"] if bonus else [move.chance]
        rows.append({"cells": cells, "value": move.square, "chosen": move.played})
    solved = f", solved: {found.exact:+d} discs" if found.exact is not None else ""
    parts.moves(
        ("move", "prior", "visits", *(("Q", "bonus U") if bonus else ("for black",))),
        rows,
        key=key,
        title=f"{side_word(found.board.side).capitalize()}'s moves after {found.simulations} simulations{solved}",
        **options,
    )


def account(found: Explanation, *, key: str, colours: str, unit: str = "") -> None:
    """The ledger of an explanation as bars, and in words where its number comes from; `unit` is that of `in_points`."""
    title = "Where the number comes from"
    if unit:
        parts.ledger(found, key=key, title=f"{title}, in {unit}", colours=colours, digits=1)
        st.caption(state.plain(account_words(found, partial(fixed, digits=1))))
    else:
        parts.ledger(found, key=key, title=title, colours=colours)
        st.caption(state.plain(account_words(found)))


def progress(job: jobs.Job, *, key: str) -> None:
    """How far a job is, and the button that ends it."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        what = "ends after this step" if job.cancelled else job.what
        st.progress(job.share, f"{state.plain(job.title)}: {state.plain(what)}")
        st.button("Cancel", key=key, on_click=job.cancel, disabled=job.cancelled)
