"""Windows under SDL's dummy driver for the desktop's tests, and hands and eyes for them: posted events and pixels."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

os.environ["SDL_VIDEODRIVER"] = "dummy"
pygame = pytest.importorskip("pygame")

from app.desktop.window import Window  # noqa: E402
from app.game.session import Session, Strength  # noqa: E402

if TYPE_CHECKING:
    from app.models import Model

SECONDS = 60.0


@contextmanager
def windows(model: Model, folder: Path) -> Iterator[Callable[..., Window]]:
    """Opens windows on games with the policy as the agent, fast and deterministic, and closes them."""
    opened: list[Window] = []

    def opening(
        seat: str = "black",
        simulations: int = 0,
        size: tuple[int, int] = (900, 600),
        **more: object,
    ) -> Window:
        game = Session(model, seat=seat, strength=Strength(simulations=simulations))  # type: ignore[arg-type]
        opened.append(Window(game, size, **{"folder": folder, "animate": False, **more}))
        return settle(opened[-1])

    try:
        yield opening
    finally:
        for window in opened:
            window.close()


def settle(window: Window) -> Window:
    """Serve the window until its workers have nothing to do."""
    deadline = time.monotonic() + SECONDS
    window.step()
    while not window.desk.settled:
        assert time.monotonic() < deadline, "the workers do not come to rest"
        window.step(5)
    window.step()
    return window


def key(window: Window, code: int, unicode: str = "", mod: int = 0) -> None:
    """Press a key and let everything happen that follows."""
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=code, unicode=unicode, mod=mod))
    settle(window)


def click(window: Window, point: tuple[int, int]) -> None:
    """Click a point of the window."""
    pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=point))
    settle(window)


def click_square(window: Window, square: int) -> None:
    """Click the middle of a square."""
    click(window, window.layout().square_rect(square).center)


def click_button(window: Window, command: str) -> None:
    """Click a button."""
    click(window, window.layout().buttons[command].center)


def pixels(window: Window) -> bytes:
    """What the window shows."""
    return bytes(pygame.image.tobytes(window.screen, "RGB"))
