"""Saved pictures of explanations: the colours that the page shows, for squares and biases on one scale."""

from __future__ import annotations

from typing import Any

import pytest

from app.explain.ask import explain
from app.present.picture import as_svg, full_colour
from app.web.components.maps import Legend
from othello.rules.board import Board


@pytest.mark.parametrize("bias", [False, True])
def test_a_saved_map_has_the_pages_colours(bias: bool, model: Any) -> None:
    found = explain(model, Board.parse("f5d6c3d3c4"), "value")
    shown = Legend.of(found).heat(found.bias_squares if bias else found.squares)["fills"]
    svg = as_svg(found, bias=bias)
    assert shown and all(colour in svg for colour in shown)
    assert f"±{full_colour(found):.3g}" in svg
