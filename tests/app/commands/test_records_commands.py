"""`othello convert`, `review`, `ladder` and `release` as a user types them."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path

import pytest
from torch.testing import assert_close

from app.cli import run
from app.commands import progress, records
from othello.network import checkpoint
from othello.network.architecture import Architecture, Network
from othello.records import read_games
from othello.training.config import LearnerSettings, RunConfig
from othello.training.loop import train
from othello.training.selfplay import SelfPlaySettings

GAMES = Path(__file__).parents[2] / "data" / "games.ggf"
GAME = (  # a full game
    "f5d6c3d3c4f4f6g5e6d7e3c5f3e7h5e2c6d2c2b3b4g6a4h6g4h4c7h3d8b5f8b6f7a5a3a2a7c1b7g3g2c8b8e8d1e1f1b2a6a8h2h1g1f2g7g8"
    "a1b1h8h7"
)


@pytest.mark.parametrize("suffix", ["ggf", "sgf", "pgn", "txt", "wtb"])
def test_games_survive_conversion(tmp_path, capsys, suffix):
    first, second = tmp_path / f"games.{suffix}", tmp_path / "again.txt"
    source = tmp_path / "source.txt"
    source.write_text(GAME + "\n")
    assert run(["convert", str(source), str(first)]) == 0
    assert run(["convert", str(first), str(second), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["games"] == 1
    assert read_games(second.read_bytes(), "transcript")[0].transcript == GAME


def test_a_wthor_base_keeps_its_names_in_files_beside_it(tmp_path, capsys):
    assert run(["convert", str(GAMES), str(tmp_path / "one.sgf")]) == 0
    (tmp_path / "one.ggf").write_text("(;GM[Othello]PB[Ada]PW[Alan]PC[London]B[F5]W[D6];)")
    assert run(["convert", str(tmp_path / "one.ggf"), str(tmp_path / "BASE.WTB"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [Path(name).name for name in report["files"]] == ["BASE.WTB", "BASE.jou", "BASE.trn"]
    assert run(["convert", str(tmp_path / "BASE.WTB"), "-", "--to", "ggf"]) == 0
    assert "PC[London]" in (text := capsys.readouterr().out) and "PB[Ada]PW[Alan]" in text
    (tmp_path / "BASE.jou").rename(tmp_path / "WTHOR.JOU")
    (tmp_path / "BASE.trn").unlink()
    assert run(["convert", str(tmp_path / "BASE.WTB"), "-", "--to", "ggf"]) == 0
    assert "PC[#0]" in (text := capsys.readouterr().out) and "PB[Ada]PW[Alan]" in text
    assert run(["convert", str(tmp_path / "WTHOR.JOU"), str(tmp_path / "x.ggf")]) == 2
    assert "its .wtb file" in capsys.readouterr().err


def test_files_that_are_not_what_their_name_says_are_named_with_what_they_are(tmp_path, capsys):
    bad = tmp_path / "bad.ggf"
    for data, said in [
        (b"(;GM[2]FF[4];B[f5];W[d6])", "contents are sgf, not ggf"),
        (b"f5d6c3\n", "contents are transcript, not ggf"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "begins with (;"),
        (b"", "holds no game"),
        (
            b"(;GM[Othello]B[F5]W[D6]B[A1];)",
            "game 1: move 3, character 24: a1 is illegal for black",
        ),
    ]:
        bad.write_bytes(data)
        assert run(["convert", str(bad), str(tmp_path / "out.sgf")]) == 2
        error = capsys.readouterr().err
        assert said in error and str(bad) in error and error.count("\n") <= 2
    base = tmp_path / "base.wtb"
    assert run(["convert", str(GAMES), str(tmp_path / "good.sgf")]) == 0
    bad.write_bytes(b"(;GM[Othello]B[F5]W[D6];)")
    assert run(["convert", str(bad), str(base)]) == 0
    base.write_bytes(base.read_bytes()[:-9])
    assert run(["review", str(base)]) == 2
    assert "75 bytes where the header's 1 games need 84" in capsys.readouterr().err
    assert not (tmp_path / "out.sgf").exists()


def test_a_bad_game_is_skipped_with_its_reason_unless_strict(tmp_path, capsys):
    source, out = tmp_path / "games.txt", tmp_path / "out.sgf"
    source.write_text("f5d6c3\nf5d6c4a1\nf5d6\n")
    assert run(["convert", str(source), str(out), "--strict"]) == 2
    assert "line 2: move 4: a1 is illegal" in capsys.readouterr().err and not out.exists()
    assert run(["convert", str(source), str(out), "--json"]) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["games"] == 2 and len(report["skipped"]) == 1
    assert said.err.count("\n") == 1 and "line 2: move 4: a1 is illegal" in said.err
    assert run(["convert", str(source), str(out), "--force"]) == 0
    assert "2 games written" in (text := capsys.readouterr().out) and ", 1 skipped" in text


def test_scores_of_moves_are_kept_or_said_to_be_lost(tmp_path, capsys):
    source, out = tmp_path / "one.obf", tmp_path / "two.obf"
    source.write_text("-----OX--XO----- X; B1:-10; a2:-10;\n")
    assert run(["convert", str(source), str(out)]) == 0
    assert out.read_text("utf-8") == "-----OX--XO----- X; B1:-10; A2:-10;\n"
    assert run(["convert", str(source), str(tmp_path / "three.ggf")]) == 0
    assert "ggf does not keep them" in capsys.readouterr().err


def test_solve_takes_files_and_standard_input(tmp_path, capsys, monkeypatch):
    file = tmp_path / "list.scr"
    text = "-----OX--XO----- Black\n% remark\nnonsense\n" + "X" * 15 + "- O\n"
    file.write_text(text)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    for source in (str(file), "-"):
        assert run(["solve", source, "--json"]) == 0
        said = capsys.readouterr()
        assert [json.loads(line)["score"] for line in said.out.splitlines()] == [-10, -16]
        assert "line 3" in said.err and said.err.endswith("2 positions, 1 skipped\n")
    file.write_text("nonsense\n")
    assert run(["solve", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") <= 2


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


@pytest.mark.parametrize("how", [[], ["--why"], ["--json"], ["--html", "report.html"]])
def test_a_review_of_a_game_without_a_move_is_refused(how, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["review", "", *how]) == 2
    assert capsys.readouterr() == ("", "error: the game has no move to review\n")
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_rated_and_released_with_a_card(tmp_path, capsys):
    settings = RunConfig(
        games=6,
        chunk=6,
        workers=1,
        network=Architecture(size=4, blocks=0, channels=4),
        selfplay=SelfPlaySettings(
            simulations=4, slots=6, solve_empties=3, label_empties=1, leaf_empties=2
        ),
        learner=LearnerSettings(batch=16),
    )
    folder, out = tmp_path / "run", tmp_path / "released"
    train(folder, settings, iterations=1)
    assert (
        run(["release", str(folder), "--out", str(out), "--games", "0", "--hardware", "one core"])
        == 0
    )
    released = checkpoint.load(out)
    assert released.meta["generation"] == 1 and released.meta["games"] == 6
    card = (out / "README.md").read_text("utf-8")
    assert card.startswith("---\nlicense: mit\n") and "playing and analysing Othello on 4×4" in card
    assert released.sha256 in card and "one core" in card and "Not measured yet" in card
    assert "Played by" in card
    for name in ("config.toml", "metrics/metrics.csv"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    assert not (out / "metrics" / "ladder.csv").exists()  # the run has none
    assert not (out / "generations").exists()
    assert run(["release", str(folder), "--out", str(out), "--generation", "9"]) == 2
    assert "0009: no such checkpoint" in capsys.readouterr().err
    again = ["release", str(folder), "--out", str(out), "--games", "0", "--force"]
    assert run([*again, "--generations", "3"]) == 2
    assert "3 generations are asked for, 0 to 1 are there" in capsys.readouterr().err
    assert run([*again, "--generations", "2"]) == 0
    shipped = sorted((out / "generations").iterdir())
    assert [each.name for each in shipped] == ["0000", "0001"]
    assert "generations 0, 1 in half precision" in (out / "README.md").read_text("utf-8")
    for small in shipped:
        whole = checkpoint.load(folder / "generations" / small.name)
        read = checkpoint.load(small)
        assert read.meta["weights"]["size"] < 0.6 * whole.meta["weights"]["size"]
        assert read.meta["generation"] == whole.meta["generation"]
        for name, weights in whole.network.state_dict().items():
            assert_close(read.network.state_dict()[name], weights, rtol=1e-3, atol=1e-4)
        assert run(["checkpoint", "verify", str(small)]) == 0
    assert run(again) == 0 and not (out / "generations").exists()
    assert run(["ladder", str(tmp_path / "nothing")]) == 2


def test_the_published_ladder_is_what_its_table_draws(tmp_path, capsys):
    docs, drawn = Path(__file__).parents[3] / "docs", tmp_path / "ladder.svg"
    assert run(["ladder", str(docs / "ladder.csv"), "--plot", str(drawn)]) == 0
    assert capsys.readouterr().out.startswith("net 0180")
    assert drawn.read_bytes() == (docs / "ladder.svg").read_bytes()


def test_a_match_ends_when_its_sequential_test_has_decided(capsys):
    assert (
        run(["match", "alphabeta:3", "random", "--games", "400", "--sprt", "0", "50", "--json"])
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["decision"] == "stronger" and report["games"] < 400
    assert run(["match", "greedy", "random", "--sprt", "50", "0"]) == 2
    assert "the smaller one" in capsys.readouterr().err


def test_a_long_conversion_says_what_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "games.txt").write_text("f5d6c3\n")
    read = records.scan_games_of
    monkeypatch.setattr(progress, "SILENT_ELSEWHERE", 0.0)
    monkeypatch.setattr(records, "scan_games_of", lambda *asked: time.sleep(0.2) or read(*asked))
    assert run(["convert", str(tmp_path / "games.txt"), str(tmp_path / "games.sgf")]) == 0
    assert capsys.readouterr().err.startswith("reading games.txt, 0 s so far; Ctrl-C ends it\n")


OBEYED = (
    "\x1b\x07\x9b\u202e"  # the beginning of a command, a bell, another beginning, turned writing
)


def test_names_of_strangers_reach_a_terminal_as_they_are_written(tmp_path, capsys):
    """Names of files and players and what a checkpoint says of itself may hold what a terminal obeys."""
    bad, good = tmp_path / f"{OBEYED}.ggf", tmp_path / "good.ggf"
    bad.write_text("(;GM[Othello]garbage")
    good.write_text(f"(;GM[Othello]PB[{OBEYED}]PW[b]B[F5];)(;GM[Othello]PB[{OBEYED}]B[a1];)")
    folder = tmp_path / "weights"
    network = Network(Architecture(blocks=1, channels=8, value_hidden=8))
    checkpoint.save(network, folder, {"hardware": OBEYED})
    for *command, code in (
        ("convert", str(bad), str(tmp_path / "a.ggf"), 2),
        ("analyze", str(bad), "-n", "2", 2),
        ("convert", str(good), str(tmp_path / "b.sgf"), 0),
        ("review", str(good), "-n", "2", 0),
        ("checkpoint", "info", str(folder), 0),
        ("checkpoint", "verify", str(folder / OBEYED), 2),
    ):
        assert run(command) == code
        said = "".join(capsys.readouterr())
        assert said.strip() and not set(OBEYED) & set(said)


def test_no_device_and_no_pipe_is_replaced_by_a_file(tmp_path, capsys):
    pipe = tmp_path / "pipe.ggf"
    os.mkfifo(pipe)
    for option in ([], ["--force"]):
        assert run(["convert", str(GAMES), str(pipe), *option]) == 2
        assert "cannot be written" in capsys.readouterr().err
    assert pipe.is_fifo()
