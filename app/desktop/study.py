"""What the explainer's thread finds out about a position: its maps, and why the agent made its last move."""

from __future__ import annotations

from dataclasses import dataclass

from app.desktop.view import HeatMode
from app.desktop.worker import Stop
from app.explain.points import in_points
from app.explain.targets import Target
from app.game.game_line import GameLine
from app.game.session import Session
from app.present.colormap import Heat, heat_of
from app.present.game_view import Ledger, last_search, ledger_of
from othello.errors import ParseError
from othello.rules.board import Board


@dataclass(frozen=True)
class Study:
    """What was found out about a position for its heatmap."""

    board: Board
    heat: HeatMode
    maps: tuple[
        tuple[Heat, Ledger], ...
    ] = ()  # of the squares and of the biases; none without a heatmap
    sentence: str = ""  # why the agent's last move; nothing without a search


def study_of(game: Session, line: GameLine, heat: HeatMode, stop: Stop) -> Study:
    """The study of the position that a line shows; it lets the game know the values of every ply, too."""
    game.plies()
    board = line.board
    sentence = "" if stop() else why_last(game, line)
    if heat == "off" or board.is_over or stop():
        return Study(board, heat, sentence=sentence)
    found = game.explain(board, question(game, board, heat))
    told = in_points(found)
    maps = (told.squares, told.bias_squares)
    ledgers = (ledger_of(found), ledger_of(found, biases=True))
    return Study(board, heat, tuple(zip(map(heat_of, maps), ledgers)), sentence)


def question(game: Session, board: Board, heat: HeatMode) -> Target:
    """What a heatmap explains: the value, or the policy's logit of the best move known of a position."""
    if heat == "value":
        return Target("value", size=board.size)
    return Target("policy", game.best_action(board), size=board.size)


def why_last(game: Session, line: GameLine) -> str:
    """Why the agent made its last searched move, in a sentence; nothing where nothing can be claimed."""
    searched = last_search(game, line)
    move = None if searched is None else line.action_at(searched[0])
    if searched is None or move is None:
        return ""
    try:
        found = game.why(searched[1].board, move)
    except ParseError:  # a position that no game reaches
        return ""
    return "" if found is None else found.sentence
