"""What commands share: their options, JSON on stdout, positions from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from othello.errors import OthelloError, ParseError
from othello.records import GameRecord, guess_format, scan_file, scan_games
from othello.rules.board import Board

_MOST_BYTES: Final = 64_000_000  # of standard input

Position = Annotated[
    str, typer.Argument(metavar="POSITION", help="A board string, a transcript, or `start`.")
]
Positions = Annotated[
    str,
    typer.Argument(
        metavar="POSITION",
        help="A board string, a transcript, `start`; or a file of positions or games, - for standard input.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
Size = Annotated[
    int, typer.Option("--size", help="Board side N of a transcript or `start`: 4, 6 or 8.")
]
SolveEmpties = Annotated[
    int,
    typer.Option(
        "--solve",
        min=0,
        max=24,
        metavar="EMPTIES",
        help="Exact from so many empty squares; 0: never.",
    ),
]
CheckpointOption = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        "-c",
        metavar="FOLDER",
        help="Weights to use instead of the shipped ones: a folder, or othello8 or othello6.",
    ),
]


def print_json(value: Any) -> None:
    """One JSON document on stdout; NaN and infinity are refused."""
    print(json.dumps(value, allow_nan=False, ensure_ascii=False))


def wants_json(asked: bool) -> bool:
    """Whether to write JSON: when asked, or when nobody reads along (stdout is no terminal)."""
    return asked or not sys.stdout.isatty()


def parse_position(text: str, size: int | None = None) -> Board:
    """The position a user typed; ParseError or IllegalMove says what is wrong."""
    return Board.parse(text, None if size == 8 else size)


def for_each_position(text: str, size: int, do: Callable[[Board], None]) -> None:
    """Do something with the position a user typed, or with the last position of every game of the file it names.

    `-` is standard input.  Of a file, what is wrong is skipped with its reason on standard error; ParseError if
    nothing is left.
    """
    if text.strip() != "-" and not is_file(text):
        do(parse_position(text, size))
        return
    done = skipped = 0
    for number, found in enumerate(_games(text, size), 1):
        try:
            if isinstance(found, OthelloError):
                raise found
            do(found.final)
            done += 1
        except (OthelloError, RuntimeError) as error:
            skipped += 1
            print(f"skipped position {number}: {error}", file=sys.stderr)
    if not done:
        raise ParseError(f"{text}: none of its {skipped} positions could be used")
    print(f"{done} positions, {skipped} skipped", file=sys.stderr)


def is_file(text: str) -> bool:
    """Whether a text names a file that is there."""
    try:
        return len(text) < 1000 and Path(text).is_file()
    except (OSError, ValueError):
        return False


def _games(text: str, size: int) -> Iterable[GameRecord | OthelloError]:
    if text.strip() != "-":
        return scan_file(text, None, size)
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ParseError(f"standard input: at most {_MOST_BYTES // 1_000_000} MB are read")
    return scan_games(data, guess_format(data, "standard input"), size)


def one_thread() -> None:
    """Make torch use one thread."""
    import torch

    torch.set_num_threads(1)


def ending(*accepted: str) -> Callable[[Path | None], Path | None]:
    """What an option does with a file's name: BadParameter where it ends otherwise; a name may have no ending."""

    def check(path: Path | None) -> Path | None:
        if path is not None and path.suffix and path.suffix.lower() not in accepted:
            raise typer.BadParameter(f"{path}: accepted are {' and '.join(accepted)} files")
        return path

    return check


def check_writable(*paths: Path | None) -> None:
    """BadParameter for a file to be written whose folder does not exist, before any work is done."""
    for path in paths:
        if path is not None and (not path.absolute().parent.is_dir() or path.is_dir()):
            raise typer.BadParameter(
                f"{path}: cannot be written; its folder must exist and it must be no folder itself"
            )
