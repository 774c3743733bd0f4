"""`othello desktop`: the pygame board, or without a window a game as a GIF film or a PNG picture."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.options import (
    AsJson,
    CheckpointOption,
    Size,
    check_writable,
    ending,
    one_thread,
    print_json,
)
from app.desktop.files import open_game
from app.desktop.film import Film, play_out
from app.desktop.view import HeatMode
from app.desktop.window import Window, pygame_error
from app.game.session import Seat as SeatName
from app.game.session import Session, Strength
from app.models import load_model_for
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
        "--game", metavar="GAME", help="A transcript, a position, a game file, or self-play."
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
        "--folder", metavar="DIR", help="Where the window saves files; here if not given."
    ),
]


def desktop(
    checkpoint: CheckpointOption = None,
    seat: SeatOption = Seat.black,
    simulations: Simulations = 100,
    opponent: Opponent = "agent",
    game: Game = "",
    heat: Colours = None,
    gif: Gif = None,
    png: Png = None,
    ply: PlyOption = None,
    seconds: Seconds = 8.0,
    side: Explained = SideOption.black,
    seed: Seed = None,
    window: Pixels = "",
    dark: Dark = False,
    folder: Folder = None,
    size: Size = 8,
    as_json: AsJson = False,
) -> None:
    """Play on the desktop, or write a film or a picture of a game with heatmaps."""
    check_writable(gif, png)
    if folder is not None and not folder.is_dir():
        raise typer.BadParameter(f"{folder}: no such folder")
    pixels = _pixels(window, (640, 420) if gif is not None else (1160, 760))
    headless = gif is not None or png is not None
    if headless:
        os.environ["SDL_VIDEODRIVER"] = "dummy"
    one_thread()
    where: SeatName = "watch" if headless else seat.value
    strength, model = Strength(simulations=simulations), load_model_for(size, checkpoint)
    table = Session(model, seat=where, seed=seed or 0, strength=strength)
    _check_player(opponent, size)
    if game not in ("", "self-play"):
        open_game(table, game)
    if not headless:
        table.opponent, table.seat = opponent, "watch" if game == "self-play" else table.seat
        _open_window(table, pixels, heat, dark, folder)
        return
    mode: HeatMode = "value" if heat is None else heat.value
    film = Film(pixels, seconds, mode, LETTERS[side], dark, simulations, ("Black", "White"))
    began = time.perf_counter()
    if game in ("", "self-play"):
        film = _self_played(table, film, opponent, 0 if seed is None else 6)
    report = _written(table, film, gif, png, ply)
    _report(report | {"seconds": round(time.perf_counter() - began, 1)}, as_json)


def _self_played(table: Session, film: Film, opponent: str, drawn_plies: int) -> Film:
    """Play the game out; the film with its players' names."""
    play_out(table, film.side, opponent, drawn_plies=drawn_plies)
    black, white = "Agent", opponent.capitalize()
    return replace(film, names=(black, white) if film.side == "X" else (white, black))


def _written(
    table: Session, film: Film, gif: Path | None, png: Path | None, ply: int | None
) -> dict[str, Any]:
    """Write what is asked for and say so."""
    report: dict[str, Any] = {"game": table.transcript, "score": table.board.score()}
    if png is not None:
        shown = table.length if ply is None else ply
        report |= {"png": str(png), "png_bytes": film.write_still(table, shown, png)}
    if gif is not None:
        report |= {"gif": str(gif), "gif_bytes": film.write(table, gif)}
    return report


def _open_window(
    table: Session,
    pixels: tuple[int, int],
    heat: HeatOption | None,
    dark: bool,
    folder: Path | None,
) -> None:
    mode = "off" if heat is None else heat.value
    try:
        opened = Window(table, pixels, folder=folder, heat=mode, dark=dark)
    except pygame_error as error:
        raise RuntimeError(
            f"no window can be opened ({error}); --gif and --png need none"
        ) from None
    opened.run()


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


def _report(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    for name in ("png", "gif"):
        if name in report:
            print(f"{report[name]}: {report[name + '_bytes'] / 1e6:.2f} MB, {report['seconds']} s")
