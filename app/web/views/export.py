"""The Share menu: the game and what is shown of it as text, pictures, a film and data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import streamlit as st

from app import raster
from app.explain.picture import as_png, as_svg, heat_arguments, plain_svg
from app.explain.words import value_words
from app.session import Session
from app.web.views import options
from othello.notation import format_moves

if TYPE_CHECKING:
    from PIL.Image import Image


def menu(game: Session) -> None:
    """The menu; files are made when they are asked for."""
    with st.popover("Share", icon=":material/ios_share:", key="share", on_change="rerun") as share:
        if not share.open:
            return
        st.caption("Transcript")
        st.code(format_moves(game.actions, game.board.size) or "(no moves)", language=None, wrap_lines=True)
        st.caption("Position")
        st.code(str(game.board), language=None, wrap_lines=True)
        view = options.reading()
        st.download_button(
            "Transcript",
            format_moves(game.actions, game.board.size),
            "game.txt",
            "text/plain",
            key="save_txt",
            on_click="ignore",
        )
        st.download_button(
            "Board, SVG",
            lambda: plain_svg(game.board, last=game.last_move),
            "board.svg",
            "image/svg+xml",
            key="save_svg",
            on_click="ignore",
        )
        st.download_button(
            "Board, PNG", lambda: _board_png(game), "board.png", "image/png", key="save_png", on_click="ignore"
        )
        if view.reveal != "never" and game.model is not None and not game.board.is_over:
            ply = game.cursor
            st.download_button(
                "Heatmap, PNG",
                lambda: as_png(_value(game, ply, view), last=game.last_move),
                "heatmap.png",
                "image/png",
                key="save_heat_png",
                on_click="ignore",
            )
            st.download_button(
                "Heatmap, SVG",
                lambda: as_svg(_value(game, ply, view), last=game.last_move),
                "heatmap.svg",
                "image/svg+xml",
                key="save_heat_svg",
                on_click="ignore",
            )
            st.download_button(
                "Heatmap, JSON",
                lambda: json.dumps(_value(game, ply, view).to_dict()),
                "heatmap.json",
                "application/json",
                key="save_heat_json",
                on_click="ignore",
            )
        if game.length and game.model is not None:
            st.download_button(
                "Film with heatmaps, GIF",
                lambda: film(game, view),
                "game.gif",
                "image/gif",
                key="save_gif",
                on_click="ignore",
            )


def _value(game: Session, ply: int, view: options.View):  # type: ignore[no-untyped-def]
    return game.explain(ply, "value", composite=view.composite, bias=view.bias)


def _board_png(game: Session) -> bytes:
    return raster.png(raster.picture(game.board, last=game.last_move, dots=game.board.legal_moves()))


def film(game: Session, view: options.View, size: int = 360) -> bytes:
    """The game as a GIF: each position with the heat of its value."""
    frames: list[Image] = []
    for ply in game.plies():
        last = game.action_at(ply.number - 1) if ply.number else None
        words = (
            value_words(ply.board, ply.value if ply.board.side == "X" else -ply.value) if ply.value is not None else ""
        )
        heat = {} if ply.board.is_over else heat_arguments(_value(game, ply.number, view).squares, colours=view.colours)
        frames.append(raster.picture(ply.board, size=size, last=last, caption=words, **heat))
    return raster.gif(frames)
