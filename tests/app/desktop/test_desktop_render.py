"""Drawing is pure: no window, the same pixels for the same view, discs and colours where the rules say, any size."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pygame = pytest.importorskip("pygame")

from app.desktop.draw_board import _LAST  # noqa: E402
from app.desktop.layout import layout  # noqa: E402
from app.desktop.paint import disc, wrapped  # noqa: E402
from app.desktop.render import layout_of, render  # noqa: E402
from app.desktop.view import Button, Ghost, Prompt, Turning, View  # noqa: E402
from app.models import Model  # noqa: E402
from app.present.board_svg import GREEN, NEUTRAL  # noqa: E402
from app.present.colormap import Heat, rgb  # noqa: E402
from app.present.game_view import (  # noqa: E402
    Candidate,
    Ledger,
    LedgerRow,
    Seated,
    moves_table,
)
from othello.rules.board import Board, squares_of  # noqa: E402
from othello.search.search import Search  # noqa: E402

ROOT = Path(__file__).parents[3]
BOARD = Board.parse("f5d6c3d3c4f4f6f3e6e7d7g6")
PLAYERS = (Seated("You", 8, True), Seated("Agent", 9, False))
PLAIN = View(BOARD, PLAYERS)


def full_view(board: Board = BOARD) -> View:
    """A view with every part present."""
    cells = board.size**2
    fills = tuple(f"#{40 + 3 * s:02x}78{250 - 3 * s:02x}" for s in range(cells))
    row = LedgerRow("squares", 0.3, "+0.30")
    return View(
        board,
        PLAYERS,
        status="Your move (black).",
        notice="Saved somewhere",
        progress=0.4,
        last=squares_of(board.white, board.size)[0],
        dots=board.legal_moves(),
        cursor=5,
        ghost=Ghost(board.legal_moves()[0], (3,)),
        turning=Turning((3,), 0.4),
        neutral=True,
        heat=Heat(fills, ("+.12",) * cells, 0.12),
        with_numbers=True,
        marks=("7 %",) * cells,
        best=2,
        value_words="Agent: 37 % for black",
        values=(0.1, None, -0.8),
        ply=2,
        ledger=Ledger(
            "Value for black",
            "squares, in points",
            ("for white", "for black"),
            (row, row),
            replace(row, name="target"),
            "Words. " * 30,
        ),
        candidates=(Candidate(26, "c4", 70, 0.7, 0.2, "35 %", True),) * 6,
        candidates_title="Hint",
        opening="Tiger",
        moves="1. f5 d6 " * 30,
        buttons=((Button("undo", "Undo", "U"), Button("heat", "Heat", on=True)),) * 4,
        prompt=Prompt("Open:", "x" * 300),
        help=(("A", "b"),) * 13,
    )


def pixels(view: View, size: tuple[int, int]) -> bytes:
    """The RGB bytes of a view."""
    return bytes(pygame.image.tobytes(render(view, size), "RGB"))


def test_drawing_needs_no_window_and_initialises_no_video() -> None:
    code = (
        "import pygame; from app.desktop.render import render; "
        "from app.desktop.view import View; from app.present.game_view import Seated;"
        "from othello.rules.board import Board;"
        "render(View(Board.initial(), (Seated('a', 2, True), Seated('b', 2, False))), (640, 480));"
        "assert not pygame.display.get_init() and not pygame.get_init()"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    "package", ["app/web", "app/explain", "othello", "lrp", "app/commands", "app/game/session.py"]
)
def test_pygame_stays_in_the_desktop(package: str) -> None:
    place = ROOT / package
    for path in [place] if place.is_file() else place.rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not any(
            line.strip().startswith(("import pygame", "from pygame")) for line in lines
        ), path


def test_a_move_that_the_search_never_visited_has_a_question_mark_for_its_chance(
    model: Model,
) -> None:
    found = Search(model.evaluator, batch=1).run(BOARD, 2)
    rows = moves_table(found, None, most=len(found.moves))
    assert {row.share > 0 for row in rows} == {False, True}
    assert all((row.chance == "?") == (row.share == 0) for row in rows)
    pictures = [
        pixels(replace(PLAIN, candidates=(replace(rows[0], chance=chance),)), (900, 600))
        for chance in ("?", "50 %", "40 %")
    ]
    assert len(set(pictures)) == 3


def test_equal_views_are_equal_pixels_and_the_view_stays_as_it_was() -> None:
    view, twin = full_view(), full_view()
    assert view == twin and pixels(view, (900, 600)) == pixels(twin, (900, 600)) and view == twin


@pytest.mark.parametrize(
    "size",
    [(1160, 760), (800, 800), (500, 900), (640, 420), (321, 243), (1, 1), (40, 900), (2000, 60)],
)
@pytest.mark.parametrize("dark", [False, True])
def test_every_part_draws_at_every_size(size: tuple[int, int], dark: bool) -> None:
    view = replace(full_view(), dark=dark)
    assert render(view, size).get_size() == size
    assert render(replace(view, prompt=None, help=()), size).get_size() == size


@pytest.mark.parametrize(
    "text", ["X" * 8 + "O" * 8, "-" * 5 + "XO" + "--" + "OX" + "-" * 5, "X" + "-" * 35]
)
def test_boards_of_every_size_draw(text: str) -> None:
    board = Board.parse(f"{text} X")
    assert render(View(board, PLAYERS, neutral=True), (500, 400)).get_size() == (500, 400)


def test_discs_and_empty_squares_have_their_colours() -> None:
    for neutral, theme in ((False, GREEN), (True, NEUTRAL)):
        surface = render(replace(PLAIN, neutral=neutral), (1000, 700))
        places = layout_of(PLAIN, (1000, 700))
        for square in range(64):
            rect = places.square_rect(square)
            found = tuple(surface.get_at(rect.center))[:3]
            if square in squares_of(BOARD.black, 8):
                assert max(found) < 90
            elif square in squares_of(BOARD.white, 8):
                assert min(found) > 200
            else:
                assert found == rgb(theme.felt)


def test_heat_fills_its_squares_exactly_and_discs_leave_room_for_it() -> None:
    view = replace(full_view(), prompt=None, help=(), cursor=None, best=None, marks=())
    surface, places = render(view, (1000, 700)), layout_of(view, (1000, 700))
    for square in range(64):
        rect = places.square_rect(square)
        assert view.heat is not None
        assert tuple(surface.get_at((rect.centerx, rect.y + 2)))[:3] == rgb(
            view.heat.fills[square]
        ), square


@pytest.mark.parametrize(
    "part",
    [
        {"last": 26},
        {"dots": BOARD.legal_moves()},
        {"cursor": 9},
        {"best": 9},
        {"ghost": Ghost(2, ())},
        {"neutral": True},
        {"turning": Turning((27,), 0.3)},
        {"status": "Hello"},
        {"dark": True},
        {"values": (0.5,)},
        {"prompt": Prompt("a", "")},
    ],
)
def test_every_part_can_be_seen(part: dict[str, object]) -> None:
    assert pixels(replace(PLAIN, **part), (900, 600)) != pixels(PLAIN, (900, 600))  # type: ignore[arg-type]


def test_why_the_last_move_stands_in_place_of_the_accounts_words() -> None:
    view = full_view()
    assert view.ledger is not None
    told = replace(view, sentence="f4 rather than c5: it closes a1.")
    same = replace(view, ledger=replace(view.ledger, sentence=told.sentence))
    assert pixels(told, (900, 600)) == pixels(same, (900, 600)) != pixels(view, (900, 600))


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from((4, 6, 8)))
def test_a_point_in_a_square_is_that_square(width: int, height: int, side: int) -> None:
    places = layout((width, height), side)
    for square in range(side * side):
        assert places.square_at(places.square_rect(square).center) == square
    assert places.square_at((places.cells.x - 1, places.cells.y)) is None


@settings(deadline=None, max_examples=200)
@given(st.integers(320, 3000), st.integers(240, 2000))
def test_parts_of_the_window_do_not_overlap(width: int, height: int) -> None:
    view = full_view()
    rows = tuple(tuple((f"{r}{c}", 1.0 + c) for c in range(4)) for r in range(4))
    places = layout(
        (width, height), 8, ("players", "status", "graph", "ledger", "moves", "record"), rows
    )
    parts = [places.frame, *places.sections.values(), *places.buttons.values()]
    assert view.board.size == places.side and places.frame.width == places.frame.height
    for number, first in enumerate(parts):
        for second in parts[number + 1 :]:
            assert not first.colliderect(second), (first, second, width, height)
    assert {"players"} <= places.sections.keys() or min(width, height) < 400


def test_a_disc_covers_the_area_of_its_circle() -> None:
    for radius in (3.0, 10.5, 33.3):
        alpha = pygame.surfarray.array_alpha(disc(radius, "#ffffff", "#000000"))
        assert alpha.sum() / 255 == pytest.approx(3.14159265 * radius**2, rel=0.01)


@given(st.text(max_size=400), st.integers(40, 400), st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_wrapped_text_keeps_to_its_lines_and_width(text: str, limit: int, lines: int) -> None:
    from app.desktop.paint import width_of

    rows = wrapped(text, 12, limit, lines)
    assert len(rows) <= lines and all(width_of(row, 12) <= limit for row in rows)


def test_the_last_move_is_marked_without_red() -> None:
    for colour in _LAST.values():
        red, green, _ = rgb(colour)
        assert green > 0.6 * red
