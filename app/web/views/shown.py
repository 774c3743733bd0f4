"""What the Play page explains: one question about one ply, which map, ledger, files and Inspect all read from here."""

from __future__ import annotations

from dataclasses import dataclass

from app.explain.explanation import Explanation
from app.explain.targets import Kind, Target
from app.game.session import Session
from app.web import widgets
from app.web.views import options
from othello.rules.board import Board
from othello.rules.notation import square_name


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


def shown(game: Session, view: options.View) -> Shown | None:
    """What the widgets ask for; None where nothing is explained: hidden, before the first move, or over."""
    ply = game.cursor if view.reveal == "always" else game.decision()
    if view.reveal == "never" or game.model is None or ply is None or game.board_at(ply).is_over:
        return None
    marked = game.last_move if view.reveal == "always" else game.action_at(ply)
    simulations = max(game.strength.simulations, 64)
    board = game.board_at(ply)
    return Shown(
        ply, board, _target(game, ply, view), view.composite, view.bias, simulations, marked
    )


def candidates(game: Session, ply: int) -> list[int]:
    """Moves of a ply, the one that was played first, then by visits or by the network's policy."""
    board, found, played = game.board_at(ply), game.search_of(ply), game.action_at(ply)
    if found:
        order = [move.square for move in found.moves]
    else:
        order = (
            game.model.ranked(board)
            if game.model and board.legal_moves()
            else list(board.legal_moves())
        )
    return ([played] if played in order else []) + [square for square in order if square != played]


def _target(game: Session, ply: int, view: options.View) -> Target:
    """The target the widgets ask for at a ply, as far as it fits there."""
    moves, size = candidates(game, ply), game.board.size
    if view.question == options.QUESTIONS[0] or not moves:
        return Target("value", size=size)
    names = {square_name(move, size): move for move in moves}
    first = names[widgets.chosen("move_x", names, square_name(moves[0], size))]
    if view.question == options.QUESTIONS[2] and len(moves) > 1:
        second = names[widgets.chosen("move_y", names, square_name(moves[1], size))]
        return Target(
            "policy",
            first,
            second if second != first else next(m for m in moves if m != first),
            size,
        )
    kinds: dict[str, Kind] = {options.QUESTIONS[3]: "q", options.QUESTIONS[4]: "change"}
    return Target(kinds.get(view.question, "policy"), first, size=size)
