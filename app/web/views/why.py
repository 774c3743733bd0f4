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
    words = widgets.chosen(f"{key}_chips", [chip.words for chip in why.chips[:MOST]], None)
    return next((chip.squares for chip in why.chips if chip.words == words), ())


def draw(
    why: Why, *, view: Callable[[], None], biases: Callable[[], None], key: str = "why"
) -> None:
    """The answer; `view` draws the map and its account once unfolded, `biases` the biases' part of them."""
    with st.container(key=key, gap="small"):
        st.markdown(state.plain(why.sentence))
        if why.chips:
            words = [state.plain(chip.words) for chip in why.chips[:MOST]]
            names = dict(zip((chip.words for chip in why.chips), words))
            widgets.chips(
                "Its reasons; press one to see its squares",
                names,
                key=f"{key}_chips",
                format_func=names.__getitem__,
                label_visibility="collapsed",
            )
        if why.expectations:
            st.caption(state.plain(why.expectations))
        icon = ":material/grid_on:"
        folder = st.expander("The network's view", key=f"{key}_view", icon=icon, on_change="rerun")
        if folder.open:
            with folder:
                view()
                if widgets.toggle("Biases", key=f"{key}_biases"):
                    biases()
