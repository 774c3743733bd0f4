"""The pages' widgets: made in one place, and nothing counts that was not offered."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "app" / "web"
HOLDING = {
    "selectbox",
    "segmented_control",
    "select_slider",
    "slider",
    "number_input",
    "toggle",
    "checkbox",
    "radio",
    "pills",
    "multiselect",
    "text_input",
    "text_area",
    "date_input",
    "time_input",
    "color_picker",
    "feedback",
}


@pytest.mark.parametrize("path", sorted(WEB.rglob("*.py")), ids=lambda path: path.stem)
def test_widgets_that_hold_a_value_are_made_in_one_place(path: Path) -> None:
    calls = [
        node.func
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]
    made = {
        func.attr
        for func in calls
        if isinstance(func, ast.Attribute) and ast.unparse(func.value) == "st"
    }
    assert path.stem == "widgets" or not made & HOLDING
