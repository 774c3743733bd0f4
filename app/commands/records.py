"""`othello convert`: game files of every format."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.commands.options import (
    STDIN,
    Force,
    Output,
    Size,
    check_writable,
    print_json,
    scan_games_of,
)
from app.commands.progress import ProgressLine
from app.terminal import visible
from othello.errors import OthelloError, ParseError
from othello.records import FORMATS, GameRecord, save_games, write_games

Input = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="What to read; its format is found out. A .wtb brings its names along. `-` is standard input.",
    ),
]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="What to write; `-` is the screen.")]
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


@dataclass(frozen=True)
class Formats:
    """Formats that names do not tell."""

    to: To = None
    kind: From = None


def convert(
    source: Input,
    target: Target,
    formats: Formats = Formats(),
    size: Size = 8,
    strict: Strict = False,
    force: Force = False,
    output: Output = Output(),
) -> None:
    """Convert a file of games or positions into another format.

    A game that is wrong is skipped, with its number and reason on standard error.
    """
    suffixes = {".txt": "transcript", ".wtb": "wthor", ".scr": "positions"}
    wanted = formats.to or suffixes.get(target.suffix.lower(), target.suffix.lower().lstrip("."))
    for name, file in ((wanted, target.name), (formats.kind or wanted, source.name)):
        if name not in FORMATS:
            raise ParseError(
                f"format {name!r} of {file}: accepted are {', '.join(FORMATS)}; say which with --to, --from"
            )
    to_screen = str(target) == STDIN
    if not to_screen:
        names = [target.with_suffix(end) for end in (".jou", ".trn")] if wanted == "wthor" else []
        check_writable(target, *names, force=force)
    games, skipped = _games(source, formats.kind, size, strict, output.quiet)
    _say_lost_scores(games, wanted, output.quiet)
    if to_screen:
        sys.stdout.buffer.write(write_games(games, wanted))
        return
    with ProgressLine(f"writing {len(games):,} games", quiet=output.quiet):
        files = save_games(target, games, wanted)
    if output.as_json:
        report = {"games": len(games), "skipped": [str(error) for error in skipped]}
        report |= {"format": wanted, "out": str(target), "files": [str(file) for file in files]}
        print_json("convert", report | {"bytes": sum(file.stat().st_size for file in files)})
    elif not output.quiet:
        beside = f" with {files[1].name} and {files[2].name}" if len(files) > 1 else ""
        left_out = f", {len(skipped):,} skipped" if skipped else ""
        print(
            f"{len(games):,} {'game' if len(games) == 1 else 'games'} written to {target} as {wanted}"
            f"{beside}{left_out}"
        )


def _say_lost_scores(games: list[GameRecord], wanted: str, quiet: bool) -> None:
    if not quiet and wanted != "obf" and any(game.scores for game in games):
        print(f"scores of moves are lost: {wanted} does not keep them, obf does", file=sys.stderr)


def _games(
    source: Path, kind: str | None, size: int, strict: bool, quiet: bool
) -> tuple[list[GameRecord], list[OthelloError]]:
    """The games of a file, and what is wrong with others, which standard error is told."""
    with ProgressLine(f"reading {source.name}", quiet=quiet):
        found = scan_games_of(source, kind, size)
    skipped = [each for each in found if isinstance(each, OthelloError)]
    if strict and skipped:
        raise skipped[0]
    for error in [] if quiet else skipped:
        print(visible(f"skipped: {error}"), file=sys.stderr)
    return [each for each in found if isinstance(each, GameRecord)], skipped
