"""What every page lists: the moves of a search, where the number that is explained comes from, how far a job is."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.explain.explanation import Explanation
from app.present.sentences import account_words, q_words, side_word
from app.web import jobs, state
from app.web.components import parts
from othello.rules.notation import square_name
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
    """The most visited moves, with the bonus U that the search gives them next where that is wanted."""
    size, total = found.board.size, max(1, sum(move.visits for move in found.moves))
    rows = []
    for move in found.moves[:count]:
        cells: list[Any] = [
            square_name(move.square, size),
            parts.bar(move.prior, f"{100 * move.prior:.1f} %"),
            parts.bar(move.visits / total, str(move.visits)),
            q_words(move.q, 3 if bonus else 2),
        ]
        cells += [f"{move.u:.2f}"] if bonus else []
        rows.append({"cells": cells, "value": move.square, "chosen": move.square == chosen})
    solved = f", solved: {found.exact:+d} discs" if found.exact is not None else ""
    parts.moves(
        ("move", "prior", "visits", "Q", *(("bonus U",) if bonus else ())),
        rows,
        key=key,
        title=f"{side_word(found.board.side).capitalize()}'s moves after {found.simulations} simulations{solved}",
        **options,
    )


def account(found: Explanation, *, key: str, colours: str) -> None:
    """The ledger of an explanation as bars, and in words where its number comes from."""
    parts.ledger(found, key=key, title="Where the number comes from", colours=colours)
    st.caption(state.plain(account_words(found)))


def progress(job: jobs.Job, *, key: str) -> None:
    """How far a job is, and the button that ends it."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.progress(job.share, f"{state.plain(job.title)}: {state.plain(job.what)}")
        st.button("Cancel", key=key, on_click=job.cancel)
