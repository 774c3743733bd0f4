"""`othello match`: players against each other; no torch without a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.options import (
    CheckpointOption,
    Force,
    Output,
    Size,
    check_writable,
    one_thread,
    print_json,
)
from app.commands.progress import ProgressLine
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


@dataclass(frozen=True)
class MatchPlan:
    """How many games are played, from where, and what ends them."""

    games: Games = 100
    openings: Openings = None
    seed: Seed = 0
    plies: Plies = 4
    adjudicate: Adjudicate = 0
    move_timeout: MoveTimeout = 30.0
    sprt: Sprt = None


@dataclass(frozen=True)
class GamesFile:
    """Where the games are written."""

    out: Out = None
    force: Force = False


def match(
    a: First,
    b: Second,
    plan: MatchPlan = MatchPlan(),
    size: Size = 8,
    checkpoint: CheckpointOption = None,
    file: GamesFile = GamesFile(),
    output: Output = Output(),
) -> None:
    """Play a match: every opening twice, with colours swapped."""
    if plan.sprt is not None and not plan.sprt[0] < plan.sprt[1]:
        raise typer.BadParameter(
            f"--sprt {plan.sprt[0]:g} {plan.sprt[1]:g}: the first Elo difference must be the smaller one"
        )
    check_writable(file.out, force=file.force)
    one_thread_if_needed(a, b)
    test = SequentialTest(*plan.sprt) if plan.sprt else None
    limits = (plan.move_timeout, None, plan.adjudicate, test)
    settings = MatchSettings(
        plan.games, plan.openings, plan.seed, plan.plies, size, checkpoint, *limits
    )
    score = RunningScore(plan.games)
    try:
        with ProgressLine("playing", plan.games, "games", output.quiet) as line:
            result = play_match(a, b, settings, on_game=lambda game: score.count(game, line))
    except MatchInterrupted as stop:
        _report(stop.result, file.out, output.as_json)
        raise KeyboardInterrupt(f"interrupted after {score.done} of {plan.games} games") from None
    _report(result, file.out, output.as_json)


def _report(result: MatchResult, out: Path | None, as_json: bool | None) -> None:
    if out is not None:
        result.write(out)
    if as_json:
        print_json("match", finite(result.to_dict()))
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


class RunningScore:
    """The running score of a match."""

    def __init__(self, games: int) -> None:
        self.games, self.points, self.done = games, 0.0, 0

    def count(self, game: MatchGame, line: ProgressLine) -> None:
        """Count a finished game and tell it."""
        self.done += 1
        self.points += game.points
        line.at(self.done, f"{self.points:g} points")


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
