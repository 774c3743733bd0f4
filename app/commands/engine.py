"""`othello engine`: the agent as an engine for other programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from app.commands.options import CheckpointOption, Size, SolveEmpties, one_thread
from app.commands.play import Root
from othello.players.endgame import SOLVE_EMPTIES
from othello.serve import cassio, gtp, nboard


class Protocol(StrEnum):
    """The protocols the agent speaks."""

    gtp = "gtp"
    nboard = "nboard"
    cassio = "cassio"


SERVERS = {Protocol.gtp: gtp, Protocol.nboard: nboard, Protocol.cassio: cassio}


def engine(
    protocol: Annotated[
        Protocol, typer.Argument(metavar="gtp|nboard|cassio", help="The protocol to speak.")
    ],
    simulations: Annotated[
        int, typer.Option("--simulations", "-n", min=1, max=1_000_000, help="A move.")
    ] = 400,
    root: Annotated[
        Root, typer.Option("--root", help="The search: PUCT, or Gumbel's sequential halving.")
    ] = Root.puct,
    solve: SolveEmpties = SOLVE_EMPTIES,
    size: Size = 8,
    checkpoint: CheckpointOption = None,
) -> None:
    """Serve the agent on standard input and output to a program that speaks GTP, NBoard or Cassio's protocol."""
    one_thread()
    if code := SERVERS[protocol].main(simulations, checkpoint, size, root.value, solve):
        raise typer.Exit(code)
