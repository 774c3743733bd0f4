"""Pictures of relevance: symmetric colours, numbers on the bar, typed refusals, nothing imported before it is used."""

from __future__ import annotations

import html.parser
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import lrp


def relevance() -> lrp.Relevance:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(100, 2))
    x = torch.randn(5, 3, 5, 5)
    return lrp.LRP(model, "EpsilonPlus", x).attribute(x, 1)


def test_a_picture_shows_the_map_symmetric_about_0_with_numbers_on_its_bar() -> None:
    r = relevance()
    figure = lrp.plot.image(r, torch.rand(3, 5, 5), sample=2, percentile=100, title="why")
    grey, mesh = figure.axes[0].images
    wanted = r.input[2].sum(0)
    torch.testing.assert_close(torch.tensor(mesh.get_array()), wanted.double())
    assert mesh.norm.vmin == -mesh.norm.vmax
    assert mesh.norm.vmax == pytest.approx(float(wanted.double().abs().max()))
    assert mesh.get_alpha() == 0.6 and grey.get_alpha() is None
    figure.canvas.draw()
    labels = [tick.get_text() for tick in figure.axes[1].get_yticklabels()]
    assert labels[2] == "0" and labels[-1] == f"{mesh.norm.vmax:+.3g}"


@pytest.mark.parametrize(("percentile", "limit"), [(100, 100.0), (99, 99.0), (50, 50.0)])
def test_a_percentile_of_the_sizes_ends_the_colours(percentile: float, limit: float) -> None:
    steps = torch.arange(1.0, 101.0).reshape(10, 10) * torch.tensor([1.0, -1.0] * 5)
    assert lrp.plot.image(steps, percentile=percentile).axes[0].images[0].norm.vmax == limit


def test_a_sparse_map_and_an_empty_one_keep_a_scale() -> None:
    sparse = torch.zeros(20, 20)
    assert lrp.plot.image(sparse).axes[0].images[0].norm.vmax == 1
    sparse[0, 0] = -3
    assert lrp.plot.image(sparse).axes[0].images[0].norm.vmax == 3


def test_a_grid_has_one_scale_and_every_sample() -> None:
    r = relevance()
    figure = lrp.plot.grid(r, torch.rand(5, 5, 5), titles=list("abcde"), columns=3)
    drawn = [axes for axes in figure.axes if len(axes.images) == 2]
    assert [axes.get_title() for axes in drawn] == list("abcde")
    assert len({axes.images[1].norm.vmax for axes in drawn}) == 1
    again = lrp.plot.grid([r, r.input[1]])
    torch.testing.assert_close(
        torch.tensor(again.axes[1].images[0].get_array()), r.input[1].sum(0).double()
    )


def test_figures_are_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    lrp.plot.image(torch.randn(4, 4), save=tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    lrp.plot.grid([torch.randn(4, 4)], save=str(tmp_path / "b.svg"))
    assert "<svg" in (tmp_path / "b.svg").read_text("utf-8")
    with pytest.raises(lrp.InvalidInput, match="ends in"):
        lrp.plot.image(torch.randn(4, 4), save=tmp_path / "c.exe")
    assert not (tmp_path / "c.exe").exists()


class Spans(html.parser.HTMLParser):
    """The tags, the colours and the words of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.titles: list[str | None] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "span":
            self.titles.append(dict(attrs)["title"])

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data)


def test_text_is_escaped_and_every_token_shows_its_number(tmp_path: Path) -> None:
    tokens = ["<script>alert(1)</script>", '"&', "plain"]
    r = torch.tensor([[1.0, 1.0], [-1.5, 0.5], [0.0, 0.0]])
    page = lrp.plot.text(tokens, r, save=tmp_path / "text.html")
    assert (tmp_path / "text.html").read_text("utf-8") == page
    found = Spans(page)
    assert found.tags == ["div", "span", "span", "span"] and found.words == tokens
    assert found.titles == ["+2", "-1", "+0"]
    assert page.count("rgb(255,255,255)") == 1 and page.count("rgb(214,96,77)") == 1


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (torch.rand(2, 3, 5, 5), r"\[3, H, W\], not \[2, 3, 5, 5\]"),
        (torch.rand(4, 5, 5), r"not \[4, 5, 5\]"),
        (torch.rand(5), r"not \[5\]"),
        (torch.rand(3, 5, 6), "sizes must agree"),
    ],
)
def test_a_picture_of_another_rank_or_size_is_refused(picture: Tensor, says: str) -> None:
    with pytest.raises(lrp.InvalidInput, match=says):
        lrp.plot.image(torch.rand(3, 5, 5), picture)


def test_what_cannot_be_drawn_is_refused() -> None:
    r = torch.rand(3, 3)
    refused = [
        lambda: lrp.plot.image(torch.rand(3)),
        lambda: lrp.plot.image(torch.full((2, 2), torch.nan)),
        lambda: lrp.plot.image("map"),
        lambda: lrp.plot.image(r, percentile=0),
        lambda: lrp.plot.image(r, r, overlay=2),
        lambda: lrp.plot.image(relevance(), sample=5),
        lambda: lrp.plot.grid([]),
        lambda: lrp.plot.grid([r], [r, r]),
        lambda: lrp.plot.grid([r], columns=0),
        lambda: lrp.plot.text(["a"], torch.rand(2)),
    ]
    for call in refused:
        with pytest.raises(lrp.InvalidInput):
            call()


def run(code: str) -> str:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=120
    )
    return done.stdout + done.stderr


def test_matplotlib_is_imported_by_the_first_picture_and_its_absence_is_one_line() -> None:
    code = (
        "import sys, torch, lrp\nprint('matplotlib' in sys.modules)\nsys.modules['matplotlib'] = None\n"
        "lrp.plot.text(['a'], torch.ones(1))\n"
        "try:\n    lrp.plot.image(torch.ones(2, 2))\nexcept lrp.LRPError as error:\n    print(error)"
    )
    assert run(code) == "False\npictures need matplotlib: pip install othello-lrp[plot]\n"
