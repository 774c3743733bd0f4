"""Every script of examples/ runs as its docstring says, each in a process of its own, and says what it promises.

Quickly they are children of one process that has imported what they share; the long test runs the commands themselves.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
TRAINS = ROOT / "examples" / "train_4x4.py"
FOREIGN = ROOT / "examples" / "torchvision_resnet.py"
FORKS = """
import os, runpy, sys, torch, lrp, app.game.session
torch.set_num_threads(1)
lrp.LRP(torch.nn.Linear(2, 2), "EpsilonPlus", torch.rand(1, 2))
for script in sys.argv[1:]:
    print("script", script, flush=True)
    if not (child := os.fork()):
        runpy.run_path(script, run_name="__main__")
        sys.stdout.flush()
        os._exit(0)
    print("exit", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def command(script: Path) -> list[str]:
    """The command that a script's docstring ends with, for the Python of these tests."""
    found = re.search(
        r": `(python [^`]+)`\.$", ast.get_docstring(ast.parse(script.read_text("utf-8")))
    )
    assert found, f"{script.name}: the docstring is one line that ends with its command"
    words = shlex.split(found[1])
    assert words[1:] == [f"examples/{script.name}"]
    return [sys.executable, *words[1:]]


def output_of(words: list[str]) -> str:
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """{script: what it printed}, without the one that trains and the one that needs what tests do not."""
    quick = [str(script) for script in SCRIPTS if script not in (TRAINS, FOREIGN)]
    printed = output_of([sys.executable, "-W", "error", "-c", FORKS, *quick])
    parts = re.findall(r"script [^\n]*/(\w+)\.py\n(.*?)exit (-?\d+)\n", printed, re.DOTALL)
    assert [code for *_, code in parts] == ["0"] * len(quick), parts
    return {name: text for name, text, _ in parts}


def numbers(text: str) -> list[float]:
    return [float(word) for word in re.findall(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_is_short_says_its_command_and_stands_in_the_readme(script: Path) -> None:
    assert len(script.read_text("utf-8").splitlines()) <= 40
    assert command(script)
    assert f"(examples/{script.name})" in (ROOT / "README.md").read_text("utf-8")


def test_every_script_is_read_below(said: dict[str, str]) -> None:
    assert {*said, TRAINS.stem, FOREIGN.stem} == {script.stem for script in SCRIPTS}


def booked_in(printed: str) -> int:
    """How many ledgers a script printed, each of which adds up."""
    ledgers = re.findall(r"target .*(?=>)", printed)
    for ledger in ledgers:
        target, *booked = numbers(ledger.replace(" on average", ""))
        assert len(booked) == 4 and sum(booked) == pytest.approx(target, rel=1e-2, abs=1e-3)
    return len(ledgers)


@pytest.mark.parametrize("name", ["foreign_network", "own_operation", "own_rule", "tokens"])
def test_ledgers_close(name: str, said: dict[str, str]) -> None:
    assert booked_in(said[name])


def test_the_classifier_looks_at_the_bar(said: dict[str, str]) -> None:
    right, on_bar, pixels, brightness = numbers(said["image_classifier"])
    assert right >= 95 and on_bar > 1.5 * brightness > pixels


def test_the_channel_for_rows_is_found(said: dict[str, str]) -> None:
    (_, best, _, worst), (lit, pixels), (target, parts) = map(
        numbers, said["concepts"].splitlines()
    )
    assert best >= 90 and worst <= 10 and lit > 5 * pixels
    assert parts == pytest.approx(target, abs=1e-3)


def test_torchvisions_network_is_explained() -> None:
    pytest.importorskip("torchvision")
    assert booked_in(output_of(command(FOREIGN)))


def test_the_reader_read_the_word_it_looks_for(said: dict[str, str]) -> None:
    shares = dict(re.findall(r"^(\w+) +([-+]\d\.\d+)", said["tokens"], re.MULTILINE))
    assert len(shares) == 6
    assert all(
        float(shares["good"]) > 3 * abs(float(shares[word])) for word in {*shares} - {"good"}
    )


def test_the_operation_is_refused_before_it_is_taught(said: dict[str, str]) -> None:
    before, after = said["own_operation"].splitlines()
    assert "no rule for aten.special_i0e.default" in before and "closure" in after


def test_the_rules_differ(said: dict[str, str]) -> None:
    mine, theirs = said["own_rule"].splitlines()[::2]
    assert mine.startswith("mine") and theirs.startswith("LRP-0") and mine[7:] != theirs[7:]


def test_the_loader_names_the_features_that_count(said: dict[str, str]) -> None:
    relevance, means, closure = map(numbers, said["data_loader"].splitlines())
    order = sorted(range(5), key=lambda i: -relevance[i])
    assert order[:2] == [1, 3] and relevance[3] > 5 * relevance[order[2]]
    assert max(means) - min(means) < 0.1, "the inputs themselves do not tell them apart"
    assert closure[-1] < 1e-4


def test_the_agent_answers_and_says_why(said: dict[str, str]) -> None:
    played, sentence, *squares = said["play_and_explain"].splitlines()
    move = re.fullmatch("f5, and the agent plays ([d-f][4-6])", played)[1]
    assert move in ("d6", "f4", "f6") and sentence.startswith(move) and len(squares) == 3
    assert all(re.fullmatch(r"[a-h][1-8] [-+]\d\.\d\d", line) for line in squares)


@pytest.mark.long
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_command_runs(script: Path) -> None:
    if script == FOREIGN:
        pytest.importorskip("torchvision")
    printed = output_of(command(script))
    assert printed
    if script == TRAINS:
        first, last, perfect = (
            numbers(line)[-3 if "generation" in line else -2] for line in printed.splitlines()
        )
        assert first < last == perfect == 20
