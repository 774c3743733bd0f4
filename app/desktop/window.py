"""The window: pygame's events become the desk's commands, and a view is drawn when it differs from the last one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pygame

from app.desktop import files
from app.desktop.commands import command_of, do
from app.desktop.desk import Desk
from app.desktop.film import Film
from app.desktop.layout import Places
from app.desktop.paint import disc, put
from app.desktop.render import layout_of, render
from app.desktop.scene import view_of
from app.desktop.view import View
from app.game.session import Session
from othello.rules.notation import format_moves

SIZE = (1160, 760)
SMALLEST = (320, 240)
FRAME_MS = 16
WAKE = pygame.event.custom_type()
pygame_error = pygame.error  # what opening a window raises where there is no display


_UNSEEN = {"offscreen", "dummy"}  # what SDL takes by itself where nobody could see a window


def check_display() -> None:
    """pygame.error where a window could not be seen; SDL_VIDEODRIVER may name such a driver on purpose."""
    pygame.display.init()
    driver = pygame.display.get_driver()
    if driver in _UNSEEN and driver != os.environ.get("SDL_VIDEODRIVER"):
        pygame.display.quit()
        raise pygame.error("there is no display")


def _wake() -> None:
    """Called by the workers: the window has something to collect."""
    with contextlib.suppress(
        pygame.error
    ):  # the window has gone, or its queue is full and it will look anyway
        pygame.event.post(pygame.event.Event(WAKE))


class Window:
    """A desk in a resizable window; `run` serves it until it is closed, `step` does one round."""

    def __init__(self, game: Session, size: tuple[int, int] = SIZE, **settings: object) -> None:
        pygame.display.init()
        pygame.font.init()
        self.screen = pygame.display.set_mode(size, pygame.RESIZABLE)
        pygame.display.set_caption("Othello")
        pygame.key.set_repeat(350, 60)
        self.desk = Desk(game, _wake, **settings)  # type: ignore[arg-type]
        self.drawn = 0  # frames drawn so far
        self._last: tuple[View, tuple[int, int]] | None = None
        pygame.display.set_icon(_icon())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.screen.get_size()

    def run(self) -> None:
        """Serve events until the window is closed."""
        try:
            self.draw()
            while self.desk.running:
                self.step(FRAME_MS if self.desk.animating else 1000)
        finally:
            self.close()

    def close(self) -> None:
        """Stop the workers and close the window."""
        self.desk.close()
        pygame.display.quit()

    def step(self, wait_ms: int = 0) -> None:
        """Wait for an event for at most `wait_ms`, handle all that have come, and draw if anything has changed."""
        first = pygame.event.wait(wait_ms) if wait_ms > 0 else pygame.event.poll()
        for event in [first, *pygame.event.get()]:
            self._handle(event)
        self.desk.collect()
        self._serve(self.desk.take_wanted())
        self.draw()

    def draw(self) -> bool:
        """Draw if the view or the size differs from what the screen shows; whether it did."""
        state = (self.view(), self.size)
        if state == self._last:
            return False
        self.screen.blit(render(*state), (0, 0))
        pygame.display.flip()
        self._last = state
        self.drawn += 1
        return True

    def do(self, command: str) -> None:
        """Carry out a command of `commands.COMMANDS`."""
        do(self.desk, command)

    def view(self) -> View:
        """The game as it is to be drawn now."""
        return view_of(self.desk)

    def layout(self) -> Places:
        """Where things are in the window now."""
        return layout_of(self.view(), self.size)

    def _handle(self, event: pygame.event.Event) -> None:
        desk = self.desk
        if event.type == pygame.QUIT:
            self.do("quit")
        elif event.type == pygame.VIDEORESIZE:
            size = max(event.w, SMALLEST[0]), max(event.h, SMALLEST[1])
            if size != self.size:
                self.screen = pygame.display.set_mode(size, pygame.RESIZABLE)
            self._last = None
        elif event.type == getattr(pygame, "WINDOWEXPOSED", -1):
            self._last = None
        elif event.type == pygame.DROPFILE:
            desk.open_text(str(event.file))
        elif event.type == pygame.TEXTINPUT:
            desk.type_text(event.text)
        elif event.type == pygame.KEYDOWN:
            self._key(event)
        elif event.type == pygame.MOUSEMOTION:
            desk.hover(self.layout().square_at(event.pos))
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._click(event.pos)

    def _key(self, event: pygame.event.Event) -> None:
        command = command_of(event)
        if self.desk.prompt is None:
            if command is not None:
                self.do(command)
        elif command == "paste":
            self.desk.type_text(_clipboard() or "")
        else:
            space = event.key == pygame.K_SPACE  # it is typed, not pressed
            self.desk.prompt_key(None if space else command, erase=event.key == pygame.K_BACKSPACE)

    def _click(self, point: tuple[int, int]) -> None:
        desk, places = self.desk, self.layout()
        if desk.help or desk.prompt is not None:
            self.do("escape")
            return
        square, command = places.square_at(point), places.button_at(point)
        ply = places.ply_at(point, self.view().plies)
        if square is not None:
            desk.press_square(square)
        elif command is not None:
            self.do(command)
        elif ply is not None:
            desk.jump(ply)

    def _serve(self, wanted: str | None) -> None:
        """What needs the window or the clipboard."""
        desk, game = self.desk, self.desk.game
        if wanted == "screenshot":
            path = files.free_name(desk.folder, "othello", ".png")
            try:
                desk.notice = f"Saved {files.save_picture(render(self.view(), self.size), path)}"
            except OSError as error:
                desk.notice = f"{path}: {error.strerror or error}"
        elif wanted == "film":
            self._start_film(files.free_name(desk.folder, "othello", ".gif"))
        elif wanted == "copy":
            text = format_moves(game.actions, game.start.size)
            desk.notice = f"Copied {text}" if _set_clipboard(text) else f"No clipboard here: {text}"
        elif wanted == "paste":
            pasted = _clipboard()
            if pasted:
                desk.open_text(pasted)
            else:
                desk.notice = "The clipboard holds no text; Ctrl+O opens what you type."

    def _start_film(self, path: Path) -> None:
        desk = self.desk
        if desk.game.length == 0:
            desk.notice = "There is no move to film yet."
            return
        film = Film(dark=desk.dark)
        game = desk.game
        line, model = game.line, game.model
        desk.notice = "Writing a film of the game …"

        def job(stop: object) -> Path:
            copy = Session(model, seat=line.seat, start=line.start)
            copy.new_game(start=line.start, actions=line.actions)
            film.write(copy, path)
            return path

        desk.filmer.submit("film", job)


def _icon() -> pygame.Surface:
    icon = pygame.Surface((64, 64), pygame.SRCALPHA, 32)
    icon.fill((47, 125, 91))
    put(icon, disc(19.0, "#454b52", "#0e1012"), (25, 25))
    put(icon, disc(19.0, "#ffffff", "#dfe0da"), (39, 39))
    return icon


def _clipboard() -> str | None:
    """The text on the clipboard; None where there is none, or no clipboard."""
    try:
        if hasattr(pygame.scrap, "get_text"):  # pygame-ce
            return str(pygame.scrap.get_text())
        if not pygame.scrap.get_init():
            pygame.scrap.init()
        data = pygame.scrap.get("text/plain;charset=utf-8") or pygame.scrap.get(pygame.SCRAP_TEXT)
        return data.decode("utf-8", "replace").rstrip("\0") if data else None
    except (pygame.error, NotImplementedError):
        return None


def _set_clipboard(text: str) -> bool:
    try:
        if hasattr(pygame.scrap, "put_text"):
            pygame.scrap.put_text(text)
            return True
        if not pygame.scrap.get_init():
            pygame.scrap.init()
        pygame.scrap.put(pygame.SCRAP_TEXT, text.encode())
        return True
    except (pygame.error, NotImplementedError):
        return False
