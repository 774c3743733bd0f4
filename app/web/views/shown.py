"""What the Play page explains: one question about one ply, which map, ledger, files and Inspect all read from here."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.explain.explanation import Explanation
from app.explain.targets import Target
from app.game.session import Loss, Session
from app.web.views import options
from app.web.views.question import Question
from othello.rules.board import Board
from othello.rules.notation import parse_square

ASKED = Question("question", "move_x", "move_y")


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


def judge(game: Session, loss: Loss) -> None:
    """Show a move of the review in the position where it was made, and ask why it and not the better one."""
    size = game.start.size
    game.goto(loss.ply)
    ASKED.put(Target("policy", parse_square(loss.move, size), parse_square(loss.best, size), size))
    st.session_state.judged = (game.serial, loss)


def judged(game: Session) -> Loss | None:
    """The move of the review that is shown, until the game goes anywhere else or hints are hidden."""
    serial, loss = st.session_state.get("judged", (None, None))
    return loss if serial == game.serial and options.reading().reveal != "never" else None


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
