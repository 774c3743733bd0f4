"""`--why` of `othello explain` and `othello review`: a move's reasons in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from app.commands.options import print_json, wants_json
from app.explain.reasons.line import followed
from app.explain.reasons.sentence import check, why
from app.game.tries import with_tries
from app.models import load_model_for
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name
from othello.search.search import Search

Why = Annotated[
    str | None,
    typer.Option(
        "--why", metavar="[MOVE]", help="Say why this move; without one, the search's first choice."
    ),
]
Rather = Annotated[
    str | None, typer.Option("--rather", metavar="RIVAL", help="With --why: and not this move.")
]


@dataclass(frozen=True)
class AskedReasons:
    """A move whose reasons are asked for, and the one it is compared with."""

    why: Why = None
    rather: Rather = None

    @property
    def asked(self) -> bool:
        """Whether reasons are asked for at all."""
        return self.why is not None or self.rather is not None

    def moves(self, board: Board) -> tuple[int | None, int | None]:
        """The move, None for the search's own, and its rival if one was named; ParseError says what is wrong."""
        if self.why is None:
            raise typer.BadParameter("--rather says what a move is compared with: give --why too")
        move = parse_square(self.why, board.size) if self.why else None
        rival = parse_square(self.rather, board.size) if self.rather is not None else None
        check(board, move, rival)
        return move, rival


def say_why(
    board: Board,
    reasons: AskedReasons,
    simulations: int,
    checkpoint: str | None,
    as_json: bool | None,
) -> None:
    """Print the reasons for a move, by default the one that a search prefers; ParseError says what is wrong."""
    move, rival = reasons.moves(board)
    model = load_model_for(board.size, checkpoint)
    run = Search(model.evaluator).run
    result = with_tries(run(board, simulations), (move, rival), lambda at: run(at, simulations))
    found = why(model, result, move, rival)
    if wants_json(as_json):
        print_json("why", followed(model, result, found).as_json())
    else:
        print(found.sentence)
        outlined = " ".join(square_name(square, board.size) for square in found.outline())
        print(f"about: {outlined}" if outlined else "no fact has weight enough to be named")
