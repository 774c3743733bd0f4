"""`othello explore`: the moves of a position, what the agent expects of each, and how often a base played it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.commands.options import (
    CheckpointOption,
    Output,
    Positions,
    Size,
    for_each_position,
    print_json,
)
from app.commands.progress import ProgressLine
from app.game.explorer import ExplorerMove
from app.game.explorer import explore as explored
from app.models import load_model_for
from app.present.numbers import percent, signed
from othello.base.game_base import GameBase, open_base
from othello.rules.board import Board
from othello.rules.notation import square_name

Base = Annotated[
    list[Path] | None,
    typer.Option(
        "--base",
        metavar="FILE",
        help="A WTHOR file of games (.wtb), indexed once; may be given again.",
    ),
]


def explore(
    position: Positions,
    base: Base = None,
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    output: Output = Output(),
) -> None:
    """List the moves of a position: opening, chance and discs for black at sight, games of a base and their points.

    Mirror images stand in one line. Near the end the discs are exact. Points are the mover's, a draw counts half.
    """
    games: GameBase | None = None
    if base:
        with ProgressLine("base", quiet=output.quiet) as line:
            games = open_base(base, progress=line.at)

    def tell(board: Board, line: ProgressLine) -> None:
        model = load_model_for(board.size, checkpoint)
        moves = explored(model, board, games)
        if output.as_json:
            about = None if games is None else {"games": games.games, "skipped": games.skipped}
            told = [move.to_dict(board.size) for move in moves]
            print_json("explore", {"position": str(board), "moves": told, "base": about})
        else:
            _print(board, moves, games)

    for_each_position(position, size, tell, output.quiet)


def _print(board: Board, moves: list[ExplorerMove], base: GameBase | None) -> None:
    print(board.diagram())
    table = Table("move", "opening", "black", "discs", box=None)
    if base is not None:
        for name in ("games", "points", "mean discs"):
            table.add_column(name)
    for move in moves:
        names = " ".join(square_name(square, board.size) for square in move.squares)
        discs = f"{signed(move.outlook.discs)}{' exact' if move.exact else ''}"
        row = [names, move.opening or "", percent(move.outlook.percent / 100), discs]
        played = move.played
        if played is not None:
            row += [str(played.games), percent(played.points, 1), signed(played.discs)]
        table.add_row(*row)
    Console().print(table)
    if base is not None:
        left = f", {base.skipped} with an illegal move left out" if base.skipped else ""
        print(f"{base.games} games{left}")
