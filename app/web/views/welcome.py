"""The first two minutes: a tour of the Play page, and what to do when the game has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import streamlit as st

from app.game.session import Session
from app.web import widgets
from app.web.components import guide
from app.web.views import commands, options

STEPS: Final = (
    guide.TourStep(
        "Play: dots mark your legal moves. Click one, or go there with the arrow keys and press Enter.",
        ".st-key-board .oth-frame",
    ),
    guide.TourStep(
        "Ask why: the sentence under the board. Press a reason to see its squares.",  # three lines on a phone
        ".st-key-why, .stMain:not(:has(.st-key-why)) .oth-status",
    ),
    guide.TourStep(
        "Look inside: Always paints on the board what the network sees, red for one side and blue for the other. "
        "Dotted words explain themselves.",
        ".st-key-reveal",
    ),
    guide.TourStep(
        "Look back: the curve is black's chance after every move, and a click on it goes there. "
        "After the game the review names the moves that cost most.",
        ".st-key-graph svg.graph",
    ),
)


def tour(game: Session) -> None:
    """The tour, for who has not skipped it yet."""
    with st.container(key="tour_place"):
        guide.tour(STEPS, ply=game.cursor)


def what_next(
    game: Session, *, review: Callable[[], None], report: Callable[[], Callable[[], str]]
) -> None:
    """What there is to do after the game; `review` finds the moves that cost most, `report` makes a file's maker."""
    place = st.container(
        key="what_next", horizontal=True, gap="xsmall", vertical_alignment="center"
    )  # there also when it is empty, so that what follows keeps its place and the focus
    if not game.board.is_over or not game.length:
        return
    revealed = options.reading().reveal != "never" and game.model is not None
    with place:
        st.markdown("**What next?**", width="content")
        if revealed and game.length > 1 and st.session_state.get("reviewed") != game.actions:
            widgets.button("Where it turned", "rate_review", key="next_review", do=review)
        _another_game(game)
        if revealed:
            st.download_button(
                "Save the report",
                report(),
                "othello.html",
                "text/html",
                key="next_report",
                icon=":material/description:",
                on_click="ignore",
            )


def _another_game(game: Session) -> None:
    """The buttons for another game."""
    if game.opponent == "agent" and game.strength.simulations < options.SIMULATIONS[-1]:
        widgets.button("Again, stronger", "trending_up", key="next_stronger", do=_stronger)
    if game.seat in ("black", "white"):
        other = "white" if game.seat == "black" else "black"
        widgets.button(f"Again as {other}", "swap_horiz", key="next_other", do=_other_side)
    if game.seat in ("watch", "both"):
        widgets.button("Again", "replay", key="next_again", do=commands.again)


def _stronger() -> None:
    commands.again(stronger=True)


def _other_side() -> None:
    commands.again(other_side=True)
