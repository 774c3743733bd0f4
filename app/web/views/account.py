"""The account of an explanation: the bar of the ledger, and in words where the number comes from."""

from __future__ import annotations

import streamlit as st

from app.explain.network import Explanation
from app.present.sentences import account_words
from app.web import state
from app.web.components import parts


def draw(found: Explanation, *, key: str, colours: str) -> None:
    """Both under the title that every page gives them."""
    parts.ledger(found, key=key, title="Where the number comes from", colours=colours)
    st.caption(state.plain(account_words(found)))
