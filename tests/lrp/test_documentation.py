"""Every code block of docs/lrp.md runs, in order, and so do the examples in docstrings."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
import torch

import lrp.concepts
import lrp.explainer
import lrp.plot
import lrp.registration
import lrp.travel

PAGE = Path(__file__).parents[2] / "docs" / "lrp.md"


def test_the_page_runs_from_top_to_bottom() -> None:
    torch.manual_seed(0)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert len(blocks) >= 8
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)


def test_each_of_the_six_jobs_takes_five_lines_at_most() -> None:
    jobs = PAGE.read_text("utf-8").split("## Six jobs")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", jobs, flags=re.DOTALL)
    own = [block for block in blocks if "class " not in block]
    assert len(own) == 6
    for block in own:
        assert len([line for line in block.splitlines() if line.strip()]) <= 5, block


@pytest.mark.parametrize(
    "module",
    [lrp.concepts, lrp.explainer, lrp.plot, lrp.registration, lrp.travel],
    ids=lambda m: m.__name__,
)
def test_docstring_examples_run(module: object) -> None:
    found = doctest.testmod(module, extraglobs={"lrp": lrp, "torch": torch})
    assert found.attempted and not found.failed
