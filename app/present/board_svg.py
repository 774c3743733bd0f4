"""A board as SVG, drawn from colours; it knows no rule and no meaning.

>>> from othello.rules.board import Board
>>> text = board(Board.initial(), fill={26: "#b2182b"}, dots=[26], last=27)
>>> text.startswith("<svg") and text.count("<circle") >= 5
True
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from html import escape

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


GREEN = Theme()
NEUTRAL = Theme(
    felt="#f7f7f7", line="#c9c9c9", frame="#e9e9e9", label="#444444", dot="#555555", last="#111111"
)


def board(
    position: Board,
    *,
    size: int = 480,
    theme: Theme = GREEN,
    fill: Mapping[int, str] | None = None,
    dots: Collection[int] = (),
    last: int | None = None,
    text: Mapping[int, str] | None = None,
    text_fill: Mapping[int, str] | None = None,
    labels: bool = True,
    title: str = "",
) -> str:
    """The board as an SVG document `size` pixels wide.

    `fill` colours squares, `dots` marks them, `last` outlines one, `text` writes on them in `text_fill`; squares are
    0..N²−1.  Every text is escaped.
    """
    n, cell = position.size, 60
    margin = 30 if labels else 6
    span = n * cell + 2 * margin
    fill, text, text_fill = fill or {}, text or {}, text_fill or {}
    black, white = squares_of(position.black, n), squares_of(position.white, n)
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {span} {span}" width="{size}" height="{size}" role="img">'
    ]
    if title:
        out.append(f"<title>{escape(title)}</title>")
    out.append(f'<rect width="{span}" height="{span}" rx="10" fill="{theme.frame}"/>')
    for square in range(n * n):
        x, y = margin + square % n * cell, margin + square // n * cell
        paint = escape(fill.get(square, theme.felt), quote=True)
        out.append(
            f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="{paint}" stroke="{theme.line}"/>'
        )
    if labels:
        font = 'font-family="Inter,Helvetica,Arial,sans-serif" font-size="16"'
        style = f'fill="{theme.label}" {font} text-anchor="middle"'
        for i in range(n):
            centre = margin + i * cell + cell / 2
            for place in (margin / 2, span - margin / 2):
                out.append(f'<text x="{centre}" y="{place + 5.5}" {style}>{COLUMNS[i]}</text>')
                out.append(f'<text x="{place}" y="{centre + 5.5}" {style}>{i + 1}</text>')
    for squares, colour, rim in ((black, theme.black, theme.rim), (white, theme.white, "#8b8b86")):
        for square in squares:
            x, y = margin + square % n * cell + cell / 2, margin + square // n * cell + cell / 2
            out.append(
                f'<circle cx="{x}" cy="{y}" r="{cell * 0.38:g}" fill="{colour}" stroke="{rim}" stroke-width="1.2"/>'
            )
    for square in dots:
        x, y = margin + square % n * cell + cell / 2, margin + square // n * cell + cell / 2
        out.append(
            f'<circle cx="{x}" cy="{y}" r="{cell * 0.09:g}" fill="{theme.dot}" fill-opacity="0.75"/>'
        )
    if last is not None and last < n * n:
        x, y = margin + last % n * cell, margin + last // n * cell
        out.append(
            f'<rect x="{x + 3}" y="{y + 3}" width="{cell - 6}" height="{cell - 6}" rx="4" fill="none" '
            f'stroke="{theme.last}" stroke-width="4"/>'
        )
    for square, words in text.items():
        x, y = margin + square % n * cell + cell / 2, margin + square // n * cell + cell / 2
        paint = escape(text_fill.get(square, "#111111"), quote=True)
        out.append(
            f'<text x="{x}" y="{y + 5}" fill="{paint}" font-family="Inter,Helvetica,Arial,sans-serif" '
            f'font-size="15" text-anchor="middle">{escape(words)}</text>'
        )
    return "\n".join([*out, "</svg>"])
