"""The course of a judged game as SVG: black's chance in per cent above, the expected difference in discs below.

Ply p is the position after p actions.  What the solver knows has a full line, what a search expects a dashed one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from app.game.judged import JudgedGame, Standing
from app.present.numbers import MINUS
from othello.strength.review import Mark

LEFT: Final = 66
WIDTH: Final = 640
_RIGHT: Final = WIDTH - 10
_CHANCE: Final = (14, 134)  # top and bottom of a panel
_DISCS: Final = (172, 292)
_HEIGHT: Final = 322
MARKED: Final = (Mark.INACCURACY, Mark.MISTAKE, Mark.BLUNDER)


def step_of(plies: int) -> float:
    """How far a ply lies from the next in a game of so many."""
    return (_RIGHT - LEFT) / max(plies, 1)


def graph(game: JudgedGame) -> str:
    """The SVG document; its colours come from the page's style sheet."""
    standings = game.standings
    plies = len(standings) - 1
    most = max(abs(standing.discs) for standing in standings)
    span = next((span for span in (8, 16, 32) if most <= span), 64)
    chance = [2 * standing.chance - 1 for standing in standings]
    discs = [standing.discs / span for standing in standings]
    bold = f"+{span}", "0", f"{MINUS}{span}"
    out = [
        f'<svg class="graph" viewBox="0 0 {WIDTH} {_HEIGHT}" role="img" aria-label="{_words(standings)}">',
        *_solved(standings),
        *_panel(_CHANCE, ("100 %", "50 %", "0 %"), "Black’s chance"),
        *_panel(_DISCS, bold, "Discs, black minus white"),
        *_ticks(plies),
        *_line(_CHANCE, chance, standings),
        *_line(_DISCS, discs, standings),
    ]
    for move in game.moves:
        if move.mark in MARKED:
            x = LEFT + (move.ply + 1) * step_of(plies)
            for panel, values in ((_CHANCE, chance), (_DISCS, discs)):
                y = _height(panel, values[move.ply + 1])
                radius = 3.2 + 0.9 * MARKED.index(move.mark)
                out.append(
                    f'<circle class="dot {move.mark.value}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'
                )
    top, bottom = _CHANCE[0], _DISCS[1]
    out.append(f'<line id="here" class="here" x1="{LEFT}" x2="{LEFT}" y1="{top}" y2="{bottom}"/>')
    return "\n".join([*out, "</svg>"])


def _words(standings: Sequence[Standing]) -> str:
    known = next((ply for ply, standing in enumerate(standings) if standing.exact), None)
    said = "nothing solved" if known is None else f"solved from position {known} on"
    return f"Black’s chance in per cent and the difference in discs by position, {said}; the table has the numbers"


def _height(panel: tuple[int, int], value: float) -> float:
    """The y of a value in [−1, 1]."""
    top, bottom = panel
    return (top + bottom) / 2 - max(-1.0, min(1.0, value)) * (bottom - top) / 2


def _solved(standings: Sequence[Standing]) -> Iterator[str]:
    """A shade over what the solver knows."""
    first = next((ply for ply, standing in enumerate(standings) if standing.exact), None)
    if first is None:
        return
    x = LEFT + first * step_of(len(standings) - 1)
    for top, bottom in (_CHANCE, _DISCS):
        yield (
            f'<rect class="solved" x="{x:.1f}" y="{top}" width="{_RIGHT - x:.1f}" height="{bottom - top}"/>'
        )


def _panel(panel: tuple[int, int], labels: tuple[str, str, str], title: str) -> Iterator[str]:
    top, bottom = panel
    middle = (top + bottom) / 2
    for y, label in zip((top, middle, bottom), labels):
        kind = "axis" if y == middle else "edge"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{_RIGHT}" y1="{y:g}" y2="{y:g}"/>'
        yield f'<text class="label" x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{label}</text>'
    yield f'<text class="title" x="{LEFT + 6}" y="{top + 15}">{title}</text>'


def _ticks(plies: int) -> Iterator[str]:
    every = 10 if plies > 24 else 5 if plies > 8 else 1
    for ply in range(0, plies + 1, every):
        x = LEFT + ply * step_of(plies)
        yield f'<text class="label" x="{x:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{ply}</text>'


def _line(
    panel: tuple[int, int], values: Sequence[float], standings: Sequence[Standing]
) -> Iterator[str]:
    """The area from the middle, and the line over it: dashed up to what the solver knows."""
    step, middle = step_of(len(values) - 1), _height(panel, 0)
    points = [
        f"{LEFT + ply * step:.1f},{_height(panel, value):.1f}" for ply, value in enumerate(values)
    ]
    ends = f"{LEFT + (len(values) - 1) * step:.1f},{middle:g} {LEFT},{middle:g}"
    yield f'<polygon class="area" points="{" ".join(points)} {ends}"/>'
    start = 0
    for ply in range(1, len(points) + 1):
        if ply == len(points) or standings[ply].exact != standings[start].exact:
            kind = "exact" if standings[start].exact else "expected"
            part = points[max(0, start - (kind == "exact")) : ply]
            yield f'<polyline class="course {kind}" points="{" ".join(part)}"/>'
            start = ply
