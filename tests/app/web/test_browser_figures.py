"""The documentation's figures in Chromium: no word on or off another, legible on a phone, dark where pages are dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long]
DOCS: Final = Path(__file__).parents[3] / "docs"
PHONE: Final = 390  # pixels
WORDS: Final = """() => {
    const figure = document.querySelector("svg"), frame = figure.getBoundingClientRect();
    const words = [...figure.querySelectorAll("text")].filter(one => one.textContent.trim());
    const boxes = words.map(one => one.getBoundingClientRect());
    const slanted = words.map(one => /rotate\\(-?[1-9]/.test(one.getAttribute("transform")));
    const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2.5;
    const wrong = [];
    boxes.forEach((box, i) => {
        if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1)
            wrong.push(`${words[i].textContent} is cut`);
        boxes.forEach((other, k) => {
            if (k > i && !(slanted[i] && slanted[k]) && meet(box, other))
                wrong.push(`${words[i].textContent} on ${words[k].textContent}`);
        });
    });
    const smallest = Math.min(...words.map(one => parseFloat(getComputedStyle(one).fontSize)));
    return {wrong, smallest, wide: figure.viewBox.baseVal.width};
}"""
COLOURS: Final = """() => [document.querySelector("#patch_1 path"), document.querySelector("text")].map(
    one => getComputedStyle(one).fill)"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Any:
    """An empty page."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("file", sorted(DOCS.rglob("*.svg")), ids=lambda file: file.stem)
def test_a_figure_can_be_read(file: Path, page: Any) -> None:
    text = file.read_text("utf-8")
    page.set_content(f'<body style="margin: 0">{text[text.index("<svg") :]}')
    found = page.evaluate(WORDS)
    assert found["wrong"] == []
    assert found["smallest"] * PHONE / max(found["wide"], PHONE * 3 / 4) >= 7.5
    seen = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        seen.append(page.evaluate(COLOURS))
    light, dark = ([sum(map(int, one[4:-1].split(","))) for one in each] for each in seen)
    assert light[0] > 700 > 350 > light[1] and dark[0] < 100 < 450 < dark[1]
