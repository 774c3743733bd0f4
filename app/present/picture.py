"""An explanation as a picture: the position on a neutral board with its heat, as SVG or PNG."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.explain.explanation import Explanation
from app.present import board_png, board_svg
from app.present.colormap import fills, ink, numbers, scale_of
from othello.rules.board import Board

Map = NDArray[np.float64]


class Svg(str):
    """An SVG document that notebooks show where a cell ends with it."""

    def _repr_svg_(self) -> str:
        return str(self)


def heat_arguments(
    relevance: Map,
    *,
    scale: float | None = None,
    colours: str = "blue–red",
    with_numbers: bool = False,
) -> dict[str, Any]:
    """What `app.present.board_svg.board` and `app.present.board_png.picture` need to show a map [N, N]."""
    full = scale_of(relevance) if scale is None else scale
    fill = fills(relevance, full, colours)
    text = (
        {square: word for square, word in numbers(relevance, full).items() if word}
        if with_numbers
        else {}
    )
    return {
        "theme": board_svg.NEUTRAL,
        "fill": fill,
        "text": text,
        "text_fill": {s: ink(fill[s]) for s in text},
    }


def full_colour(explanation: Explanation) -> float:
    """The |R| of full colour: one for the squares and the biases of an explanation, as on the page."""
    return scale_of(explanation.squares, explanation.bias_squares)


def caption(explanation: Explanation) -> str:
    """The target, its value and the scale of the colours, for the line under a picture."""
    full = f"full colour ±{full_colour(explanation):.3g}"
    return f"{explanation.target} {explanation.value:+.3f}   {full}   {explanation.composite}"


def as_svg(
    explanation: Explanation,
    *,
    last: int | None = None,
    size: int = 480,
    bias: bool = False,
    colours: str = "blue–red",
) -> Svg:
    """The map of the squares, or of the biases, as an SVG document."""
    relevance = explanation.bias_squares if bias else explanation.squares
    title = f"{explanation.board}: {caption(explanation)}"
    heat = heat_arguments(relevance, scale=full_colour(explanation), colours=colours)
    return Svg(board_svg.board(explanation.board, size=size, last=last, title=title, **heat))


def as_png(
    explanation: Explanation,
    *,
    last: int | None = None,
    size: int = 480,
    bias: bool = False,
    colours: str = "blue–red",
) -> bytes:
    """The map of the squares, or of the biases, as a PNG file's contents."""
    relevance = explanation.bias_squares if bias else explanation.squares
    words = caption(explanation).replace("±", "+/-")
    heat = heat_arguments(relevance, scale=full_colour(explanation), colours=colours)
    return board_png.png(
        board_png.picture(explanation.board, size=size, last=last, caption=words, **heat)
    )


def plain_svg(board: Board, *, last: int | None = None, size: int = 480) -> Svg:
    """The position on the green board with its legal moves."""
    dots = board.legal_moves()
    return Svg(board_svg.board(board, size=size, last=last, dots=dots, title=str(board)))
