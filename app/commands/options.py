"""What commands share: their options, JSON on stdout, positions from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from othello.rules.board import Board

Position = Annotated[
    str, typer.Argument(metavar="POSITION", help="A board string, a transcript, or `start`.")
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
