"""What is asked of the network: the widgets for it, and the target that they hold, once for every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from app.explain.ask import explain
from app.explain.composites import check_composite
from app.explain.explanation import Explanation
from app.explain.targets import Kind, Target
from app.web import state, widgets
from othello.errors import ParseError
from othello.rules.board import Board
from othello.rules.notation import square_name

QUESTIONS: Final[dict[str, tuple[Kind, int]]] = {  # the kind of target, and of how many moves
    "Value": ("value", 0),
    "A move": ("policy", 1),
    "X rather than Y": ("policy", 2),
    "Q after search": ("q", 1),
    "What a move changes": ("change", 1),
}
VALUE: Final = "Value"
WRITTEN: Final = {  # a question that is not about a position yet
    "A move": "policy",
    "X rather than Y": "rather",
    "Q after search": "q",
    "What a move changes": "change",
}


@dataclass(frozen=True)
class Pin:
    """An explanation kept for comparison, as what was asked."""

    board: Board
    target: Target
    composite: str
    bias: str
    simulations: int

    def __str__(self) -> str:
        return "~".join(
            map(str, (self.board, self.target, self.composite, self.bias, self.simulations))
        )

    @classmethod
    def parse(cls, text: str) -> Pin:
        """The pin that `str` wrote; OthelloError or LRPError where it makes no sense."""
        fields = text.split("~")
        if len(fields) != 5 or not fields[4].isdecimal() or len(fields[4]) > 4:
            raise ParseError(
                f"pin {text[:40]!r}: accepted is POSITION~TARGET~RULES~BIAS~SIMULATIONS"
            )
        board = state.parse_position(fields[0])
        target = Target.parse(fields[1], board.size)
        target.check(board)
        check_composite(*fields[2:4])
        return cls(board, target, fields[2], fields[3], max(1, int(fields[4])))

    def explain(self) -> Explanation:
        """The explanation; made once in a browser session."""
        model = state.model(self.board.size)
        known = st.session_state.get("i_pinned", (None, None))
        if known[0] != (self, model.sha256):
            found = explain(
                model,
                self.board,
                self.target,
                composite=self.composite,
                bias=self.bias,
                simulations=self.simulations,
            )
            known = st.session_state.i_pinned = (self, model.sha256), found
        explanation: Explanation = known[1]
        return explanation


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

    @property
    def usual(self) -> bool:
        """Whether the value is asked for."""
        return widgets.chosen(self.key, QUESTIONS, VALUE) == VALUE

    def written(self, target: Target | None) -> str:
        """What is asked as a text for `take`: the target where there is one, else its kind; empty for the usual one."""
        if target is not None and target.kind != "value":
            return str(target)
        return "" if self.usual else WRITTEN[widgets.chosen(self.key, QUESTIONS, VALUE)]

    def take(self, text: str, size: int) -> None:
        """Let the widgets hold what `written` says; ParseError."""
        for question, word in WRITTEN.items():
            if text == word:
                widgets.put(self.key, question)
                return
        self.put(Target.parse(text, size))

    def put(self, target: Target) -> None:
        """Let the widgets hold a target."""
        for name, (kind, count) in QUESTIONS.items():
            if kind == target.kind and count <= len(target.actions):
                widgets.put(self.key, name)
        for key, move in zip((self.first, self.second), target.actions):
            widgets.put(key, square_name(move, target.size))
