"""The board as pixels: felt or neutral squares, heat, discs, dots, the last move, a hint, the cursor."""

from __future__ import annotations

import math
from functools import lru_cache

import pygame
from pygame import Rect, Surface

from app.desktop.layout import Places
from app.desktop.paint import box, canvas, disc, put, ring, shadow, write
from app.desktop.view import View
from app.present.board_svg import GREEN, NEUTRAL, Theme
from app.present.colormap import blend, ink, rgb
from othello.rules.board import squares_of
from othello.rules.notation import COLUMNS

_DISC = {"X": ("#454b52", "#0e1012", "#07080a"), "O": ("#ffffff", "#dfe0da", "#8b8b86")}
_LAST = {"X": "#ffd166", "O": "#b97f00"}
_RADIUS = {False: 0.40, True: 0.335}  # smaller on the neutral board, so that the colours have room


def draw_board(surface: Surface, view: View, layout: Places, page: str) -> None:
    """Everything inside the board's frame; `page` is the colour around it."""
    theme = NEUTRAL if view.neutral else GREEN
    n, cell = layout.side, layout.cell
    surface.blit(_empty_board(layout.frame.size, n, cell, theme, page), layout.frame)
    if view.heat is not None:
        for square, colour in enumerate(view.heat.fills):
            surface.fill(rgb(colour), _inside(layout.square_rect(square)))
        _stars(surface, layout, theme.line)
    turning = frozenset(view.turning.squares) if view.turning else frozenset()
    for side, word in (("X", view.board.black), ("O", view.board.white)):
        for square in squares_of(word, n):
            phase = view.turning.phase if view.turning and square in turning else 1.0
            _draw_disc(surface, layout, square, side, view, phase)
    for square in view.dots:
        if view.ghost is None or view.ghost.square != square:
            put(
                surface,
                disc(cell * 0.085, theme.dot, theme.dot, opacity=0.6),
                _centre(layout, square, view),
            )
    if view.last is not None:
        owner = "X" if view.last in squares_of(view.board.black, n) else "O"
        mark = _LAST[owner]
        put(surface, disc(cell * 0.075, mark, mark), _centre(layout, view.last, view))
    if view.ghost is not None:
        _draw_ghost(surface, layout, view)
    _draw_texts(surface, layout, view)
    if view.best is not None:
        rect = layout.square_rect(view.best)
        put(
            surface,
            ring(cell * 0.45, max(2.0, cell * 0.05), "#111111" if view.neutral else "#ffd166"),
            rect.center,
        )
    if view.cursor is not None:
        _draw_cursor(surface, layout.square_rect(view.cursor), view.neutral)


@lru_cache(maxsize=8)
def _empty_board(size: tuple[int, int], n: int, cell: int, theme: Theme, page: str) -> Surface:
    """The frame with its labels, the squares and the four dots, on the page."""
    frame = Rect((0, 0), size)
    cells = Rect(0, 0, cell * n, cell * n)
    cells.center = frame.center
    places = Places(frame, cells, cell, 0, {}, {}, n)
    surface = canvas(frame.size, page)
    box(surface, frame, theme.frame, frame.width / 55)
    surface.fill(rgb(theme.line), cells.inflate(2, 2))
    for square in range(n * n):
        surface.fill(rgb(theme.felt), _inside(places.square_rect(square)))
    _labels(surface, places, theme.label)
    _stars(surface, places, theme.line)
    return surface


def _inside(rect: Rect) -> Rect:
    return Rect(rect.x + 1, rect.y + 1, max(1, rect.width - 1), max(1, rect.height - 1))


def _labels(surface: Surface, layout: Places, colour: str) -> None:
    margin = (layout.frame.width - layout.cells.width) / 2
    size = round(min(margin * 0.52, layout.cell * 0.3))
    if size < 7:
        return
    for i in range(layout.side):
        across = layout.cells.x + (i + 0.5) * layout.cell
        down = layout.cells.y + (i + 0.5) * layout.cell
        for place in (layout.frame.x + margin / 2, layout.frame.right - margin / 2):
            write(surface, str(i + 1), (place, down), size, colour, align="centre")
        for place in (layout.frame.y + margin / 2, layout.frame.bottom - margin / 2):
            write(surface, COLUMNS[i], (across, place), size, colour, align="centre")


def _stars(surface: Surface, layout: Places, colour: str) -> None:
    """The four dots that boards have two squares from their corners."""
    if layout.side < 6:
        return
    for row in (2, layout.side - 2):
        for column in (2, layout.side - 2):
            at = (
                layout.cells.x + column * layout.cell + 0.5,
                layout.cells.y + row * layout.cell + 0.5,
            )
            put(surface, disc(max(1.5, layout.cell * 0.055), colour, colour), at)


def _centre(layout: Places, square: int, view: View) -> tuple[float, float]:
    """Where a disc lies: a little higher where a number stands below it."""
    x, y = layout.square_rect(square).center
    return (x, y - 0.07 * layout.cell) if view.heat is not None and view.with_numbers else (x, y)


def _draw_disc(
    surface: Surface, layout: Places, square: int, side: str, view: View, phase: float
) -> None:
    if phase < 0.5:
        side = "O" if side == "X" else "X"
    neutral, radius = view.neutral, layout.cell * _RADIUS[view.neutral]
    x, y = _centre(layout, square, view)
    light, dark, rim = _DISC[side]
    picture = disc(radius, light, dark, rim, max(1.0, radius * 0.05))
    narrow = abs(math.cos(math.pi * phase))
    if not neutral:
        put(surface, shadow(radius, 0.35 * narrow), (x + 0.04 * radius, y + 0.1 * radius))
    if narrow < 0.999:
        width = max(2, round(picture.get_width() * narrow))
        picture = pygame.transform.smoothscale(picture, (width, picture.get_height()))
    put(surface, picture, (x + 0.5, y + 0.5))


def _draw_ghost(surface: Surface, layout: Places, view: View) -> None:
    assert view.ghost is not None
    radius = layout.cell * _RADIUS[view.neutral]
    light, dark, rim = _DISC[view.board.side]
    put(
        surface,
        disc(radius, light, dark, rim, 1.0, opacity=0.45),
        layout.square_rect(view.ghost.square).center,
    )
    for square in view.ghost.turns:
        put(
            surface,
            disc(radius * 0.4, light, dark, opacity=0.85),
            layout.square_rect(square).center,
        )


def _draw_texts(surface: Surface, layout: Places, view: View) -> None:
    size = round(layout.cell * 0.17)
    occupied = squares_of(view.board.black | view.board.white, layout.side)
    if view.heat is not None and view.with_numbers:
        for square, words in enumerate(view.heat.numbers):
            if not words:
                continue
            rect = layout.square_rect(square)
            place = (rect.centerx, rect.y + 0.885 * rect.height)
            write(
                surface,
                words,
                place,
                size,
                ink(view.heat.fills[square]),
                align="centre",
                limit=rect.width - 2,
            )
    for square, words in enumerate(view.marks):
        if words and square not in occupied:
            rect = layout.square_rect(square)
            below = (
                GREEN.felt
                if not view.neutral
                else view.heat.fills[square]
                if view.heat
                else NEUTRAL.felt
            )
            write(
                surface,
                words,
                rect.center,
                round(layout.cell * 0.22),
                ink(below),
                bold=True,
                align="centre",
                limit=rect.width - 2,
            )


def _draw_cursor(surface: Surface, rect: Rect, neutral: bool) -> None:
    thick = max(2, rect.width // 22)
    pygame.draw.rect(surface, rgb("#111111" if neutral else "#fdf6d8"), rect.inflate(-2, -2), thick)
    pygame.draw.rect(
        surface,
        rgb(blend("#ffffff", "#111111", 0.0 if neutral else 0.8)),
        rect.inflate(-2 - 2 * thick, -2 - 2 * thick),
        max(1, thick // 2),
    )
