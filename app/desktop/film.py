"""A game as a GIF film: one side's positions with their heatmaps, and the moves between them as turning discs.

Every picture that stands still is an explained position; only while discs turn do the colours blend from one map to
the next.  The maps are all from the view of one side, because a value changes its sign with the side to move.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pygame
from numpy.typing import NDArray

from app.desktop import describe
from app.desktop.desk import best_move_target
from app.desktop.files import save_picture
from app.desktop.paint import blend, rgb
from app.desktop.palette import PAPER, SLATE
from app.desktop.render import render
from app.desktop.view import Heat, HeatMode, Ledger, Seated, Turning, View
from app.present.board_svg import GREEN, NEUTRAL
from app.present.colormap import colour
from othello import atomic
from othello.rules.board import Board, squares_of
from othello.rules.notation import Side

if TYPE_CHECKING:
    from PIL.Image import Image

    from app.game.session import Session

TURN_MS = 40  # a picture of discs that turn; GIF counts hundredths of a second
_PHASES = (0.3, 0.7)
_PALETTE_FRAMES = 24
_LEVELS = 36  # colours of a map on each side of 0
_SEE_THROUGH = 255  # the palette's entry for what did not change


@dataclass(frozen=True)
class Film:
    """What a film looks like; `seconds` is its length without the last picture, which stays for two."""

    size: tuple[int, int] = (640, 420)
    seconds: float = 8.0
    heat: HeatMode = "value"
    side: Side = "X"
    dark: bool = False
    simulations: int = (
        0  # searched for the table of moves where the game has no search; 0: no search
    )
    names: tuple[str, str] | None = None  # of black and white; the session's if None

    def frames(self, game: Session) -> Iterator[tuple[View, int]]:
        """The views of a game and how many milliseconds each is shown."""
        stops = [
            ply
            for ply in range(game.length + 1)
            if ply in (0, game.length) or self._is_stop(game.board_at(ply))
        ]
        turns = len(_PHASES) * game.length * TURN_MS
        hold = max(TURN_MS, round((1000 * self.seconds - turns) / max(1, len(stops) - 1), -1))
        before: View | None = None
        for begin, ply in zip([0, *stops], stops):
            after = self.still(game, ply)
            if before is not None:
                yield from self._between(game, begin, ply, before, after)
            yield after, int(2000 if ply == game.length else hold)
            before = after

    def _is_stop(self, board: Board) -> bool:
        return board.side == self.side and not board.must_pass and not board.is_over

    def _players(self, game: Session, ply: int) -> tuple[Seated, Seated]:
        black, white = describe.seated(game, ply)
        if self.names is None:
            return black, white
        return replace(black, name=self.names[0]), replace(white, name=self.names[1])

    def still(self, game: Session, ply: int) -> View:
        """The picture of a ply."""
        board, action = game.board_at(ply), game.action_at(ply - 1) if ply else None
        found = game.search_of(ply)
        if found is None and self.simulations and self._is_stop(board):
            found = game.analyse(ply, self.simulations)
        heat: Heat | None = None
        ledger: Ledger | None = None
        if self.heat != "off" and self._is_stop(board):
            target = "value" if self.heat == "value" else str(best_move_target(game, ply))
            explanation = game.explain(ply, target)
            heat, ledger = (
                describe.heat_of(explanation),
                replace(describe.ledger_of(explanation), sentence="", shown=""),
            )
        played = game.action_at(ply)
        return View(
            board=board,
            players=self._players(game, ply),
            last=action if action is not None and action < board.size**2 else None,
            dots=board.legal_moves(),
            neutral=self.heat != "off",
            heat=heat,
            ledger=ledger,
            value_words=describe.value_line(game, ply),
            values=tuple(game.value_of(number)[0] for number in range(ply + 1)),
            ply=ply,
            plies=max(board.size**2 - 4, game.length),
            candidates=describe.candidates_of(found, played, 5)
            if found is not None and self._is_stop(board)
            else (),
            candidates_title="Search",
            opening=describe.opening_name(game, ply),
            moves=describe.move_text(game, ply),
            dark=self.dark,
        )

    def _between(
        self, game: Session, begin: int, end: int, before: View, after: View
    ) -> Iterator[tuple[View, int]]:
        """The moves from one still picture to the next, colours on their way to the new map."""
        count = len(_PHASES) * (end - begin)
        for number in range(count):
            ply, phase = begin + 1 + number // len(_PHASES), _PHASES[number % len(_PHASES)]
            old, new, action = game.board_at(ply - 1), game.board_at(ply), game.action_at(ply - 1)
            if action is None or action >= new.size**2:
                continue
            turned = squares_of((old.black & new.white) | (old.white & new.black), new.size)
            view = replace(
                before,
                board=new,
                players=self._players(game, ply),
                last=action,
                dots=(),
                turning=Turning(turned, phase),
                heat=_mixed(before.heat, after.heat, (number + 1) / (count + 1)),
            )
            yield view, TURN_MS

    def write(
        self, game: Session, path: Path, on_progress: Callable[[float], None] | None = None
    ) -> int:
        """Write the film of a game's line as an endless GIF; its size in bytes.  Raises OSError."""
        game.plies()
        pictures: list[Image] = []
        times: list[int] = []
        for view, milliseconds in self.frames(game):
            pictures.append(_pillow(render(view, self.size)))
            times.append(milliseconds)
            if on_progress is not None:
                on_progress(min(1.0, view.ply / max(1, game.length)))
        data = encoded(pictures, times, _exact_colours(self.dark))
        atomic.write_bytes(path, data)
        return len(data)

    def write_still(self, game: Session, ply: int, path: Path) -> int:
        """Write one ply as PNG, the nearest there is; its size in bytes.  Raises OSError."""
        game.plies()
        save_picture(render(self.still(game, min(ply, game.length)), self.size), path)
        return path.stat().st_size


def play_out(
    game: Session, side: Side = "X", opponent: str = "agent", drawn_plies: int = 0
) -> None:
    """Let the agent play the rest of a watched game as `side` against `opponent`; EngineError.

    The first `drawn_plies` are drawn by their visits, with the session's seed.
    """
    strength = game.strength
    while not game.board.is_over:
        game.opponent = "agent" if game.board.side == side else opponent
        game.set_strength(temperature=1.0 if game.length < drawn_plies else strength.temperature)
        game.reply()
    game.opponent, game.strength = "agent", strength


def _mixed(before: Heat | None, after: Heat | None, share: float) -> Heat | None:
    """Colours between those of two maps; without a map the squares are neutral."""
    if before is None and after is None:
        return None
    blank = ("#f7f7f7",) * len((before or after).fills)  # type: ignore[union-attr]
    first, second = before.fills if before else blank, after.fills if after else blank
    fills = tuple(blend(a, b, share) for a, b in zip(first, second))
    return Heat(fills, ("",) * len(fills), before.scale if before else 0.0)


def _exact_colours(dark: bool) -> list[str]:
    """Colours that a film must not lose, however few pixels have them."""
    panel, board = SLATE if dark else PAPER, (GREEN, NEUTRAL)
    themes = [
        name for theme in board for name in (theme.felt, theme.line, theme.frame, theme.label)
    ]
    marks = ["#ffd166", "#b97f00", "#000000", "#ffffff"]
    soft = [blend(panel.accent, panel.page, share) for share in (0.0, 0.35, 0.62)]
    return [
        *themes,
        *marks,
        *soft,
        panel.page,
        panel.card,
        panel.edge,
        panel.ink,
        panel.soft,
        panel.track,
        panel.graph,
        panel.black,
        panel.up,
        panel.down,
    ]


def _pillow(surface: pygame.Surface) -> Image:
    from PIL import Image

    return Image.frombytes("RGB", surface.get_size(), pygame.image.tobytes(surface, "RGB"))


def encoded(pictures: Sequence[Image], times: Sequence[int], keep: Sequence[str] = ()) -> bytes:
    """An endless GIF in one palette, with the colours of `keep` and of every map; what stays still costs nothing."""
    from PIL import Image

    if not pictures:
        raise ValueError("a film needs at least one picture")
    chosen = pictures[:: max(1, len(pictures) // _PALETTE_FRAMES)]
    width, height = pictures[0].size
    sheet = Image.new("RGB", (width, height * len(chosen)))
    for row, picture in enumerate(chosen):
        sheet.paste(picture, (0, row * height))
    fixed = list(
        dict.fromkeys(
            [*keep, *(colour(level / _LEVELS, 1.0) for level in range(-_LEVELS, _LEVELS + 1))]
        )
    )
    found = (
        sheet.quantize(
            _SEE_THROUGH - len(fixed), method=Image.Quantize.MEDIANCUT, kmeans=1
        ).getpalette()
        or []
    )
    table = np.array(
        [channel for name in fixed for channel in rgb(name)] + found, np.int32
    ).reshape(-1, 3)[:_SEE_THROUGH]
    nearest = _Nearest(table)
    drawn = [nearest(np.asarray(picture)) for picture in pictures]
    changes = [drawn[0]] + [
        np.where(now == then, _SEE_THROUGH, now) for then, now in pairwise(drawn)
    ]
    frames = [Image.fromarray(change.astype(np.uint8)) for change in changes]
    for frame in frames:
        frame.putpalette([*table.ravel().tolist(), *[0] * (768 - table.size)])
    out = io.BytesIO()
    frames[0].save(
        out,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=list(times),
        loop=0,
        optimize=False,
        disposal=1,
        transparency=_SEE_THROUGH,
    )
    return out.getvalue()


class _Nearest:
    """The entry of a palette [K, 3] nearest to every pixel, exactly; each colour is looked for once."""

    def __init__(self, table: NDArray[np.int32]) -> None:
        self.table = table
        self._known = np.full(1 << 24, -1, np.int16)

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.int16]:
        """Entries [height, width] of a picture [height, width, 3]."""
        red, green, blue = (picture[..., channel].astype(np.int32) for channel in range(3))
        packed = (red << 16) | (green << 8) | blue
        new = np.unique(packed[self._known[packed] < 0])
        colours = np.stack([new >> 16, (new >> 8) & 255, new & 255], -1)
        for start in range(0, len(new), 2048):
            distance = ((colours[start : start + 2048, None] - self.table) ** 2).sum(-1)
            self._known[new[start : start + 2048]] = distance.argmin(1)
        entries: NDArray[np.int16] = self._known[packed]
        return entries
