"""`othello convert`: game files of every format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.commands.options import (
    AsJson,
    Size,
    check_writable,
    print_json,
)
from othello.errors import OthelloError, ParseError
from othello.records import (
    FORMATS,
    GameRecord,
    save_games,
    scan_file,
    write_games,
)

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
