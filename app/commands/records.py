"""`othello convert` and `othello review`: game files of every format, and what each move of a game cost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from app.commands.options import (
    AsJson,
    CheckpointOption,
    Size,
    check_writable,
    one_thread,
    print_json,
    wants_json,
)
from app.commands.reasons import reasons_of
from app.explain.reasons.sentence import Reasons
from app.models import load_model_for
from othello.errors import OthelloError, ParseError
from othello.records import (
    FORMATS,
    GameRecord,
    open_game,
    save_games,
    scan_file,
    write_games,
)
from othello.rules.notation import square_name
from othello.search.search import Search
from othello.strength.review import MoveReview, values_of_search
from othello.strength.review import review as review_game

Source = Annotated[
    str,
    typer.Argument(
        metavar="GAME", help="A file (transcript, GGF, SGF, PGN, WTHOR) or a transcript."
    ),
]
Input = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="What to read; its format is found out. A .wtb brings its names along.",
    ),
]
Output = Annotated[Path, typer.Argument(metavar="OUT", help="What to write; `-` is the screen.")]
To = Annotated[
    str | None,
    typer.Option("--to", help=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}, if not by name."),
]
From = Annotated[
    str | None, typer.Option("--from", help="The format of FILE, where it cannot be told.")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Refuse a file in which a game is wrong, instead of skipping it."
    ),
]
Number = Annotated[int, typer.Option("--game", min=1, help="Which game of the file, from 1.")]
Simulations = Annotated[
    int,
    typer.Option(
        "--simulations", "-n", min=1, max=1_000_000, help="Size of the search of each position."
    ),
]
Empties = Annotated[
    int, typer.Option("--solve", min=0, max=24, help="Exact from so many empty squares.")
]


WhyEach = Annotated[
    bool, typer.Option("--why", help="Say why each move, or what was wrong with it.")
]


def convert(
    source: Input,
    target: Output,
    to: To = None,
    kind: From = None,
    size: Size = 8,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Convert a file of games or positions into another format.

    A game that is wrong is skipped, with its number and reason on standard error.
    """
    suffixes = {".txt": "transcript", ".wtb": "wthor", ".scr": "positions"}
    wanted = to or suffixes.get(target.suffix.lower(), target.suffix.lower().lstrip("."))
    for name, file in ((wanted, target.name), (kind or wanted, source.name)):
        if name not in FORMATS:
            raise ParseError(
                f"format {name!r} of {file}: accepted are {', '.join(FORMATS)}; say which with --to, --from"
            )
    games, skipped = _games(source, kind, size, strict)
    _say_lost_scores(games, wanted)
    if str(target) == "-":
        sys.stdout.buffer.write(write_games(games, wanted))
        return
    check_writable(target)
    files = save_games(target, games, wanted)
    if as_json:
        print_json(
            {
                "games": len(games),
                "skipped": [str(error) for error in skipped],
                "format": wanted,
                "out": str(target),
                "files": [str(file) for file in files],
                "bytes": sum(file.stat().st_size for file in files),
            }
        )
    else:
        beside = f" with {files[1].name} and {files[2].name}" if len(files) > 1 else ""
        left_out = f", {len(skipped):,} skipped" if skipped else ""
        print(
            f"{len(games):,} {'game' if len(games) == 1 else 'games'} written to {target} as {wanted}"
            f"{beside}{left_out}"
        )


def _say_lost_scores(games: list[GameRecord], wanted: str) -> None:
    if wanted != "obf" and any(game.scores for game in games):
        print(f"scores of moves are lost: {wanted} does not keep them, obf does", file=sys.stderr)


def _games(
    source: Path, kind: str | None, size: int, strict: bool
) -> tuple[list[GameRecord], list[OthelloError]]:
    """The games of a file, and what is wrong with others, which standard error is told."""
    found = scan_file(source, kind, size)
    skipped = [each for each in found if isinstance(each, OthelloError)]
    if strict and skipped:
        raise skipped[0]
    for error in skipped:
        print(f"skipped: {error}", file=sys.stderr)
    return [each for each in found if isinstance(each, GameRecord)], skipped


def review(
    source: Source,
    number: Number = 1,
    simulations: Simulations = 100,
    empties: Empties = 14,
    why: WhyEach = False,
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    as_json: AsJson = False,
) -> None:
    """Value of every move of a game before and after, its loss against the best one, blunders marked.

    Exact in discs where the solver reaches, before that in [-1, 1] by a search of every position.
    """
    game = open_game(source, number, size)
    one_thread()
    model = load_model_for(game.start.size, checkpoint)
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
