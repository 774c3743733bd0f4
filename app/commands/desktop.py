"""`othello desktop`: the pygame board, or without a window a game as a GIF film or a PNG picture."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.options import (
    STDIN,
    CheckpointOption,
    Force,
    Output,
    Size,
    check_writable,
    ending,
    game_of,
    one_thread,
    print_json,
)
from app.commands.progress import ProgressLine
from app.desktop.files import open_game
from app.desktop.film import Film, play_out
from app.desktop.view import HeatMode
from app.desktop.window import Window, check_display, pygame_error
from app.game.session import Seat as SeatName
from app.game.session import Session, Strength
from app.models import load_model_for
from othello.errors import ParseError
from othello.players.specs import parse
from othello.rules.notation import Side


class Seat(StrEnum):
    """What the person plays."""

    black = "black"
    white = "white"
    watch = "watch"
    both = "both"


class HeatOption(StrEnum):
    """What the colours of the board explain."""

    off = "off"
    value = "value"
    move = "move"


class SideOption(StrEnum):
    """A side."""

    black = "black"
    white = "white"


LETTERS: dict[SideOption, Side] = {SideOption.black: "X", SideOption.white: "O"}
SeatOption = Annotated[Seat, typer.Option("--seat", help="The side you play.")]
Simulations = Annotated[
    int,
    typer.Option(
        "--simulations",
        "-n",
        min=0,
        max=100_000,
        help="Of the agent, a move; 0: the policy alone.",
    ),
]
Opponent = Annotated[
    str,
    typer.Option(
        "--opponent",
        metavar="PLAYER",
        help="Plays against you or, in a film, against the agent: "
        "agent, random, greedy, alphabeta:D, gtp:COMMAND, …",
    ),
]
Game = Annotated[
    str,
    typer.Option(
        "--game",
        metavar="GAME",
        help="A transcript, a position, a game file, - for standard input, or self-play.",
    ),
]
Colours = Annotated[
    HeatOption | None,
    typer.Option("--heat", help="Colours: off, of the value, of the best move."),
]
Gif = Annotated[
    Path | None,
    typer.Option(
        "--gif", metavar="FILE", callback=ending(".gif"), help="Write a film and open no window."
    ),
]
Png = Annotated[
    Path | None,
    typer.Option(
        "--png", metavar="FILE", callback=ending(".png"), help="Write a picture, no window."
    ),
]
PlyOption = Annotated[
    int | None, typer.Option("--ply", min=0, help="Of the picture; the last one if not given.")
]
Seconds = Annotated[float, typer.Option("--seconds", min=1.0, max=120.0, help="Of the film.")]
Explained = Annotated[SideOption, typer.Option("--side", help="Whose positions the film explains.")]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="Draw the first six moves of self-play by visits."),
]
Pixels = Annotated[
    str,
    typer.Option("--window", metavar="WxH", help="Pixels; 1160x760, or 640x420 for a film."),
]
Dark = Annotated[bool, typer.Option("--dark", help="A dark panel.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        metavar="DIR",
        file_okay=False,
        help="Where the window saves files; here if not given.",
    ),
]


@dataclass(frozen=True)
class Players:
    """Who plays, from where, and what the board shows of it."""

    seat: SeatOption = Seat.black
    simulations: Simulations = 100
    opponent: Opponent = "agent"
    game: Game = ""
    heat: Colours = None


@dataclass(frozen=True)
class FilmOptions:
    """Files instead of a window."""

    gif: Gif = None
    png: Png = None
    ply: PlyOption = None
    seconds: Seconds = 8.0
    side: Explained = SideOption.black
    seed: Seed = None

    @property
    def headless(self) -> bool:
        """Whether no window is opened."""
        return self.gif is not None or self.png is not None


@dataclass(frozen=True)
class WindowOptions:
    """What the window or the picture looks like, and where the window saves files."""

    window: Pixels = ""
    dark: Dark = False
    folder: Folder = None


def desktop(
    checkpoint: CheckpointOption = None,
    players: Players = Players(),
    film: FilmOptions = FilmOptions(),
    look: WindowOptions = WindowOptions(),
    size: Size = 8,
    force: Force = False,
    output: Output = Output(),
) -> None:
    """Play on the desktop, or write a film or a picture of a game with heatmaps."""
    check_writable(film.gif, film.png, force=force)
    if look.folder is not None and not look.folder.is_dir():
        raise typer.BadParameter(f"{look.folder}: no such folder")
    pixels = _pixels(look.window, (640, 420) if film.gif is not None else (1160, 760))
    if film.headless:
        os.environ["SDL_VIDEODRIVER"] = "dummy"
    else:
        _need_display()
    one_thread()
    where: SeatName = "watch" if film.headless else players.seat.value
    strength = Strength(simulations=players.simulations)
    model = load_model_for(size, checkpoint)
    table = Session(model, seat=where, seed=film.seed or 0, strength=strength)
    _check_player(players.opponent, size)
    game = players.game
    if game == STDIN:
        record = game_of(STDIN, 1, size)
        table.new_game(start=record.start, actions=record.actions)
    elif game not in ("", "self-play"):
        open_game(table, game)
    if not film.headless:
        table.opponent = players.opponent
        table.seat = "watch" if game == "self-play" else table.seat
        _open_window(table, pixels, players.heat, look)
        return
    began = time.perf_counter()
    with ProgressLine("playing", quiet=output.quiet) as line:
        drawn = _film(pixels, players, film, look)
        if game in ("", "self-play"):
            drawn_plies = 0 if film.seed is None else 6
            drawn = _self_played(table, drawn, players.opponent, drawn_plies)
        line.doing = "drawing"
        report = _written(table, drawn, film, line)
    _report(report | {"seconds": round(time.perf_counter() - began, 1)}, output)


def _film(
    pixels: tuple[int, int], players: Players, film: FilmOptions, look: WindowOptions
) -> Film:
    """How the film or the picture is drawn."""
    mode: HeatMode = "value" if players.heat is None else players.heat.value
    names = ("Black", "White")
    return Film(
        pixels, film.seconds, mode, LETTERS[film.side], look.dark, players.simulations, names
    )


def _self_played(table: Session, film: Film, opponent: str, drawn_plies: int) -> Film:
    """Play the game out; the film with its players' names."""
    play_out(table, film.side, opponent, drawn_plies=drawn_plies)
    black, white = "Agent", opponent.capitalize()
    return replace(film, names=(black, white) if film.side == "X" else (white, black))


def _written(table: Session, drawn: Film, film: FilmOptions, line: ProgressLine) -> dict[str, Any]:
    """Write what is asked for and say so."""
    report: dict[str, Any] = {"game": table.transcript, "score": table.board.score()}
    if film.png is not None:
        shown = table.length if film.ply is None else film.ply
        report |= {"png": str(film.png), "png_bytes": drawn.write_still(table, shown, film.png)}
    if film.gif is not None:
        written = drawn.write(table, film.gif, on_progress=line.at)
        report |= {"gif": str(film.gif), "gif_bytes": written}
    return report


def _need_display() -> None:
    """ParseError, before anything is loaded, where no window can be opened."""
    try:
        check_display()
    except pygame_error as error:
        raise ParseError(f"no window can be opened ({error}); --gif and --png need none") from None


def _open_window(
    table: Session, pixels: tuple[int, int], heat: HeatOption | None, look: WindowOptions
) -> None:
    mode = "off" if heat is None else heat.value
    Window(table, pixels, folder=look.folder, heat=mode, dark=look.dark).run()


def _pixels(text: str, default: tuple[int, int]) -> tuple[int, int]:
    if not text:
        return default
    width, cross, height = text.lower().partition("x")
    if (
        not cross
        or not (width.isdecimal() and height.isdecimal())
        or max(len(width), len(height)) > 5
    ):
        raise typer.BadParameter(
            f"--window {text[:24]}: WIDTHxHEIGHT in pixels is accepted, such as 1160x760"
        )
    found = int(width), int(height)
    if not (320 <= found[0] <= 8000 and 240 <= found[1] <= 8000):
        raise typer.BadParameter(f"--window {text}: 320x240 to 8000x8000 is accepted")
    return found


def _check_player(opponent: str, size: int) -> None:
    """ParseError for a player that does not exist, before anything is opened."""
    if opponent != "agent":
        parse(opponent, size).close()


def _report(report: dict[str, Any], output: Output) -> None:
    if output.as_json:
        print_json("desktop", report)
        return
    for name in ("png", "gif"):
        if name in report and not output.quiet:
            print(f"{report[name]}: {report[name + '_bytes'] / 1e6:.2f} MB, {report['seconds']} s")
