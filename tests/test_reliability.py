"""The page on reliability names tests that exist, and says of no full size that it was run unless it says when."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
TABLE, _, _ = PAGE.partition("\n## ")
ROWS = [line.strip("|").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]


def names(file: Path) -> set[str]:
    """The tests of a file."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return {name for name in functions if name.startswith("test_")}


def test_the_page_has_what_the_project_promises() -> None:
    assert len(ROWS) >= 25 and all(len(row) == 5 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip()[:40])
def test_a_command_names_tests_that_exist(row: list[str]) -> None:
    words = shlex.split(row[1].strip("` "))
    assert words[0] == "pytest" and words[-2] == "-k"
    files = [ROOT / word for word in words[1:-2]]
    found = [names(file) for file in files]
    chosen = words[-1].split(" or ")
    for tests in found:
        assert any(part in test for part in chosen for test in tests), row[1]
    for part in chosen:
        assert any(part in test for tests in found for test in tests), part


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip()[:40])
def test_a_result_has_a_date_or_is_none(row: list[str]) -> None:
    said, full = row[4].strip(), row[3].strip()
    if said == "the same as quick":
        assert full == "the same"
    elif said != "not run in full for this version":
        assert re.match(r"\d{4}-\d\d-\d\d( \([0-9a-f]{7}\))?: ", said), said
