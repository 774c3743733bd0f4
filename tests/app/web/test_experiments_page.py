"""The Experiments page: it runs an experiment, shows its figure and its reading, and says whose weights they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest

from app.experiments import results
from app.experiments.catalogue import MODULES, experiment

SOURCE = "from app.web.views import experiments\nexperiments.page()\n"


@pytest.fixture
def page(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The page in a folder without results."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.web.views.experiments.SHIPPED", tmp_path / "shipped")
    return AppTest.from_string(SOURCE, default_timeout=120)


def texts(page: AppTest) -> str:
    """All words on the page, with the backslashes of Markdown taken off."""
    elements = [*page.markdown, *page.caption, *page.subheader, *page.info, *page.error]
    return "\n".join(str(element.value) for element in elements).replace("\\", "")


def test_the_page_lists_every_experiment_and_runs_the_chosen_one(page: AppTest) -> None:
    page.run()
    assert not page.exception and len(page.selectbox(key="e_name").options) == len(MODULES)
    page.selectbox(key="e_name").select("prior").run()
    assert not page.exception and "Not measured yet" in texts(page)
    page.button(key="e_run").click().run()
    assert not page.exception and not page.error
    record = results.stored(Path("runs/experiments"), "prior")
    assert record is not None and record["reading"] in texts(page)
    assert "Not measured yet" not in texts(page) and record["key"][:12] in texts(page)


def test_a_link_opens_its_experiment_and_a_wrong_one_opens_the_first(page: AppTest) -> None:
    page.query_params["experiment"] = "lstm"
    page.run()
    assert page.selectbox(key="e_name").value == "lstm" and experiment("lstm").shows in texts(page)
    page.query_params["experiment"] = "<script>"
    assert not page.run().exception


def test_a_folder_in_the_way_becomes_a_red_box(page: AppTest, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    page.run()
    page.selectbox(key="e_name").select("prior").run()
    page.button(key="e_run").click().run()
    assert not page.exception and "runs" in texts(page) and len(page.error) == 1
