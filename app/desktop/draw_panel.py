"""The panel beside the board: players, whose turn, the value over the game, the ledger, moves and buttons."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pygame
from pygame import Rect, Surface

from app.desktop.layout import Places, graph_rect
from app.desktop.paint import box, disc, put, wrapped, write
from app.desktop.palette import Palette
from app.desktop.view import Button, View
from app.present.colormap import blend, colour, rgb
from app.present.game_view import Ledger, Seated
from app.present.numbers import percent


def draw_panel(surface: Surface, view: View, layout: Places, palette: Palette) -> None:
    """Every section that the layout has room for."""
    unit = layout.unit
    for name, rect in layout.sections.items():
        if name == "players":
            _players(surface, view.players, rect, unit, palette)
        elif name == "status":
            _status(surface, view, rect, unit, palette)
        elif name == "graph":
            _graph(surface, view, rect, unit, palette)
        elif name in ("ledger", "account") and view.ledger is not None:
            _ledger(surface, view, view.ledger, rect, unit, palette)
        elif name == "why":
            _sentence(surface, view.sentence, rect, rect.y + 0.9 * unit, unit, palette.ink)
        elif name == "moves":
            _moves(surface, view, rect, unit, palette)
        elif name == "record":
            _record(surface, view, rect, unit, palette)
    for row in view.buttons:
        for button in row:
            _button(surface, button, layout.buttons[button.command], unit, palette)


def _players(
    surface: Surface, players: tuple[Seated, Seated], rect: Rect, unit: int, palette: Palette
) -> None:
    height = round(2.55 * unit)
    for row, player in enumerate(players):
        line = Rect(rect.x, rect.y + row * (height + unit // 5), rect.width, height)
        card = palette.card if player.to_move else palette.page
        box(
            surface,
            line,
            card,
            unit * 0.5,
            palette.accent if player.to_move else palette.edge,
            2 if player.to_move else 1,
        )
        shades = (
            ("#454b52", "#0e1012", "#07080a") if row == 0 else ("#ffffff", "#dfe0da", "#8b8b86")
        )
        put(surface, disc(unit * 0.72, *shades, 1.0), (line.x + 1.4 * unit, line.centery))
        room = round(line.width - 7 * unit)
        write(
            surface,
            player.name,
            (line.x + 2.7 * unit, line.centery),
            round(unit * 1.05),
            palette.ink,
            bold=player.to_move,
            limit=room,
        )
        write(
            surface,
            str(player.discs),
            (line.right - 0.9 * unit, line.centery),
            round(unit * 1.5),
            palette.ink,
            bold=True,
            align="right",
        )


def _status(surface: Surface, view: View, rect: Rect, unit: int, palette: Palette) -> None:
    write(surface, view.status, (rect.x, rect.y + 0.8 * unit), unit, palette.ink, limit=rect.width)
    if view.progress is not None:
        track = Rect(rect.x, rect.y + round(1.9 * unit), rect.width, max(3, unit // 3))
        box(surface, track, palette.track, track.height / 2)
        done = Rect(
            track.x, track.y, round(track.width * min(1.0, max(0.0, view.progress))), track.height
        )
        if done.width >= track.height:
            box(surface, done, palette.accent, track.height / 2)
    elif view.notice:
        size = round(unit * 0.86)
        for row, words in enumerate(wrapped(view.notice, size, rect.width, 2)):
            write(surface, words, (rect.x, rect.y + (2.05 + 1.1 * row) * unit), size, palette.soft)


def _graph(surface: Surface, view: View, rect: Rect, unit: int, palette: Palette) -> None:
    """Bars of the expected outcome, black's up and white's down, the ply that is shown in the accent colour."""
    write(
        surface,
        view.value_words,
        (rect.x, rect.y + 0.8 * unit),
        round(unit * 1.05),
        palette.ink,
        bold=True,
        limit=rect.width,
    )
    plot = graph_rect(rect, unit)
    box(surface, plot, palette.graph, unit * 0.3)
    middle = plot.centery
    step = plot.width / (view.plies + 1)
    reach = plot.height / 2 - 2
    for ply, value in enumerate(view.values):
        left, right = round(plot.x + ply * step), round(plot.x + (ply + 1) * step)
        bar = Rect(left, middle, max(1, right - left - (1 if step >= 3 else 0)), 1)
        if ply == view.ply:
            surface.fill(
                rgb(blend(palette.accent, palette.page, 0.62)),
                Rect(bar.x, plot.y, bar.width, plot.height),
            )
        if value is None:
            continue
        bar.height = max(1, round(abs(value) * reach))
        bar.y = middle - bar.height if value > 0 else middle
        surface.fill(rgb(palette.black if value > 0 else palette.white), bar)
    surface.fill(rgb(blend(palette.soft, palette.page, 0.35)), Rect(plot.x, middle, plot.width, 1))


def _ledger(
    surface: Surface, view: View, ledger: Ledger, rect: Rect, unit: int, palette: Palette
) -> None:
    """The account as bars that start where the one before ended, the colours' scale and a sentence: why the last move
    where that is known, else what the account amounts to.
    """
    head = rect.y + 0.9 * unit
    taken = write(
        surface, ledger.shown, (rect.right, head), round(unit * 0.75), palette.soft, align="right"
    )
    limit = rect.width - taken - unit // 2
    write(surface, ledger.title, (rect.x, head), unit, palette.ink, bold=True, limit=limit)
    y = _account(surface, ledger, rect, unit, palette) + 0.15 * unit
    _scale(surface, view.heat.scale if view.heat else 0.0, ledger.poles, rect, y, unit, palette)
    words = view.sentence or ledger.sentence
    _sentence(surface, words, rect, y + 2.4 * unit, unit, palette.soft)


def _sentence(surface: Surface, words: str, rect: Rect, y: float, unit: int, ink: str) -> None:
    """As many of three lines as there is room for."""
    small = round(unit * 0.86)
    for line in wrapped(words, small, rect.width, 3):
        if y + 0.5 * unit > rect.bottom:
            break
        write(surface, line, (rect.x, y), small, ink)
        y += 1.2 * unit


def _account(surface: Surface, ledger: Ledger, rect: Rect, unit: int, palette: Palette) -> float:
    """The bars with their names and numbers, and the height below them."""
    small, rows = round(unit * 0.86), (*ledger.rows, ledger.total)
    ends = [0.0, *accumulate(row.value for row in ledger.rows)]
    spans = [*pairwise(ends), (0.0, ledger.total.value)]
    low, high = min(*ends, ledger.total.value), max(*ends, ledger.total.value)
    left, room = rect.x + round(5.9 * unit), rect.width - round(10.6 * unit)
    width, y = (high - low) or 1.0, rect.y + 2.35 * unit
    axis = left + round(-low / width * room)
    tall = round(1.35 * unit * len(rows))
    surface.fill(rgb(palette.edge), Rect(axis, round(y - 0.65 * unit), 1, tall))
    for row, (begin, end) in zip(rows, spans):
        long = max(2, round(abs(end - begin) / width * room))
        at = round(left + (min(begin, end) - low) / width * room)
        bar = Rect(at, 0, long, max(3, round(unit * 0.72)))
        bar.centery = round(y)
        box(surface, bar, palette.up if end >= begin else palette.down, 2)
        bold, limit = row is ledger.total, round(5.7 * unit)
        write(surface, row.name, (rect.x, y), small, palette.ink, bold=bold, limit=limit)
        write(surface, row.text, (rect.right, y), small, palette.ink, bold=bold, align="right")
        y += 1.35 * unit
    return y


def _scale(
    surface: Surface,
    scale: float,
    poles: tuple[str, str],
    rect: Rect,
    y: float,
    unit: int,
    palette: Palette,
) -> None:
    """The colours from full blue to full red, below them their numbers and whom they speak for."""
    small = round(unit * 0.86)
    strip = Rect(rect.x, round(y - 0.3 * unit), rect.width, round(0.6 * unit))
    surface.blit(_gradient(strip.width, strip.height), strip)
    low, high = f"−{scale:.2g} {poles[0]}", f"{poles[1]} +{scale:.2g}"
    y += 1.1 * unit
    write(surface, low, (strip.x, y), small, palette.soft)
    write(surface, high, (strip.right, y), small, palette.soft, align="right")


_strips: dict[tuple[int, int], Surface] = {}


def _gradient(width: int, height: int) -> Surface:
    """The colours from full blue over neutral to full red."""
    found = _strips.get((width, height))
    if found is None:
        found = pygame.Surface((max(1, width), max(1, height)), depth=32)
        for x in range(width):
            found.fill(rgb(colour(2 * x / max(1, width - 1) - 1, 1.0)), Rect(x, 0, 1, height))
        _strips.clear()
        _strips[width, height] = found
    return found


def _moves(surface: Surface, view: View, rect: Rect, unit: int, palette: Palette) -> None:
    """The search's moves: a bar of visits, the share, the prior and black's chance."""
    small = round(unit * 0.86)
    columns = (rect.right - 8 * unit, rect.right - 4.3 * unit, rect.right)
    y = rect.y + 0.9 * unit
    write(
        surface,
        view.candidates_title,
        (rect.x, y),
        unit,
        palette.ink,
        bold=True,
        limit=round(12 * unit),
    )
    for name, right in zip(("visits", "prior", "for black"), columns):
        write(surface, name, (right, y), round(unit * 0.75), palette.soft, align="right")
    y += 1.5 * unit
    for move in view.candidates:
        if y + 0.6 * unit > rect.bottom:
            break
        write(surface, move.name, (rect.x, y), small, palette.ink, bold=move.played)
        track = Rect(
            rect.x + round(2.4 * unit),
            round(y - 0.28 * unit),
            round(columns[0] - rect.x - 5.6 * unit),
            max(3, round(0.56 * unit)),
        )
        box(surface, track, palette.track, 2)
        box(
            surface,
            Rect(track.x, track.y, round(track.width * move.share), track.height),
            palette.accent,
            2,
        )
        texts = (
            percent(move.share),
            percent(move.prior),
            move.chance,
        )
        for words, right in zip(texts, columns):
            write(surface, words, (right, y), small, palette.ink, align="right", bold=move.played)
        y += 1.45 * unit


def _record(surface: Surface, view: View, rect: Rect, unit: int, palette: Palette) -> None:
    """The opening's name and the last moves that there is room for."""
    small, y = round(unit * 0.86), rect.y + 0.9 * unit
    write(
        surface,
        view.opening or "Moves",
        (rect.x, y),
        unit,
        palette.ink,
        bold=True,
        limit=rect.width,
    )
    lines = wrapped(view.moves, small, rect.width, 40)
    room = max(1, int((rect.height - 1.7 * unit) / (1.25 * unit)))
    for words in lines[-room:]:
        y += 1.25 * unit
        write(surface, words, (rect.x, y), small, palette.soft)


def _button(surface: Surface, button: Button, rect: Rect, unit: int, palette: Palette) -> None:
    fill = palette.accent if button.on else palette.card
    words = (
        palette.on_accent
        if button.on
        else palette.ink
        if button.enabled
        else blend(palette.soft, palette.page, 0.45)
    )
    box(surface, rect, fill, unit * 0.45, palette.accent if button.on else palette.edge)
    key = round(unit * 0.72)
    room = rect.width - unit
    if button.key and rect.width > 6.2 * unit:
        soft = palette.on_accent if button.on else palette.soft
        room -= (
            write(
                surface,
                button.key,
                (rect.right - 0.5 * unit, rect.centery),
                key,
                soft,
                align="right",
            )
            + unit // 3
        )
    write(
        surface,
        button.label,
        (rect.x + 0.55 * unit, rect.centery),
        round(unit * 0.9),
        words,
        limit=room,
    )
