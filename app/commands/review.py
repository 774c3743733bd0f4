"""`othello review`: what each move of a game cost, in the terminal or as a report in one HTML file."""

from __future__ import annotations

from collections.abc import Callable
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
from app.explain.reasons.sentence import Reasons
from app.game.judged import (
    EXACT_EMPTIES,
    Judged,
    JudgedGame,
    judge,
    judge_game,
    judge_moves,
    reasons_of,
)
from app.models import Model, load_model_for
from app.present.report import report
from app.terminal import visible
from othello import atomic
from othello.errors import ParseError
from othello.records import GameRecord
from othello.rules.board import Board
from othello.rules.notation import square_name
from othello.search.search import Search, SearchResult
from othello.strength.review import Mark, MoveReview, values_of_search

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
    int, typer.Option("--solve", min=0, max=24, help="Exact from so many empty squares.")
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
    empties: Empties = EXACT_EMPTIES
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
    """What every move of a game was worth in discs, its loss against the best one, blunders marked.

    Exact where the solver reaches, before that estimated by a search of every position.  Inaccuracy from 2 discs of
    loss, mistake from 6, blunder from 10.  Ctrl-C prints what is reviewed so far.
    """
    check_writable(how.html, force=how.force)
    if how.html is not None and how.why:
        raise ParseError("--why is for the terminal; the report of --html says why by itself")
    game = game_of(source, how.number, size)
    if not game.actions:
        raise ParseError("the game has no move to review")
    one_thread()
    model = load_model_for(game.start.size, checkpoint)
    with ProgressLine("reviewing", len(game.actions), "moves", output.quiet) as line:
        if how.html is None:
            _in_the_terminal(game, model, how, output.as_json, line)
            return
        judged = judge_game(
            game, model, how.simulations, how.empties, lambda move: line.at(move.number)
        )
    text = report(judged)
    atomic.write_text(how.html, text)
    _say_written(how.html, judged, len(text.encode()), output.as_json)


def _say_written(path: Path, judged: JudgedGame, size: int, as_json: bool | None) -> None:
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
    game: GameRecord, model: Model, how: ReviewOptions, as_json: bool | None, line: ProgressLine
) -> None:
    """Print the review of every move, with reasons if they are asked for, as far as Ctrl-C lets it."""
    run = cache(Search(model.evaluator).run)
    found, reasons, stop = list[MoveReview](), list[Reasons | None](), None

    def told(move: MoveReview) -> None:
        found.append(move)
        line.at(move.number)

    try:
        _, moves = judge_moves(
            game, model, values_of_search(run, how.simulations), how.empties, told
        )
        if how.why:
            line.doing = "finding reasons"
            for each, move in zip(found, moves):
                line.at(len(reasons))
                reasons.append(
                    _reasons(each, move, model, lambda board: run(board, how.simulations))
                )
    except KeyboardInterrupt:
        stop = f"interrupted after {len(found)} of {len(game.actions)} moves"
        moves = [judge(each, board, model) for each, board in zip(found, game.boards)]
    with line.paused():
        _print_moves(game, moves, reasons if how.why else None, as_json)
    if stop is not None:
        raise KeyboardInterrupt(stop)


def _reasons(
    found: MoveReview, move: Judged, model: Model, search: Callable[[Board], SearchResult]
) -> Reasons | None:
    """Why a move was played rather than the better one, or than the search's; None for one that was forced."""
    if len(move.board.legal_moves()) < 2:
        return None
    return reasons_of(move, found, model, search)


def _print_moves(
    game: GameRecord,
    moves: list[Judged],
    reasons: list[Reasons | None] | None,
    as_json: bool | None,
) -> None:
    given = [*(reasons or []), *[None] * len(moves)][: len(moves)]
    if as_json:
        rows = [move.as_json() for move in moves]
        if reasons is not None:
            rows = [row | {"why": each and each.as_json()} for row, each in zip(rows, given)]
        told = {"black": game.black, "white": game.white, "transcript": game.transcript}
        print_json("review", told | {"moves": rows})
        return
    names = visible(f"{game.black or 'black'} – {game.white or 'white'}")
    print(f"{names}; discs to the player of the move, about so many where there is a point")
    for move, each in zip(moves, given):
        print(_line(move))
        if each is not None:
            print(f"      {each.sentence}")


def _line(move: Judged) -> str:
    form = "+.0f" if move.exact else "+.1f"
    figures = f"{move.before:{form}} -> {move.after:{form}}  loss {move.loss:{form[1:]}}"
    best = " ".join(square_name(action, move.board.size) for action in move.best)
    mark = "" if move.mark in (Mark.BEST, Mark.GOOD) else move.mark.value
    head = f"{move.ply + 1:3d} {move.board.side} {move.name:4s}"
    return f"{head} {figures:28s} best {best:12s} {mark}".rstrip()
