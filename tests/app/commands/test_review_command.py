"""`othello review --html` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import run
from tests.app.lost_game import LOST

QUICK = ["-n", "4", "--solve", "8"]


def test_a_report_is_written_with_the_marks_that_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, file = tmp_path / "game.txt", tmp_path / "game.html"
    source.write_text(LOST)
    assert run(["review", str(source), "--html", str(file), *QUICK, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    text = file.read_text(encoding="utf-8")
    assert told["html"] == str(file) and told["bytes"] == len(text.encode()) < 1_000_000
    assert told["transcript"] == LOST
    marked = [move for move in told["moves"] if move["mark"] not in ("best", "good")]
    table = text[text.index('<table class="moves">') : text.index("</section>")]
    assert len(marked) == table.count('class="badge ') >= 3
    assert all(move["loss"] >= 2 for move in marked if not move["exact"])
    assert {path.name for path in tmp_path.iterdir()} == {"game.txt", "game.html"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([LOST, "--html", "there.html"], "there.html: is there already"),
        ([LOST, "--html", "no/game.html"], "no/game.html: cannot be written"),
        ([LOST, "--html", "there.html/game.html"], "cannot be written"),
        (["f5f5", "--html", "game.html"], "move 2: f5 is illegal"),
        (["absent.ggf", "--html", "game.html"], "absent.ggf"),
        ([LOST, "--html", "game.html", "--why"], "--why is for the terminal"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "there.html"
    there.write_text("mine")
    assert run(["review", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there.html"]
    assert there.read_text("utf-8") == "mine"


def test_another_ending_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", "f5d6", "--html", str(tmp_path / "game.pdf")]) == 2
    assert "accepted are .html and .htm files" in capsys.readouterr().err
