"""The workflows: well-formed, each job runs what is there, on three systems; releases start by hand."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {file.name: file.read_text("utf-8") for file in FILES}


def commands(text: str) -> list[str]:
    return re.findall(r"^\s+- run: (.+)$", text, re.MULTILINE)


def test_there_are_two_workflows() -> None:
    assert TEXTS.keys() == {"ci.yml", "release.yml"}


@pytest.mark.parametrize("name", TEXTS)
def test_indentation_and_expressions_are_whole(name: str) -> None:
    text = TEXTS[name]
    assert "\t" not in text and text.count("${{") == text.count("}}")
    for line in text.splitlines():
        assert (len(line) - len(line.lstrip())) % 2 == 0, line
    for action in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", action), action
    assert re.search(r"^permissions:\n  contents: read$", text, re.MULTILINE)
    for job in re.split(r"\n  (?=\w+:\n    )", text.split("\njobs:")[1])[1:]:
        assert "runs-on:" in job and "steps:" in job
        assert "timeout-minutes:" in job or "environment: release" in job


@pytest.mark.parametrize("name", TEXTS)
def test_a_step_runs_what_is_there(name: str) -> None:
    for line in commands(TEXTS[name]):
        words = shlex.split(line)
        if words[0] == "make":
            subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
        files = [word for word in words if "/" in word and "://" not in word]
        assert all((ROOT / file).exists() for file in files), line


def test_linux_macos_and_windows_are_tested_with_every_python() -> None:
    text = TEXTS["ci.yml"]
    assert {"ubuntu-latest", "macos-latest", "windows-latest"} <= set(
        re.findall(r"\w+-latest", text)
    )
    for versions in re.findall(r"python: \[(.*)\]", text):
        assert versions == '"3.11", "3.12", "3.13", "3.14"'


def test_a_release_starts_by_hand_and_uploads_only_when_told_without_a_secret() -> None:
    text = TEXTS["release.yml"]
    assert re.search(r"^on:\n  workflow_dispatch:", text, re.MULTILINE) and "push" not in text
    publish = text.split("\n  publish:\n")[1]
    assert "if: inputs.publish" in publish and "id-token: write" in publish
    assert "secrets." not in text and text.count("id-token") == 1
    assert {"check", "test", "docs", "packages"} <= set(commands(text)[0].split())


@pytest.mark.parametrize("name", TEXTS)
def test_a_reader_of_yaml_takes_it(name: str) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra docs")
    found: dict[Any, Any] = yaml.safe_load(TEXTS[name])
    assert found["name"] and found["jobs"] and True in found  # `on` is a truth value to YAML 1.1
    for job in found["jobs"].values():
        assert job["runs-on"] and job["steps"]
        needs = job.get("needs", [])
        assert {needs} if isinstance(needs, str) else set(needs) <= found["jobs"].keys()
