"""The commands on any machine: no home, no cache, a first start, Ctrl-C at any moment, another folder."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

import lrp
import othello
from app.cli import COMMANDS, LazyGroup, app, run
from app.commands import play, rules
from othello.network.checkpoint import default_checkpoint

ROOT = Path(__file__).parents[3]
GAME = "f5d6c3d3c4f4f6g5e6d7"
LATE = "--OOO-------XX-OOOOOOXOO-OOOOXOOX-OOOXXO---OOXOO---OOOXO--OOOO-- X"
SLOW = "(.* so far.*; Ctrl-C ends it\n)*"  # where work takes long
INTERRUPTED = "error: interrupted\n"
SMALL = (
    ("perft", "3"),
    ("solve", "-XO- ---- ---- ---- X", "--json"),
    ("match", "random", "greedy", "--games", "2"),
    ("convert", "game.txt", "game.sgf"),
    ("checkpoint", "info", "othello8"),
    ("experiments",),
)
LARGE = (
    ("analyze", GAME, "-n", "20"),
    ("explain", GAME, "--checkpoint", "othello8", "--png", "why.png"),
    ("explain", GAME, "--why"),
    ("match", "net:othello8", "mcts:4", "--games", "2"),
    ("engine", "gtp", "-n", "2"),
    ("review", GAME, "-n", "4"),
    ("desktop", "--game", GAME, "--png", "board.png"),
    ("checkpoint", "verify", "othello6"),
    ("train", "--config", "tiny.toml", "--run", "run"),
    ("experiments", "prior", "--quick"),
)
TINY = (
    "iterations = 2\ngames = 8\nchunk = 8\nworkers = 1\n[network]\nsize = 4\nblocks = 1\nchannels = 8\n"
    "[selfplay]\nsimulations = 4\nconsidered = 4\nrandom_plies = 2\nsolve_empties = 2\nlabel_empties = 2\n"
    "[learner]\nbatch = 16\n"
)


def started(words: tuple[str, ...], folder: Path, **environment: str) -> subprocess.Popen[str]:
    """A process of the command line in a folder that is not the checkout."""
    return subprocess.Popen(
        [sys.executable, "-c", "from app.cli import main; main()", *words],
        cwd=folder,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def homeless(folder: Path, temporary: bool) -> dict[str, str]:
    """The environment of a user whose home cannot be made and, unless `temporary`, who can keep nothing elsewhere."""
    kept = folder / "tmp"
    kept.mkdir()
    if not temporary:
        (kept / f"othello-lrp-{os.getuid()}").write_text("in the way")
    return {"HOME": os.devnull + "/home", "XDG_CACHE_HOME": "", "TMPDIR": str(kept)}


def works_without_a_home(words: tuple[str, ...], folder: Path, temporary: bool) -> str:
    """Run `words` as a homeless user and return standard error."""
    (folder / "game.txt").write_text(GAME + "\n")
    (folder / "tiny.toml").write_text(TINY)
    process = started(words, folder, **homeless(folder, temporary))
    err = process.communicate(timeout=600)[1]
    assert process.returncode == 0, err
    assert "Traceback" not in err and err.count("compiling for") <= 1 + (
        words[0] == "train"
    )  # its worker
    return err


@pytest.mark.parametrize("words", SMALL, ids=" ".join)
def test_small_commands_need_neither_home_nor_cache(words: tuple[str, ...], tmp_path: Path) -> None:
    err = works_without_a_home(words, tmp_path, temporary=False)
    assert re.fullmatch(f"(compiling for .* set OTHELLO_CACHE\n)?{SLOW}", err)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("temporary", [True, False], ids=["temporary", "no cache"])
@pytest.mark.parametrize("words", LARGE, ids=" ".join)
def test_all_commands_need_neither_home_nor_cache(
    words: tuple[str, ...], temporary: bool, tmp_path: Path
) -> None:
    works_without_a_home(words, tmp_path, temporary)


def test_a_temporary_folder_keeps_what_was_compiled(tmp_path: Path) -> None:
    environment = homeless(tmp_path, temporary=True)
    for kept in (False, True):
        process = started(("perft", "3"), tmp_path, **environment)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0 and out == "56\n"
        assert err == "" if kept else str(tmp_path / "tmp" / "othello-lrp-") in err


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_after_warm_no_command_compiles(tmp_path: Path) -> None:
    cache = {"OTHELLO_CACHE": str(tmp_path / "cache")}
    process = started(("warm", "--training", "--json"), tmp_path, **cache)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0 and re.fullmatch(f"compiling for .*\n{SLOW}", err)
    assert json.loads(out)["cache"].startswith(cache["OTHELLO_CACHE"])
    (tmp_path / "game.txt").write_text(GAME + "\n")
    (tmp_path / "tiny.toml").write_text(TINY)
    for words in SMALL + LARGE:
        if words[0] != "experiments":
            process = started(words, tmp_path, **cache)
            out, err = process.communicate(timeout=300)
            assert (process.returncode, err) == (0, ""), words


def test_warm_says_so_where_it_can_keep_nothing(tmp_path: Path) -> None:
    process = started(("warm",), tmp_path, **homeless(tmp_path, temporary=False))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1 and out == ""
    assert err.count("\n") == 1 and "set OTHELLO_CACHE" in err


def interrupt_a_cold_compile(folder: Path, seconds: float) -> None:
    process = started(("solve", LATE), folder, OTHELLO_CACHE=str(folder / f"cache {seconds}"))
    assert process.stderr is not None
    said = ""
    while not said.startswith("compiling for this processor, up to three minutes"):
        said = process.stderr.readline()  # on a busy machine the solver's line may come first
        assert re.fullmatch(f"compiling .*\n|{SLOW}", said) and said
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == "" and re.fullmatch(SLOW + INTERRUPTED, err)


def test_an_interrupt_ends_a_cold_compile_in_one_line(tmp_path: Path) -> None:
    interrupt_a_cold_compile(tmp_path, 0.5)


def test_an_interrupt_between_compiler_and_cache_ends_in_one_line(tmp_path: Path) -> None:
    program = """
import os, signal
from llvmlite.binding.executionengine import ExecutionEngine

keep = ExecutionEngine.set_object_cache
def interrupted(engine, notify, find):
    def told(*compiled):
        os.kill(os.getpid(), signal.SIGINT)
        notify(*compiled)
    keep(engine, told, find)
ExecutionEngine.set_object_cache = interrupted
from app.cli import main
import othello.jit
othello.jit._compilations.on_start = othello.jit._compilations.on_end = lambda event: None
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, "perft", "2", "--size", "4"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OTHELLO_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", INTERRUPTED)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_interrupts_end_a_cold_compile_in_one_line(tmp_path: Path) -> None:
    source = random.Random(1)
    for _ in range(20):
        interrupt_a_cold_compile(tmp_path, source.uniform(0, 6))


def test_an_interrupted_match_keeps_its_finished_games(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = play.RunningScore.count

    def stop_after_three(score: play.RunningScore, game: Any, line: Any) -> None:
        count(score, game, line)
        if score.done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(play.RunningScore, "count", stop_after_three)
    words = [
        "match",
        "random",
        "greedy",
        "--games",
        "8",
        "--out",
        str(tmp_path / "games"),
        "--json",
    ]
    assert run(words) == 130
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["games"] == len(report["records"]) == 3
    assert err == "error: interrupted after 3 of 8 games\n"
    assert len((tmp_path / "games").read_text("utf-8").splitlines()) == 3 + 1


def test_an_interrupt_before_the_first_game_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*words: Any, **settings: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(play, "play_match", interrupted)
    assert run(["match", "random", "greedy"]) == 130
    assert capsys.readouterr() == ("", INTERRUPTED)


def test_a_long_solve_says_what_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "SILENT", 0.05)
    assert run(["solve", "start", "--seconds", "0.5"]) == 1
    err = capsys.readouterr().err
    assert "solving 60 empty squares" in err and "Ctrl-C ends it" in err


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS)], ids=" ".join)
def test_h_is_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for flag in ("-h", "--help"):
        assert run([*words, flag]) == 0
        shown.append(capsys.readouterr())
    assert shown[0] == shown[1] and shown[0].out.startswith("Usage: othello") and not shown[0].err


@pytest.mark.parametrize("name", ["info", "verify", "import", "export"])
def test_h_is_help_of_what_checkpoint_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["checkpoint", name, "-h"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: othello checkpoint {name}")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("othello ex", {"explain", "explore", "experiments"}),
        ("othello explain --ta", {"--target"}),
        ("othello checkpoint ", {"info", "verify", "import", "export"}),
    ],
)
def test_a_shell_completes_commands_and_options(
    typed: str, offered: set[str], tmp_path: Path
) -> None:
    place = str(len(typed.split(" ")) - 1)
    asked = {"_OTHELLO_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": place}
    out, err = started((), tmp_path, **asked).communicate(timeout=60)
    assert set(out.split()) == offered and err == ""


def test_completing_a_command_imports_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LazyGroup, "get_command", None)
    group = typer.main.get_command(app)
    offered = group.shell_complete(group.context_class(group, resilient_parsing=True), "c")
    assert [one.value for one in offered] == ["convert", "checkpoint"]


def test_one_version_is_told_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert run(["--version"]) == 0
    assert capsys.readouterr() == (f"othello {project['version']}\n", "")
    assert othello.__version__ == lrp.__version__ == project["version"]


def test_shipped_checkpoints_have_a_name_in_any_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = []
    for name in ("othello8", str(default_checkpoint(8))):
        assert run(["checkpoint", "info", name, "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1]
    assert run(["match", "net:othello8", "greedy", "--games", "2", "--json"]) == 0
    played = json.loads(capsys.readouterr().out)
    assert played["checkpoints"]["a"] == told[0]["weights"]["sha256"]
    assert run(["explain", "start", "--checkpoint", "othello8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoint"] == told[0]["weights"]["sha256"]
    assert run(["checkpoint", "info", "othello9"]) == 2
    names = "othello6, othello8, othello8-growth, othello8-strong, othello8-twin"
    assert f"no such checkpoint; by name: {names}" in capsys.readouterr().err
    (tmp_path / "othello8").mkdir()  # what lies here comes first
    assert run(["checkpoint", "info", "othello8"]) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "start", "--png", "x.bmp"),
        ("explain", "start", "--svg", "x.png"),
        ("desktop", "--game", GAME, "--gif", "x.mp4"),
        ("desktop", "--game", GAME, "--png", "x.bmp"),
        ("ladder", "run", "--plot", "x.jpg"),
    ],
    ids=" ".join,
)
def test_a_picture_of_another_kind_is_refused(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words[:-1], str(tmp_path / words[-1])]) == 2
    assert re.search(r"accepted are \.(png|svg|gif)", capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


def test_printed_advice_names_extras_that_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    text = "".join(
        file.read_text("utf-8")
        for folder in ("app", "lrp", "othello", "docs")
        for file in (ROOT / folder).rglob("*.[pm][yd]")
    )
    named = {
        name for found in re.findall(r"othello-lrp\[([\w,]+)\]", text) for name in found.split(",")
    }
    assert {"cluster", "experiments"} <= named <= set(extras)
