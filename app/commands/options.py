"""What commands share: their options, JSON on stdout, positions and games from the command line, files they write."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from app.commands.progress import ProgressLine
from othello.errors import OthelloError, ParseError
from othello.records import GameRecord, guess_format, open_game, scan_file, scan_games
from othello.rules.board import Board

_MOST_BYTES: Final = 64_000_000  # of standard input
_SCHEMAS: Final = dict[str, int]()  # of documents whose fields changed their meaning; else 1
STDIN: Final = "-"

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
AsJson = Annotated[
    bool | None, typer.Option("--json/--text", help="Report as JSON, or in words, into a pipe too.")
]
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
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")]


def _hush(context: typer.Context, quiet: bool) -> bool:
    log = logging.getLogger("othello")
    if quiet:
        context.call_on_close(partial(log.setLevel, log.level))
        log.setLevel(logging.ERROR)  # it says when it compiles
    return quiet


@dataclass(frozen=True)
class Output:
    """How a command reports: `as_json` for programs or not (None: unasked), `quiet` without progress and notes."""

    as_json: AsJson = None
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", callback=_hush, help="The result and errors: no progress, no notes."
        ),
    ] = False


def print_json(document: str, value: dict[str, Any] | Sequence[dict[str, Any]]) -> None:
    """One line of JSON on stdout, in which every object says which `document` it is and the version of its schema.

    docs/json.md describes the documents; one whose fields change their meaning gets another number.  NaN and infinity
    are refused.
    """
    stamp = {"document": document, "schema": _SCHEMAS.get(document, 1)}
    stamped = stamp | value if isinstance(value, dict) else [stamp | entry for entry in value]
    print(json.dumps(stamped, allow_nan=False, ensure_ascii=False), flush=True)


def wants_json(asked: bool | None) -> bool:
    """Whether an answer about a position is JSON: as asked, else when nobody reads along (stdout is no terminal).

    For `solve`, `analyze` and `explain` alone, which programs call by the thousand; others write JSON when asked.
    """
    return not sys.stdout.isatty() if asked is None else asked


def parse_position(text: str, size: int | None = None) -> Board:
    """The position a user typed; ParseError or IllegalMove says what is wrong."""
    return Board.parse(text, None if size == 8 else size)


def for_each_position(
    text: str,
    size: int,
    do: Callable[[Board, ProgressLine], None],
    quiet: bool = False,
    silent: float | None = None,
) -> None:
    """Do something with the position a user typed, or with the last position of every game of the file it names.

    `-` is standard input.  Of a file, what is wrong is skipped with its reason on standard error; ParseError if
    nothing is left.
    """
    if not names_many(text):
        with ProgressLine(quiet=quiet, silent=silent) as line:
            do(parse_position(text, size), line)
        return
    games = scan_games_of(text, None, size)
    done = skipped = 0
    with ProgressLine("", len(games), "positions", quiet, silent) as line:
        for number, found in enumerate(games, 1):
            try:
                if isinstance(found, OthelloError):
                    raise found
                do(found.final, line)
                done += 1
            except (OthelloError, RuntimeError) as error:
                skipped += 1
                line.say(f"skipped position {number}: {error}")
            line.at(number)
        if not done:
            raise ParseError(f"{text}: none of its {skipped} positions could be used")
        line.say(f"{done} positions, {skipped} skipped")


def names_many(text: str) -> bool:
    """Whether a text is not a position itself but names a file of them, or standard input."""
    return text.strip() == STDIN or is_file(text)


def is_file(text: str) -> bool:
    """Whether a text names a file that is there."""
    try:
        return len(text) < 1000 and Path(text).is_file()
    except (OSError, ValueError):
        return False


def read_stdin() -> bytes:
    """Standard input to its end; ParseError where it is longer than any file of games."""
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ParseError(f"standard input: at most {_MOST_BYTES // 1_000_000} MB are read")
    return data


def scan_games_of(
    source: str | Path, kind: str | None, size: int
) -> list[GameRecord | OthelloError]:
    """The games of a file, or of standard input if `source` is `-`, errors in place of those that are wrong."""
    if str(source).strip() != STDIN:
        return scan_file(source, kind, size)
    data = read_stdin()
    return list(scan_games(data, kind or guess_format(data, "standard input"), size))


def game_of(source: str, number: int, size: int) -> GameRecord:
    """The game that a text names as `open_game` has it; `-` is standard input."""
    if source.strip() != STDIN:
        return open_game(source, number, size)
    games = scan_games_of(source, None, size)
    if number > len(games):
        raise ParseError(f"standard input: holds {len(games)} games, there is no game {number}")
    found = games[number - 1]
    if isinstance(found, OthelloError):
        raise found
    return found


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


def check_writable(*paths: Path | None, force: bool = False) -> None:
    """ParseError for a file that cannot be written, or is there and not to be replaced, before any work is done."""
    for path in paths:
        if path is None:
            continue
        if not path.absolute().parent.is_dir() or (path.exists() and not path.is_file()):
            raise ParseError(
                f"{path}: cannot be written; its folder must exist, and a folder, device or pipe is no file"
            )
        if not force and (path.exists() or path.is_symlink()):
            raise ParseError(f"{path}: is there already; --force writes over it")


def check_no_checkpoint(folder: Path, force: bool) -> None:
    """ParseError for a folder that holds a checkpoint which is not to be replaced, before any work is done."""
    if not force and (folder / "meta.json").exists():
        raise ParseError(f"{folder}: holds a checkpoint already; --force writes over it")
