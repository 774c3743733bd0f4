"""The Share menu: the game and what is shown of it as text, pictures, a film and data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.explain.points import in_points
from app.game.session import Session
from app.present import board_png
from app.present import film as films
from app.present.board_svg import NEUTRAL
from app.present.colormap import heat_of
from app.present.game_view import value_line
from app.present.picture import as_png, as_svg, plain_svg
from app.web.views import options
from app.web.views.inspect import save
from app.web.views.shown import shown
from lrp.errors import LRPError
from othello.errors import OthelloError
from othello.rules.notation import Side, format_moves

if TYPE_CHECKING:
    from PIL.Image import Image

    from app.explain.explanation import Explanation

_SECONDS = 0.4  # of a film, a ply
File = tuple[
    str, str, str, Callable[[], str | bytes]
]  # what the button says, the file's name, its type, its contents


def menu(game: Session) -> None:
    """The menu; files are made when they are asked for."""
    with st.popover("Share", icon=":material/ios_share:", key="share", on_change="rerun") as share:
        if not share.open:
            return
        st.caption("Transcript")
        st.code(
            format_moves(game.actions, game.board.size) or "(no moves)",
            language=None,
            wrap_lines=True,
        )
        st.caption("Position")
        st.code(str(game.board), language=None, wrap_lines=True)
        st.caption("The address of this page reproduces the game. Files:")
        with st.container(horizontal=True, gap="small"):
            for label, name, kind, make in files(game, options.reading()):
                st.download_button(label, make, name, kind, key=f"save_{name}", on_click="ignore")


def files(game: Session, view: options.Choices) -> Iterator[File]:
    """What can be saved of the game and of what is shown."""
    last = game.last_move
    transcript = format_moves(game.actions, game.board.size)
    yield "Transcript", "game.txt", "text/plain", lambda: transcript
    yield "Board, SVG", "board.svg", "image/svg+xml", lambda: plain_svg(game.board, last=last)
    yield "Board, PNG", "board.png", "image/png", lambda: _board_png(game)
    if (asked := shown(game, view)) is not None:
        with suppress(
            OthelloError, LRPError
        ):  # the page says beside the board why there is no answer
            yield from _answer(asked.explain(game), asked.marked, view.look.colours)
    if view.reveal != "never" and game.model is not None and game.length:
        yield "Film with heatmaps, GIF", "game.gif", "image/gif", lambda: film(game, view)


def _answer(found: Explanation, marked: int | None, colours: str) -> Iterator[File]:
    """The explanation that the page shows, as files."""
    looks: dict[str, Any] = {"last": marked, "colours": colours}
    yield "Heatmap, PNG", "heatmap.png", "image/png", lambda: as_png(found, **looks)
    yield "Heatmap, SVG", "heatmap.svg", "image/svg+xml", lambda: as_svg(found, **looks)
    yield "JSON", "heatmap.json", "application/json", lambda: json.dumps(found.to_dict())
    yield "CSV", "heatmap.csv", "text/csv", lambda: save.as_csv(found)
    yield "NPZ", "heatmap.npz", "application/octet-stream", lambda: save.as_npz(found)


def _board_png(game: Session) -> bytes:
    return board_png.png(
        board_png.picture(game.board, last=game.last_move, dots=game.board.legal_moves())
    )


def film(game: Session, view: options.Choices, size: int = 360) -> bytes:
    """The game as a GIF: each position of the person's side, black's else, stands still with the heat of its value.

    All pictures have one scale, at which one square in a hundred has its full colour.
    """
    line = game.line
    side: Side = "O" if game.seat == "white" else "X"
    maps: dict[int, NDArray[np.float64]] = {}
    for ply, board in enumerate(line.boards):
        if films.stands(board, side):
            found = game.explain(board, composite=view.composite, bias=view.bias)
            maps[ply] = in_points(found).squares
    colours = view.look.colours
    scale = float(np.quantile(np.abs([*maps.values()]), 0.99)) if maps else 0.0
    heats = {ply: heat_of(relevance, scale, colours) for ply, relevance in maps.items()}
    own, other = ("white", "black") if side == "O" else ("black", "white")
    low, high = colours.split("–")
    legend = f"{high}: for {own}, {low}: for {other}, full from {scale:.2g} points"
    pictures: list[Image] = []
    times: list[int] = []
    game.plies()
    for frame in films.frames(line, side, max(4.0, _SECONDS * line.length)):
        here = line.goto(frame.ply)
        heat = films.mixed(heats.get(frame.before), heats.get(frame.after), frame.share)
        words = f"{value_line(game, here.board)}\n{legend}"
        looks = {} if heat is None else {"fill": dict(enumerate(heat.fills))}
        pictures.append(
            board_png.picture(
                here.board, size=size, last=here.last_move, caption=words, theme=NEUTRAL, **looks
            )
        )
        times.append(frame.milliseconds)
    return films.encoded(pictures, times)
