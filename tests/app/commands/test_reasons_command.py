"""`othello explain --why` and `othello review --why` as a user types them."""

from __future__ import annotations

import json

import pytest

from app.cli import bare_why, run
from app.explain.reasons.chosen import CHOSEN

LINE = "f5d6c3d3c4f4f6g5e6d7e3c5f3"


def test_why_a_move(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", LINE, "--why", "-n", "60", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == 1
    assert report["position"].endswith(" O")
    move, rival = report["move"], report["rival"]
    assert run(["explain", LINE, "--why", rival, "--rather", move, "-n", "60", "--json"]) == 0
    turned = json.loads(capsys.readouterr().out)
    assert (turned["move"], turned["rival"]) == (rival, move)
    for one, other in zip(report["facts"], turned["facts"]):
        if one["name"] in CHOSEN:
            continue
        assert (one["value"], one["rival_value"]) == (other["rival_value"], other["value"])


def test_a_review_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", LINE, "--why", "-n", "20", "--json"]) == 0
    moves = json.loads(capsys.readouterr().out)["moves"]
    assert len(moves) == 13
    assert all(move["why"]["sentence"] for move in moves)
    assert [move["why"]["move"] for move in moves] == [move["move"] for move in moves]
    worse = [move for move in moves if move["move"] not in move["best"]]
    assert worse and all(move["why"]["rival"] == move["best"][0] for move in worse)
    assert run(["review", LINE, "-n", "20", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)["moves"]
    assert plain == [{k: v for k, v in move.items() if k != "why"} for move in moves]


def test_a_move_that_the_search_did_not_try_is_judged_by_a_search_after_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["analyze", "f5", "-n", "20", "--json"]) == 0
    moves = json.loads(capsys.readouterr().out)["moves"]
    assert next(move for move in moves if move["move"] == "f6")["visits"] == 0
    assert run(["review", "f5f6", "--why", "-n", "20", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["moves"][1]["why"]
    named = ["--rather", first["rival"]]
    assert run(["explain", "f5", "--why", "f6", *named, "-n", "20", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert first["sentence"] == second["sentence"]
    assert first["tries"] == 20
    assert "20 of 40 tries" in first["sentence"]
    assert first["expected_discs"] is not None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["start", "--why", "a1"], "move a1 is illegal for black"),
        (["start", "--why", "d3", "--rather", "d3"], "it is the move itself"),
        (["start", "--why", "d3", "--rather", "a1"], "rival a1 is illegal"),
        (["start", "--why", "z9"], "z9"),
        (["start", "--rather", "d3"], "give --why too"),
        (["X" * 64, "--why"], "the game is over"),
        (["XO" + "-" * 62, "--why"], "no game reaches"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert said in lines[0]
    assert len(lines) <= 2


def test_a_bare_why_asks_for_the_search_s_own_move() -> None:
    assert bare_why(["explain", "start", "--why"]) == ["explain", "start", "--why="]
    assert bare_why(["explain", "--why", "--json", "start"])[1] == "--why="
    assert bare_why(["review", "--why", "game.sgf"]) == ["review", "--why", "game.sgf"]
    assert bare_why([]) == []
