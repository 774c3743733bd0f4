"""`othello checkpoint`: look at weights, check them, import foreign ones, export them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from app.commands.options import (
    AsJson,
    Force,
    Output,
    check_no_checkpoint,
    check_writable,
    ending,
    print_json,
)
from app.commands.progress import ProgressLine
from app.option_records import spread
from app.terminal import visible
from othello import atomic
from othello.network import checkpoint as checkpoints
from othello.network import onnx_export
from othello.network.alpha_zero_general import import_alpha_zero_general
from othello.network.architecture import Network

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CHECKPOINT]",
        help="Its folder, one of its files, or othello8 or othello6; default: othello8.",
    ),
]

group = typer.Typer(
    help="Look at checkpoints, verify them, import foreign weights, export to ONNX.",
    add_completion=False,
    rich_markup_mode=None,
)


@group.command()
def info(checkpoint: Folder = None, as_json: AsJson = None) -> None:
    """What a checkpoint says of itself; the weights are not read."""
    _report(
        "checkpoint-info",
        checkpoints.info(checkpoint or checkpoints.default_checkpoint(8)),
        as_json,
    )


@group.command()
def verify(checkpoint: Folder = None, as_json: AsJson = None) -> None:
    """Read everything and check sizes, hash, shapes and numbers."""
    found = checkpoints.verify(checkpoint or checkpoints.default_checkpoint(8))
    _report("checkpoint-verify", {"ok": True, **found}, as_json)


@group.command("import")
@spread
def import_foreign(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A .pth.tar of alpha-zero-general's Othello network."),
    ],
    folder: Annotated[
        Path,
        typer.Option(
            "--to", metavar="FOLDER", file_okay=False, help="Where to write the checkpoint."
        ),
    ] = Path("checkpoints/imported"),
    force: Force = False,
    output: Output = Output(),
) -> None:
    """Read the weights of an alpha-zero-general file, and only those, into a checkpoint folder."""
    check_no_checkpoint(folder, force)
    with ProgressLine(f"reading {file.name} in a process of its own", quiet=output.quiet):
        network, meta = import_alpha_zero_general(file)
    checkpoints.save(network, folder, meta, replace=force)
    _report("checkpoint-info", checkpoints.info(folder), output.as_json)


@group.command()
@spread
def export(
    checkpoint: Folder = None,
    onnx: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file to write.", callback=ending(".onnx")),
    ] = None,
    force: Force = False,
    output: Output = Output(),
) -> None:
    """Write a network as an ONNX model with a free batch size, compared in ONNX Runtime with the original."""
    if onnx is None:
        raise typer.BadParameter("say what to write: --onnx FILE")
    check_writable(onnx, force=force)
    loaded = checkpoints.load(checkpoint or checkpoints.default_checkpoint(8))
    with ProgressLine("writing and comparing", quiet=output.quiet):
        data, difference = onnx_export.export(loaded)
    atomic.write_bytes(onnx, data)
    a = cast(Network, loaded.network).architecture
    shapes = {
        "planes": f"[B, {a.planes}, {a.size}, {a.size}]",
        "policy": f"[B, {a.actions}]",
        "value": "[B]",
    }
    told = {"file": str(onnx), "size": len(data), "checkpoint": loaded.sha256}
    _report(
        "checkpoint-export", {**told, "shapes": shapes, "difference": difference}, output.as_json
    )


def _report(schema: str, meta: dict[str, Any], as_json: bool | None) -> None:
    if as_json:
        print_json(schema, meta)
        return
    for name, value in meta.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {entry}" for key, entry in value.items())
        print(visible(f"{name:16} {value}"))
