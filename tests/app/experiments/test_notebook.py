"""docs/post.ipynb: the article's words and cells that measure again; it runs, and refuses numbers that are not so."""

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


NOTEBOOK: Final[dict[str, Any]] = json.loads((DOCS / "post.ipynb").read_text("utf-8"))
MAKER: Final = maker()


def sources(cells: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]


def test_the_notebook_is_made_of_the_article() -> None:
    post = (DOCS / "post.md").read_text("utf-8")
    made = sources(MAKER.cells_of(post))
    assert sources(NOTEBOOK["cells"]) == made, "run docs/notebook.py"
    words = "".join(text for kind, text in made if kind == "markdown")
    prose = post.replace("```python\n", "").replace("```\n", "")
    for _, code in (cell for cell in made if cell[0] == "code"):
        prose = prose.replace(code, "")
    assert "".join(words.split()) == "".join(prose.split()), "no word is lost"
    ids = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(set(ids)) == len(ids) and NOTEBOOK["nbformat"] == 4


def test_the_notebook_runs_and_prints_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells refuse every number that is not its file's; several hundred are measured again."""
    monkeypatch.chdir(DOCS)
    cells = copy.deepcopy(NOTEBOOK["cells"])
    for cell in cells:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    MAKER.executed(cells)
    for ran, kept in zip(cells, NOTEBOOK["cells"], strict=True):
        assert ran.get("outputs") == kept.get("outputs")
        assert ran.get("execution_count") == kept.get("execution_count")


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
