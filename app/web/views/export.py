"""The Share menu: the game and what is shown of it as text, pictures, a film and data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app.game.session import Session
from app.present import board_png
from app.present.picture import as_png, as_svg, heat_arguments, plain_svg
from app.present.sentences import outcome_words, value_words
from app.web.views import options
from app.web.views.inspect import save
from app.web.views.shown import shown
from lrp.errors import LRPError
from othello.errors import OthelloError
from othello.rules.notation import format_moves

if TYPE_CHECKING:
    from PIL.Image import Image

    from app.explain.explanation import Explanation

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
    """The game as a GIF: each position with the heat of its value for black, whoever is to move.

    All frames have one scale, at which one square in a hundred has its full colour.
    """
    plies, maps = game.plies(), {}
    for ply in plies:
        if not ply.board.is_over:
            found = game.explain(ply.number, composite=view.composite, bias=view.bias)
            maps[ply.number] = found.squares if ply.board.side == "X" else -found.squares
    colours = view.look.colours
    scale = float(np.quantile(np.abs([*maps.values()]), 0.99)) if maps else 0.0
    low, high = colours.split("–")
    legend = f"{high}: for black, {low}: for white, full from {scale:.2g}"
    frames: list[Image] = []
    for ply in plies:
        last = game.action_at(ply.number - 1) if ply.number else None
        words, heat = outcome_words(ply.board), {}
        if ply.number in maps:
            value = ply.value or 0.0
            words = (
                f"{value_words(ply.board, value if ply.board.side == 'X' else -value)}\n{legend}"
            )
            heat = heat_arguments(maps[ply.number], scale=scale, colours=colours)
        frames.append(board_png.picture(ply.board, size=size, last=last, caption=words, **heat))
    return board_png.gif(frames)
