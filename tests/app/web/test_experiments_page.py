"""The Experiments page: it runs an experiment, shows its figure and its reading, and says whose weights they are of."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest

from app.experiments import results, runner
from app.experiments.catalogue import experiment, experiments
from app.web import jobs

SOURCE = "from app.web.views import experiments\nexperiments.page()\n"


@pytest.fixture
def page(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The detail of the first experiment in a folder without results."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.web.views.experiments.SHIPPED", tmp_path / "shipped")
    test = AppTest.from_string(SOURCE, default_timeout=120)
    test.session_state["e_open"] = True
    return test


def run_to_the_end(page: AppTest) -> None:
    """Press Run and draw the page again when the run has ended."""
    page.button(key="e_run").click().run()
    if "e_job" in page.session_state:  # else it has ended already
        page.session_state["e_job"].wait(120)
        page.run()


def texts(page: AppTest) -> str:
    """All words on the page, with the backslashes of Markdown taken off."""
    elements = [*page.markdown, *page.caption, *page.subheader, *page.info, *page.error]
    found = "\n".join(str(element.value) for element in elements)
    return found.replace("\\", "").replace("\u00a0", " ")


def test_the_page_lists_every_experiment_and_runs_the_chosen_one(page: AppTest) -> None:
    page.run()
    assert not page.exception and len(page.selectbox(key="e_name").options) == len(experiments())
    page.selectbox(key="e_name").select("prior").run()
    assert not page.exception and "Not measured yet" in texts(page)
    run_to_the_end(page)
    assert not page.exception and not page.error
    record = results.stored(Path("runs/experiments"), "prior")
    assert record is not None and record["reading"] in texts(page)
    assert "Not measured yet" not in texts(page) and record["key"][:12] in texts(page)
    run_to_the_end(page)
    assert "measured before" in texts(page)


def test_a_run_goes_on_without_its_page_and_is_shown_with_its_progress_wherever_it_is_met(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slow(name: str, request: Any, progress: Any) -> tuple[dict[str, Any], bool]:
        progress(0.25, "a quarter")
        go_on.wait(60)
        progress(0.5, "half")
        return runner.run(name, request, progress)

    monkeypatch.setattr("app.web.views.experiments.run", slow)
    page.run()
    page.selectbox(key="e_name").select("prior").run()
    page.button(key="e_run").click().run()
    job = page.session_state["e_job"]
    assert job.running
    other = AppTest.from_string(SOURCE, default_timeout=120).run()
    assert "It goes on when you leave" in texts(other) and other.button(key="e_cancel")
    other.button(key="e_go_prior").click().run()
    assert "It goes on when you leave" in texts(other) and other.button(key="e_run").disabled
    assert jobs.begin("lstm", lambda report: "never begun") is job
    go_on.set()
    job.wait(120)
    other.run()
    assert "It goes on" not in texts(other) and not other.button(key="e_run").disabled
    assert "Not measured yet" not in texts(other)
    other.button(key="e_all").click().run()
    assert re.search(r"The last run took \d+ s\.", texts(other))


def test_an_error_nobody_expected_is_raised_on_the_page_once(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str, request: Any, progress: Any) -> tuple[dict[str, Any], bool]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("app.web.views.experiments.run", broken)
    page.run()
    page.button(key="e_run").click().run()
    assert page.exception or page.run().exception
    assert not page.run().exception


def test_a_run_that_is_cancelled_ends_and_keeps_nothing(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = threading.Event()

    def slow(name: str, request: Any, progress: Any) -> tuple[dict[str, Any], bool]:
        cancelled.wait(60)
        return runner.run(name, request, progress)

    monkeypatch.setattr("app.web.views.experiments.run", slow)
    page.run()
    page.selectbox(key="e_name").select("prior").run()
    page.button(key="e_run").click().run()
    page.run()
    page.button(key="e_cancel").click().run()
    (bar,) = page.get("progress")
    assert "ends after this step" in bar.proto.text and page.button(key="e_cancel").disabled
    cancelled.set()
    page.session_state["e_job"].wait(120)
    page.run()
    assert "Cancelled." in texts(page) and "Not measured yet" in texts(page)
    assert results.stored(Path("runs/experiments"), "prior") is None


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
    run_to_the_end(page)
    assert not page.exception and "runs" in texts(page) and len(page.error) == 1
