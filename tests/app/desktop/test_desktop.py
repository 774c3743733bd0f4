"""The desktop board under SDL's dummy driver: whole games by posted events and every switch of the window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.explain.points import in_points
from othello.rules.board import Board, squares_of
from othello.rules.notation import parse_square, square_name
from tests.app.desktop.desktop_window import (
    SECONDS,
    click,
    click_button,
    click_square,
    key,
    pixels,
    pygame,
    settle,
    windows,
)

if TYPE_CHECKING:
    from app.desktop.window import Window
    from app.models import Model

TO_A_PASS = "d3c3e6d2d1e1b2c1"  # the last move leaves black without one


@pytest.fixture
def open_window(model: Model, tmp_path: Path) -> Iterator[Callable[..., Window]]:
    """Opens windows on games."""
    with windows(model, tmp_path) as opening:
        yield opening


def test_only_display_and_font_are_initialised(open_window: Callable[..., Window]) -> None:
    open_window()
    assert pygame.display.get_init() and pygame.font.get_init()
    assert pygame.mixer.get_init() is None and not pygame.joystick.get_init()


def test_a_whole_game_by_mouse_clicks(open_window: Callable[..., Window]) -> None:
    window = open_window()
    game = window.desk.game
    while not game.board.is_over:
        assert game.human_to_move
        click_square(window, game.board.legal_moves()[0])
    board = Board.initial()
    for action in game.actions:
        board = board.play(action)
    assert (
        board == game.board and "wins" in window.view().status
    ) or "draw" in window.view().status


def test_a_whole_game_by_keyboard_only(open_window: Callable[..., Window]) -> None:
    window = open_window("white", size=(400, 300))
    desk, game = window.desk, window.desk.game
    while not game.board.is_over:
        wanted = game.board.legal_moves()[-1]
        key(window, pygame.K_DOWN)
        while desk.cursor is None or desk.cursor // 8 != wanted // 8:
            key(window, pygame.K_DOWN)
        while desk.cursor % 8 != wanted % 8:
            key(window, pygame.K_RIGHT)
        before = game.length
        key(window, pygame.K_RETURN)
        assert game.length > before and game.actions[before] == wanted
    assert game.board.score() == Board.parse(game.transcript).score()


def test_the_agent_plays_itself_in_watch_mode_and_pauses(
    open_window: Callable[..., Window],
) -> None:
    window = open_window("watch")
    assert window.desk.game.board.is_over
    key(window, pygame.K_HOME)
    assert window.desk.game.cursor == 0 and window.desk.paused
    key(window, pygame.K_p, "p")
    assert window.desk.game.board.is_over and not window.desk.paused


def test_a_forced_pass_is_announced_and_played(open_window: Callable[..., Window]) -> None:
    window = open_window("both")
    window.desk.open_text(TO_A_PASS[:-2])
    click_square(window, parse_square(TO_A_PASS[-2:]))
    game = window.desk.game
    assert game.actions[-1] == 64 and game.board.side == "O"
    assert window.view().status == "Black has to pass. White to move."
    key(window, pygame.K_u, "u")
    assert window.desk.game.transcript == TO_A_PASS[:-2]


def test_an_illegal_square_changes_nothing_but_the_notice(
    open_window: Callable[..., Window],
) -> None:
    window = open_window()
    before = window.desk.game.board
    click_square(window, 0)
    assert window.desk.game.board == before and "a1" in window.desk.notice


def test_undo_and_redo_by_key_and_button(open_window: Callable[..., Window]) -> None:
    window = open_window()
    game = window.desk.game
    for _ in range(3):
        click_square(window, game.board.legal_moves()[0])
    line, board = game.actions, game.board
    key(window, pygame.K_u, "u")
    assert game.cursor == 4 and game.human_to_move
    click_button(window, "undo")
    key(window, pygame.K_z, mod=pygame.KMOD_CTRL)
    assert game.cursor == 0
    key(window, pygame.K_r, "r")
    click_button(window, "redo")
    key(window, pygame.K_END)
    assert game.board == board and game.actions == line


def test_undo_while_the_agent_thinks_stops_it_and_keeps_the_game(
    open_window: Callable[..., Window],
) -> None:
    window = open_window(simulations=10**7)  # more than `settle` waits for
    desk, game = window.desk, window.desk.game
    desk.press_square(game.board.legal_moves()[0])
    deadline = time.monotonic() + SECONDS
    while desk.visits == 0 and time.monotonic() < deadline:
        window.step(5)
    assert desk.thinker.busy == "reply" and window.view().progress is not None
    window.do("undo")
    settle(window)
    assert game.cursor == 0 and game.board == Board.initial()


def test_the_heatmap_colours_the_board_and_goes_off_again(
    open_window: Callable[..., Window],
) -> None:
    window = open_window()
    click_square(window, window.desk.game.board.legal_moves()[0])
    plain = pixels(window)
    key(window, pygame.K_e, "e")
    view = window.view()
    found = in_points(window.desk.game.explain(window.desk.game.cursor))
    assert view.neutral and view.heat is not None and view.ledger is not None
    assert view.heat.scale == pytest.approx(abs(found.squares).max())
    parts = sum(row.value for row in view.ledger.rows)
    assert parts == pytest.approx(view.ledger.total.value, abs=2e-3 * max(1.0, found.size))
    square = window.layout().square_rect(next(s for s in range(64) if s not in _occupied(window)))
    corner = window.screen.get_at((square.x + 3, square.y + 3))
    colour = view.heat.fills[window.layout().square_at(square.center) or 0]
    assert "#{:02x}{:02x}{:02x}".format(*corner[:3]) == colour
    value = pixels(window)
    key(window, pygame.K_b, "b")
    biases = pixels(window)
    key(window, pygame.K_b, "b")
    key(window, pygame.K_e, "e")
    assert "wish" in window.view().ledger.title  # type: ignore[union-attr]
    move = pixels(window)
    assert len({plain, value, biases, move}) == 4
    key(window, pygame.K_e, "e")
    assert window.desk.heat == "off" and pixels(window) == plain


def _occupied(window: Window) -> tuple[int, ...]:
    board = window.desk.game.board
    return squares_of(board.black | board.white, board.size)


def test_a_map_is_never_shown_on_another_position(open_window: Callable[..., Window]) -> None:
    window = open_window("both", heat="value")
    desk = window.desk
    for _ in range(6):
        desk.press_square(desk.game.board.legal_moves()[0])
        assert window.view().heat is None
        settle(window)
        assert (
            desk.study is not None
            and desk.study.board == desk.game.board
            and window.view().heat is not None
        )


def test_why_the_agent_moved_stands_there_with_and_without_a_heatmap(
    open_window: Callable[..., Window],
) -> None:
    window = open_window(simulations=30)
    game = window.desk.game
    click_square(window, game.board.legal_moves()[0])
    found, reply = game.search_of(1), game.action_at(1)
    assert found is not None and reply is not None
    reasons = game.why(1, reply)
    assert reasons is not None and window.view().sentence == reasons.sentence
    assert reasons.sentence.startswith(square_name(reply, 8))
    assert "why" in window.layout().sections
    key(window, pygame.K_e, "e")
    assert window.view().sentence == reasons.sentence
    assert "ledger" in window.layout().sections
    ledger = window.view().ledger
    assert ledger is not None and ledger.poles == ("for white", "for black")  # whom red speaks for
    key(window, pygame.K_u, "u")
    assert window.view().sentence == ""  # it has not moved yet


def test_a_hint_is_shown_when_asked_and_goes_with_the_position(
    open_window: Callable[..., Window],
) -> None:
    window = open_window()
    assert window.view().best is None
    key(window, pygame.K_h, "h")
    view = window.view()
    assert view.best in window.desk.game.board.legal_moves() and view.candidates_title == "Hint"
    assert sum(move.share for move in view.candidates) == pytest.approx(1.0)
    click_square(window, view.best or 0)
    assert window.view().best is None


def test_resizing_redraws_and_clicks_still_meet_their_squares(
    open_window: Callable[..., Window],
) -> None:
    window = open_window("both")
    for size in ((1400, 800), (500, 900), (320, 240), (1000, 380), (800, 800)):
        pygame.event.post(pygame.event.Event(pygame.VIDEORESIZE, size=size, w=size[0], h=size[1]))
        settle(window)
        assert window.size == size
        square = window.desk.game.board.legal_moves()[0]
        click_square(window, square)
        assert window.desk.game.last_move == square
    pygame.event.post(pygame.event.Event(pygame.VIDEORESIZE, size=(10, 10), w=10, h=10))
    settle(window)
    assert window.size == (320, 240)


def test_nothing_is_drawn_while_nothing_changes(open_window: Callable[..., Window]) -> None:
    window = open_window()
    drawn = window.drawn
    for _ in range(20):
        window.step(1)
    pygame.event.post(
        pygame.event.Event(pygame.MOUSEMOTION, pos=(2, 2), rel=(0, 0), buttons=(0, 0, 0))
    )
    settle(window)
    assert window.drawn == drawn
    square = window.desk.game.board.legal_moves()[0]
    point = window.layout().square_rect(square).center
    pygame.event.post(
        pygame.event.Event(pygame.MOUSEMOTION, pos=point, rel=(0, 0), buttons=(0, 0, 0))
    )
    settle(window)
    assert window.drawn == drawn + 1 and window.view().ghost is not None


def test_discs_turn_and_come_to_rest(open_window: Callable[..., Window]) -> None:
    now = [0.0]
    window = open_window("both", animate=True, clock=lambda: now[0])
    desk = window.desk
    desk.press_square(desk.game.board.legal_moves()[0])
    phases = []
    for now[0] in (0.0, 0.05, 0.11, 0.2):
        assert desk.animating
        phases.append(window.view().turning.phase)  # type: ignore[union-attr]
    assert phases[0] == 0 and phases == sorted(phases) and phases[2] == 0.5
    now[0] = 0.23
    assert not desk.animating and window.view().turning is None
    settle(window)


def test_the_value_graph_jumps_to_the_ply_under_the_mouse(
    open_window: Callable[..., Window],
) -> None:
    from app.desktop.layout import graph_rect

    window = open_window("both", size=(1100, 760))
    window.desk.open_text("f5d6c3d3c4f4")
    settle(window)
    places = window.layout()
    plot = graph_rect(places.sections["graph"], places.unit)
    click(window, (plot.x + round(2.5 * plot.width / 61), plot.centery))
    assert window.desk.game.cursor == 2


def test_every_button_does_what_its_key_does(open_window: Callable[..., Window]) -> None:
    window = open_window(size=(1160, 760))
    for command, read in (
        ("heat", lambda: window.desk.heat),
        ("bias", lambda: window.desk.biases),
        ("numbers", lambda: window.desk.numbers),
        ("seat", lambda: window.desk.game.seat),
        ("stronger", lambda: window.desk.game.strength.simulations),
        ("weaker", lambda: window.desk.game.strength.simulations),
        ("help", lambda: window.desk.help),
    ):
        before = read()
        click_button(window, command)
        assert read() != before, command


def test_every_command_is_in_one_table_with_keys_of_its_own(
    open_window: Callable[..., Window],
) -> None:
    from app.desktop.commands import COMMANDS
    from app.present.keys import KEYS

    named = [name for row in KEYS for name in row.commands]
    assert sorted([*named, "strength"]) == sorted(COMMANDS)  # which only tells something
    keys = [key for row in KEYS for given in row.commands.values() for key in given]
    assert len(set(keys)) == len(keys)
    window = open_window(size=(1160, 760))
    for row in window.view().buttons:
        for button in row:
            assert button.label and COMMANDS[button.command].name == button.command
            assert button.command in window.layout().buttons
    assert not window.view().help
    window.do("help")
    assert window.view().help == tuple((row.shown, row.words) for row in KEYS)
