"""`othello desktop`: the pygame board, or without a window a game as a GIF film or a PNG picture."""

from __future__ import annotations

import os
import time
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


def desktop(
    checkpoint: CheckpointOption = None,
    seat: Annotated[Seat, typer.Option("--seat", help="The side you play.")] = Seat.black,
    simulations: Annotated[
        int,
        typer.Option(
            "--simulations",
            "-n",
            min=0,
            max=100_000,
            help="Of the agent, a move; 0: the policy alone.",
        ),
    ] = 100,
    opponent: Annotated[
        str,
        typer.Option(
            "--opponent",
            metavar="PLAYER",
            help="Plays against you or, in a film, against the agent: "
            "agent, random, greedy, alphabeta:D, gtp:COMMAND, …",
        ),
    ] = "agent",
    game: Annotated[
        str,
        typer.Option(
            "--game", metavar="GAME", help="A transcript, a position, a game file, or self-play."
        ),
    ] = "",
    heat: Annotated[
        HeatOption | None,
        typer.Option("--heat", help="Colours: off, of the value, of the best move."),
    ] = None,
    gif: Annotated[
        Path | None, typer.Option("--gif", metavar="FILE", help="Write a film and open no window.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Write a picture, no window.")
    ] = None,
    ply: Annotated[
        int | None, typer.Option("--ply", min=0, help="Of the picture; the last one if not given.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1.0, max=120.0, help="Of the film.")
    ] = 8.0,
    side: Annotated[
        SideOption, typer.Option("--side", help="Whose positions the film explains.")
    ] = SideOption.black,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Draw the first six moves of self-play by visits."),
    ] = None,
    window: Annotated[
        str,
        typer.Option("--window", metavar="WxH", help="Pixels; 1160x760, or 640x420 for a film."),
    ] = "",
    dark: Annotated[bool, typer.Option("--dark", help="A dark panel.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", metavar="DIR", help="Where the window saves files; here if not given."
        ),
    ] = None,
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

    table = Session(
        load_model_for(size, checkpoint),
        seat="watch" if headless else seat.value,
        seed=seed or 0,
        strength=Strength(simulations=simulations),
    )
    _check_player(opponent, size)
    if game and game != "self-play":
        from app.desktop.files import open_game

        open_game(table, game)
    if headless:
        report = _write(
            table,
            gif,
            png,
            ply,
            pixels,
            heat,
            side,
            seconds,
            simulations,
            opponent,
            seed,
            dark,
            game,
        )
        _report(report, as_json)
        return
    table.opponent = opponent
    if game == "self-play":
        table.seat = "watch"
    _open_window(table, pixels, heat, dark, folder)


def _write(
    table: Session,
    gif: Path | None,
    png: Path | None,
    ply: int | None,
    pixels: tuple[int, int],
    heat: HeatOption | None,
    side: SideOption,
    seconds: float,
    simulations: int,
    opponent: str,
    seed: int | None,
    dark: bool,
    game: str,
) -> dict[str, Any]:
    from app.desktop.film import Film, play_out

    began = time.perf_counter()
    letter: Side = "X" if side is SideOption.black else "O"
    names = ("Agent", opponent.capitalize()) if letter == "X" else (opponent.capitalize(), "Agent")
    played = not game or game == "self-play"
    if played:
        play_out(table, letter, opponent, drawn_plies=0 if seed is None else 6)
    film = Film(
        size=pixels,
        seconds=seconds,
        heat="value" if heat is None else heat.value,
        side=letter,
        dark=dark,
        simulations=simulations,
        names=names if played else ("Black", "White"),
    )
    report: dict[str, Any] = {"game": table.transcript, "score": table.board.score()}
    if png is not None:
        report |= {
            "png": str(png),
            "png_bytes": film.write_still(table, table.length if ply is None else ply, png),
        }
    if gif is not None:
        report |= {"gif": str(gif), "gif_bytes": film.write(table, gif)}
    return report | {"seconds": round(time.perf_counter() - began, 1)}


def _open_window(
    table: Session,
    pixels: tuple[int, int],
    heat: HeatOption | None,
    dark: bool,
    folder: Path | None,
) -> None:
    from app.desktop.window import Window, pygame_error

    try:
        opened = Window(
            table, pixels, folder=folder, heat="off" if heat is None else heat.value, dark=dark
        )
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
