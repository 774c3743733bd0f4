"""What a desk shows at this moment, as a view: the session's facts, the person's switches, what the workers found."""

from __future__ import annotations

import math

from app.desktop.commands import HELP, buttons
from app.desktop.desk import Desk
from app.desktop.view import Ghost, Turning, View, turned
from app.game.game_line import GameLine
from app.present.game_view import (
    Candidate,
    last_search,
    move_text,
    moves_table,
    opening_name,
    opponent_name,
    players,
    status,
    value_line,
    values,
)
from app.present.numbers import percent
from othello.rules.board import Board


def view_of(desk: Desk) -> View:
    """The view; it asks the network nothing, so that a window never waits for it."""
    game, line, hint = desk.game, desk.game.line, desk.hint
    board, opponent = line.board, opponent_name(desk.game.opponent)
    study = desk.known(board)
    heat, ledger = study.maps[desk.biases] if study and study.maps else (None, None)
    legal = board.legal_moves() if line.human_to_move else ()
    title, candidates = _candidates(desk, line)
    ghost = desk.hovered if desk.hovered in legal else None
    thinking = desk.thinker.busy in ("reply", "hint")
    return View(
        board=board,
        players=players(line, opponent),
        status=status(line, opponent, paused=desk.paused, brief=True),
        notice=desk.notice or ("Explaining …" if desk.heat != "off" and study is None else ""),
        progress=_progress(desk) if thinking else None,
        last=line.last_move,
        dots=() if hint else legal,
        cursor=desk.cursor,
        ghost=None if ghost is None else Ghost(ghost, turned(board, board.play(ghost))),
        turning=_turning(desk),
        neutral=desk.heat != "off",
        heat=heat,
        with_numbers=desk.numbers,
        marks=_marks(desk, board),
        best=hint.moves[0].square if hint else None,
        value_words=value_line(game, board, brief=True),
        values=values(game, line),
        ply=line.cursor,
        plies=max(board.size**2 - 4, line.length),
        ledger=ledger,
        sentence=study.sentence if study else "",
        candidates=candidates,
        candidates_title=title,
        opening=opening_name(line),
        moves=move_text(line),
        buttons=buttons(desk),
        prompt=desk.prompt,
        help=HELP if desk.help else (),
        dark=desk.dark,
    )


def _candidates(desk: Desk, line: GameLine) -> tuple[str, tuple[Candidate, ...]]:
    """The moves of the hint, or of the search behind the agent's last move, under their title."""
    if desk.hint is not None:
        return "Hint", moves_table(desk.hint, desk.hint.moves[0].square)
    searched = last_search(desk.game, line)
    if searched is None:
        return "", ()
    ply, result = searched
    return "The agent's move", moves_table(result, line.action_at(ply))


def _marks(desk: Desk, board: Board) -> tuple[str, ...]:
    """The hint's share of visits on every legal square."""
    if desk.hint is None:
        return ()
    texts = [""] * board.size**2
    whole = sum(move.visits for move in desk.hint.moves) or 1
    for move in desk.hint.moves:
        texts[move.square] = percent(move.visits / whole)
    return tuple(texts)


def _progress(desk: Desk) -> float:
    return min(1.0, max(0.02, desk.visits / max(1, desk.game.strength.simulations)))


def _turning(desk: Desk) -> Turning | None:
    if desk.turning is None or not desk.animating:
        return None
    return Turning(desk.turning[0], round(0.5 - 0.5 * math.cos(math.pi * desk.phase), 2))
