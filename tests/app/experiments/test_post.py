"""docs/post.md: every number is that of the file it is linked to, the code runs, the references are all used."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

DOCS: Final = Path(__file__).parents[3] / "docs"
POST: Final = (DOCS / "post.md").read_text("utf-8")
CITED: Final = re.compile(
    r'\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\(experiments/([\w-]+\.json)\s+"([^"]+)"\)'
)
NUMBER: Final = re.compile(r"[−+]?\d+(?:\.\d+)?(?:e[−+]?\d+)?")
NAMES: Final = ("LRP-0", "board 31")  # with digits, but no measurements
PARTS: Final = (
    r"```.*?```", r"\$\$.*?\$\$", r"\$[^$]*\$", r"`[^`]*`", r"## References.*",
    r"^1\. \[The framework\].*?^## ", r"^\d\. ",  # the contents, and numbered steps
    r"!?\[[^\]]*\]\([^)]*\)",  # other links, pictures, citations
    r"\b[a-h][1-8]\b",
)  # fmt: skip


@cache
def stored(file: str) -> Any:
    return json.loads((DOCS / "experiments" / file).read_text("utf-8"))


def value_at(file: str, path: str) -> list[float]:
    """The numbers at a place: one, or a mean with its interval."""
    found = stored(file)
    for key in path.split(" > "):
        found = found[int(key)] if isinstance(found, list) else found[key]
    if isinstance(found, dict):
        return [found["mean"], found["low"], found["high"]]
    return [found]


def agrees(shown: str, value: float, *, percent: bool) -> bool:
    """Whether a text is the value, rounded to the digits that it has."""
    text = shown.replace("−", "-")
    if "e" in text:
        return f"{value:.0e}" == f"{float(text):.0e}"
    unit = 10.0 ** -len(text.partition(".")[2])
    return abs(float(text) - value * (100 if percent else 1)) <= unit * (0.5 + 1e-6)


def claims() -> list[tuple[str, str, str]]:
    return CITED.findall(POST)


def test_every_linked_number_is_the_file_s() -> None:
    assert len(claims()) > 60
    for text, file, path in claims():
        values, shown = value_at(file, path), NUMBER.findall(text)
        assert shown, f"{text}: no number"
        assert len(shown) in (1, len(values)), f"{text}: {file} has {values}"
        for number, value in zip(shown, values):
            assert agrees(number, value, percent="%" in text), f"{text}: {file}, {path}: {value}"


def test_no_number_stands_there_without_its_file() -> None:
    rest = CITED.sub("", POST)
    for pattern in PARTS:
        rest = re.sub(pattern, "", rest, flags=re.DOTALL | re.MULTILINE)
    for name in NAMES:
        rest = rest.replace(name, "")
    assert re.findall(r"[^\n]*\d[^\n]*", rest) == []


@pytest.mark.parametrize(
    ("shown", "value", "percent", "fine"),
    [
        ("0.41", 0.4082, False, True),
        ("0.42", 0.4082, False, False),
        ("41", 0.4082, True, True),
        ("−1.39", -1.394, False, True),
        ("+1.39", -1.394, False, False),
        ("3e−9", 3.26e-9, False, True),
        ("4e−9", 3.26e-9, False, False),
    ],
)
def test_a_number_agrees_to_the_digits_that_it_has(
    shown: str, value: float, percent: bool, fine: bool
) -> None:
    assert agrees(shown, value, percent=percent) is fine


def test_the_code_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", POST, re.DOTALL)
    exec(compile(block, "docs/post.md", "exec"), {})


def test_all_seven_references_are_there_and_used() -> None:
    text, _, listed = POST.partition("## References")
    assert re.findall(r"^(\d)\. ", listed, re.MULTILINE) == list("1234567")
    assert set(re.findall(r"\[(\d)\]\(#references\)", text)) == set("1234567")


def test_pictures_and_pages_exist() -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", POST):
        assert target.startswith("https://") or (DOCS / target).is_file(), target
