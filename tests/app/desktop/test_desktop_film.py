"""Films and pictures of games: the GIF decodes to what was drawn, the command writes it without a window."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pygame = pytest.importorskip("pygame")

from app.cli import run  # noqa: E402
from app.desktop.film import Film, play_out  # noqa: E402
from app.explain.points import in_points  # noqa: E402
from app.game.session import Session, Strength  # noqa: E402
from app.present.colormap import scale_of  # noqa: E402
from app.present.film import encoded  # noqa: E402
from othello.rules.board import Board  # noqa: E402

if TYPE_CHECKING:
    from app.models import Model

LINE = "f5d6c3d3c4f4f6f3"
TO_A_PASS = "d3c3e6d2d1e1b2c1"


def game_of(model: Model, text: str) -> Session:
    """A watched game with these moves."""
    game = Session(model, seat="watch", strength=Strength(simulations=0))
    game.open(text)
    game.plies()
    return game


def test_a_gif_decodes_to_the_pictures_it_was_made_of() -> None:
    from PIL import Image, ImageSequence

    random = np.random.default_rng(0)
    colours = np.array(
        [[247, 247, 247], [178, 24, 43], [33, 102, 172], [0, 0, 0], [241, 240, 234]], np.uint8
    )
    drawn = [np.zeros((40, 60, 3), np.uint8) + colours[0]]
    for _ in range(6):
        following = drawn[-1].copy()
        top, left = random.integers(0, 30), random.integers(0, 40)
        following[top : top + 10, left : left + 20] = colours[random.integers(5)]
        drawn.append(following)
    data = encoded(
        [Image.fromarray(array) for array in drawn], [50] * 6 + [400], ["#f1f0ea", "#000000"]
    )
    film = Image.open(io.BytesIO(data))
    shown = [
        (np.asarray(frame.convert("RGB")), frame.info["duration"])
        for frame in ImageSequence.Iterator(film)
    ]
    times = [time for _, time in shown]
    assert sum(times) == 700 and film.info["loop"] == 0
    clock, at = 0, {}
    for number, time in enumerate([50] * 6 + [400]):
        at[clock] = drawn[number]
        clock += time
    clock = 0
    for array, time in shown:
        if clock in at:
            assert np.array_equal(array, at[clock])
        clock += time


def test_every_still_picture_is_its_own_explanation_from_one_side(model: Model) -> None:
    game = game_of(model, LINE)
    frames = list(Film().frames(game))
    stills = [view for view, _ in frames if view.turning is None and view.heat is not None]
    assert [view.ply for view in stills] == [0, 2, 4, 6, 8]
    for view in stills:
        found = in_points(game.explain(view.ply))
        assert view.board.side == "X" and view.heat is not None
        assert view.heat.scale == scale_of(found.squares)
        assert view.ledger is not None and view.ledger.total.value == found.value


def test_the_best_move_that_is_explained_is_the_one_the_search_found(model: Model) -> None:
    other = Film(heat="value", simulations=0).still(game_of(model, LINE), 7)
    assert other.heat is not None  # a picture explains who is to move, be it not the film's side
    view = Film(heat="move", simulations=16).still(game_of(model, LINE), 8)
    assert view.ledger is not None and view.ledger.title.endswith(f" {view.candidates[0].name}")


def test_between_stills_discs_turn_and_every_board_is_of_the_game(model: Model) -> None:
    game = game_of(model, TO_A_PASS)
    boards = [game.board_at(ply) for ply in range(game.length + 1)]
    places = [boards.index(view.board) for view, _ in Film(side="O").frames(game)]
    assert places == sorted(places) and set(places) >= set(range(game.length))
    for view, milliseconds in Film().frames(game):
        assert milliseconds % 10 == 0 and milliseconds > 0
        if view.turning is not None:
            assert 0 < view.turning.phase < 1 and view.turning.squares


def test_a_film_lasts_as_long_as_asked(model: Model) -> None:
    game = game_of(model, LINE)
    for seconds in (2.0, 6.0):
        times = [milliseconds for _, milliseconds in Film(seconds=seconds).frames(game)]
        assert sum(times[:-1]) == pytest.approx(1000 * seconds, abs=250) and times[-1] == 2000


def test_the_agent_plays_a_game_out_against_another_player(model: Model) -> None:
    game = Session(model, seat="watch", strength=Strength(simulations=0))
    play_out(game, "O", "greedy")
    assert game.board.is_over and game.opponent == "agent"
    assert Board.parse(game.transcript) == game.board


def test_drawn_openings_depend_on_the_seed_only(model: Model) -> None:
    def line(seed: int) -> tuple[int, ...]:
        game = Session(model, seat="watch", strength=Strength(simulations=8), seed=seed)
        game.new_game()
        while game.length < 6:
            game.set_strength(temperature=1.0)
            game.reply()
        return game.actions

    assert line(1) == line(1) and len({line(seed) for seed in range(4)}) > 1


def test_the_command_writes_a_film_without_a_window(
    model: Model, tmp_path: Path, capsys: Any
) -> None:
    target = tmp_path / "play.gif"
    arguments = [
        "desktop",
        "--gif",
        str(target),
        "--game",
        LINE,
        "-n",
        "0",
        "--window",
        "480x320",
        "--json",
    ]
    assert run(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    from PIL import Image

    with Image.open(target) as film:
        assert film.size == (480, 320) and film.n_frames > 8
    assert report["gif_bytes"] == target.stat().st_size < 3_000_000 and report["game"] == LINE
    first = target.read_bytes()
    assert run(arguments) == 2 and "--force" in capsys.readouterr().err
    assert run([*arguments, "--force"]) == 0
    assert target.read_bytes() == first


def test_the_command_writes_a_picture_of_a_ply(model: Model, tmp_path: Path) -> None:
    from PIL import Image

    target = tmp_path / "board.png"
    assert (
        run(["desktop", "--png", str(target), "--game", LINE, "--ply", "4", "--window", "640x420"])
        == 0
    )
    with Image.open(target) as picture:
        assert picture.size == (640, 420)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--game", "zz"],
        ["--game", "a1"],
        ["--opponent", "nobody"],
        ["--window", "3x3"],
        ["--window", "axb"],
        ["--seat", "up"],
        ["--heat", "hot"],
        ["--seconds", "0"],
        ["--gif", "no/such/folder/a.gif"],
        ["--size", "5"],
        ["--folder", "no/such/folder"],
        ["--size", "8", "--game", "-" * 36 + "X"],
    ],
)
def test_wrong_arguments_are_one_or_two_lines_and_exit_code_2(
    model: Model, arguments: list[str], tmp_path: Path, capsys: Any
) -> None:
    base = ["desktop", "--png", str(tmp_path / "a.png")]
    assert run([*base, *arguments]) == 2
    told = capsys.readouterr()
    assert (
        told.out == ""
        and 1 <= len(told.err.strip().splitlines()) <= 2
        and "Traceback" not in told.err
    )
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("driver", ["x11", ""])
def test_without_a_display_the_command_says_so(
    driver: str, model: Model, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    pygame.display.quit()
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if driver:
        monkeypatch.setenv("SDL_VIDEODRIVER", driver)
    assert run(["desktop"]) == 2
    told = capsys.readouterr()
    assert "no window can be opened" in told.err and told.out == ""
    assert len(told.err.strip().splitlines()) == 1
