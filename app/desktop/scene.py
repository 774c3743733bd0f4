"""What a desk shows at this moment, as a view: the session's facts, the person's switches, what the workers found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from app.desktop import describe
from app.desktop.commands import HELP
from app.desktop.view import Button, Candidate, Ghost, Turning, View
from othello.rules.board import Board, squares_of

if TYPE_CHECKING:
    from app.desktop.desk import Desk

_HEAT = {"off": "Heat: off", "value": "Heat: value", "move": "Heat: move"}


def view_of(desk: Desk) -> View:
    """The view; it asks the network nothing, so that a window never waits for it."""
    game = desk.game
    board, ply, hint = game.board, game.cursor, desk.hint
    study = desk.study
    known = study is not None and study.board == board and study.heat == desk.heat and study.maps
    heat, ledger = study.maps[desk.biases] if study is not None and known else (None, None)
    legal = board.legal_moves() if game.human_to_move else ()
    title, candidates = _candidates(desk)
    ghost = desk.hovered if desk.hovered in legal else None
    thinking = desk.thinker.busy in ("reply", "hint")
    return View(
        board=board,
        players=describe.seated(game, ply),
        status=describe.status(game, desk.paused),
        notice=desk.notice,
        progress=_progress(desk) if thinking else None,
        last=game.last_move,
        dots=() if hint else legal,
        cursor=desk.cursor,
        ghost=None if ghost is None else Ghost(ghost, _turns(board, ghost)),
        turning=_turning(desk),
        neutral=desk.heat != "off",
        heat=heat,
        with_numbers=desk.numbers,
        marks=_marks(desk),
        best=hint.moves[0].square if hint else None,
        value_words=describe.value_line(game, ply),
        values=tuple(game.value_of(number)[0] for number in range(game.length + 1)),
        ply=ply,
        plies=max(board.size**2 - 4, game.length),
        ledger=ledger,
        candidates=candidates,
        candidates_title=title,
        opening=describe.opening_name(game, ply),
        moves=describe.move_text(game, ply),
        buttons=_buttons(desk),
        prompt=desk.prompt,
        help=HELP if desk.help else (),
        dark=desk.dark,
    )


def _candidates(desk: Desk) -> tuple[str, tuple[Candidate, ...]]:
    """The moves of the hint, or of the search behind the agent's last move, under their title."""
    if desk.hint is not None:
        return "Hint", describe.candidates_of(desk.hint, desk.hint.moves[0].square)
    searched = describe.last_search(desk.game, desk.game.cursor)
    if searched is None:
        return "", ()
    ply, result = searched
    return "The agent's move", describe.candidates_of(result, desk.game.action_at(ply))


def _marks(desk: Desk) -> tuple[str, ...]:
    """The hint's share of visits on every legal square."""
    if desk.hint is None:
        return ()
    texts = [""] * desk.game.board.size**2
    whole = sum(move.visits for move in desk.hint.moves) or 1
    for move in desk.hint.moves:
        texts[move.square] = f"{100 * move.visits / whole:.0f} %"
    return tuple(texts)


def _progress(desk: Desk) -> float:
    return min(1.0, max(0.02, desk.visits / max(1, desk.game.strength.simulations)))


def _turning(desk: Desk) -> Turning | None:
    if desk.turning is None or not desk.animating:
        return None
    return Turning(desk.turning[0], round(0.5 - 0.5 * math.cos(math.pi * desk.phase), 2))


def _turns(board: Board, square: int) -> tuple[int, ...]:
    """The discs that a move turns."""
    after = board.play(square)
    return squares_of((board.black & after.white) | (board.white & after.black), board.size)


def _buttons(desk: Desk) -> tuple[tuple[Button, ...], ...]:
    game, strength = desk.game, desk.game.strength.simulations
    watching = game.seat == "watch"
    third = (
        Button("pause", "Go on" if desk.paused else "Pause", "P", desk.paused)
        if watching
        else Button("hint", "Hint", "H", desk.hint is not None, game.human_to_move)
    )
    seat = {
        "black": "You: black",
        "white": "You: white",
        "watch": "You: watch",
        "both": "You: both",
    }[game.seat]
    return (
        (
            Button("undo", "Undo", "U", enabled=game.cursor > 0),
            Button("redo", "Redo", "R", enabled=game.cursor < game.length),
            third,
        ),
        (
            Button("heat", _HEAT[desk.heat], "E", desk.heat != "off", weight=1.25),
            Button("bias", "Biases", "B", desk.biases and desk.heat != "off"),
            Button("numbers", "Numbers", "T", desk.numbers and desk.heat != "off", weight=1.1),
        ),
        (
            Button("new", "New", "N", weight=1.1),
            Button("seat", seat, "S", weight=1.7),
            Button("weaker", "−", weight=0.5),
            Button(
                "strength", f"{strength} sims" if strength else "policy", enabled=False, weight=1.15
            ),
            Button("stronger", "+", weight=0.5),
        ),
        (
            Button("open", "Open"),
            Button("save", "Save"),
            Button("screenshot", "PNG"),
            Button("film", "GIF"),
            Button("help", "?", weight=0.6),
        ),
    )
