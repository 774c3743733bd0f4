"""`othello checkpoint`: look at weights, check them, import foreign ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.options import AsJson, print_json

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CHECKPOINT]", help="Its folder or one of its files; default: the shipped one."
    ),
]

group = typer.Typer(help="Look at checkpoints, verify them, import foreign weights.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(group, name="checkpoint")


@group.command()
def info(checkpoint: Folder = None, as_json: AsJson = False) -> None:
    """What a checkpoint says of itself; the weights are not read."""
    from othello.network import checkpoint as checkpoints

    _report(checkpoints.info(checkpoint or checkpoints.default_checkpoint(8)), as_json)


@group.command()
def verify(checkpoint: Folder = None, as_json: AsJson = False) -> None:
    """Read everything and check sizes, hash, shapes and numbers."""
    from othello.network import checkpoint as checkpoints

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
    from othello.network import checkpoint as checkpoints
    from othello.network.alpha_zero_general import import_alpha_zero_general

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
