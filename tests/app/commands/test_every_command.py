"""What holds for every command: its help ends with examples that it takes, and what it does not take is exit code 2."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from app.cli import COMMANDS, LazyGroup, bare_why, join_boards, run
from app.examples import EXAMPLES


def of(name: str) -> Any:
    """The command of a name in the table of examples."""
    first, _, inner = name.partition(" ")
    command = LazyGroup(name="othello").get_command(None, first)
    return command.commands[inner] if inner else command


def without_arguments() -> dict[str, int]:
    """{command: exit code where it gets no word}, for those that then do not start anything."""
    codes = {}
    for name in EXAMPLES:
        if any(parameter.required for parameter in of(name).params):
            codes[name] = 2
    return {
        **codes,
        "checkpoint": 2,
        "checkpoint export": 2,
        "checkpoint info": 0,
        "experiments": 0,
    }


NEEDS = without_arguments()


def test_every_command_has_examples() -> None:
    groups = {name: of(name) for name in COMMANDS}
    inner = {
        f"{name} {command}"
        for name, group in groups.items()
        for command in getattr(group, "commands", {})
    }
    assert EXAMPLES.keys() == COMMANDS.keys() | inner and len(inner) == 4


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_help_ends_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    out, err = capsys.readouterr()
    lines = [line.strip() for line in out.rstrip().splitlines()]
    assert not err and lines[-len(EXAMPLES[name]) - 1] == "Examples:"
    assert tuple(lines[-len(EXAMPLES[name]) :]) == EXAMPLES[name]


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in EXAMPLES.items() for line in lines]
)
def test_a_command_takes_its_examples(
    name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = join_boards(bare_why(shlex.split(line)[1:]))
    first, *rest = name.split()
    assert words[: 1 + len(rest)] == [first, *rest] or name == "checkpoint"
    of(name).make_context(name, words[1 + len(rest) :])  # read as if to run it, and not run


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("wrong", ["--no-such-option", "--js on"])
def test_what_no_command_takes_is_exit_code_2(
    name: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = shlex.split(EXAMPLES[name][0])[1:]
    assert run([*(given if name != "checkpoint" else ["checkpoint"]), wrong]) == 2
    out, err = capsys.readouterr()
    assert out == "" and 1 <= len(err.splitlines()) <= 2 and err.startswith("error: ")
    assert f"try 'othello {name} --help'" in err


@pytest.mark.parametrize(("name", "code"), NEEDS.items())
def test_no_word_is_refused_where_one_is_needed(
    name: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name.split()) == code
    out, err = capsys.readouterr()
    if code:
        assert out == "" and 1 <= len(err.splitlines()) <= 2 and err.startswith("error: ")
    else:
        assert out and not err
