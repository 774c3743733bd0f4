"""`othello checkpoint`: look at weights, check them, import foreign ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.options import AsJson, print_json
from othello.network import checkpoint as checkpoints
from othello.network.alpha_zero_general import import_alpha_zero_general

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CHECKPOINT]",
        help="Its folder, one of its files, or othello8 or othello6; default: othello8.",
    ),
]

group = typer.Typer(
    help="Look at checkpoints, verify them, import foreign weights.",
    add_completion=False,
    rich_markup_mode=None,
)


@group.command()
def info(checkpoint: Folder = None, as_json: AsJson = False) -> None:
    """What a checkpoint says of itself; the weights are not read."""
    _report(checkpoints.info(checkpoint or checkpoints.default_checkpoint(8)), as_json)


@group.command()
def verify(checkpoint: Folder = None, as_json: AsJson = False) -> None:
    """Read everything and check sizes, hash, shapes and numbers."""
    _report(
        {"ok": True, **checkpoints.verify(checkpoint or checkpoints.default_checkpoint(8))}, as_json
    )


@group.command("import")
def import_foreign(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A .pth.tar of alpha-zero-general's Othello network."),
    ],
    folder: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="Where to write the checkpoint.")
    ] = Path("checkpoints/imported"),
    as_json: AsJson = False,
) -> None:
    """Read the weights of an alpha-zero-general file, and only those, into a checkpoint folder."""
    network, meta = import_alpha_zero_general(file)
    checkpoints.save(network, folder, meta)
    _report(checkpoints.info(folder), as_json)


def _report(meta: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(meta)
        return
    for name, value in meta.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {entry}" for key, entry in value.items())
        print(f"{name:16} {value}")
