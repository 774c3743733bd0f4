"""The record: the game and what every page shows of it, as the texts of an address.

It is the one source of link and reload.  A page writes it before it draws anything that takes time; the browser puts it
in place of the page's address and keeps a copy in its storage, which the app opened without a record takes up again.
On a page its own parts have plain names, those of the other pages follow the page's name and a dot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from app.game.session import SEATS, Session
from app.web import state, widgets
from app.web.components import parts
from lrp.errors import LRPError
from othello.errors import OthelloError
from othello.rules.board import Board
from othello.rules.notation import format_moves, parse_moves

T = TypeVar("T")
GAME: Final = ("moves", "seat", "start", "size")  # each of them says that there is a game
_MOST, _LONGEST = 64, 8000  # parts of a record, letters of one


@dataclass(frozen=True)
class Part:
    """Something that a page shows: its text now, empty where it is as usual, and how a text is taken up.

    `take` raises OthelloError or LRPError for a text that makes no sense, and ignores what is not offered.
    """

    name: str
    said: Callable[[], str]
    take: Callable[[str], None]
    of_game: bool = False  # whether it can be taken up only when there is a game


_PARTS: Final[dict[str, tuple[Part, ...]]] = {}


def holds(page: str, *held: Part) -> None:
    """Declare the parts of a page, in the order in which they are taken up."""
    _PARTS[page] = held


def choice(
    name: str,
    key: str,
    options: Callable[[], Iterable[T]],
    usual: Callable[[], T],
    text: Callable[[T], str] = str,
) -> Part:
    """What a widget holds that offers `options`; `text` is how one of them is written."""

    def said() -> str:
        default = usual()
        found = widgets.chosen(key, options(), default)
        return "" if found == default else text(found)

    def take(given: str) -> None:
        for option in options():
            if text(option) == given:
                widgets.put(key, option)

    return Part(name, said, take)


def span(name: str, key: str, low: float, high: float, usual: float) -> Part:
    """The number in [low, high] that a widget holds."""

    def said() -> str:
        found = widgets.within(key, low, high, usual)
        return "" if found == usual else f"{found:g}"

    def take(given: str) -> None:
        try:
            number = float(given)
        except ValueError:
            return
        if low <= number <= high:
            widgets.put(key, number)

    return Part(name, said, take)


def follow(page: str) -> None:
    """Take up the record of the address, once in a browser session."""
    if "followed" in st.session_state:
        return
    wanted = st.query_params.to_dict()
    st.session_state.followed = True
    st.session_state.bare = not any(name in wanted for name in _names(page))
    _take(page, wanted)


def write(page: str) -> None:
    """Let the browser's address reproduce the game and what is shown, and its storage keep that."""
    texts = st.session_state.setdefault("record", {})
    texts[page] = {part.name: text for part in _PARTS.get(page, ()) if (text := part.said())}
    found = _game(page) | texts[page]
    for owner, others in texts.items():
        if owner != page:
            found |= {f"{owner}.{name}": text for name, text in others.items()}
    st.session_state.address = found
    parts.address(urlencode(found), page=page, bare=_bare(), on_found=lambda: _on_found(page))


def _names(page: str) -> Iterator[str]:
    """The names that a record may have on a page."""
    yield from (*GAME, "position", "ply")
    for owner, held in _PARTS.items():
        yield from (part.name if owner == page else f"{owner}.{part.name}" for part in held)


def _bare() -> bool:
    """Whether the app was opened without a record and nobody has moved since."""
    game: Session | None = st.session_state.get("game")
    return bool(st.session_state.get("bare")) and (game is None or not game.length)


def _on_found(page: str) -> None:
    """Take up what the browser's storage held, where nothing has begun."""
    query, other = (parts.picked(f"address_{page}", "found", name) for name in ("query", "page"))
    bare = _bare()
    st.session_state.bare = False
    if not bare or not isinstance(query, str) or other not in _PARTS:
        return
    try:
        _take(str(other), dict(parse_qsl(query[:_LONGEST], max_num_fields=_MOST)))
    except ValueError:
        return


def _take(page: str, wanted: Mapping[str, str]) -> None:
    """Take up the texts of a page's address; what is not understood is said, and stays as usual."""
    _take_parts(page, wanted, of_game=False)
    if any(name in wanted for name in (GAME if page != "play" else (*GAME, "position"))):
        _open_game(page, wanted)
    if "game" in st.session_state:
        _take_parts(page, wanted, of_game=True)


def _take_parts(page: str, wanted: Mapping[str, str], *, of_game: bool) -> None:
    for owner, held in _PARTS.items():
        for part in held:
            text = wanted.get(part.name if owner == page else f"{owner}.{part.name}", "")
            if text and part.of_game == of_game:
                _take_part(owner, part, text)


def _take_part(owner: str, part: Part, text: str) -> None:
    try:
        part.take(text[:_LONGEST])
    except (OthelloError, LRPError) as error:
        st.session_state.setdefault("link_error", f"the link was not understood: {error}")
        return
    st.session_state.setdefault("record", {}).setdefault(owner, {})[part.name] = part.said() or text


def _open_game(page: str, wanted: Mapping[str, Any]) -> None:
    size, offered = wanted.get("size", ""), state.sizes()
    fits = size in ("4", "6", "8") and int(size) in offered
    session = state.game_of_size(int(size)) if fits else state.game()
    if (seat := wanted.get("seat")) in SEATS:
        session.new_game(seat=seat)
        widgets.put("seat", seat)
    start, moves = wanted.get("position" if page == "play" else "start"), wanted.get("moves")
    try:
        if text := start or moves:
            session.open(text)
        if start and moves:
            actions = parse_moves(moves, session.start.size)
            session.new_game(start=session.start, actions=actions)
        if (ply := wanted.get("ply", "")).isdecimal() and len(ply) < 4:
            session.goto(int(ply))
    except OthelloError as error:
        session.new_game()
        st.session_state.link_error = f"the link's position was not understood: {error}"
    st.session_state.restored = session.length > 0


def _game(page: str) -> dict[str, str]:
    """The game's own texts."""
    session: Session | None = st.session_state.get("game")
    if session is None:
        return {}
    line = session.line
    found = {"moves": format_moves(line.actions, line.start.size), "seat": line.seat}
    if line.start != Board.initial(line.start.size):
        found["position" if page == "play" else "start"] = str(line.start)
    if line.start.size != 8:
        found["size"] = str(line.start.size)
    if line.cursor != line.length:
        found["ply"] = str(line.cursor)
    return {name: text for name, text in found.items() if text}
