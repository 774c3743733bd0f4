"""Where things are in a window of any size: the board, and beside it or below it the panel's sections and buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pygame import Rect

SECTIONS = {  # heights in units
    "players": 5.6,
    "status": 3.9,
    "graph": 7.6,
    "ledger": 14.6,
    "account": 10.9,
    "why": 4.6,
    "moves": 11.2,
    "record": 7.0,
}
BUTTON_ROW = 2.7
_SECOND_COLUMN = ("ledger", "account", "why", "moves")
_FULL = sum(SECTIONS[name] for name in ("players", "status", "graph", "ledger", "moves"))
_BARE = sum(
    SECTIONS[name] for name in ("players", "graph", "account", "moves")
)  # without buttons: a film
_ELASTIC = {"moves": 5.0, "record": 3.2}  # sections that may shrink, and how far

Row = tuple[tuple[str, float], ...]  # commands and their weights


@dataclass(frozen=True)
class Places:
    """Rectangles in pixels; `unit` is the height of the panel's text, `cell` the side of a square."""

    frame: Rect
    cells: Rect
    cell: int
    unit: int
    sections: dict[str, Rect]
    buttons: dict[str, Rect]
    side: int

    def square_rect(self, square: int) -> Rect:
        """The rectangle of a square 0..N²−1."""
        row, column = divmod(square, self.side)
        return Rect(
            self.cells.x + column * self.cell, self.cells.y + row * self.cell, self.cell, self.cell
        )

    def square_at(self, point: tuple[int, int]) -> int | None:
        """The square under a point, None beside the board."""
        if not self.cells.collidepoint(point):
            return None
        return (point[1] - self.cells.y) // self.cell * self.side + (
            point[0] - self.cells.x
        ) // self.cell

    def button_at(self, point: tuple[int, int]) -> str | None:
        """The command of the button under a point."""
        return next(
            (command for command, rect in self.buttons.items() if rect.collidepoint(point)), None
        )

    def ply_at(self, point: tuple[int, int], plies: int) -> int | None:
        """The ply of the value graph under a point."""
        rect = self.sections.get("graph")
        if rect is None or not graph_rect(rect, self.unit).collidepoint(point):
            return None
        plot = graph_rect(rect, self.unit)
        return (point[0] - plot.x) * (plies + 1) // plot.width


def graph_rect(section: Rect, unit: int) -> Rect:
    """The bars' rectangle inside the graph's section."""
    top = round(2.0 * unit)
    return Rect(
        section.x, section.y + top, section.width, max(4, section.height - top - round(0.6 * unit))
    )


@lru_cache(maxsize=64)
def layout(
    size: tuple[int, int], side: int, sections: tuple[str, ...] = (), buttons: tuple[Row, ...] = ()
) -> Places:
    """The layout of a window, with the sections that have something to show and the rows of buttons."""
    width, height = max(size[0], 1), max(size[1], 1)
    wanted = _FULL + BUTTON_ROW * len(buttons) if buttons else _BARE
    across = 20.0 if buttons else 17.5
    beside = min(height, round(width * 0.7))
    below = min(width, round(height * 0.62))
    upright = below > beside
    board = below if upright else beside
    gap = max(2, board // 60)
    frame = Rect(gap, gap, board - 2 * gap, board - 2 * gap)
    if upright:
        frame.centerx = width // 2
        panel = Rect(2 * gap, board + gap // 2, width - 4 * gap, height - board - gap)
        middle = panel.width // 2 - gap
        columns = [
            Rect(panel.x, panel.y, middle, panel.height),
            Rect(panel.right - middle, panel.y, middle, panel.height),
        ]
        unit = min(columns[0].width / across, panel.height / (wanted * 0.55))
    else:
        frame.centery = height // 2
        panel = Rect(board + gap, 2 * gap, width - board - 3 * gap, height - 4 * gap)
        columns = [panel]
        unit = min(panel.width / across, panel.height / wanted)
    text = max(7, min(19, int(unit)))
    cell = max(1, int(frame.width / (side + 0.9)))
    cells = Rect(0, 0, cell * side, cell * side)
    cells.center = frame.center
    keys = _button_rects(columns[0], buttons, text)
    floor = min((rect.y for rect in keys.values()), default=columns[0].bottom)
    places = _stack(columns, sections, text, floor, upright)
    return Places(frame, cells, cell, text, places, keys, side)


def _button_rects(column: Rect, rows: Sequence[Row], unit: int) -> dict[str, Rect]:
    found: dict[str, Rect] = {}
    step, space = round(BUTTON_ROW * unit), max(2, unit // 3)
    for number, row in enumerate(rows):
        y = column.bottom - step * (len(rows) - number) + space
        part = (column.width + space) / (sum(weight for _, weight in row) or 1.0)
        at = float(column.x)
        for command, weight in row:
            left, at = round(at), at + part * weight
            found[command] = Rect(left, y, max(1, round(at) - space - left), step - space)
    return found


def _stack(
    columns: list[Rect], sections: Sequence[str], unit: int, floor: int, upright: bool
) -> dict[str, Rect]:
    """Sections from top to bottom as long as they fit; the last ones shrink to the room that is left."""
    found: dict[str, Rect] = {}
    for index, column in enumerate(columns):
        y = column.y
        end = floor if index == 0 else column.bottom
        for name in sections:
            if upright and (name in _SECOND_COLUMN) != (index == 1):
                continue
            height = round(SECTIONS[name] * unit)
            room = end - y
            if height > room and room < _ELASTIC.get(name, height) * unit:
                continue
            found[name] = Rect(column.x, y, column.width, min(height, room))
            y += height
    return found
