"""Every `othello …` that the README, the pages and the helps say to type is typed, in a folder with the files it names.

In the ordinary suite with fewer games and simulations; in the long tests as it stands, what never ends by itself until
Ctrl-C.  What else the pages say to type (make, pytest, python -m) is there and has the options that it is given.
"""

from __future__ import annotations

import importlib.util
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from app.cli import run
from app.examples import EXAMPLES
from othello.network.architecture import Architecture
from othello.training.config import LearnerSettings, RunConfig
from othello.training.loop import train
from othello.training.selfplay import SelfPlaySettings
from tests.othello.network.test_foreign import foreign_state
from tests.test_documentation import LINES, TEXTS, fences, placeholders

ROOT = Path(__file__).parents[1]
SECONDS = 30.0  # that a server, a window and a training run are left alone
GAME = "f5d6c3d3c4f4f6g5e6d7"
ALONE = {
    "bench",
    "ladder",
    "release",
    "train",
    "checkpoint import",
    "checkpoint export",
}  # named, not typed
FEWER = {  # what makes a line quick
    r"--games \d+": "--games 2",
    r"--simulations \d+": "--simulations 8",
    r"--most \d+": "--most 2",
    r"selfplay:\d+": "selfplay:2",
    r"mcts:\d+": "mcts:2",
    r"alphabeta:\d+": "alphabeta:1",
    r"^(othello match (?!.*--games).*)": r"\1 --games 2",
    r"^(othello ladder .*?)( --games 2)?( --plot.*)?$": r"\1 --games 2\3",
    r"^(othello release .*)": r"\1 --games 0",
}


def typed() -> list[str]:
    """Each line once, with something for what stands in capitals; names of commands alone are left out."""
    lines = [line for page, line in LINES if page != "json.md"]  # run by test_command_table.py
    lines += [line for each in EXAMPLES.values() for line in each]
    found = {completed(line) for line in lines if not re.search("COMMAND|…", line)}
    return sorted(line for line in found if line.removeprefix("othello ") not in ALONE)


def completed(line: str) -> str:
    """A line of a page as somebody would type it in the folder `place`."""
    line = placeholders(line.replace("DIR", "runs/mine")).replace("--onnx a.png", "--onnx a.onnx")
    line = line.replace("import a.png", "import best.pth.tar").replace(
        "release run ", "release runs/mine "
    )
    line = re.sub(r"\s*--base a.png", " --base WTH_2001.wtb", line)
    line = line.replace("--run folder", "--run runs/mine")
    line = line.replace("--generations 10", "--generations 2")  # as many as the prepared run has
    if re.match("othello experiments .", line) and "--quick" not in line:
        line += " --quick"  # those of full size take longer than all other lines together
    return line + " --run runs/mine" * line.startswith("othello train --resume")


def fewer(line: str) -> str:
    """The line with less to do."""
    for pattern, less in FEWER.items():
        line = re.sub(pattern, less, line)
    return line


def headless(line: str) -> bool:
    """Whether a command ends by itself: it serves no page, opens no window, and trains a number of iterations."""
    return not line.startswith(("othello app", "othello desktop", "othello train")) or bool(
        re.search("--png|--gif|--iterations", line)
    )


TYPED = typed()
SLOW = ("othello train", "othello warm", "othello experiments")
QUICK = sorted({fewer(line) for line in TYPED if headless(line) and not line.startswith(SLOW)})


BASES = ("WTH_2001.wtb", "WTH_2002.wtb")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with games, a run of one generation, and somebody else's weights."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "games.txt").write_text(f"{GAME}\n{GAME[:12]}\n")
    for name in ("games.ggf", "game.ggf", "a.ggf", "games.wtb", *BASES):
        assert run(["convert", str(folder / "games.txt"), str(folder / name)]) == 0
    torch.save({"state_dict": foreign_state()}, folder / "best.pth.tar")
    playing = SelfPlaySettings(simulations=2, slots=2, solve_empties=8, label_empties=4)
    settings = RunConfig(
        games=2,
        chunk=2,
        workers=1,
        network=Architecture(blocks=0, channels=4),
        selfplay=playing,
        learner=LearnerSettings(batch=16),
    )
    train(folder / "runs" / "mine", settings, iterations=1, workers=lambda _: ThreadPoolExecutor(1))
    for name in ("othello8", "four"):
        shutil.copytree(folder / "runs" / "mine", folder / "runs" / name)
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "ladder.csv", folder / "docs")
    return folder


@pytest.fixture
def place(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the prepared folder, to be in."""
    here = tmp_path / "here"
    shutil.copytree(prepared, here)
    monkeypatch.chdir(here)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    return here


def need(line: str) -> None:
    """Skip where a line needs what is not here."""
    if "gtp-rhino" in line and not shutil.which("gtp-rhino", path=os.defpath + ":/usr/games"):
        pytest.skip("GRhino is not installed")
    for option, package in (("--onnx", "onnxruntime"), ("--ray", "ray")):
        if option in line and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


@pytest.fixture
def cluster(line: str) -> Iterator[None]:
    """The Ray cluster that a line joins, as the page starts it."""
    joins = "--ray auto" in line and importlib.util.find_spec("ray") is not None
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    if joins:
        subprocess.run([*ray, "start", "--head", "--num-cpus=1"], check=True, timeout=300)
    yield
    if joins:
        subprocess.run([*ray, "stop"], check=True, timeout=300)


@pytest.mark.parametrize("line", QUICK)
def test_a_documented_command_runs(
    line: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need(line)
    assert run(shlex.split(line)[1:]) == 0, capsys.readouterr().err


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("line", TYPED)
@pytest.mark.usefixtures("cluster")
def test_a_documented_command_runs_as_it_stands(line: str, place: Path, prepared: Path) -> None:
    """Experiments are asked for with --quick, and find what another line measured."""
    need(line)
    where = prepared if line.startswith("othello experiments") else place
    if line.startswith("othello train") and "--resume" not in line:
        shutil.rmtree(place / "runs")  # which the line makes
    process = subprocess.Popen(
        [sys.executable, "-m", "othello", *shlex.split(line)[1:]],
        cwd=where,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SDL_VIDEODRIVER": "dummy"},
    )
    if not headless(line):
        time.sleep(SECONDS)
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
    err = process.communicate()[1]
    assert process.returncode == 0 or (process.returncode == 130 and not headless(line)), err
    assert "Traceback" not in err


def other(pattern: str) -> list[str]:
    """The lines of blocks, and the commands in sentences, that begin as asked."""
    found = list[str]()
    for text in TEXTS.values():
        lines = [line for _, block in fences(text) for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", text)
        found += [re.split(r"\s{2,}#", line)[0].strip() for line in lines]
    kept = [line.removeprefix(".venv/bin/") for line in found]
    return sorted({line for line in kept if re.match(pattern, line)})


def test_what_make_is_asked_for_is_a_goal() -> None:
    goals = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    lines = other(r"make \w")
    assert len(lines) >= 5
    for line in lines:
        assert line.split()[1] in goals, line


@pytest.mark.parametrize("line", other(r"python -m (benchmarks|app)\."))
def test_a_module_that_is_run_takes_its_options(line: str) -> None:
    words = line.split()
    source = (ROOT / (words[2].replace(".", "/") + ".py")).read_text("utf-8")
    assert 'if __name__ == "__main__":' in source
    for option in (word for word in words[3:] if word.startswith("--")):
        name = option[2:].replace("-", "_")
        assert re.search(rf'"{option}"|\b{name}=', source), line


@pytest.mark.parametrize("line", other(r"(python -m )?pytest tests"))
def test_a_test_that_is_named_is_there(line: str) -> None:
    words = shlex.split(line.removeprefix("python -m "))
    files = [ROOT / word for word in words[1:] if word.startswith("tests/")]
    text = "".join(file.read_text("utf-8") for file in files if file.is_file())
    assert all(file.exists() for file in files), line
    asked = words[words.index("-k") + 1] if "-k" in words else ""
    for part in re.split(r" (?:or|and) ", asked):
        assert part.removeprefix("not ") in text, f"{line}: {part}"
