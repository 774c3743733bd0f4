"""`othello analyze`, `solve`, `match` and `engine` with the choices that players and searches have."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from app.cli import run
from othello.engines.nboard import game_text
from othello.players.endgame import SOLVE_EMPTIES
from othello.records import GameRecord, write_sgf
from othello.solver.solver import exact_scores
from tests.othello.positions import position_with_empties

POSITION = "f5d6c3d3c4f4f6g5e6d7"
LATE = "f5d6c3d3c4f4f6g5e6d7e3c5f3e7h5e2c6d2c2b3b4g6a4h6g4h4c7h3d8b5f8b6f7a5a3a2a7c1b7g3g2c8b8e8d1e1f1b2a6"


def analysed(capsys, *options: str) -> dict:
    assert run(["analyze", POSITION, "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_gumbel_root_repeats_for_its_seed(capsys):
    first, again, other = (
        analysed(capsys, "--root", "gumbel", "-n", "40", "--seed", seed) for seed in ("3", "3", "4")
    )
    assert first["moves"] == again["moves"] and first["pv"] == again["pv"]
    assert [move["u"] for move in first["moves"]] != [move["u"] for move in other["moves"]]
    assert sum(move["improved"] for move in first["moves"]) == pytest.approx(1, abs=1e-5)
    assert first["simulations"] == 40 == sum(move["visits"] for move in first["moves"])
    assert first["pv"][0] == first["moves"][0]["move"]


def test_puct_takes_a_c_puct_and_a_time_budget(capsys):
    narrow, wide = (analysed(capsys, "-n", "200", "--c-puct", c) for c in ("0.1", "30"))
    assert (
        narrow["moves"][0]["visits"] > wide["moves"][0]["visits"]
        and "improved" not in narrow["moves"][0]
    )
    timed = analysed(capsys, "--seconds", "0.2")
    assert 0 < timed["simulations"] < 1_000_000 and timed["seconds"] < 5


def test_near_the_end_the_exact_score_and_a_best_move_come_first(capsys):
    assert run(["solve", LATE, "--json"]) == 0
    solved = json.loads(capsys.readouterr().out)
    assert run(["analyze", LATE, "-n", "20", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["exact"] == solved["score"] and report["moves"][0]["move"] in solved["best"]
    assert run(["analyze", LATE, "-n", "20", "--solve", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exact"] is None


def test_win_draw_or_loss_agrees_with_the_score(capsys):
    assert run(["solve", LATE, "--json"]) == 0
    score = json.loads(capsys.readouterr().out)["score"]
    assert run(["solve", LATE, "--wld", "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["result"] == ("win" if score > 0 else "loss" if score < 0 else "draw")
    assert bool(verdict["best"]) == (score >= 0)
    assert run(["solve", "start", "--wld", "--seconds", "0.05"]) == 1
    assert "not solved in 0.05 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--root", "alpha"),
        ("--root", "gumbel", "--seconds", "1"),
        ("--root", "gumbel", "-n", "200000"),
        ("--c-puct", "-1"),
        ("-n", "0"),
        ("--solve", "99"),
    ],
)
def test_a_bad_choice_is_bad_usage(arguments, capsys):
    assert run(["analyze", POSITION, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(("othello", "error")) and error.count("\n") <= 2


def session(protocol, script, *options):
    """What an engine of one simulation a move says to the lines of `script`, in a process of its own."""
    program = "import sys; from app.cli import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "engine", protocol, "-n", "1", *options]
    done = subprocess.run(
        command, input=script, capture_output=True, text=True, timeout=300, check=True
    )
    assert not done.stderr or done.stderr.startswith("compiling")
    return done.stdout


@pytest.fixture(scope="module")
def late_boards():
    generator, found = random.Random(3), []
    while len(found) < 8:
        board = position_with_empties(generator, 16)
        if len(board.legal_moves()) > 4:
            found.append(board)
    return found


def test_the_gtp_engine_plays_exactly_from_as_many_empty_squares_as_it_is_told(
    late_boards, tmp_path
):
    script = ""
    for number, board in enumerate(late_boards):
        file = tmp_path / f"{number}.sgf"
        file.write_text(write_sgf([GameRecord(start=board)]))
        script += f"loadsgf {file}\nreg_genmove {'b' if board.side == 'X' else 'w'}\n"
    errs = {}
    for options in ((), ("--solve", "0")):
        answers = [
            line[2:].lower()
            for line in session("gtp", script, *options).splitlines()
            if len(line) > 1
        ]
        played = {board: board.play(move) for board, move in zip(late_boards, answers, strict=True)}
        errs[options] = sum(played[board] not in best_replies(board) for board in late_boards)
    assert errs[()] == 0 < errs["--solve", "0"]


def best_replies(board):
    scores = exact_scores(board)
    return [board.play(move) for move, score in scores.items() if score == max(scores.values())]


def test_the_nboard_engine_is_exact_from_as_many_empty_squares_as_it_is_told(late_boards):
    script = "".join(f"set game {game_text(board)}\nhint 1\n" for board in late_boards)
    for empties, exact in (("16", 8), ("15", 0)):
        answers = session("nboard", script, "--solve", empties)
        hints = [line.split() for line in answers.splitlines() if line.startswith("search")]
        assert len(hints) == 8 and sum(hint[4] == "100%" for hint in hints) == exact
        if exact:
            assert [float(hint[2]) for hint in hints] == [
                max(exact_scores(board).values()) for board in late_boards
            ]


@pytest.mark.parametrize("command", ["engine", "analyze", "match"])
def test_help_says_from_where_play_is_exact(command, capsys):
    assert run([command, "--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    if command == "match":
        assert f"mcts:100 is mcts:100,solve={SOLVE_EMPTIES}" in words
    else:
        assert (
            "--solve EMPTIES Exact from so many empty squares" in words
            and f"default: {SOLVE_EMPTIES}" in words
        )
    assert run(["engine", "gtp", "--solve", "99"]) == 2


def test_players_with_settings_meet_in_a_match(capsys):
    assert (
        run(
            [
                "match",
                "gumbel:4,solve=8",
                "mcts:4,solve=0,leaf=0,c=2",
                "--games",
                "2",
                "--adjudicate",
                "12",
                "--json",
            ]
        )
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert (
        report["a"] == "gumbel:4,solve=8"
        and report["checkpoints"]["a"] == report["checkpoints"]["b"]
    )
    assert {game["termination"] for game in report["records"]} == {"adjudicated"}
    assert run(["match", "mcts:4,depth=3", "random"]) == 2
    assert "accepted are solve=, leaf=, c=, first=" in capsys.readouterr().err
