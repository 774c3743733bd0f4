"""A game as a film, whoever draws it: which positions stand still and how long, what lies between them, and the GIF.

Every picture that stands still is an explained position; only while discs turn do the colours blend from one map to
the next.  The maps are all from the view of one side, because a value changes its sign with the side to move.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.game.game_line import GameLine
from app.present.colormap import NEUTRAL, Heat, blend, colour, rgb
from othello.rules.board import Board
from othello.rules.notation import Side

TURN_MS: Final = 40  # a picture of discs that turn; GIF counts hundredths of a second
LAST_MS: Final = 2000  # the last picture
_PHASES: Final = (0.3, 0.7)
_PALETTE_FRAMES: Final = 24
_LEVELS: Final = 36  # colours of a map on each side of 0
_SEE_THROUGH: Final = 255  # the palette's entry for what did not change


@dataclass(frozen=True)
class Frame:
    """One picture: the position of `ply`, its turned discs as far as `phase` in (0, 1]; at 1 they lie still.

    `before` and `after` are the plies of the still pictures around it, `share` in [0, 1) the way between them.
    """

    ply: int
    milliseconds: int
    phase: float
    before: int
    after: int
    share: float


def stands(board: Board, side: Side) -> bool:
    """Whether a film of a side stands still here: the side is to move and has a move."""
    return board.side == side and not board.must_pass and not board.is_over


def frames(line: GameLine, side: Side, seconds: float) -> Iterator[Frame]:
    """The pictures of a whole line; `seconds` is its length without the last one, which stays for two."""
    stops = [ply for ply, board in enumerate(line.boards) if stands(board, side)]
    stops = sorted({0, *stops, line.length})
    turns = len(_PHASES) * line.length * TURN_MS
    hold = max(TURN_MS, round((1000 * seconds - turns) / max(1, len(stops) - 1), -1))
    for begin, end in zip([0, *stops], stops):
        yield from _turning(line, begin, end)
        yield Frame(end, int(LAST_MS if end == line.length else hold), 1.0, end, end, 0.0)


def _turning(line: GameLine, begin: int, end: int) -> Iterator[Frame]:
    """The moves from one still picture to the next; a forced pass turns nothing."""
    count = len(_PHASES) * (end - begin)
    for number in range(count):
        ply = begin + 1 + number // len(_PHASES)
        if line.actions[ply - 1] < line.start.size**2:
            phase, share = _PHASES[number % len(_PHASES)], (number + 1) / (count + 1)
            yield Frame(ply, TURN_MS, phase, begin, end, share)


def mixed(before: Heat | None, after: Heat | None, share: float) -> Heat | None:
    """Colours between those of two maps; without a map the squares are neutral."""
    known = before or after
    if known is None:
        return None
    blank = (NEUTRAL,) * len(known.fills)
    first, second = before.fills if before else blank, after.fills if after else blank
    fills = tuple(blend(a, b, share) for a, b in zip(first, second))
    return Heat(fills, ("",) * len(fills), before.scale if before else 0.0)


def encoded(
    pictures: Sequence[Image.Image], times: Sequence[int], keep: Sequence[str] = ()
) -> bytes:
    """An endless GIF in one palette, with the colours of `keep` and of the usual map; what stays still costs nothing.

    `times` are milliseconds, one a picture.  Raises ValueError without a picture.
    """
    if not pictures:
        raise ValueError("a film needs at least one picture")
    table = _palette(pictures, keep)
    drawn = list(_entries(pictures, table))
    changes = [np.where(now == then, _SEE_THROUGH, now) for then, now in pairwise(drawn)]
    images = [Image.fromarray(change.astype(np.uint8)) for change in (drawn[0], *changes)]
    for image in images:
        image.putpalette(table.astype(np.uint8).tobytes())
    out = io.BytesIO()
    images[0].save(
        out,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=list(times),
        loop=0,
        optimize=False,
        disposal=1,
        transparency=_SEE_THROUGH,
    )
    return out.getvalue()


def _palette(pictures: Sequence[Image.Image], keep: Sequence[str]) -> NDArray[np.int32]:
    """At most 255 colours [K, 3]: those to keep, those of the map, and what some of the pictures have most of."""
    chosen = pictures[:: max(1, len(pictures) // _PALETTE_FRAMES)]
    width, height = pictures[0].size
    sheet = Image.new("RGB", (width, height * len(chosen)))
    for row, picture in enumerate(chosen):
        sheet.paste(picture, (0, row * height))
    levels = range(-_LEVELS, _LEVELS + 1)
    fixed = list(dict.fromkeys([*keep, *(colour(level / _LEVELS, 1.0) for level in levels)]))
    room = _SEE_THROUGH - len(fixed)
    reduced = sheet.quantize(room, method=Image.Quantize.MEDIANCUT, kmeans=1).getpalette() or []
    table = np.vstack([list(map(rgb, fixed)), np.reshape(reduced, (-1, 3))])
    return table[:_SEE_THROUGH].astype(np.int32)


def _entries(
    pictures: Sequence[Image.Image], table: NDArray[np.int32]
) -> Iterator[NDArray[np.int16]]:
    """The entry [height, width] of the table nearest to every pixel; each colour is looked for once.

    Exactly, unlike Pillow's `quantize(palette=…)`, which looks in cells of 4×4×4 colours and so loses those to keep.
    """
    known = np.full(1 << 24, -1, np.int16)
    for picture in pictures:
        red, green, blue = np.moveaxis(np.asarray(picture, np.int32), -1, 0)
        packed = (red << 16) | (green << 8) | blue
        new = np.unique(packed[known[packed] < 0])
        for some in np.array_split(new, len(new) // 2048 + 1):
            colours = np.stack([some >> 16, (some >> 8) & 255, some & 255], -1)
            known[some] = ((colours[:, None] - table) ** 2).sum(-1).argmin(1)
        yield known[packed]
