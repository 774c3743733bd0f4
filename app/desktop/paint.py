"""Anti-aliased shapes and text on pygame surfaces, made once and kept; nothing here needs a window."""

from __future__ import annotations

import importlib.util
import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
import pygame
from pygame import Rect, Surface

from app.present.colormap import rgb

Point = tuple[float, float]
_font_lock = threading.Lock()  # SDL_ttf's fonts are not to be used by two threads at once


def canvas(size: tuple[int, int], colour: str) -> Surface:
    """An opaque surface of one colour."""
    surface = Surface((max(1, size[0]), max(1, size[1])), depth=32)
    surface.fill(rgb(colour))
    return surface


# Discs and boxes -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def disc(
    radius: float,
    light: str,
    dark: str,
    rim: str = "",
    rim_width: float = 0.0,
    opacity: float = 1.0,
) -> Surface:
    """A disc shaded from `light` at the upper left to `dark`, with a rim; anti-aliased by distance."""
    side = 2 * int(np.ceil(radius)) + 2
    rows, columns = np.mgrid[0:side, 0:side] + 0.5 - side / 2
    distance = np.hypot(rows, columns)
    shade = np.clip((rows + columns) / (2.2 * max(radius, 0.5)) + 0.5, 0.0, 1.0)[..., None]
    colours = (1 - shade) * np.array(rgb(light)) + shade * np.array(rgb(dark))
    if rim and rim_width > 0:
        edge = np.clip(distance - (radius - rim_width) + 0.5, 0.0, 1.0)[..., None]
        colours = (1 - edge) * colours + edge * np.array(rgb(rim))
    alpha = 255 * opacity * np.clip(radius - distance + 0.5, 0.0, 1.0)
    return _from_array(np.dstack([colours, alpha]))


@lru_cache(maxsize=64)
def ring(radius: float, width: float, colour: str, opacity: float = 1.0) -> Surface:
    """A circle `width` pixels wide whose outer edge is at `radius`."""
    side = 2 * int(np.ceil(radius)) + 2
    rows, columns = np.mgrid[0:side, 0:side] + 0.5 - side / 2
    distance = np.hypot(rows, columns)
    cover = np.clip(radius - distance + 0.5, 0, 1) * np.clip(
        distance - (radius - width) + 0.5, 0, 1
    )
    return _from_array(
        np.dstack([np.broadcast_to(rgb(colour), (side, side, 3)), 255 * opacity * cover])
    )


@lru_cache(maxsize=32)
def shadow(radius: float, opacity: float = 0.35) -> Surface:
    """A soft dark spot, densest inside `radius`."""
    side = 2 * int(np.ceil(radius * 1.25)) + 2
    rows, columns = np.mgrid[0:side, 0:side] + 0.5 - side / 2
    fade = np.clip((1.2 * radius - np.hypot(rows, columns)) / (0.35 * radius), 0, 1)
    return _from_array(
        np.dstack([np.zeros((side, side, 3)), 255 * opacity * fade**2 * (3 - 2 * fade)])
    )


def _from_array(rgba: np.ndarray) -> Surface:
    pixels = np.ascontiguousarray(np.rint(rgba).astype(np.uint8))
    return pygame.image.frombuffer(pixels.tobytes(), (pixels.shape[1], pixels.shape[0]), "RGBA")


def put(surface: Surface, picture: Surface, centre: Point) -> None:
    """Draw a picture around a point."""
    surface.blit(
        picture,
        (round(centre[0] - picture.get_width() / 2), round(centre[1] - picture.get_height() / 2)),
    )


def box(
    surface: Surface, rect: Rect, colour: str, radius: float = 0, edge: str = "", width: int = 1
) -> None:
    """A rectangle with smooth round corners and, with `edge`, a border inside it."""
    if edge:
        box(surface, rect, edge, radius)
        rect, radius = rect.inflate(-2 * width, -2 * width), max(0.0, radius - width)
    if rect.width <= 0 or rect.height <= 0:
        return
    corner = int(min(radius, rect.width / 2, rect.height / 2))
    if corner < 1:
        surface.fill(rgb(colour), rect)
        return
    surface.fill(rgb(colour), rect.inflate(-2 * corner, 0))
    surface.fill(rgb(colour), rect.inflate(0, -2 * corner))
    round_one = _corner(corner, colour)
    for left, x in ((0, rect.left), (corner, rect.right - corner)):
        for top, y in ((0, rect.top), (corner, rect.bottom - corner)):
            surface.blit(round_one, (x, y), Rect(left, top, corner, corner))


@lru_cache(maxsize=256)
def _corner(radius: int, colour: str) -> Surface:
    rows, columns = np.mgrid[0 : 2 * radius, 0 : 2 * radius] + 0.5 - radius
    cover = np.clip(radius - np.hypot(rows, columns) + 0.5, 0, 1)
    return _from_array(np.dstack([np.broadcast_to(rgb(colour), (*cover.shape, 3)), 255 * cover]))


def veil(surface: Surface, colour: str, opacity: float) -> None:
    """Cover the whole surface thinly."""
    cover = canvas(surface.get_size(), colour)
    cover.set_alpha(round(255 * opacity))
    surface.blit(cover, (0, 0))


# Text ----------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _face(bold: bool) -> str | None:
    """The file of DejaVu Sans that matplotlib brings along; None (pygame's own face) where it is missing."""
    found = importlib.util.find_spec("matplotlib")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = (
            Path(folder)
            / "mpl-data"
            / "fonts"
            / "ttf"
            / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
        )
        if path.is_file():
            return str(path)
    return None


@lru_cache(maxsize=64)
def font(size: int, bold: bool = False) -> pygame.font.Font:
    """The face at a height in pixels."""
    if not pygame.font.get_init():
        pygame.font.init()
    return pygame.font.Font(_face(bold), max(6, size))


@lru_cache(maxsize=2048)
def written(words: str, size: int, colour: str, bold: bool = False) -> Surface:
    """Text as a picture; characters that cannot be printed become blanks."""
    with _font_lock:
        return font(size, bold).render(_printable(words), True, rgb(colour))


def _printable(words: str) -> str:
    return "".join(c if c.isprintable() and ord(c) < 0x10000 else " " for c in words[:500])


@lru_cache(maxsize=2048)
def width_of(words: str, size: int, bold: bool = False) -> int:
    """The width of a text in pixels."""
    with _font_lock:
        return int(font(size, bold).size(_printable(words))[0])


def write(
    surface: Surface,
    words: str,
    at: Point,
    size: int,
    colour: str,
    *,
    bold: bool = False,
    align: str = "left",
    limit: int | None = None,
) -> int:
    """Text whose left, right or centre is at a point, vertically centred; cut to `limit` pixels; its width."""
    if limit is not None:
        words = shortened(words, size, limit, bold)
    if not words:
        return 0
    picture = written(words, size, colour, bold)
    left = at[0] - {"left": 0.0, "right": 1.0, "centre": 0.5}[align] * picture.get_width()
    surface.blit(picture, (round(left), round(at[1] - picture.get_height() / 2)))
    return picture.get_width()


def shortened(words: str, size: int, limit: int, bold: bool = False) -> str:
    """The text, cut with an ellipsis if it is wider than `limit` pixels."""
    words = words[:500]
    if width_of(words, size, bold) <= limit:
        return words
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high)
            if width_of(words[:middle] + "…", size, bold) <= limit
            else (low, middle - 1)
        )
    return words[:low] + "…" if low else ""


@lru_cache(maxsize=256)
def wrapped(words: str, size: int, limit: int, lines: int) -> tuple[str, ...]:
    """The text in at most `lines` lines of at most `limit` pixels."""
    rows: list[str] = []
    current = ""
    for word in words.split():
        longer = f"{current} {word}".strip()
        if current and width_of(longer, size) > limit:
            rows.append(current)
            current = word
        else:
            current = longer
    rows.append(current)
    if len(rows) > lines:
        rows = [*rows[: lines - 1], " ".join(rows[lines - 1 :])]
    return tuple(shortened(row, size, limit) for row in rows[:lines])
