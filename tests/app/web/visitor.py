"""A visitor without a browser: a session of the server by the WebSocket messages that its page would send and get."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from othello.rules.board import Board

BOARD = "othello_board"
EVENT = "$$STREAMLIT_INTERNAL_KEY_{}__events"  # the state of a component's triggers


@dataclass
class Visitor:
    """A game at a server's Play page: what its board is, where a click goes, and how long the server took.

    `forged` goes to the server as the value of every selectbox, with each click.
    """

    query: str
    connection: ClientConnection
    forged: str = ""
    shown: dict[str, Any] = field(default_factory=dict)  # the board's data
    clicked: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # from a click to the board with its disc
    settled: list[float] = field(default_factory=list)  # from a click until all is drawn
    problems: list[str] = field(default_factory=list)
    pages: set[str] = field(default_factory=set)  # as the server names them
    _board: str = ""
    _fragment: str = ""
    _page: str = ""
    _running: bool = False
    _began: float | None = None
    _selects: dict[str, str] = field(default_factory=dict)
    _known: dict[str, ForwardMsg] = field(default_factory=dict)

    @classmethod
    async def arrive(cls, address: str, query: str = "seat=both", forged: str = "") -> Self:
        """Open the page; the game's board is there when this returns."""
        host = urlsplit(address).netloc
        connection = await connect(
            f"ws://{host}/_stcore/stream",
            origin=address,  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            open_timeout=600,
            ping_timeout=None,
        )
        visitor = cls(query, connection, forged)
        message = BackMsg()
        message.rerun_script.query_string = query
        await visitor._send(message)
        await visitor._follow(lambda: bool(visitor.shown))
        await visitor.settle()
        return visitor

    async def leave(self) -> None:
        """Close the page."""
        await self.connection.close()

    @property
    def legal(self) -> list[int]:
        """The squares that a click may play at."""
        return sorted(map(int, self.shown["legal"]))

    async def click(self, square: int) -> None:
        """Play a move; returns with the server's board after it."""
        ply = int(self.shown["ply"])
        message = self.move(square)
        message.rerun_script.fragment_id = self._fragment
        for each in self._selects.values() if self.forged else ():
            message.rerun_script.widget_states.widgets.add(id=each, string_value=self.forged)
        self.clicked.append(square)
        self._began = time.perf_counter()
        await self._send(message)
        await self._follow(lambda: int(self.shown["ply"]) > ply)
        self.seconds.append(time.perf_counter() - self._began)

    async def run(self, message: BackMsg) -> None:
        """Send what a page may or may not have said; returns when the server has drawn."""
        await self._send(message)
        await self._follow(lambda: not self._running)

    async def visit(self, page: str) -> None:
        """Open another page with the game; returns when it is drawn."""
        message = BackMsg()
        message.rerun_script.page_script_hash = page
        message.rerun_script.cached_message_hashes.extend(self._known)
        await self.run(message)

    def move(self, square: int) -> BackMsg:
        """What the page says when somebody clicks a square."""
        event = {"square": square, "ply": int(self.shown["ply"]), "serial": self.shown["serial"]}
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.page_script_hash = self.query, self._page
        run.cached_message_hashes.extend(self._known)
        widget = run.widget_states.widgets.add(id=EVENT.format(self._board))
        widget.json_trigger_value = json.dumps([{"event": "move", "value": event}])
        return message

    async def settle(self) -> None:
        """Wait until the server draws no more and nobody thinks."""
        await self._follow(lambda: not (self._running or self.shown["busy"]))
        if self._began is not None:
            self.settled.append(time.perf_counter() - self._began)
            self._began = None

    async def _send(self, message: BackMsg) -> None:
        self._running = True
        await self.connection.send(message.SerializeToString())

    async def _follow(self, true: Any) -> None:
        """Take messages until something holds."""
        while not true():
            async with asyncio.timeout(600):
                self._take(ForwardMsg.FromString(await self.connection.recv()))  # type: ignore[arg-type]

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            where, message = message.metadata, self._known[message.ref_hash]
            message.metadata.CopyFrom(where)
        elif message.metadata.cacheable:
            self._known[message.hash] = message
        if kind == "session_status_changed":
            self._running = message.session_status_changed.script_is_running
        if self.forged and self.forged.encode() in message.SerializeToString():
            self.problems.append(f"the server says {self.forged}")
        self.pages.update(page.page_script_hash for page in message.navigation.app_pages)
        element = message.delta.new_element
        what = element.WhichOneof("type")
        if what == "exception":
            self.problems.append(element.exception.message)
        if what == "selectbox":
            self._selects[element.selectbox.label] = element.selectbox.id
        if what == "bidi_component" and element.bidi_component.component_name == BOARD:
            shown = json.loads(element.bidi_component.json)
            if not shown.get("picture"):
                self.shown, self._board = shown, element.bidi_component.id
                self._page = message.metadata.active_script_hash
                self._fragment = message.delta.fragment_id


def game_of(visitor: Visitor) -> Board:
    """The board that the visitor's own clicks lead to, where it plays both sides."""
    board = Board.initial()
    for square in visitor.clicked:
        board = board.pass_turn() if board.must_pass else board
        board = board.play(square)
    return board
