"""Other programs in a session: as opponents, as second opinions, failing, and named by the operator alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.game.opponents import ENGINES, engine_lines, named_engine, offered_engines
from app.game.session import Session
from othello.errors import EngineError, ParseError
from othello.rules.board import Board

PROGRAM = """
import sys, time
sys.path.insert(0, {root!r})
from othello.rules.board import Board
from othello.rules.notation import parse_square, square_name
board, moves = Board.initial(), 0
for line in sys.stdin:
    word, *rest = line.split() or [""]
    if word == "clear_board":
        board = Board.initial()
    elif word == "play":
        board = board.play(64 if rest[1].lower() == "pass" else parse_square(rest[1].lower()))
    elif word == "genmove":
        moves += 1
        if moves > {lives}:
            {end}
        action = board.legal_actions()[-1]
        board = board.play(action)
        print("= " + square_name(action) + "\\n", flush=True)
        continue
    print("=\\n", flush=True)
    if word == "quit":
        break
"""


def program(folder: Path, lives: int = 1000, end: str = "sys.exit(3)") -> str:
    """A GTP program that plays the last legal move and, after `lives` moves, ends as told."""
    file = folder / "program.py"
    file.write_text(PROGRAM.format(root=str(Path(__file__).parents[3]), lives=lives, end=end))
    return f"gtp:{sys.executable} {file}"


def test_a_program_plays_a_whole_game_undo_and_all_in_one_process(tmp_path: Path) -> None:
    game = Session(opponent=program(tmp_path), seat="black")
    game.rivals.seconds = 30.0
    turned_back = False
    while not game.board.is_over:
        if game.agent_to_move:
            board = game.board
            assert game.reply() == board.legal_actions()[-1]
        else:
            game.play(game.board.legal_moves()[0])
        if game.length == 10 and not turned_back:
            game.undo()
            game.play(game.board.legal_moves()[-1])
            turned_back = True
    rival = game.rivals._known[game.opponent]
    assert rival._player._process.alive  # type: ignore[attr-defined]
    process = rival._player._process  # type: ignore[attr-defined]
    game.close()
    assert not process.alive


@pytest.mark.parametrize(
    "end", ["sys.exit(3)", "time.sleep(60)", "print('? no' + chr(10), flush=True); continue"]
)
def test_a_program_that_fails_leaves_the_game_where_it_was_and_another_goes_on(
    end: str, tmp_path: Path
) -> None:
    game = Session(opponent=program(tmp_path, 1, end), seat="black")
    game.rivals.seconds = 30.0
    game.play(game.board.legal_moves()[0])
    game.reply()
    game.play(game.board.legal_moves()[0])
    before = game.transcript
    game.rivals._known[game.opponent]._player.move_seconds = 0.5  # type: ignore[attr-defined]
    with pytest.raises(EngineError):
        game.reply()
    assert game.transcript == before and game.agent_to_move and not game.rivals._known
    game.opponent = "greedy"
    game.reply()
    assert game.length == 4


def test_a_second_opinion_plays_nothing_and_may_be_asked_anywhere(tmp_path: Path) -> None:
    game = Session(seat="both")
    game.rivals.seconds = 30.0
    game.open("f5d6c3d3", seat="both")
    spec = program(tmp_path)
    for ply in (4, 1, 4, 3, 2, 4):
        assert game.second_opinion(spec, ply) == game.board_at(ply).legal_actions()[-1]
    assert game.transcript == "f5d6c3d3"
    game.close()


def test_a_gtp_program_cannot_begin_in_the_middle(tmp_path: Path) -> None:
    game = Session(opponent=program(tmp_path), seat="white", start=Board.parse("f5d6"))
    with pytest.raises(EngineError, match="began elsewhere"):
        game.reply()


@pytest.mark.parametrize(
    "text", ["", "Edax", "=gtp:sh", "x=random", "x=gtp:", "x=gtp:no-such-program", "a\nb=gtp:sh"]
)
def test_an_engine_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ParseError):
        named_engine(text)


def test_engines_travel_through_the_environment() -> None:
    lines = engine_lines(["Shell=gtp:sh -c 'x=1'", "Other = nboard:sh"])
    assert offered_engines({ENGINES: lines}) == {"Shell": "gtp:sh -c 'x=1'", "Other": "nboard:sh"}
    assert offered_engines({}) == {}
