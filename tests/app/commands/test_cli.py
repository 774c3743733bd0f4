"""The contracts of the command line: exit codes, one or two lines of error, the keys of the JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from app.cli import COMMANDS, LazyGroup, join_boards, run

ROOT = Path(__file__).parents[3]
FFO40 = "O--OOOOX-OOOOOOXOOXXOOOXOOXOOOXXOOOOOOXX---OOOOX----O--X--------"


def ok(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Run a command that must succeed and return its JSON."""
    code = run(arguments)
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must be refused as bad input and return its message."""
    code = run(arguments)
    out, err = capsys.readouterr()
    assert code == 2, (code, err)
    assert out == "" and 1 <= len(err.strip().splitlines()) <= 2 and "Traceback" not in err
    return err


def test_perft_prints_the_number_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["perft", "9"]) == 0
    assert capsys.readouterr().out == "3005288\n"
    assert run(["perft", "8", "--size", "6"]) == 0
    assert capsys.readouterr().out == "308716\n"


def test_perft_reports_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    report = ok(capsys, "perft", "4", "--position", "f5d6", "--divide", "--json")
    assert report["leaves"] == sum(report["divide"].values()) and report["depth"] == 4


def test_solve_gives_the_score_and_all_best_moves(capsys: pytest.CaptureFixture[str]) -> None:
    report = ok(capsys, "solve", FFO40, "X", "--json")
    assert report["score"] == 38 and report["best"] == ["a2"]
    assert report["nodes"] > 0 and report["seconds"] > 0


def test_a_board_that_begins_with_a_dash_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    report = ok(capsys, "solve", "-XXO" + "OOOO" + "OOOO" + "OOOO O", "--json")
    assert report["best"] == ["a1"]
    assert join_boards(["solve", "-" * 64, "X"]) == ["solve", " " + "-" * 64 + " X"]
    assert join_boards(["explain", "start", "--target", "value"]) == [
        "explain",
        "start",
        "--target",
        "value",
    ]


def test_analyze_reports_moves_value_and_line(
    model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    report = ok(capsys, "analyze", "f5", "--simulations", "40", "--json")
    assert {"visits", "prior", "q", "move"} <= report["moves"][0].keys()
    assert sum(move["visits"] for move in report["moves"]) == report["simulations"] >= 40
    assert abs(sum(move["prior"] for move in report["moves"]) - 1) < 1e-4
    assert -1 <= report["value"] <= 1 and report["pv"][0] == report["moves"][0]["move"]


def test_analyze_takes_a_file_and_skips_what_has_no_move(
    model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "games.txt"
    file.write_text("f5\nf5a1\nf5-d6\n")
    assert run(["analyze", str(file), "--simulations", "20", "--json"]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["position"][-1] for line in out.splitlines()] == ["O", "X"]
    assert "line 2: move 2: a1 is illegal" in err and "2 positions, 1 skipped" in err


@pytest.mark.parametrize("root", ["puct", "gumbel"])
def test_analyze_gives_no_q_for_moves_that_the_search_never_visited(
    root: str, model: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["analyze", "f5d6c3d3c4f4f6f3", "--simulations", "3", "--root", root]
    moves = ok(capsys, *arguments, "--json")["moves"]
    assert {0} < {move["visits"] for move in moves}
    assert all((move["q"] is None) == (move["visits"] == 0) for move in moves)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(arguments) == 0
    rows = {
        words[0]: words for words in map(str.split, capsys.readouterr().out.splitlines()) if words
    }
    for move in moves:
        assert rows[move["move"]][1] == str(move["visits"])
        assert (rows[move["move"]][4] == "?") == (move["visits"] == 0)


@pytest.mark.parametrize("target", ["value", "policy:d6", "policy:d6-f4", "q:d6"])
def test_explain_writes_a_ledger_that_closes(
    target: str, model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    report = ok(
        capsys,
        "explain",
        "f5",
        "--target",
        target,
        "--composite",
        "EpsilonPlusFlat",
        "--bias",
        "sink",
    )
    squares = [value for row in report["squares"] for value in row]
    assert len(squares) == 64 and len(report["bias_squares"]) == 8
    for place in range(8):
        for file in range(8):
            summed = sum(plane[place][file] for plane in report["planes"].values())
            assert summed == pytest.approx(report["squares"][place][file], abs=1e-9)
    total = (
        sum(squares)
        + sum(report["bias"].values())
        + report["stabilizer"]
        + report["exact"]
        + report["closure"]
    )
    assert total == pytest.approx(report["target"], abs=1e-9)
    size = sum(map(abs, squares)) + sum(map(abs, report["bias"].values()))
    assert abs(report["closure"]) <= 1e-4 * size


def test_explain_writes_pictures(
    model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    png, svg = tmp_path / "map.png", tmp_path / "map.svg"
    ok(capsys, "explain", "f5d6", "--png", str(png), "--svg", str(svg))
    assert png.read_bytes().startswith(b"\x89PNG") and svg.read_text(encoding="utf-8").startswith(
        "<svg"
    )


def test_the_help_of_explain_lists_change_and_the_target_works(
    model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", "--help"]) == 0
    assert "change:c4" in " ".join(capsys.readouterr().out.replace("│", " ").split())
    report = ok(capsys, "explain", "f5", "--target", "change:d6", "--json")
    assert report["of"] == "change:d6" and abs(report["closure"]) < 1e-4


def test_explain_is_symmetric_unless_told_otherwise(
    model: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mean = ok(capsys, "explain", "start", "--json")
    plain = ok(capsys, "explain", "start", "--no-symmetry", "--json")
    assert mean["symmetric"] is True and plain["symmetric"] is False
    assert mean["squares"][2][3] == pytest.approx(mean["squares"][3][2], abs=2e-6)
    assert abs(plain["squares"][2][3] - plain["squares"][3][2]) > 1e-4
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["explain", "start"]) == 0
    assert "value (mean of 8 symmetries) " in capsys.readouterr().out
    assert run(["explain", "start", "--no-symmetry"]) == 0
    assert "symmetries" not in capsys.readouterr().out


def test_match_reports_every_game(capsys: pytest.CaptureFixture[str]) -> None:
    report = ok(capsys, "match", "greedy", "random", "--games", "4", "--seed", "3", "--json")
    assert report["games"] == 4 and len(report["records"]) == 4
    assert report["points"] == report["wins"] + report["draws"] / 2


def test_a_match_repeats_with_its_seed(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (
        ok(capsys, "match", "greedy", "random", "--games", "2", "--seed", "5", "--json")
        for _ in range(2)
    )
    assert [game["moves"] for game in first["records"]] == [
        game["moves"] for game in second["records"]
    ]


def test_checkpoint_info_and_verify_agree(model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    info, verified = (
        ok(capsys, "checkpoint", "info", "--json"),
        ok(capsys, "checkpoint", "verify", "--json"),
    )
    assert (
        verified["ok"] is True
        and verified["weights"] == info["weights"]
        and verified["parameters"] > 0
    )
    assert info["weights"]["sha256"] == model.sha256


BAD = {
    "no such command": ("nonsense",),
    "no such option": ("perft", "3", "--depth"),
    "depth no number": ("perft", "three"),
    "depth negative": ("perft", "99"),
    "size": ("perft", "3", "--size", "7"),
    "malformed position": ("explain", "hello!"),
    "illegal transcript": ("analyze", "f5f5"),
    "board of 63 squares": ("solve", "X" * 63),
    "target": ("explain", "start", "--target", "worth"),
    "target move illegal": ("explain", "start", "--target", "policy:a1"),
    "target of one move twice": ("explain", "start", "--target", "policy:c4-c4"),
    "composite": ("explain", "start", "--composite", "Magic"),
    "bias": ("explain", "start", "--bias", "lost"),
    "no checkpoint": ("explain", "start", "--checkpoint", "/no/such/folder"),
    "picture in no folder": ("explain", "start", "--png", "/no/such/folder/map.png"),
    "simulations": ("analyze", "start", "--simulations", "0"),
    "player": ("match", "mcts", "random"),
    "player's number": ("match", "alphabeta:x", "random"),
    "protocol": ("engine", "uci"),
    "resume nothing": ("train", "--resume", "--run", "no-such-run"),
    "config": ("train", "--config", "no-such-file.toml", "--run", "no-such-run"),
    "pickle": ("checkpoint", "import", __file__),
    "run that is a file": ("train", "--run", __file__),
    "results into a file": ("experiments", "value-plus", "--out", __file__),
    "results below a file": ("experiments", "value-plus", "--out", __file__ + "/results"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_exits_2_in_two_lines(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, *BAD[case])


def test_a_damaged_checkpoint_is_refused(
    model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(model.path, copy)
    weights = copy / json.loads((copy / "meta.json").read_text("utf-8"))["weights"]["file"]
    weights.write_bytes(weights.read_bytes()[:-8])
    assert "truncated" in refused(capsys, "checkpoint", "verify", str(copy))
    weights.write_bytes(b"\x80\x04" + bytes(len(weights.read_bytes()) + 6))
    assert "SHA-256" in refused(capsys, "checkpoint", "verify", str(copy))


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    listing = capsys.readouterr().out
    for name in (
        "perft",
        "solve",
        "analyze",
        "explain",
        "match",
        "engine",
        "train",
        "checkpoint",
        "app",
    ):
        assert name in listing
        assert run([name, "--help"]) == 0
        assert "Usage: othello" in capsys.readouterr().out


def command(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """A real process of the command line."""
    code = "import sys; from app.cli import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def noticed(err: str) -> str:
    """Standard error without the line about a first start."""
    return "\n".join(line for line in err.splitlines() if not line.startswith("compiling for"))


def test_a_reader_that_goes_away_ends_the_command_silently(tmp_path: Path) -> None:
    with command("perft", "5", "--divide", cwd=tmp_path) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.wait(timeout=60) in (0, 1) and noticed(process.stderr.read()) == ""


def test_an_engine_speaks_gtp_on_standard_input(model: Any, tmp_path: Path) -> None:
    code = "import sys; from app.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "engine", "gtp", "--simulations", "4"],
        input="1 protocol_version\nquit\n",
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0 and done.stdout.startswith("=1 2"), done.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_training_stops_cleanly_on_a_signal(how: signal.Signals, tmp_path: Path) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(
        "iterations = 500\ngames = 8\nchunk = 8\nworkers = 1\n[network]\nsize = 4\nblocks = 1\nchannels = 8\n"
        "[selfplay]\nsimulations = 4\nconsidered = 4\nrandom_plies = 2\nsolve_empties = 2\nlabel_empties = 2\n"
        "[learner]\nbatch = 16\n"
    )
    process = command("train", "--config", str(config), "--run", "run", cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "state.json").exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "stopped, resume with: othello train --run run --resume" in out and noticed(err) == ""
    assert json.loads((tmp_path / "run" / "state.json").read_text("utf-8"))["generation_sha256"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says_of_itself(name: str) -> None:
    command = LazyGroup(name="othello").get_command(None, name)
    assert command.name == name
    assert " ".join(command.help.split("\n\n")[0].split()) == COMMANDS[name][1]


@pytest.mark.parametrize("alphabet", ["ascii", "cp1252"])
def test_what_a_terminal_cannot_spell_ends_no_command(alphabet: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": alphabet, "PYTHONPATH": str(ROOT)}
    for words in (("experiments",), ("explain", "--help"), ("perft", "1", "×")):
        done = subprocess.run(
            [sys.executable, "-m", "othello", *words], env=environment, capture_output=True
        )
        assert done.returncode == (2 if words[0] == "perft" else 0), done.stderr
        assert "UnicodeEncodeError" not in done.stderr.decode(alphabet)
