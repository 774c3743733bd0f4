"""`othello app`: the web app on this machine."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer
from streamlit.web import cli as streamlit

from app.commands.options import CheckpointOption
from app.commands.progress import ProgressLine
from app.game import opponents
from othello.base.game_base import BASES, open_base
from othello.errors import ParseError
from othello.network import checkpoint as checkpoints

Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1.")]
Engine = Annotated[
    list[str] | None,
    typer.Option(
        "--engine",
        metavar="NAME=PLAYER",
        help="A program to play against or to ask, NAME=gtp:COMMAND or NAME=nboard:COMMAND; may be given again. "
        "The page can start no other.",
    ),
]
EngineSeconds = Annotated[
    float | None,
    typer.Option(
        "--engine-seconds",
        min=0.1,
        max=600.0,
        help="Time of a program for one answer, usually 20.",
    ),
]
AllowedHost = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        metavar="NAME",
        help="A name by which browsers may reach the server besides localhost and 127.0.0.1, as behind a proxy; "
        "may be given again.",
    ),
]
Base = Annotated[
    list[Path] | None,
    typer.Option(
        "--base",
        metavar="FILE",
        help="A WTHOR file of games (.wtb) for the Explorer page, indexed once; may be given again.",
    ),
]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")]


def serve(
    port: Port = 8501,
    checkpoint: CheckpointOption = None,
    engine: Engine = None,
    engine_seconds: EngineSeconds = None,
    allowed_host: AllowedHost = None,
    base: Base = None,
    browser: Browser = False,
) -> None:
    """Serve the web app on 127.0.0.1 until it is interrupted."""
    if checkpoint is not None:
        folder = Path(checkpoints.info(checkpoint)["path"])
        os.environ["OTHELLO_CHECKPOINT"] = str(folder.resolve())
    os.environ[opponents.ENGINES] = (
        opponents.engine_lines(engine) if engine else os.environ.get(opponents.ENGINES, "")
    )
    if engine_seconds is not None:
        os.environ[opponents.SECONDS] = str(engine_seconds)
    opponents.offered_engines()  # what the environment names must be well-formed too
    if base:
        with ProgressLine("base") as line:
            open_base(base, progress=line.at)
        os.environ[BASES] = os.pathsep.join(str(file.resolve()) for file in base)
    _check_free(port)
    script = Path(__file__).parents[1] / "web" / "served.py"
    options = [f"--server.port={port}", f"--server.headless={'false' if browser else 'true'}"]
    options += [f"--server.allowedHosts={name}" for name in _hosts(allowed_host or [])]
    # pages import `app` wherever the server was started from
    sys.path.insert(0, str(Path(__file__).parents[2]))
    streamlit.main(["run", str(script), *options], prog_name="streamlit", standalone_mode=False)


def _hosts(more: list[str]) -> list[str]:
    """The names that requests may give the server: this machine's, the address it listens on, and `more`."""
    for name in more:
        if not re.fullmatch(r"(\*\.)?[\w-]+(\.[\w-]+)*", name):
            raise ParseError(
                f"--allowed-host {name!r} is no name of a host; accepted: a.example or *.a.example"
            )
    address = os.environ.get("STREAMLIT_SERVER_ADDRESS")
    return list(dict.fromkeys(["localhost", "127.0.0.1", *([address] if address else []), *more]))


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OSError(
                error.errno,
                f"port {port} is not free ({error.strerror}); choose another with --port",
            ) from None
