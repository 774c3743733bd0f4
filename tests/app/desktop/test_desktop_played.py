"""A whole game in a real X window, played by mouse and keys from outside and judged by the files that it leaves."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageGrab

from othello.rules.board import Board, squares_of
from othello.rules.notation import parse_moves

FELT = (47, 125, 91)  # near the board's green, which nothing else in the window has much of
SECONDS = 120.0  # for what the first start on a machine compiles

Pixels = NDArray[np.int64]
Place = tuple[int, int, float]


@dataclass(frozen=True)
class Screen:
    """An X server of its own, with hands and an eye."""

    name: str

    def hand(self, *words: object) -> str:
        """What `xdotool` answers."""
        command = ["xdotool", *map(str, words)]
        environment = {**os.environ, "DISPLAY": self.name}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        ).stdout

    def see(self) -> Pixels:
        """What the screen shows [height, width, RGB]."""
        return pixels(ImageGrab.grab(xdisplay=self.name))

    def still(self) -> bool:
        """Whether it shows the same for half a second."""
        before = self.see()
        time.sleep(0.5)
        return bool(np.array_equal(before, self.see()))


def pixels(picture: Image.Image) -> Pixels:
    """A picture's [height, width, RGB]."""
    return np.asarray(picture.convert("RGB"), np.int64)


def squares(picture: Pixels) -> Place | None:
    """Left and top of the green board in a picture, and the side of its squares, all in pixels; None without one."""
    green = (np.abs(picture - FELT).sum(axis=2) < 60).astype(int)
    rows, columns = (np.flatnonzero(green.sum(axis) > 60) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return None  # nothing is drawn yet
    return int(columns[0]), int(rows[0]), (columns[-1] - columns[0] + 1) / 8


def middle(place: Place, square: int) -> tuple[int, int]:
    """The pixel in the middle of a square."""
    left, top, side = place
    row, column = divmod(square, 8)
    return round(left + (column + 0.5) * side), round(top + (row + 0.5) * side)


def discs(picture: Pixels, place: Place) -> tuple[set[int], set[int]]:
    """The squares with a black and with a white disc in a picture, by the colour of the squares' middles."""
    found: tuple[set[int], set[int]] = set(), set()
    for square in range(64):
        x, y = middle(place, square)
        around = picture[y - 9 : y + 10, x - 9 : x + 10].reshape(-1, 3)
        light = np.median(around, axis=0)
        if np.ptp(light) < 40:  # grey; the felt is green
            found[int(light.mean() > 128)].add(square)
    return found


def until(found: Callable[[], Any], what: str) -> Any:
    """The first answer that is something; AssertionError where none comes."""
    deadline = time.monotonic() + SECONDS
    while (answer := found()) is None or answer is False:
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)
    return answer


@contextmanager
def screen() -> Iterator[Screen]:
    """An X server without a screen, on a number that is free."""
    read, write = os.pipe()
    options = ["-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    server = subprocess.Popen(["Xvfb", *options], pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as told:
            yield Screen(f":{told.readline().strip()}")
    finally:
        server.terminate()
        server.wait()


@contextmanager
def window(shown: Screen, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`othello desktop` as a process of its own, once its window is there and has the focus."""
    environment = {name: value for name, value in os.environ.items() if name != "SDL_VIDEODRIVER"}
    command = [sys.executable, "-m", "othello", "desktop", "--folder", str(folder)]
    process = subprocess.Popen(
        [*command, "--seat", "black", "--simulations", "10"],
        env={**environment, "DISPLAY": shown.name},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(
            lambda: shown.hand("getwindowfocus", "getwindowname").strip() == "Othello",
            "a window of that title with the focus",
        )
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def saved(shown: Screen, folder: Path) -> Board:
    """The position after the moves that Ctrl+S writes; the file must hold a legal game."""
    shown.hand("key", "ctrl+s")
    path = folder / "othello-1.txt"
    until(path.exists, "the saved game")
    text = path.read_text("utf-8")
    path.unlink()
    *_, board = Board.initial().replay(parse_moves(text.strip()))
    return board.pass_turn() if board.must_pass else board


def next_board(shown: Screen, folder: Path, before: Board) -> Board:
    """The position once one disc more lies on the board."""

    def later() -> Board | None:
        board = saved(shown, folder)
        return board if board.empties < before.empties else None

    found = until(later, "the next move")
    assert isinstance(found, Board)
    return found


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_whole_game_by_mouse_and_keys_in_a_real_window(tmp_path: Path) -> None:
    for tool in ("Xvfb", "xdotool"):
        if shutil.which(tool) is None:
            pytest.skip(tool)
    source, moves = random.Random(3), 0
    with screen() as shown, window(shown, tmp_path) as process:
        place = until(lambda: squares(shown.see()), "the board")
        board = saved(shown, tmp_path)
        while not board.is_over:
            if board.side == "X" and moves % 2:
                shown.hand("key", "Escape", "key", "Left", "key", "Return")  # the first legal move
                moves += 1
            elif board.side == "X":
                square = source.choice(board.legal_moves())
                shown.hand("mousemove", *middle(place, square), "click", 1)
                moves += 1
            board = next_board(shown, tmp_path, board)
        assert moves >= 20 and process.poll() is None
        until(shown.still, "the discs to lie still")
        shown.hand("key", "F12")
        picture = tmp_path / "othello-1.png"
        until(picture.exists, "the picture")
        black, white = (set(squares_of(mask, 8)) for mask in (board.black, board.white))
        drawn = pixels(Image.open(picture))
        place = squares(drawn)
        assert place is not None and discs(drawn, place) == (black, white)
        shown.hand("key", "ctrl+q")
        assert process.wait(30) == 0 and not process.communicate()[1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["othello-1.png"]
