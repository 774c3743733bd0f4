"""Notebooks: the words and the code of their pages; they run, and the article's refuses numbers that are not so."""

from __future__ import annotations

import copy
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

DOCS: Final = Path(__file__).parents[3] / "docs"


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebook", DOCS / "notebook.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKER: Final = maker()
KEPT: Final[dict[str, Any]] = {
    name: json.loads((DOCS / f"{name}.ipynb").read_text("utf-8")) for name in MAKER.NOTEBOOKS
}


def sources(cells: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]


@pytest.mark.parametrize("name", MAKER.NOTEBOOKS)
def test_a_notebook_is_made_of_its_page(name: str) -> None:
    page = (DOCS / f"{name}.md").read_text("utf-8")
    made = sources(MAKER.cells_of(name))
    assert sources(KEPT[name]["cells"]) == made, "run docs/notebook.py"
    words = "".join(text for kind, text in made if kind == "markdown")
    prose = page.replace("```python\n", "").replace("```\n", "")
    for _, code in (cell for cell in made if cell[0] == "code"):
        prose = prose.replace(code, "")
    assert "".join(words.split()) == "".join(prose.split()), "no word is lost"
    ids = [cell["id"] for cell in KEPT[name]["cells"]]
    assert len(set(ids)) == len(ids) and KEPT[name]["nbformat"] == 4


def ran(name: str) -> list[dict[str, Any]]:
    """The cells of a notebook, run anew."""
    cells = copy.deepcopy(KEPT[name]["cells"])
    for cell in cells:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    MAKER.executed(cells)
    return cells


def test_the_article_runs_and_prints_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells refuse every number that is not its file's; several hundred are measured again."""
    monkeypatch.chdir(DOCS)
    for again, kept in zip(ran("post"), KEPT["post"]["cells"], strict=True):
        assert again.get("outputs") == kept.get("outputs")
        assert again.get("execution_count") == kept.get("execution_count")


@pytest.mark.parametrize("name", [name for name in MAKER.NOTEBOOKS if name != "post"])
def test_a_notebook_runs_and_shows_the_like_of_what_it_keeps(name: str) -> None:
    """Its cells assert what its words claim; numbers may differ in their last digits, and moves with them."""
    for again, kept in zip(ran(name), KEPT[name]["cells"], strict=True):
        assert kinds(again) == kinds(kept)


def kinds(cell: dict[str, Any]) -> list[str]:
    """What a cell prints and shows: its lines of text, and the formats of its pictures."""
    found = []
    for output in cell.get("outputs", []):
        lines = output.get("text", [])
        found += [f"{len(lines)} lines"] if lines else sorted(output["data"])
    return found


def test_a_number_that_is_not_the_file_s_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DOCS)
    namespace: dict[str, Any] = {"__name__": "post"}
    exec(MAKER.BEGIN, namespace)
    honest = namespace["stored"]

    def forged(name: str) -> Any:
        record = honest(name)
        record["numbers"]["target"] *= 1.01
        return record

    namespace["stored"] = forged
    with pytest.raises(AssertionError, match="policy"):
        namespace["again"]("policy")
