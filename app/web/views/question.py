"""What is asked of the network: the widgets for it, and the target that they hold, once for every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from app.explain.targets import Kind, Target
from app.web import widgets
from othello.rules.notation import square_name

QUESTIONS: Final[dict[str, tuple[Kind, int]]] = {  # the kind of target, and of how many moves
    "Value": ("value", 0),
    "A move": ("policy", 1),
    "X rather than Y": ("policy", 2),
    "Q after search": ("q", 1),
    "What a move changes": ("change", 1),
}
VALUE: Final = "Value"


@dataclass(frozen=True)
class Question:
    """The widgets of one page, by their keys."""

    key: str
    first: str
    second: str

    def held(self, moves: Sequence[int], size: int) -> Target:
        """The target that the widgets hold, as far as it fits a position with these moves, the likeliest first."""
        kind, count = QUESTIONS[widgets.chosen(self.key, QUESTIONS, VALUE)]
        if not moves or not count:
            return Target("value", size=size)
        names = {square_name(move, size): move for move in moves}
        first = widgets.chosen(self.first, names, next(iter(names)))
        others = [name for name in names if name != first]
        if count == 1 or not others:
            return Target(kind, names[first], size=size)
        return Target(
            kind, names[first], names[widgets.chosen(self.second, others, others[0])], size
        )

    def draw(self, moves: Sequence[int], size: int) -> Target:
        """The widgets; the target that they hold then."""
        question = widgets.segments("Question", QUESTIONS, key=self.key, default=VALUE)
        target = self.held(moves, size)
        if target.action is None:
            if question != VALUE:
                st.caption("The game is over here: only the value can be explained.")
            return target
        names = [square_name(move, size) for move in moves]
        with st.container(horizontal=True):
            first = widgets.select(
                "Move", names, key=self.first, default=square_name(target.action, size), width=140
            )
            if target.against is not None:
                others = [name for name in names if name != first]
                widgets.select(
                    "rather than",
                    others,
                    key=self.second,
                    default=square_name(target.against, size),
                    width=140,
                )
        return self.held(moves, size)

    def put(self, target: Target) -> None:
        """Let the widgets hold a target."""
        for name, (kind, count) in QUESTIONS.items():
            if kind == target.kind and count <= len(target.actions):
                widgets.put(self.key, name)
        for key, move in zip((self.first, self.second), target.actions):
            widgets.put(key, square_name(move, target.size))
