"""Why this move: one sentence, chips that outline their squares on the board, and what the network saw, folded away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from app.web import state, widgets

MOST = 3  # chips: more are no answer


@dataclass(frozen=True)
class Chip:
    """One reason: its words, the squares that it speaks of, how much it weighs in words."""

    label: str
    squares: tuple[int, ...]
    weight: str

    @property
    def words(self) -> str:
        """What stands on the chip."""
        return f"{self.label} · {self.weight}"


@dataclass(frozen=True)
class Why:
    """The answer about one move: a sentence, its reasons, and what is expected of the game."""

    sentence: str
    chips: tuple[Chip, ...] = ()
    expectations: str = ""


def outlined(why: Why, key: str = "why") -> tuple[int, ...]:
    """The squares of the chip that is pressed, for the board above; none where none is."""
    squares = {chip.words: chip.squares for chip in why.chips[:MOST]}
    return squares.get(widgets.chosen(f"{key}_chips", squares, ""), ())


def draw(
    why: Why, *, view: Callable[[], None], biases: Callable[[], None], key: str = "why"
) -> None:
    """The answer; `view` draws the map and its account once unfolded, `biases` the biases' part of them."""
    with st.container(key=key, gap="small"):
        st.markdown(state.plain(why.sentence))
        if why.chips:
            widgets.chips(
                "Its reasons; press one to see its squares",
                [chip.words for chip in why.chips[:MOST]],
                key=f"{key}_chips",
                format_func=state.plain,
                label_visibility="collapsed",
            )
        if why.expectations:
            st.caption(state.plain(why.expectations))
        folder = st.expander(
            "The network's view", key=f"{key}_view", icon=":material/grid_on:", on_change="rerun"
        )
        if folder.open:
            with folder:
                view()
                if widgets.toggle("Biases", key=f"{key}_biases"):
                    biases()
