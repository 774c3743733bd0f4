"""The same board as pixels: PNG pictures and GIF films, drawn by Pillow at twice the size and scaled down."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from app.present.board_svg import GREEN, Theme
from othello.rules.board import Board, squares_of
from othello.rules.notation import COLUMNS

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont


def picture(
    position: Board,
    *,
    size: int = 480,
    theme: Theme = GREEN,
    fill: Mapping[int, str] | None = None,
    dots: Collection[int] = (),
    last: int | None = None,
    text: Mapping[int, str] | None = None,
    text_fill: Mapping[int, str] | None = None,
    caption: str = "",
) -> Image:
    """The board as an RGB image `size` pixels wide, with the arguments of `board_svg.board`; a caption adds a line."""
    from PIL import Image, ImageDraw

    n, scale = position.size, 2
    cell = size * scale // (n + 1)
    margin = (size * scale - n * cell) // 2
    band = 44 * scale if caption else 0
    image = Image.new("RGB", (size * scale, size * scale + band), theme.frame)
    pen = ImageDraw.Draw(image)
    fill, text, text_fill = fill or {}, text or {}, text_fill or {}
    discs = dict.fromkeys(squares_of(position.black, n), (theme.black, theme.rim))
    discs |= dict.fromkeys(squares_of(position.white, n), (theme.white, "#8b8b86"))
    for square in range(n * n):
        x, y = margin + square % n * cell, margin + square // n * cell
        pen.rectangle(
            (x, y, x + cell, y + cell),
            fill=fill.get(square, theme.felt),
            outline=theme.line,
            width=scale,
        )
    for square, (paint, rim) in discs.items():
        pen.ellipse(_round(square, n, margin, cell, 0.38), fill=paint, outline=rim, width=scale)
    for square in dots:
        pen.ellipse(_round(square, n, margin, cell, 0.09), fill=theme.dot)
    if last is not None and last < n * n:
        x, y = margin + last % n * cell + 3 * scale, margin + last // n * cell + 3 * scale
        end = cell - 6 * scale
        pen.rounded_rectangle(
            (x, y, x + end, y + end), radius=4 * scale, outline=theme.last, width=3 * scale
        )
    for i in range(n):
        centre = margin + i * cell + cell // 2
        for place in (margin // 2, size * scale - margin // 2):
            pen.text(
                (centre, place),
                COLUMNS[i],
                fill=theme.label,
                font=_font(margin * 0.55),
                anchor="mm",
            )
            pen.text(
                (place, centre),
                str(i + 1),
                fill=theme.label,
                font=_font(margin * 0.55),
                anchor="mm",
            )
    for square, words in text.items():
        x, y = margin + square % n * cell + cell // 2, margin + square // n * cell + cell // 2
        pen.text(
            (x, y),
            words,
            fill=text_fill.get(square, "#111111"),
            font=_font(cell * 0.24),
            anchor="mm",
        )
    if caption:
        place = (size * scale // 2, size * scale + band // 2 - margin // 4)
        pen.text(place, caption, fill=theme.label, font=_font(15 * scale), anchor="mm")
    return image.resize((size, image.height // scale), Image.Resampling.LANCZOS)


def png(image: Image) -> bytes:
    """The image as a PNG file's contents."""
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def gif(frames: Sequence[Image], milliseconds: int = 700) -> bytes:
    """The frames as an endless GIF film; the last one stays longer."""
    if not frames:
        raise ValueError("a film needs at least one frame")
    out = io.BytesIO()
    times = [milliseconds] * (len(frames) - 1) + [4 * milliseconds]
    reduced = [frame.quantize(96) for frame in frames]
    reduced[0].save(
        out, "GIF", save_all=True, append_images=reduced[1:], duration=times, loop=0, optimize=True
    )
    return out.getvalue()


def _round(
    square: int, n: int, margin: int, cell: int, radius: float
) -> tuple[float, float, float, float]:
    x, y = margin + square % n * cell + cell / 2, margin + square // n * cell + cell / 2
    return (x - radius * cell, y - radius * cell, x + radius * cell, y + radius * cell)


@lru_cache(maxsize=32)
def _font(size: float) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(max(8, round(size)))
