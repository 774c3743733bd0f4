"""The web app's entry script: page settings, navigation, and nothing else."""

from __future__ import annotations

import streamlit as st

from app.web import state, widgets
from app.web.components import guide
from app.web.pages import views

st.set_page_config(page_title="Othello, explained", page_icon=state.icon(), layout="wide")
st.html(
    "<style>.stAppHeader { display: none; }"
    ".stMainBlockContainer { padding-top: 0.9rem; padding-bottom: 3rem; max-width: 86rem; }"
    "[data-testid=stButtonGroup] > [role=radiogroup] { flex-wrap: wrap; row-gap: 0.25rem; }"
    "@media (prefers-color-scheme: light) { [role=radio][aria-checked=true]:hover p { color: #0e4a33; } }"
    "@media (prefers-color-scheme: dark) { button[kind=primary], button[kind=primary] p { color: #0b1410; } }"
    "div:has(> .st-key-what_next:empty) { display: none; }"
    "div:has(> .st-key-tour_place) { position: sticky; top: 0; z-index: 50; }"
    ".stMain div:has(> .st-key-tour_place .otht[hidden]), .stElementContainer:has(.othw) { margin-top: -1rem; }"
    "@media (max-width: 640px) { .stMainBlockContainer { padding-left: 0.75rem; padding-right: 0.75rem; } }"
    "@media (max-width: 430px) { .st-key-what_next > div:has([data-testid=stMarkdown]) { display: none; } }"
    "@media (max-width: 430px) { .st-key-board { margin: 0 -10px; width: calc(100% + 20px); max-width: none; } }"
    ".st-key-why { border-left: 4px solid #2c7a58; padding-left: 0.8rem; }"  # what the app is for
    ".st-key-why > :first-child p { font-weight: 600; line-height: 1.4; }"
    "@media (prefers-color-scheme: dark) { .st-key-why { border-left-color: #63c197; } }"
    "@media (min-width: 641px) and (max-height: 800px) { .stMainBlockContainer { padding-top: 0.3rem; } }"
    "@media (max-width: 640px) { .st-key-board { scroll-margin-top: 76px; }"  # below the tour
    " .stMainBlockContainer:has(.st-key-tour_place) { padding-top: 0.2rem; }"  # a phone shows the whole answer
    " .stMainBlockContainer:has(.st-key-tour_place) > [data-testid=stVerticalBlock] { gap: 0.5rem; }"
    " .stMain div:has(> .st-key-tour_place .otht[hidden]) { margin-top: -0.5rem; }"
    " .stMain:has(.otht:not([hidden])) .othg p { display: none; }"
    " .st-key-e_cards > *, .st-key-e_cards > * > * { width: 100% !important; }"
    " [data-testid=stPopoverBody] { inset: auto auto 8px 0 !important; transform: translateX(8px) !important;"
    " max-height: 70dvh !important; } }"  # menus rise from the lower edge, wherever their button is
    ".st-key-why_chips button { white-space: normal; height: auto; max-width: 100%; text-align: left; }"
    "@media (max-width: 640px), (max-height: 500px) {"  # the pages' links stand in one row without their icons
    " [data-testid=stPageLink-NavLink] > :has(> [data-testid=stIconMaterial]) { display: none; }"
    " .st-key-pages { gap: 0; } [data-testid=stPageLink-NavLink] { padding: 0 0.37rem; justify-content: center; }"
    " [data-testid=stPageLink-NavLink] p { font-size: 0.84rem; } }"
    "@media (min-width: 641px) and (max-height: 500px) {"  # a phone on its side: the board stays beside what is said
    " .stMainBlockContainer:has(.st-key-board) { padding: 0 0.6rem 2rem calc(min(100dvh, 50vw) + 4px); }"
    " .st-key-board .oth { container-type: normal; }"
    " .st-key-board .oth .oth-frame { position: fixed; left: 3px; top: 1px; margin: 0; z-index: 1;"
    " width: calc(min(100dvh, 50vw) - 6px); container-type: inline-size; }"
    " .stMainBlockContainer:has(.st-key-board) [data-testid=stVerticalBlock] { gap: 0.4rem; }"
    " [data-testid=stHorizontalBlock]:has(> [data-testid=stColumn] .st-key-board) { flex-direction: column; }"
    " [data-testid=stHorizontalBlock]:has(.st-key-board) > [data-testid=stColumn] { width: 100%; flex: none; }"
    " .stMain:has(.st-key-board) .othg p { display: none; } .st-key-board .oth-score { padding: 0; } }"
    "@media (max-width: 640px), (max-height: 500px) {"  # a finger needs 44 pixels
    " .stMain button, .stMain [role=radio], [data-testid=stPageLink-NavLink], .stMain summary,"
    " .stMain [data-baseweb=select] > div { min-height: 44px; min-width: 44px; } }</style>"
)
pages, lines = {}, {view.title: view.line for view in views()}
for number, view in enumerate(views()):
    name = view.title.lower()
    pages[name] = st.Page(
        view.draw, title=view.title, icon=view.icon, url_path=name, default=number == 0
    )
st.session_state.pages = pages
widgets.note()
chosen = st.navigation(list(pages.values()), position="hidden")
with st.container(horizontal=True, gap="small", key="pages"):
    for page in pages.values():
        st.page_link(page, width="content")
if lines[chosen.title]:
    guide.heading(chosen.title, lines[chosen.title])
chosen.run()
guide.words()
