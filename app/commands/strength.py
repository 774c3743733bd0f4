"""`othello ladder` and `othello release`: a run's strength over time, and its best generation as a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.options import (
    Force,
    Output,
    check_no_checkpoint,
    check_writable,
    ending,
    one_thread,
    print_json,
)
from app.commands.progress import ProgressLine
from othello import atomic
from othello.errors import OthelloError
from othello.network import checkpoint
from othello.strength.arena import MatchSettings, play_match
from othello.strength.ladder import LadderSettings, Rung, climb, missing_matches, read_ladder
from othello.strength.results import MatchResult
from othello.training.release import MeasuredMatch, check_generations
from othello.training.release import release as write
from othello.training.run import Run

RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", file_okay=False, help="A training run's directory.")
]
RELEASE_MATCHES = (
    ("net", "greedy"),
    ("net", "gtp:gtp-rhino -l 1"),
    ("mcts:100", "random"),
    ("mcts:100", "greedy"),
    ("mcts:100", "alphabeta:5"),
    ("mcts:100", "gtp:gtp-rhino -l 1"),
    ("mcts:100", "gtp:gtp-rhino -l 2"),
    ("mcts:100", "gtp:gtp-rhino -l 3"),
    ("mcts:400", "gtp:gtp-rhino -l 3"),
)
SMALL_MATCHES = (
    ("net", "greedy"),
    ("mcts:200", "random"),
    ("mcts:200", "alphabeta:6,solve=16"),
)  # 4×4 and 6×6
FROM_THE_START = (
    ("mcts:200", "alphabeta:6,solve=16"),
)  # there without random moves, and twice as many games


def ladder(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A training run's directory, or the ladder.csv of one: then nothing is played.",
        ),
    ],
    kind: Annotated[
        str, typer.Option("--kind", help="How generations play: net, mcts:SIMS or gumbel:SIMS.")
    ] = "net",
    every: Annotated[
        int, typer.Option("--every", min=1, help="Rate every so many generations, and the newest.")
    ] = 5,
    games: Annotated[int, typer.Option("--games", min=2, help="Games a match.")] = 40,
    size: Annotated[int, typer.Option("--size", help="Board side N: 4, 6 or 8.")] = 8,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            callback=ending(".png", ".svg"),
            help="Draw it, as PNG or SVG.",
        ),
    ] = None,
    force: Force = False,
    output: Output = Output(),
) -> None:
    """Rate a run's generations against frozen ones and fixed opponents on one Elo scale (random = 0).

    Ctrl-C keeps the matches that are played; the same command plays the others.
    """
    check_writable(plot, force=force)
    one_thread()
    settings = LadderSettings(kind=kind, every=every, games=games, size=size)
    rungs = read_ladder(run) if run.is_file() else _climbed(run, settings, output)
    if plot is not None:
        _draw(rungs, plot)
    if output.as_json:
        print_json("ladder", [rung.row() for rung in rungs])
        return
    for rung in rungs:
        print(f"{rung.player:32s} {rung.rating}")


def _climbed(run: Path, settings: LadderSettings, output: Output) -> Sequence[Rung]:
    """The ladder, told match by match."""

    def tell(match: dict[str, Any]) -> None:
        line.at(line.done + 1)
        if not (output.as_json or output.quiet):
            with line.paused():
                _tell(match)

    Run.open(run)
    waiting = missing_matches(run, settings)
    with ProgressLine("playing", waiting, "matches", output.quiet) as line:
        try:
            return climb(run, settings, on_match=tell)
        except KeyboardInterrupt:
            kept = f"{line.done:.0f} matches are kept, the same command plays the others"
            raise KeyboardInterrupt(f"interrupted; {kept}") from None


def _draw(rungs: Sequence[Rung], file: Path) -> None:
    """Elo of the generations with 95 % bars; fixed opponents as lines, named beside them."""
    from app.experiments import plots  # loads matplotlib

    figure, (axes,) = plots.canvas(1, width=5.4, height=3.6)
    rated = [rung for rung in rungs if rung.rating.elo is not None]
    climbers = sorted((rung for rung in rated if rung.generation is not None), key=_generation)
    numbers, elos = [_generation(r) for r in climbers], [float(r.rating.elo or 0) for r in climbers]
    bars = [
        [0.0 if r.rating.low is None else elo - r.rating.low for elo, r in zip(elos, climbers)],
        [0.0 if r.rating.high is None else r.rating.high - elo for elo, r in zip(elos, climbers)],
    ]
    axes.errorbar(numbers, elos, yerr=bars, fmt="o-", color=plots.COLOURS[0], capsize=3)
    levels = {r.player.removeprefix("gtp:"): r.rating.elo for r in rated if r.generation is None}
    plots.levels(axes, {name: elo for name, elo in levels.items() if elo is not None})
    title = "Strength of the generations, 95 % intervals"
    plots.lines(axes, title, "generation", "Elo, random = 0", legend=False)
    if file.suffix == ".svg":
        atomic.write_bytes(file, plots.svg(figure))
    else:
        figure.savefig(file, dpi=150)


def _generation(rung: Rung) -> int:
    return rung.generation if rung.generation is not None else -1


def _tell(match: dict[str, Any]) -> None:
    print(
        f"{match['first']} {match['points']:g} of {match['games']} against {match['second']}",
        flush=True,
    )


@dataclass(frozen=True)
class ReleasedGenerations:
    """Which generations of a run are released."""

    generation: Annotated[
        int | None, typer.Option("--generation", min=0, help="If not the newest.")
    ] = None
    generations: Annotated[
        int,
        typer.Option(
            "--generations",
            min=0,
            help="Ship so many of the run beside it, small and evenly spaced.",
        ),
    ] = 0


def release(
    run: RunFolder,
    out: Annotated[
        Path,
        typer.Option(
            "--out", file_okay=False, help="The checkpoint's folder, such as checkpoints/othello8."
        ),
    ],
    kept: ReleasedGenerations = ReleasedGenerations(),
    games: Annotated[
        int, typer.Option("--games", min=0, help="Games of each match; 0: measure nothing.")
    ] = 100,
    hardware: Annotated[
        str, typer.Option("--hardware", help="What the run was trained on.")
    ] = "not said",
    reproduce: Annotated[
        str, typer.Option("--reproduce", help="The command that makes such a run.")
    ] = "",
    force: Force = False,
    output: Output = Output(),
) -> None:
    """Copy a generation out of a run with a model card that says how strong it is, measured now."""
    opened = Run.open(run)
    number = opened.state.iteration if kept.generation is None else kept.generation
    checkpoint.info(opened.generation(number))
    check_generations(opened, number, kept.generations)
    check_no_checkpoint(out, force)
    command = reproduce or f"othello train --config {run}/config.toml --run runs/again"
    one_thread()
    size, weights = opened.config.network.size, str(opened.generation(number))
    strengths = _measure(weights, size, out, games, output) if games else []
    digest = write(
        opened,
        out,
        generation=number,
        generations=kept.generations,
        strengths=strengths,
        hardware=hardware,
        reproduce=command,
    )
    if output.as_json:
        report = {"out": str(out), "generation": number, "sha256": digest}
        print_json("release", report | {"strength": [vars(s) for s in strengths]})
    else:
        print(f"generation {number} released to {out} ({digest[:12]})")


def _measure(weights: str, size: int, out: Path, games: int, output: Output) -> list[Any]:
    strengths = []
    matches = [(*pair, games, 4) for pair in (RELEASE_MATCHES if size == 8 else SMALL_MATCHES)]
    matches += [] if size == 8 else [(*pair, 2 * games, 0) for pair in FROM_THE_START]
    total = sum(number for _, _, number, _ in matches)
    done = 0
    with ProgressLine("measuring", total, "games", output.quiet) as line:
        for player, opponent, number, plies in matches:
            line.note, before = f"{player} - {opponent}", done
            settings = MatchSettings(number, None, 0, plies, size=size)

            def count(game: object) -> None:
                line.at(line.done + 1, line.note)

            try:
                result = play_match(f"{player}:{weights}", opponent, settings, on_game=count)
            except OthelloError as error:  # an engine that is not installed is left out of the card
                if not opponent.startswith("gtp:"):
                    raise
                line.say(f"left out: {error}")
                continue
            finally:
                done = before + number
                line.at(done)
            measured = _measured(player, opponent, result, settings, out)
            strengths.append(measured)
            if not (output.as_json or output.quiet):
                with line.paused():
                    points = f"{result.points:g} of {number} against {opponent}"
                    print(f"{player} {points}: {result.rating}", flush=True)
    return strengths


def _measured(
    player: str, opponent: str, result: MatchResult, settings: MatchSettings, out: Path
) -> MeasuredMatch:
    """A match with the command that plays it again."""
    number, size = settings.games, settings.size
    words = f"--games {number}"
    words += "" if size == 8 else f" --size {size}"
    words += "" if settings.opening_plies else " --plies 0"
    command = f'othello match {player}:{out} "{opponent}" {words}'
    return MeasuredMatch(player, opponent, number, result.points, str(result.rating), command)
