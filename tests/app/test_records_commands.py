"""`othello convert`, `review`, `ladder` and `release` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import run
from othello import checkpoint
from othello.network import Architecture
from othello.records import read_games
from othello.training.config import LearnerSettings, RunConfig
from othello.training.loop import train
from othello.training.selfplay import SelfPlaySettings

GAMES = Path(__file__).parents[1] / "data" / "games.ggf"
GAME = (  # a full game
    "f5d6c3d3c4f4f6g5e6d7e3c5f3e7h5e2c6d2c2b3b4g6a4h6g4h4c7h3d8b5f8b6f7a5a3a2a7c1b7g3g2c8b8e8d1e1f1b2a6a8h2h1g1f2g7g8"
    "a1b1h8h7"
)


@pytest.mark.parametrize("suffix", ["ggf", "sgf", "txt", "wtb"])
def test_games_survive_conversion(tmp_path, capsys, suffix):
    first, second = tmp_path / f"games.{suffix}", tmp_path / "again.txt"
    source = tmp_path / "source.txt"
    source.write_text(GAME + "\n")
    assert run(["convert", str(source), str(first)]) == 0
    assert run(["convert", str(first), str(second), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["games"] == 1
    assert read_games(second.read_bytes(), "transcript")[0].transcript == GAME


def test_conversion_names_what_is_wrong_and_writes_nothing(tmp_path, capsys):
    assert run(["convert", str(GAMES), str(tmp_path / "out.doc")]) == 2
    assert run(["convert", str(tmp_path / "absent.ggf"), str(tmp_path / "out.sgf")]) == 2
    assert list(tmp_path.iterdir()) == []
    errors = capsys.readouterr().err
    assert "'doc'" in errors and "accepted are" in errors and "absent.ggf" in errors


def test_a_review_gives_exact_losses_at_the_end(capsys):
    assert run(["review", GAME, "--simulations", "4", "--json"]) == 0
    moves = json.loads(capsys.readouterr().out)["moves"]
    assert len(moves) == 61  # 60 discs and a forced pass
    assert {move["unit"] for move in moves[-10:]} == {"discs"}
    assert all(move["loss"] >= 0 for move in moves)
    assert moves[-1]["loss"] == 0


def test_a_review_of_an_illegal_game_names_the_move(capsys):
    assert run(["review", "f5f5", "--simulations", "4"]) == 2
    assert "f5" in capsys.readouterr().err


def test_a_run_is_rated_and_released_with_a_card(tmp_path, capsys):
    settings = RunConfig(
        games=6, chunk=6, workers=1, network=Architecture(size=4, blocks=0, channels=4),
        selfplay=SelfPlaySettings(simulations=4, slots=6, solve_empties=3, label_empties=1, leaf_empties=2),
        learner=LearnerSettings(batch=16),
    )  # fmt: skip
    folder, out = tmp_path / "run", tmp_path / "released"
    train(folder, settings, iterations=1)
    assert run(["release", str(folder), "--out", str(out), "--games", "0", "--hardware", "one core"]) == 0
    released = checkpoint.load(out)
    assert released.meta["generation"] == 1 and released.meta["games"] == 6
    card = (out / "README.md").read_text()
    assert released.sha256 in card and "one core" in card and "Not measured yet" in card
    assert run(["release", str(folder), "--out", str(out), "--generation", "9"]) == 2
    assert "0009: no such checkpoint" in capsys.readouterr().err
    assert run(["ladder", str(tmp_path / "nothing")]) == 2


def test_a_match_ends_when_its_sequential_test_has_decided(capsys):
    assert run(["match", "alphabeta:3", "random", "--games", "400", "--sprt", "0", "50", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["decision"] == "stronger" and report["games"] < 400
    assert run(["match", "greedy", "random", "--sprt", "50", "0"]) == 2
    assert "the smaller one" in capsys.readouterr().err
