"""A board as SVG, drawn from colours; it knows no rule and no meaning.

>>> from othello.rules.board import Board
>>> text = board(Board.initial(), fill={26: "#b2182b"}, dots=[26], last=27)
>>> text.startswith("<svg") and text.count("<circle") >= 5
True
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import NamedTuple, TypedDict, Unpack

from othello.rules.board import Board, squares_of
from othello.rules.notation import COLUMNS


@dataclass(frozen=True)
class Theme:
    """Colours of everything that has no colour of its own."""

    felt: str = "#2f7d5b"
    line: str = "#1c4f3a"
    frame: str = "#22332c"
    label: str = "#e8efe9"
    black: str = "#17191c"
    white: str = "#fbfbf8"
    rim: str = "#0c0d0e"
    dot: str = "#0f2f22"
    last: str = "#ffd166"


WHITE_RIM = "#8b8b86"
GREEN = Theme()
NEUTRAL = Theme(
    felt="#f7f7f7", line="#c9c9c9", frame="#e9e9e9", label="#444444", dot="#555555", last="#111111"
)


class Looks(TypedDict, total=False):
    """What a picture of a board shows besides its discs; squares are 0..N²−1."""

    theme: Theme  # green if not given
    fill: Mapping[int, str]  # colours of squares
    dots: Collection[int]  # marked squares
    last: int | None  # the square that is outlined
    text: Mapping[int, str]  # words on squares
    text_fill: Mapping[int, str]  # their colours


class Grid(NamedTuple):
    """N×N squares of `cell` pixels inside a margin."""

    n: int
    cell: int
    margin: int

    def corner(self, square: int) -> tuple[int, int]:
        """The upper left corner of a square."""
        row, column = divmod(square, self.n)
        return self.margin + column * self.cell, self.margin + row * self.cell

    def centre(self, square: int) -> tuple[float, float]:
        """The middle of a square."""
        x, y = self.corner(square)
        return x + self.cell / 2, y + self.cell / 2


_FONT = 'font-family="Inter,Helvetica,Arial,sans-serif"'


def board(
    position: Board,
    *,
    size: int = 480,
    labels: bool = True,
    title: str = "",
    **looks: Unpack[Looks],
) -> str:
    """The board as an SVG document `size` pixels wide.  Every text is escaped."""
    n, theme = position.size, looks.get("theme", GREEN)
    grid = Grid(n, 60, 30 if labels else 6)
    span = n * grid.cell + 2 * grid.margin
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {span} {span}" width="{size}" height="{size}" role="img">'
    ]
    if title:
        out.append(f"<title>{escape(title)}</title>")
    out.append(f'<rect width="{span}" height="{span}" rx="10" fill="{theme.frame}"/>')
    out += _squares(grid, theme, looks.get("fill") or {})
    if labels:
        out += _labels(grid, theme)
    for squares, paint, rim in (
        (position.black, theme.black, theme.rim),
        (position.white, theme.white, WHITE_RIM),
    ):
        disc = f'fill="{paint}" stroke="{rim}" stroke-width="1.2"'
        out += [_circle(grid, square, 0.38, disc) for square in squares_of(squares, n)]
    dot = f'fill="{theme.dot}" fill-opacity="0.75"'
    out += [_circle(grid, square, 0.09, dot) for square in looks.get("dots", ())]
    out += _outline(grid, theme, looks.get("last"))
    inks = looks.get("text_fill") or {}
    for square, words in (looks.get("text") or {}).items():
        out.append(_word(grid, square, words, inks.get(square, "#111111")))
    return "\n".join([*out, "</svg>"])


def _squares(grid: Grid, theme: Theme, fill: Mapping[int, str]) -> Iterator[str]:
    for square in range(grid.n**2):
        x, y = grid.corner(square)
        paint = escape(fill.get(square, theme.felt), quote=True)
        yield (
            f'<rect x="{x}" y="{y}" width="{grid.cell}" height="{grid.cell}" '
            f'fill="{paint}" stroke="{theme.line}"/>'
        )


def _labels(grid: Grid, theme: Theme) -> Iterator[str]:
    span = grid.n * grid.cell + 2 * grid.margin
    style = f'fill="{theme.label}" {_FONT} font-size="16" text-anchor="middle"'
    for i in range(grid.n):
        centre = grid.margin + i * grid.cell + grid.cell / 2
        for place in (grid.margin / 2, span - grid.margin / 2):
            yield f'<text x="{centre}" y="{place + 5.5}" {style}>{COLUMNS[i]}</text>'
            yield f'<text x="{place}" y="{centre + 5.5}" {style}>{i + 1}</text>'


def _circle(grid: Grid, square: int, radius: float, style: str) -> str:
    x, y = grid.centre(square)
    return f'<circle cx="{x}" cy="{y}" r="{grid.cell * radius:g}" {style}/>'


def _outline(grid: Grid, theme: Theme, last: int | None) -> Iterator[str]:
    if last is not None and last < grid.n**2:
        x, y = grid.corner(last)
        side = grid.cell - 6
        yield (
            f'<rect x="{x + 3}" y="{y + 3}" width="{side}" height="{side}" rx="4" fill="none" '
            f'stroke="{theme.last}" stroke-width="4"/>'
        )


def _word(grid: Grid, square: int, words: str, ink: str) -> str:
    x, y = grid.centre(square)
    return (
        f'<text x="{x}" y="{y + 5}" fill="{escape(ink, quote=True)}" {_FONT} '
        f'font-size="15" text-anchor="middle">{escape(words)}</text>'
    )
