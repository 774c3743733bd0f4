"""The Explorer in Chromium: moves by the board and by the table, Back, a base of games, a reload."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from app.game.explorer import explore
from app.present.numbers import percent
from othello.base.game_base import BASES, open_base
from othello.rules.board import Board
from tests.app.web.browser_page import cell, opened, settled, wait_for_position
from tests.app.web.served import serve
from tests.othello.base.test_game_base import base_file, played_games

pytestmark = pytest.mark.browser


def test_the_explorer_lists_moves_goes_on_and_back_and_knows_the_base(
    browser: Any, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = base_file(tmp_path, played_games(40, seed=3))
    base = open_base([path], tmp_path)
    monkeypatch.setenv(BASES, str(path))
    running = serve(tmp_path)
    try:
        with opened(browser, f"{running.address}/explorer?position={quote('f5')}") as (page, _):
            page.set_default_timeout(60_000)
            board = Board.parse("f5")
            wait_for_position(page, str(board)[:64])
            rows = page.locator(".st-key-x_moves tbody tr")
            rows.nth(2).wait_for()
            settled(page)
            found = explore(model, board, base)
            assert rows.count() == len(found) == 3
            for row, move in zip(rows.all(), found, strict=True):
                assert percent(move.outlook.percent / 100) in row.inner_text()
                assert move.played is None or str(move.played.games) in row.inner_text().split()
            rows.first.click()
            after = board.play(found[0].squares[0])
            wait_for_position(page, str(after)[:64])
            settled(page)
            square = explore(model, after)[0].squares[0]
            name = f"{'abcdefgh'[square % 8]}{square // 8 + 1}"
            cell(page, name).click()
            later = after.play(square)
            wait_for_position(page, str(later)[:64])
            settled(page)
            page.reload()
            wait_for_position(page, str(later)[:64])
            page.get_by_text("Points are the mover's in 40 games").wait_for()
            settled(page)
            page.goto(f"{running.address}/explorer?position=z9")
            page.get_by_role("alert").first.wait_for()
    finally:
        running.stop()
