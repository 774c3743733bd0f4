"""The same board as pixels: PNG pictures, drawn by Pillow at twice the size and scaled down."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Unpack

from PIL import Image, ImageDraw, ImageFont

from app.present.board_svg import GREEN, WHITE_RIM, Grid, Looks, Theme
from othello.rules.board import Board, squares_of
from othello.rules.notation import COLUMNS

_SCALE = 2


def picture(
    position: Board, *, size: int = 480, caption: str = "", **looks: Unpack[Looks]
) -> Image.Image:
    """The board as an RGB image `size` pixels wide, looking as `board_svg.board`; a caption adds a line."""
    n, wide = position.size, size * _SCALE
    cell = wide // (n + 1)
    grid = Grid(n, cell, (wide - n * cell) // 2)
    theme = looks.get("theme", GREEN)
    band = 44 * _SCALE if caption else 0
    image = Image.new("RGB", (wide, wide + band), theme.frame)
    pen = ImageDraw.Draw(image)
    _draw_squares(pen, grid, theme, looks)
    _draw_discs(pen, grid, theme, position)
    for square in looks.get("dots", ()):
        pen.ellipse(_round(grid, square, 0.09), fill=theme.dot)
    _draw_outline(pen, grid, theme, looks.get("last"))
    _draw_labels(pen, grid, theme, wide)
    inks = looks.get("text_fill") or {}
    for square, words in (looks.get("text") or {}).items():
        x, y = grid.corner(square)
        place = (x + cell // 2, y + cell // 2)
        _write(pen, place, words, inks.get(square, "#111111"), cell * 0.24)
    if caption:
        place = (wide // 2, wide + band // 2 - grid.margin // 4)
        _write(pen, place, caption, theme.label, 15 * _SCALE)
    return image.resize((size, image.height // _SCALE), Image.Resampling.LANCZOS)


def png(image: Image.Image) -> bytes:
    """The image as a PNG file's contents."""
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _draw_squares(pen: ImageDraw.ImageDraw, grid: Grid, theme: Theme, looks: Looks) -> None:
    fill = looks.get("fill") or {}
    for square in range(grid.n**2):
        x, y = grid.corner(square)
        pen.rectangle(
            (x, y, x + grid.cell, y + grid.cell),
            fill=fill.get(square, theme.felt),
            outline=theme.line,
            width=_SCALE,
        )


def _draw_discs(pen: ImageDraw.ImageDraw, grid: Grid, theme: Theme, position: Board) -> None:
    for word, paint, rim in (
        (position.black, theme.black, theme.rim),
        (position.white, theme.white, WHITE_RIM),
    ):
        for square in squares_of(word, grid.n):
            pen.ellipse(_round(grid, square, 0.38), fill=paint, outline=rim, width=_SCALE)


def _draw_outline(pen: ImageDraw.ImageDraw, grid: Grid, theme: Theme, last: int | None) -> None:
    if last is None or last >= grid.n**2:
        return
    x, y = (place + 3 * _SCALE for place in grid.corner(last))
    end = grid.cell - 6 * _SCALE
    pen.rounded_rectangle(
        (x, y, x + end, y + end), radius=4 * _SCALE, outline=theme.last, width=3 * _SCALE
    )


def _draw_labels(pen: ImageDraw.ImageDraw, grid: Grid, theme: Theme, wide: int) -> None:
    height = grid.margin * 0.55
    for i in range(grid.n):
        centre = grid.margin + i * grid.cell + grid.cell // 2
        for place in (grid.margin // 2, wide - grid.margin // 2):
            _write(pen, (centre, place), COLUMNS[i], theme.label, height)
            _write(pen, (place, centre), str(i + 1), theme.label, height)


def _write(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], words: str, ink: str, height: float
) -> None:
    pen.text(place, words, fill=ink, font=_font(height), anchor="mm")


def _round(grid: Grid, square: int, radius: float) -> tuple[float, float, float, float]:
    (x, y), reach = grid.centre(square), radius * grid.cell
    return (x - reach, y - reach, x + reach, y + reach)


@lru_cache(maxsize=32)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(8, round(size)))
