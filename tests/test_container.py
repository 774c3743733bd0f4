"""The image and compose.yaml: the commands, options, extras, files and services that they name are there."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from app.cli import COMMANDS, run
from tests.test_setup import brought

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
INSTRUCTIONS = re.findall(r"^([A-Z]+) (.*(?:\\\n.*)*)", DOCKERFILE, re.MULTILINE)


def commands() -> list[list[str]]:
    """Every `othello …` that one of the two files runs, as words."""
    listed = [
        json.loads(text) for text in re.findall(r"(?:CMD |command: )(\[.*\])", DOCKERFILE + COMPOSE)
    ]
    default = re.sub(
        r"\$\{\w+:-(.*?)\}", r"\1", COMPOSE
    )  # what a variable that is not set stands for
    written = re.findall(r"(?:exec |RUN |othello-lrp )(othello [^&\n]*)", DOCKERFILE + default)
    return [words for words in listed if words[0] == "othello"] + [
        shlex.split(line) for line in written
    ]


def test_the_commands_are_found() -> None:
    found = {words[1] for words in commands()}
    assert found == {"app", "warm", "train", "explain"}


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_and_its_options_exist(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert words[1] in COMMANDS
    assert run([words[1], "--help"]) == 0
    shown = capsys.readouterr().out
    for word in words[2:]:
        assert not word.startswith("-") or re.search(rf"{word}\b", shown)


def test_the_extras_exist_and_bring_what_the_services_run() -> None:
    named = re.search(r'pip install .*"\.\[([\w,]+)\]"', DOCKERFILE)[1].split(",")
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(named) <= set(extras)
    packages = brought(named, extras)
    assert {"ray", "streamlit"} < packages and "pytest" not in packages


def test_the_image_is_made_of_what_the_wheel_needs_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert lines[1] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    wheel, project = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"], PROJECT["project"]
    needed = {
        *wheel["packages"],
        *wheel["force-include"],
        project["readme"],
        *project["license-files"],
    }
    assert allowed == needed | {"pyproject.toml", "constraints.txt"}
    assert all((ROOT / name).exists() for name in allowed)


def test_python_is_one_that_the_project_takes_and_torch_the_pinned_one() -> None:
    images = set(
        re.findall(r"^FROM (python:\d+\.\d+-slim)(?: AS build)?$", DOCKERFILE, re.MULTILINE)
    )
    assert len(images) == 1
    minor = int(images.pop().split(".")[1].split("-")[0])
    assert minor >= int(PROJECT["project"]["requires-python"].split(".")[1])
    assert "--no-deps" in DOCKERFILE and DOCKERFILE.count("-c constraints.txt") == 2
    index = re.search(r"TORCH_INDEX=(\S+)", DOCKERFILE)[1]
    assert index in (ROOT / "Makefile").read_text("utf-8")


def test_nothing_runs_as_root_or_writes_to_the_image() -> None:
    order = [name for name, _ in INSTRUCTIONS]
    assert "USER" in order and order.index("USER") > max(
        i for i, name in enumerate(order) if name in ("RUN", "COPY")
    )
    user = dict(INSTRUCTIONS)["USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user) and f"--uid {user.split(':')[0]}" in DOCKERFILE
    shared = COMPOSE.split("services:")[0]
    for line in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "/tmp:"):
        assert line in shared
    services = re.findall(r"^  (\w+):\n    <<: \*image$", COMPOSE, re.MULTILINE)
    assert services == ["app", "trainer", "node"]
    assert re.findall(r'"[\d.:]*\d+:\d+"', COMPOSE) == ['"127.0.0.1:8501:8501"']


def test_the_nodes_meet_where_the_trainer_listens_and_the_run_is_kept() -> None:
    port = re.search(r"ray start --head --port=(\d+)", COMPOSE)[1]
    assert f"--address=trainer:{port}" in COMPOSE
    folder = re.search(r'volumes: \["runs:(/\w+)"\]', COMPOSE)[1]
    assert (
        f"--run {folder}/" in COMPOSE and f"install -d -o othello -g othello {folder}" in DOCKERFILE
    )
