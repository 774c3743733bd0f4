"""A game report as a text: all that it must hold, nothing that a name put there, the same bytes every time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from app.game.judged import JudgedGame, judge_game
from app.present.numbers import unbroken
from app.present.report import report
from othello.records import GameRecord
from othello.strength.review import Mark
from tests.app.lost_game import EMPTIES, HOSTILE, LOST, SIMULATIONS

if TYPE_CHECKING:
    from app.models import Model

FETCHES = ("src", "href", "action", "data", "poster", "srcset", "background", "xlink:href")


class Tags(HTMLParser):
    """The tags of a document with their attributes, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_is_one_small_file_that_fetches_nothing(lost_game: JudgedGame) -> None:
    text = report(lost_game)
    assert len(text.encode()) < 1_000_000
    page = Tags(text)
    fetched = [
        value
        for _, attributes in page.found
        for name, value in attributes.items()
        if name in FETCHES
    ]
    assert fetched == ["data:,"]
    assert not re.search(
        r"url\(|@import|https?://(?!www\.w3\.org)", text.replace("http://evil", "")
    )
    assert [tag for tag, _ in page.found].count("script") == 2


def test_names_are_text_and_nothing_else(lost_game: JudgedGame) -> None:
    text = report(lost_game)
    page = Tags(text)
    assert HOSTILE in page.text and "Alan & co" in page.text
    tags = {tag for tag, _ in page.found}
    assert not tags & {"img", "iframe", "object", "embed", "form", "base"}
    handlers = [name for _, attributes in page.found for name in attributes if name[:2] == "on"]
    assert not handlers and "<img" not in text


def test_every_move_its_mark_and_every_turning_point_are_there(lost_game: JudgedGame) -> None:
    text = report(lost_game)
    page = Tags(text)
    rows = [attributes["data-row"] for tag, attributes in page.found if "data-row" in attributes]
    assert rows == [str(move.ply + 1) for move in lost_game.moves]
    table = text[text.index('<table class="moves">') : text.index("</section>")]
    for mark in (Mark.INACCURACY, Mark.MISTAKE, Mark.BLUNDER):
        count = lost_game.count("X", mark) + lost_game.count("O", mark)
        assert table.count(f'class="badge {mark.value}"') == count
    for turn in lost_game.turns:
        assert unbroken(turn.sentence) in page.text
    assert text.count("<figure>") == 2 * len(lost_game.turns)
    assert "White wins 61–3" in page.text
    assert text.count("<circle class=") == 2 * table.count("badge ")


def test_the_same_game_and_weights_give_the_same_bytes(model: Model, lost_game: JudgedGame) -> None:
    record = GameRecord.from_transcript(LOST, black=HOSTILE, white="Alan & co")
    again = judge_game(record, model, SIMULATIONS, EMPTIES)
    assert report(again) == report(lost_game)


def test_a_game_just_begun_has_a_report(model: Model) -> None:
    begun = report(judge_game(GameRecord.from_transcript("f5"), model, 4))
    assert "Not finished" in begun and begun.count("data-row=") == 1
