"""`othello review`: what each move of a game cost, in the terminal or as a report in one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from app.commands.options import (
    CheckpointOption,
    Force,
    Output,
    Size,
    check_writable,
    ending,
    game_of,
    one_thread,
    print_json,
)
from app.commands.progress import ProgressLine
from app.commands.reasons import reasons_for
from app.explain.reasons.sentence import Reasons
from app.game.judged import EXACT_EMPTIES, JudgedGame, judge_game
from app.models import Model, load_model_for
from app.present.report import report
from othello import atomic
from othello.errors import ParseError
from othello.records import GameRecord
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.search import Search, SearchResult
from othello.strength.review import Mark, MoveReview, values_of_search
from othello.strength.review import review as review_game

_EMPTIES = 14  # from which on the terminal's review is exact

Source = Annotated[
    str,
    typer.Argument(
        metavar="GAME",
        help="A file (transcript, GGF, SGF, PGN, WTHOR), - for standard input, or a transcript.",
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
        help="Write a report to open in a browser: course, marks, turning points.",
    ),
]


@dataclass(frozen=True)
class ReviewOptions:
    """Which game of a file is reviewed, and how closely."""

    number: Number = 1
    simulations: Simulations = 100
    empties: Empties = None
    why: WhyEach = False
    html: Html = None
    force: Force = False


def review(
    source: Source,
    how: ReviewOptions = ReviewOptions(),
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    output: Output = Output(),
) -> None:
    """Value of every move of a game before and after, its loss against the best one, blunders marked.

    Exact in discs where the solver reaches, before that in [-1, 1] by a search of every position.  A report counts all
    losses in discs: inaccuracy from 2, mistake from 6, blunder from 10.  Ctrl-C prints what is reviewed so far.
    """
    check_writable(how.html, force=how.force)
    if how.html is not None and how.why:
        raise ParseError("--why is for the terminal; the report of --html says why by itself")
    game = game_of(source, how.number, size)
    one_thread()
    model = load_model_for(game.start.size, checkpoint)
    with ProgressLine("reviewing", len(game.actions), "moves", output.quiet) as line:
        if how.html is None:
            _in_the_terminal(game, model, how, output.as_json, line)
            return
        exact = EXACT_EMPTIES if how.empties is None else how.empties
        judged = judge_game(game, model, how.simulations, exact, lambda move: line.at(move.number))
    text = report(judged)
    atomic.write_text(how.html, text)
    _say_written(how.html, judged, len(text.encode()), output.as_json)


def _say_written(path: Path, judged: JudgedGame, size: int, as_json: bool) -> None:
    if as_json:
        record = judged.record
        told = {"black": record.black, "white": record.white, "transcript": record.transcript}
        moves = [move.as_json() for move in judged.moves]
        print_json("report", told | {"html": str(path), "bytes": size, "moves": moves})
        return
    for name, side in (("black", "X"), ("white", "O")):
        marks = (Mark.INACCURACY, Mark.MISTAKE, Mark.BLUNDER)
        counts = ", ".join(f"{mark.value} {judged.count(side, mark)}" for mark in marks)
        print(f"{name}: {counts}")
    print(f"{path}: {size / 1000:.0f} kB")


def _in_the_terminal(
    game: GameRecord, model: Model, how: ReviewOptions, as_json: bool, line: ProgressLine
) -> None:
    """Print the review of every move, with reasons if they are asked for, as far as Ctrl-C lets it."""
    search = cache(Search(model.evaluator).run)
    values = values_of_search(search, how.simulations)
    moves: list[MoveReview] = []

    def told(move: MoveReview) -> None:
        moves.append(move)
        line.at(move.number)

    exact = _EMPTIES if how.empties is None else how.empties
    stop, reasons = None, list[Reasons | None]()
    try:
        review_game(game, values, solve_empties=exact, seconds=60.0, on_move=told)
        if how.why:
            reasons = _reasons(
                game, moves, model, lambda board: search(board, how.simulations), line
            )
    except KeyboardInterrupt:
        stop = f"interrupted after {len(moves)} of {len(game.actions)} moves"
    with line.paused():
        _print_moves(game, moves, reasons if how.why else None, as_json)
    if stop is not None:
        raise KeyboardInterrupt(stop)


def _reasons(
    game: GameRecord,
    moves: Sequence[MoveReview],
    model: Model,
    search: Callable[[Board], SearchResult],
    line: ProgressLine,
) -> list[Reasons | None]:
    """Why each move was played rather than the better one, or than the search's; None for one that was forced."""
    line.doing, found = "finding reasons", list[Reasons | None]()
    line.at(0)
    for board, move in zip(game.boards, moves):
        better = move.best[0] if move.best and move.action not in move.best else None
        free = len(board.legal_moves()) > 1
        found.append(reasons_for(model, board, move.action, better, search) if free else None)
        line.at(len(found))
    return found


def _print_moves(
    game: GameRecord,
    moves: list[MoveReview],
    reasons: list[Reasons | None] | None,
    as_json: bool,
) -> None:
    given = [*(reasons or []), *[None] * len(moves)][: len(moves)]
    if as_json:
        rows = [move.as_json(game.start.size) for move in moves]
        if reasons is not None:
            rows = [row | {"why": each and each.as_json()} for row, each in zip(rows, given)]
        told = {"black": game.black, "white": game.white, "transcript": game.transcript}
        print_json("review", told | {"moves": rows})
        return
    print(
        f"{game.black or 'black'} – {game.white or 'white'}; values for the player of the move, d in discs"
    )
    for move, each in zip(moves, given):
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
