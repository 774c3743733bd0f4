"""`othello match`: players against each other; no torch without a network."""

from __future__ import annotations

import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.options import (
    AsJson,
    CheckpointOption,
    Size,
    check_writable,
    one_thread,
    print_json,
)
from othello.players.endgame import SOLVE_EMPTIES
from othello.strength.arena import MatchSettings, play_match
from othello.strength.rating import SequentialTest
from othello.strength.results import MatchGame, MatchInterrupted, MatchResult


class Root(StrEnum):
    """How the agent chooses at the root of its search."""

    puct = "puct"
    gumbel = "gumbel"


First = Annotated[
    str,
    typer.Argument(
        metavar="A",
        help="random, greedy, alphabeta:D[,solve=E], net[:CHECKPOINT], "
        "mcts:SIMS[:CHECKPOINT], gumbel:SIMS[:CHECKPOINT], gtp:COMMAND or nboard:COMMAND; "
        "behind SIMS ,KEY=VALUE: solve, leaf, c, first; for gumbel solve, leaf, noise, "
        f"considered. Exact play begins at {SOLVE_EMPTIES} empty squares: mcts:100 is "
        f"mcts:100,solve={SOLVE_EMPTIES}, and mcts:100,solve=0,leaf=0 never solves.",
    ),
]
Second = Annotated[str, typer.Argument(metavar="B", help="The other player.")]
Games = Annotated[int, typer.Option("--games", min=1, help="Games in all.")]
Openings = Annotated[
    int | None, typer.Option("--openings", min=1, help="Random openings; games / 2 if not given.")
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Of the openings and of players that draw at random.")
]
Plies = Annotated[int, typer.Option("--plies", min=0, help="Random plies of an opening.")]
Adjudicate = Annotated[
    int, typer.Option("--adjudicate", help="Stop at so many empty squares: best play.")
]
MoveTimeout = Annotated[
    float, typer.Option("--move-timeout", help="Seconds for an engine's answer.")
]
Sprt = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--sprt",
        metavar="ELO0 ELO1",
        help="End as soon as A is shown to be ELO1 or only ELO0 stronger.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write every game as JSON lines.")
]


def match(
    a: First,
    b: Second,
    games: Games = 100,
    openings: Openings = None,
    seed: Seed = 0,
    plies: Plies = 4,
    adjudicate: Adjudicate = 0,
    move_timeout: MoveTimeout = 30.0,
    sprt: Sprt = None,
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Play a match: every opening twice, with colours swapped."""
    if sprt is not None and not sprt[0] < sprt[1]:
        raise typer.BadParameter(
            f"--sprt {sprt[0]:g} {sprt[1]:g}: the first Elo difference must be the smaller one"
        )
    check_writable(out)
    one_thread_if_needed(a, b)
    test = SequentialTest(*sprt) if sprt else None
    limits = (move_timeout, None, adjudicate, test)
    settings = MatchSettings(games, openings, seed, plies, size, checkpoint, *limits)
    try:
        with Progress(games, as_json) as progress:
            result = play_match(a, b, settings, on_game=progress.game)
    except MatchInterrupted as stop:
        _report(stop.result, out, as_json)
        raise KeyboardInterrupt(f"interrupted after {progress.done} of {games} games") from None
    _report(result, out, as_json)


def _report(result: MatchResult, out: Path | None, as_json: bool) -> None:
    if out is not None:
        result.write(out)
    if as_json:
        print_json(finite(result.to_dict()))
    else:
        _print(result)


def one_thread_if_needed(*players: str) -> None:
    """Hold torch to one thread where a player has a network."""
    if any(player.strip().lower().startswith(("net", "mcts", "gumbel")) for player in players):
        one_thread()


def finite(value: Any) -> Any:
    """`value` with None for infinities (the Elo of a match without a loss), as JSON needs it."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Progress:
    """The running score on stderr, on a terminal only."""

    def __init__(self, games: int, quiet: bool) -> None:
        self.games, self.points, self.done = games, 0.0, 0
        self.quiet = quiet or not sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if not self.quiet:
            print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)

    def game(self, game: MatchGame) -> None:
        """Count a finished game."""
        self.done += 1
        self.points += game.points
        if not self.quiet:
            print(
                f"\r{self.done}/{self.games} games, {self.points:g} points",
                end="",
                file=sys.stderr,
                flush=True,
            )


def _print(result: MatchResult) -> None:
    print(f"{result.a} - {result.b}: {result.points:g} of {len(result.games)} points")
    colours = ", ".join(
        f"{p:g} of {n} as {name}"
        for name, (p, n) in (("black", result.points_as(True)), ("white", result.points_as(False)))
    )
    print(f"{result.wins} won, {result.draws} drawn, {result.losses} lost; {colours}")
    print(f"Elo difference and 95 % interval: {result.rating}")
    if result.decision is not None:
        print(f"sequential test: {result.a} is {result.decision.value}")
    for seat, reasons in result.forfeits.items():
        for reason, count in reasons.items():
            print(f"{result.a if seat == 'a' else result.b} forfeited {count} by {reason}")
    print(
        f"{result.openings} openings of {result.opening_plies} plies, seed {result.seed}, {result.seconds:.1f} s"
    )
