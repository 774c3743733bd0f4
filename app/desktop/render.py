"""`render`: a view as a picture of any size; the same view and size are the same pixels, and no window is needed."""

from __future__ import annotations

from pygame import Rect, Surface

from app.desktop.draw_board import draw_board
from app.desktop.draw_panel import draw_panel
from app.desktop.layout import Places, layout
from app.desktop.paint import box, canvas, shortened, veil, width_of, write
from app.desktop.palette import PAPER, SLATE, Palette
from app.desktop.view import View
from app.present.colormap import rgb


def render(view: View, size: tuple[int, int]) -> Surface:
    """The view drawn on a new surface of `size` (width, height) pixels."""
    palette = SLATE if view.dark else PAPER
    surface = canvas(size, palette.page)
    places = layout_of(view, size)
    draw_board(surface, view, places, palette.page)
    draw_panel(surface, view, places, palette)
    if view.help:
        _draw_help(surface, view, places.unit, palette)
    if view.prompt is not None:
        _draw_prompt(surface, view, places.unit, palette)
    return surface


def layout_of(view: View, size: tuple[int, int]) -> Places:
    """Where the parts of this view are, for drawing and for the mouse."""
    present = {
        "players": True,
        "status": bool(view.status or view.notice),
        "graph": bool(view.values),
        "ledger": view.ledger is not None and bool(view.ledger.sentence),
        "account": view.ledger is not None and not view.ledger.sentence,
        "why": view.ledger is None and bool(view.sentence),
        "moves": bool(view.candidates),
        "record": bool(view.moves),
    }
    rows = tuple(tuple((button.command, button.weight) for button in row) for row in view.buttons)
    return layout(
        (size[0], size[1]),
        view.board.size,
        tuple(name for name, shown in present.items() if shown),
        rows,
    )


def _draw_help(surface: Surface, view: View, unit: int, palette: Palette) -> None:
    veil(surface, palette.page, 0.7)
    step = min(1.7 * unit, (surface.get_height() - 4 * unit) / (len(view.help) + 1))
    size = max(7, round(min(unit, step * 0.62)))
    left = max(width_of(key, size, True) for key, _ in view.help)
    right = max(width_of(words, size) for _, words in view.help)
    card = Rect(
        0,
        0,
        min(surface.get_width() - 8, left + right + 5 * size),
        round(step * (len(view.help) + 1)),
    )
    card.center = surface.get_rect().center
    box(surface, card, palette.card, unit * 0.6, palette.edge)
    for row, (key, words) in enumerate(view.help):
        y = card.y + step * (row + 1)
        write(surface, key, (card.x + 1.5 * size, y), size, palette.accent, bold=True)
        write(
            surface,
            words,
            (card.x + left + 3 * size, y),
            size,
            palette.ink,
            limit=card.right - card.x - left - 4 * size,
        )


def _draw_prompt(surface: Surface, view: View, unit: int, palette: Palette) -> None:
    assert view.prompt is not None
    veil(surface, palette.page, 0.7)
    card = Rect(0, 0, round(surface.get_width() * 0.8), round(6 * unit))
    card.center = surface.get_rect().center
    box(surface, card, palette.card, unit * 0.6, palette.accent, 2)
    write(
        surface,
        view.prompt.label,
        (card.x + unit, card.y + 1.5 * unit),
        unit,
        palette.ink,
        bold=True,
        limit=card.width - 2 * unit,
    )
    field = Rect(
        card.x + unit, card.y + round(2.8 * unit), card.width - 2 * unit, round(2.2 * unit)
    )
    box(surface, field, palette.page, unit * 0.3, palette.edge)
    tail = shortened(view.prompt.text[::-1], unit, field.width - 2 * unit)[
        ::-1
    ]  # the end is where one types
    wide = write(surface, tail, (field.x + unit // 2, field.centery), unit, palette.ink)
    surface.fill(
        rgb(palette.accent),
        Rect(field.x + unit // 2 + wide + 1, field.y + unit // 3, 2, field.height - 2 * unit // 3),
    )
