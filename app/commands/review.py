"""`othello review`: what each move of a game cost, in the terminal or as a report in one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from app.commands.options import (
    AsJson,
    CheckpointOption,
    Size,
    ending,
    one_thread,
    print_json,
    wants_json,
)
from app.commands.reasons import reasons_of
from app.explain.reasons.sentence import Reasons
from app.game.judged import EXACT_EMPTIES, JudgedGame, judge_game
from app.models import Model, load_model_for
from app.present.report import report
from othello import atomic
from othello.errors import ParseError
from othello.records import GameRecord, open_game
from othello.rules.notation import square_name
from othello.search.search import Search
from othello.strength.review import Mark, MoveReview, values_of_search
from othello.strength.review import review as review_game

_EMPTIES = 14  # from which on the terminal's review is exact

Source = Annotated[
    str,
    typer.Argument(
        metavar="GAME", help="A file (transcript, GGF, SGF, PGN, WTHOR) or a transcript."
    ),
]
Number = Annotated[int, typer.Option("--game", min=1, help="Which game of the file, from 1.")]
Simulations = Annotated[
    int,
    typer.Option(
        "--simulations", "-n", min=1, max=1_000_000, help="Size of the search of each position."
    ),
]
WhyEach = Annotated[
    bool, typer.Option("--why", help="Say why each move, or what was wrong with it.")
]
Empties = Annotated[
    int | None,
    typer.Option(
        "--solve",
        min=0,
        max=24,
        help=f"Exact from so many empty squares: {_EMPTIES}, or {EXACT_EMPTIES} with --html.",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        callback=ending(".html", ".htm"),
        help="Write a report to open in a browser: course, marks, turning points; the file must not exist.",
    ),
]


def review(
    source: Source,
    number: Number = 1,
    simulations: Simulations = 100,
    empties: Empties = None,
    why: WhyEach = False,
    html: Html = None,
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    as_json: AsJson = False,
) -> None:
    """Value of every move of a game before and after, its loss against the best one, blunders marked.

    Exact in discs where the solver reaches, before that in [-1, 1] by a search of every position.  A report counts all
    losses in discs: inaccuracy from 2, mistake from 6, blunder from 10.
    """
    if html is not None:
        _check_new(html)
        if why:
            raise ParseError("--why is for the terminal; the report of --html says why by itself")
    game = open_game(source, number, size)
    one_thread()
    model = load_model_for(game.start.size, checkpoint)
    if html is None:
        _in_the_terminal(
            game, model, simulations, _EMPTIES if empties is None else empties, why, as_json
        )
    else:
        judged = judge_game(game, model, simulations, EXACT_EMPTIES if empties is None else empties)
        text = report(judged)
        atomic.write_text(html, text)
        _say_written(html, judged, len(text.encode()), as_json)


def _check_new(path: Path) -> None:
    """ParseError for a file that is there already or cannot be written, before any work is done."""
    try:
        if path.exists() or path.is_symlink():
            raise ParseError(f"{path}: is there already; --html writes a new file")
        with TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        raise ParseError(f"{path}: cannot be written: {error.strerror}") from None


def _say_written(path: Path, judged: JudgedGame, size: int, as_json: bool) -> None:
    if wants_json(as_json):
        print_json(
            {
                "black": judged.record.black,
                "white": judged.record.white,
                "transcript": judged.record.transcript,
                "html": str(path),
                "bytes": size,
                "moves": [move.as_json() for move in judged.moves],
            }
        )
        return
    for name, side in (("black", "X"), ("white", "O")):
        marks = (Mark.INACCURACY, Mark.MISTAKE, Mark.BLUNDER)
        counts = ", ".join(f"{mark.value} {judged.count(side, mark)}" for mark in marks)
        print(f"{name}: {counts}")
    print(f"{path}: {size / 1000:.0f} kB")


def _in_the_terminal(
    game: GameRecord, model: Model, simulations: int, empties: int, why: bool, as_json: bool
) -> None:
    """Print the review of every move, with reasons if they are asked for."""
    search = cache(Search(model.evaluator).run)
    values = values_of_search(search, simulations)
    moves = review_game(game, values, solve_empties=empties, seconds=60.0)
    reasons: Sequence[Reasons | None] = [None] * len(moves)
    if why:
        reasons = reasons_of(
            model, game.boards, game.actions, lambda board: search(board, simulations)
        )
    if wants_json(as_json):
        rows = [move.as_json(game.start.size) for move in moves]
        if why:
            rows = [row | {"why": each and each.as_json()} for row, each in zip(rows, reasons)]
        print_json(
            {
                "black": game.black,
                "white": game.white,
                "transcript": game.transcript,
                "moves": rows,
            }
        )
        return
    print(
        f"{game.black or 'black'} – {game.white or 'white'}; values for the player of the move, d in discs"
    )
    for move, each in zip(moves, reasons):
        print(_line(move, game.start.size))
        if each is not None:
            print(f"      {each.sentence}")


def _line(move: MoveReview, size: int) -> str:
    name = square_name(move.action, size)
    if move.before is None or move.after is None or move.loss is None:
        return f"{move.number:3d} {move.side} {name:4s}"
    unit, form = ("d", "+.0f") if move.exact else (" ", "+.2f")
    best = " ".join(square_name(action, size) for action in move.best)
    mark = move.mark.value if move.mark and move.mark.value not in ("best", "good") else ""
    figures = f"{move.before:{form}}{unit} -> {move.after:{form}}{unit}  loss {move.loss:{form[1:]}}{unit}"
    return f"{move.number:3d} {move.side} {name:4s} {figures:34s} best {best:12s} {mark}".rstrip()
