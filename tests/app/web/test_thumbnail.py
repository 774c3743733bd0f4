"""A figure's thumbnail ends between its first row of panels and what is written over the second."""

from __future__ import annotations

import re

import pytest

from app.experiments.catalogue import experiments
from app.web.thumbnail import first_row
from tests.app.web.served import ROOT

FOLDER = ROOT / "docs" / "experiments"
LINE = re.compile(
    r'font-size: ([\d.]+)px[^>]*?(?: y="([\d.]+)" transform="rotate\(-0 |translate\([\d.]+ ([\d.]+)\)")'
)


def height(svg: str) -> float:
    """The height of a figure in points."""
    found = re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', svg)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize("name", list(experiments()))
def test_a_thumbnail_cuts_no_line_of_text(name: str) -> None:
    svg = (FOLDER / f"{name}.svg").read_text("utf-8")
    small = first_row(svg)
    assert height(small) <= height(svg) and len(LINE.findall(svg)) > 3
    for size, one, several in LINE.findall(svg):
        base = float(one or several)
        assert base < height(small) or base - float(size) * 0.8 >= height(small), (name, base)
    panels = {"because": 1, "concepts": 1}.get(name, 2)
    assert (height(small) < height(svg) * 0.7) == (panels > 1)


def test_what_is_no_figure_stays_as_it_is() -> None:
    assert first_row("<svg></svg>") == "<svg></svg>"
