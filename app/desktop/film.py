"""The film of a game as the desktop draws it: board, players, value, ledger and moves of every picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pygame
from PIL import Image

from app.desktop.files import save_picture
from app.desktop.palette import PAPER, SLATE
from app.desktop.render import render
from app.desktop.study import question
from app.desktop.view import HeatMode, Turning, View, turned
from app.explain.points import in_points, unit_of
from app.game.game_line import GameLine
from app.game.session import Session
from app.present import film
from app.present.board_svg import GREEN, NEUTRAL
from app.present.colormap import Heat, blend, heat_of
from app.present.game_view import (
    Ledger,
    Seated,
    ledger_of,
    move_text,
    moves_table,
    opening_name,
    opponent_name,
    players,
    value_line,
    values,
)
from othello import atomic
from othello.rules.notation import Side

_SEARCH_ROWS = 5


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
        line = game.line

        @cache
        def still(ply: int) -> View:
            return self._still(game, line.goto(ply), self.side)

        for frame in film.frames(line, self.side, self.seconds):
            if frame.phase == 1.0:
                yield still(frame.ply), frame.milliseconds
                continue
            now, old = line.goto(frame.ply), line.boards[frame.ply - 1]
            before, after = still(frame.before), still(frame.after)
            view = replace(
                before,
                board=now.board,
                players=self._players(game, now),
                last=now.last_move,
                dots=(),
                turning=Turning(turned(old, now.board), frame.phase),
                heat=film.mixed(before.heat, after.heat, frame.share),
            )
            yield view, frame.milliseconds

    def _players(self, game: Session, line: GameLine) -> tuple[Seated, Seated]:
        black, white = players(line, opponent_name(game.opponent))
        if self.names is None:
            return black, white
        return replace(black, name=self.names[0]), replace(white, name=self.names[1])

    def still(self, game: Session, ply: int) -> View:
        """The picture of a ply, which explains whoever is to move."""
        line = game.line.goto(ply)
        return self._still(game, line, line.board.side)

    def _still(self, game: Session, line: GameLine, side: Side) -> View:
        board, ply = line.board, line.cursor
        stands = film.stands(board, side)
        found = game.search_of(board)
        if found is None and self.simulations and stands:
            found = game.analyse(board, self.simulations)
        heat: Heat | None = None
        ledger: Ledger | None = None
        if self.heat != "off" and stands:
            explanation = game.explain(board, question(game, board, self.heat))
            heat = heat_of(in_points(explanation).squares)
            unit = f"in {unit_of(explanation)}"
            ledger = replace(ledger_of(explanation), sentence="", shown=unit)
        return View(
            board=board,
            players=self._players(game, line),
            last=line.last_move,
            dots=board.legal_moves(),
            neutral=self.heat != "off",
            heat=heat,
            ledger=ledger,
            value_words=value_line(game, board, brief=True),
            values=values(game, line)[: ply + 1],
            ply=ply,
            plies=max(board.size**2 - 4, line.length),
            candidates=moves_table(found, line.action_at(ply), _SEARCH_ROWS)
            if found is not None and stands
            else (),
            candidates_title="Search",
            opening=opening_name(line),
            moves=move_text(line),
            dark=self.dark,
        )

    def write(
        self, game: Session, path: Path, on_progress: Callable[[float], None] | None = None
    ) -> int:
        """Write the film of a game's line as an endless GIF; its size in bytes.  Raises OSError."""
        game.plies()
        pictures: list[Image.Image] = []
        times: list[int] = []
        for view, milliseconds in self.frames(game):
            pictures.append(_pillow(render(view, self.size)))
            times.append(milliseconds)
            if on_progress is not None:
                on_progress(min(1.0, view.ply / max(1, game.length)))
        data = film.encoded(pictures, times, _exact_colours(self.dark))
        atomic.write_bytes(path, data)
        return len(data)

    def write_still(self, game: Session, ply: int, path: Path) -> int:
        """Write one ply as PNG, the nearest there is; its size in bytes.  Raises OSError."""
        game.plies()
        save_picture(render(self.still(game, ply), self.size), path)
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


def _exact_colours(dark: bool) -> list[str]:
    """Colours that a film must not lose, however few pixels have them."""
    panel = SLATE if dark else PAPER
    themes = [
        name
        for theme in (GREEN, NEUTRAL)
        for name in (theme.felt, theme.line, theme.frame, theme.label)
    ]
    marks = ["#ffd166", "#b97f00", "#000000", "#ffffff"]
    soft = [blend(panel.accent, panel.page, share) for share in (0.0, 0.35, 0.62)]
    text = [panel.page, panel.card, panel.edge, panel.ink, panel.soft]
    return [
        *themes,
        *marks,
        *soft,
        *text,
        panel.track,
        panel.graph,
        panel.black,
        panel.up,
        panel.down,
    ]


def _pillow(surface: pygame.Surface) -> Image.Image:
    return Image.frombytes("RGB", surface.get_size(), pygame.image.tobytes(surface, "RGB"))
