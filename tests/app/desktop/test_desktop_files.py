"""The desktop's files, opponents and threads: what is saved comes back, and nothing that fails takes the game along."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from othello.rules.board import Board
from othello.rules.notation import format_moves
from tests.app.desktop.desktop_window import click_square, key, pixels, pygame, settle, windows

if TYPE_CHECKING:
    from app.desktop.window import Window
    from app.models import Model

GTP_ENGINE = """
import sys
sys.path.insert(0, "ROOT")
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name
board = Board.initial()
for line in sys.stdin:
    words, answer = line.split(), ""
    if words[0] == "clear_board":
        board = Board.initial()
    elif words[0] == "play":
        board = board.play(parse_square(words[2]))
    elif words[0] == "genmove":
        answer = square_name(board.legal_moves()[-1])
        board = board.play(answer)
    print(f"= {answer}\\n", flush=True)
""".replace("ROOT", str(Path(__file__).parents[3]))


@pytest.fixture
def open_window(model: Model, tmp_path: Path) -> Iterator[Callable[..., Window]]:
    """Opens windows on games."""
    with windows(model, tmp_path) as opening:
        yield opening


def test_save_and_open_give_the_game_back(
    open_window: Callable[..., Window], tmp_path: Path
) -> None:
    window = open_window("both")
    game = window.desk.game
    window.desk.open_text("f5d6c3d3c4f4f6")
    line = game.actions
    key(window, pygame.K_s, mod=pygame.KMOD_CTRL)
    saved = tmp_path / "othello-1.txt"
    assert saved.read_text("utf-8") == format_moves(line) + "\n"
    key(window, pygame.K_n, "n")
    assert game.length == 0
    key(window, pygame.K_o, mod=pygame.KMOD_CTRL)
    pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=str(saved) + "x"))
    settle(window)
    key(window, pygame.K_BACKSPACE)
    key(window, pygame.K_RETURN)
    assert game.actions == line and window.desk.prompt is None
    pygame.event.post(pygame.event.Event(pygame.DROPFILE, file=str(saved)))
    settle(window)
    assert game.actions == line


def test_a_game_from_another_start_is_saved_with_its_start(
    open_window: Callable[..., Window], tmp_path: Path
) -> None:
    window = open_window("both")
    start = Board.parse("f5d6c3")
    window.desk.open_text(str(start))
    click_square(window, window.desk.game.board.legal_moves()[0])
    end = window.desk.game.board
    window.do("save")
    window.do("new")
    window.desk.open_text(str(tmp_path / "othello-1.sgf"))
    assert window.desk.game.board == end and window.desk.game.start == start


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zz",
        "f5f5",
        "a1",
        "no-such-file.txt",
        "f5" * 5000,
        "\x00\x01",
        "<script>alert(1)</script>",
        "X" * 63,
        "--",
        "\u202e\U0001f600" * 50,
        "%s%n{}",
        "/",
        "~",
        ".",
    ],
)
def test_what_cannot_be_opened_leaves_the_game_and_says_so(
    open_window: Callable[..., Window], text: str
) -> None:
    window = open_window("both")
    window.desk.open_text("f5d6c3")
    line = window.desk.game.actions
    window.desk.type_text(text)
    window.desk.open_text(text)
    settle(window)
    assert window.desk.game.actions == line and window.desk.notice not in ("", "Opened.")


def test_the_prompt_takes_any_text_and_escape_leaves_it(open_window: Callable[..., Window]) -> None:
    window = open_window()
    window.do("open")
    for text in ("\x00\x07", "\u202eabc", "\U0001f600", "w" * 10_000):
        pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=text))
        settle(window)
    assert window.desk.prompt is not None and len(window.desk.prompt.text) <= 4096
    key(window, pygame.K_u, "u")
    assert window.desk.prompt is not None
    key(window, pygame.K_ESCAPE)
    assert window.desk.prompt is None and window.desk.game.length == 0


def test_a_screenshot_is_what_the_window_shows(
    open_window: Callable[..., Window], tmp_path: Path
) -> None:
    window = open_window()
    window.desk.notice = ""
    settle(window)
    shown = pixels(window)
    key(window, pygame.K_F12)
    saved = pygame.image.load(tmp_path / "othello-1.png")
    assert saved.get_size() == window.size and bytes(pygame.image.tobytes(saved, "RGB")) == shown


def test_a_folder_that_cannot_be_written_is_a_notice(
    open_window: Callable[..., Window], tmp_path: Path
) -> None:
    window = open_window(folder=tmp_path / "gone")
    window.desk.open_text("f5d6")
    for command in ("save", "screenshot", "film"):
        window.do(command)
        settle(window)
        assert "No such file" in window.desk.notice, command


def test_an_opponent_that_fails_is_reported_and_the_agent_plays_on(
    open_window: Callable[..., Window],
) -> None:
    window = open_window()
    window.desk.game.opponent = "gtp:/bin/false"
    click_square(window, window.desk.game.board.legal_moves()[0])
    assert window.desk.game.length == 2 and "opponent failed" in window.desk.notice


def test_an_engine_of_another_program_follows_the_game(
    open_window: Callable[..., Window], tmp_path: Path
) -> None:
    window = open_window()
    (tmp_path / "engine.py").write_text(GTP_ENGINE)
    window.desk.game.opponent = f"gtp:{sys.executable} {tmp_path / 'engine.py'}"
    for _ in range(2):
        click_square(window, window.desk.game.board.legal_moves()[0])
    game = window.desk.game
    assert game.length == 4 and game.opponent != "agent", window.desk.notice
    for ply in (1, 3):
        assert game.actions[ply] == game.board_at(ply).legal_moves()[-1]


def test_closing_while_the_agent_thinks_ends_its_thread(open_window: Callable[..., Window]) -> None:
    window = open_window(simulations=100_000)
    window.desk.press_square(window.desk.game.board.legal_moves()[0])
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    window.run()
    assert not window.desk.running and not any(
        thread.name == "agent" for thread in threading.enumerate()
    )


def test_a_strange_name_is_drawn_as_text(open_window: Callable[..., Window]) -> None:
    from app.desktop.render import render
    from app.present.game_view import Seated

    view = open_window().view()
    for name in ("\x00", "a\nb\tc", "<b>", "\U0001f600" * 300, "n" * 5000, ""):
        strange = replace(
            view, players=(Seated(name, 2, True), Seated(name, 2, False)), notice=name, status=name
        )
        assert render(strange, (700, 500)).get_size() == (700, 500)
