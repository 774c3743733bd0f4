"""The web app's entry script: page settings, navigation, and nothing else."""

from __future__ import annotations

import streamlit as st

from app.web import state
from app.web.views import inspector, play, search, training

st.set_page_config(page_title="Othello, explained", page_icon=state.icon(), layout="wide")
st.html("<style>.stMainBlockContainer { padding-top: 4.2rem; padding-bottom: 3rem; max-width: 86rem; }</style>")
pages = {
    "play": st.Page(play.page, title="Play", icon=":material/sports_esports:", url_path="play", default=True),
    "inspect": st.Page(inspector.page, title="Inspect", icon=":material/search_insights:", url_path="inspect"),
    "search": st.Page(search.page, title="Search", icon=":material/account_tree:", url_path="search"),
    "training": st.Page(training.page, title="Training", icon=":material/monitoring:", url_path="training"),
}
st.session_state.pages = pages
st.navigation(list(pages.values()), position="top").run()
