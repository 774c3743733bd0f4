"""Makes docs/play.gif of the Play page in a real Chromium: moves of a person, the agent's replies and its reasons.

    python docs/play_film.py [FILE]

The app is started on a free port.  The person plays the moves of `MOVES`; after a reply the first reason is pressed,
which outlines its squares on the board.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.page import FLAGS, start_server

OPENING = "e6f6g6d6c6c5d3c3f5e3d2c7f4e7e8h6f7e1d7f8g8e2f3f2c4"
MOVES = ("d8", "c2")
SHAPE = {"width": 1024, "height": 768}
WIDTH = 820  # pixels of a picture
READ, LOOK = 2600, 1100  # milliseconds for a sentence, and for a board
COLOURS = 255
CHIPS = "[class*=st-key-why_chips] button"
ANSWERED = """move => {
    const said = document.querySelector("[role=status]").innerText.match(/The agent played (\\w\\d)/);
    const box = document.querySelector(".st-key-why p");
    return said && box && box.innerText.startsWith(said[1]) && window.lastReply !== said[1]
        && (window.lastReply = said[1]);
}"""


def main(target: Path) -> None:
    """Film the page and write the pictures as one GIF."""
    process, address = start_server()
    try:
        with sync_playwright() as playwright:
            chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            pictures = film(browser, f"{address}/?seat=white&moves={OPENING}")
    finally:
        process.terminate()
        process.wait()
    frames = [picture for picture, _ in pictures]
    times = [milliseconds for _, milliseconds in pictures]
    frames[0].save(
        target, save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True
    )


def film(browser: Any, address: str) -> list[tuple[Image.Image, int]]:
    """The pictures of some moves, each with the milliseconds that it stands."""
    page = browser.new_page(viewport=SHAPE, color_scheme="light", reduced_motion="reduce")
    page.set_default_timeout(180_000)
    page.goto(address)
    page.get_by_role("button", name="Skip").click()
    pictures = []

    def take(milliseconds: int) -> None:
        page.wait_for_timeout(600)
        picture = Image.open(io.BytesIO(page.screenshot()))
        height = round(picture.height * WIDTH / picture.width)
        small = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        pictures.append((small.quantize(COLOURS, Image.Quantize.FASTOCTREE), milliseconds))

    for move in MOVES:
        square = page.locator(f'[data-square="{move}"].legal')
        square.wait_for()
        take(LOOK)
        square.click()
        page.wait_for_function(ANSWERED, arg=move)
        take(READ)
        chip = page.locator(CHIPS).first
        chip.click()
        page.locator(".outlined").first.wait_for()
        take(READ)
        chip.click()
    return pictures


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("play.gif"))
