"""What the Play page explains: one question about one ply, which map, ledger, files and Inspect all read from here."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.explain.explanation import Explanation
from app.explain.targets import Target
from app.game.session import Session
from app.web import record, state, widgets
from app.web.views import options
from app.web.views.question import Question
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name

ASKED = Question("question", "move_x", "move_y")
RIVAL = "why_rival"  # the widget for "why not …?"


@dataclass(frozen=True)
class Reviewed:
    """A move of a reviewed game that is shown in the position where it was made, and the better one."""

    ply: int
    move: str
    best: str


@dataclass(frozen=True)
class Shown:
    """A question about the position of a ply, the rules that answer it, and the disc that its picture marks."""

    ply: int
    board: Board
    target: Target
    composite: str
    bias: str
    simulations: int  # of the search that a target of kind q rests on
    marked: int | None  # the square of the move that the picture marks

    def explain(self, game: Session) -> Explanation:
        """The answer (kept by the game); ParseError for a target that does not fit, LRPError."""
        return game.explain(
            self.ply,
            self.target,
            composite=self.composite,
            bias=self.bias,
            simulations=self.simulations,
        )


def shown(game: Session, view: options.Choices) -> Shown | None:
    """What the widgets ask for; None where nothing is explained: hidden, before the first move, or over."""
    here = view.reveal == "always" or judged(game) is not None
    ply = game.cursor if here else game.decision()
    if view.reveal == "never" or game.model is None or ply is None or game.board_at(ply).is_over:
        return None
    always = view.reveal == "always" and judged(game) is None
    return Shown(
        ply,
        game.board_at(ply),
        ASKED.held(candidates(game, ply), game.start.size),
        view.composite,
        view.bias,
        max(game.strength.simulations, 64),
        game.last_move if always else game.action_at(ply),
    )


def judge(game: Session, ply: int, best: str) -> None:
    """Show a move of the game in the position where it was made, and ask why it and not the better one.

    ParseError or IllegalMove where the better one cannot be, and the game stays where it is.
    """
    size, played, better = game.start.size, game.action_at(ply), parse_square(best, game.start.size)
    target = Target("policy", played, better, size)
    target.check(game.board_at(ply))
    if played is None or played == better:
        return
    game.goto(ply)
    ASKED.put(target)
    st.session_state.judged = game.serial, Reviewed(ply, square_name(played, size), best)


def judged(game: Session) -> Reviewed | None:
    """The move of the review that is shown, until the game goes anywhere else or hints are hidden."""
    serial, found = st.session_state.get("judged", (None, None))
    return found if serial == game.serial and options.reading().reveal != "never" else None


def candidates(game: Session, ply: int) -> list[int]:
    """Moves of a ply, the one that was played first, then by visits or by the network's policy."""
    board, found, played = game.board_at(ply), game.search_of(ply), game.action_at(ply)
    if found:
        order = [move.square for move in found.moves]
    elif game.model and board.legal_moves():
        order = game.model.ranked(board)
    else:
        order = list(board.legal_moves())
    return ([played] if played in order else []) + [square for square in order if square != played]


def _better() -> str:
    found = judged(state.game())
    return "" if found is None else found.best


def _judge(best: str) -> None:
    game = state.game()
    judge(game, game.cursor, best)


def _asked() -> str:
    if ASKED.usual:
        return ""  # without asking the network, which a first start compiles
    game = state.game()
    found = shown(game, options.reading())
    return ASKED.written(None if found is None else found.target)


def _take_asked(text: str) -> None:
    ASKED.take(text, state.game().start.size)


record.holds(
    "play",
    *options.PARTS,
    record.Part("better", _better, _judge, of_game=True),
    record.Part("target", _asked, _take_asked, of_game=True),
    record.Part("rival", lambda: widgets.typed(RIVAL), lambda text: widgets.put(RIVAL, text)),
)
