"""A visitor who changes what the browser sends: a choice that was not offered is taken for none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from app.models import available_checkpoints
from othello.rules.board import Board
from tests.app.web.browser_page import PAGES, go_to, opened, position, settled

pytestmark = pytest.mark.browser
PRESSED = {
    "Play": ("undo", "redo"),
    "Inspect": ("i_side",),
    "Search": ("s_game",),
    "Training": ("t_game",),
}


def forge(page: Any, change: Callable[[Any], None]) -> None:
    """Let `change` rewrite the state of every widget in what this page sends to the server from now on."""

    def rewritten(message: str | bytes) -> str | bytes:
        if isinstance(message, str):
            return message
        sent = BackMsg.FromString(message)
        for widget in sent.rerun_script.widget_states.widgets:
            change(widget)
        return bytes(sent.SerializeToString())

    def between(socket: Any) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda message: server.send(rewritten(message)))

    page.route_web_socket("**/_stcore/stream", between)


def test_a_path_whose_label_looks_offered_is_not_loaded(
    browser: Any, server: str, model: Any
) -> None:
    label, forged = available_checkpoints(8)[0].name, []

    def change(widget: Any) -> None:
        if widget.id.endswith("-t_a") and widget.string_value:
            widget.string_value = f"/forged/{label}"
            forged.append(widget.id)

    with opened(browser, server) as (page, _):
        settled(page)
        forge(page, change)
        page.goto(f"{server}/training")
        page.get_by_text(PAGES["Training"]).first.wait_for()
        settled(page)
        page.locator(".st-key-t_game button").click()
        page.get_by_role("alert").or_(page.get_by_text("simulations a move:")).first.wait_for()
        settled(page)
        assert forged and "forged" not in page.locator("[data-testid=stMain]").inner_text()


@pytest.mark.parametrize(
    "text",
    [
        "gtp:touch forged",
        pytest.param("/etc/passwd", marks=pytest.mark.long),
        pytest.param("", marks=pytest.mark.long),
    ],
)
def test_choices_that_nobody_offered_leave_every_page_and_the_game_as_they_were(
    text: str, browser: Any, server: str
) -> None:
    forged = []

    def change(widget: Any) -> None:
        if widget.WhichOneof("value") == "string_value":
            widget.string_value = text
        elif widget.WhichOneof("value") == "string_array_value":
            widget.string_array_value.data[:] = [text]
        else:
            return
        forged.append(widget.id)

    with opened(browser, server) as (page, _):
        settled(page)
        forge(page, change)
        page.goto(f"{server}/?seat=both&moves=f5d6")
        page.get_by_role("gridcell").first.wait_for()
        for name in (*PAGES, "Play"):
            go_to(page, name)
            for key in PRESSED.get(name, ()):
                page.locator(f".st-key-{key} button").click()
                settled(page)
            assert not page.locator("[data-testid=stException]").count(), name
        go_to(page, "Play")
        assert position(page) == str(Board.parse("f5d6"))[:64] and forged
