"""What the pages share: the checkpoint, the game of this browser session, error boxes, plain text."""

from __future__ import annotations

import gc
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
import torch
from streamlit.errors import StreamlitAPIException

from app.explain.ask import explain
from app.game.session import Session, Strength
from app.models import Model, available_checkpoints, board_size_of, load_model
from app.present import board_png
from app.present.numbers import unbroken
from app.web import widgets
from lrp.errors import LRPError
from othello.errors import CheckpointError, OthelloError, ParseError
from othello.network.checkpoint import default_checkpoint
from othello.players.agent import SearchPlayer
from othello.rules.board import Board
from othello.rules.notation import looks_like_board

if TYPE_CHECKING:
    from PIL.Image import Image

_TYPOGRAPHY = re.compile(  # Streamlit makes arrows, dashes, icons and links of what nothing parts, escaped or not
    r"(?<=[-<>~])(?=[-=>])|(?<=:)(?=\S)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&\"'])")


def plain(text: str) -> str:
    """`text` so that Markdown shows it letter by letter.

    >>> plain("<b>*c4*</b>")
    '\\\\<b\\\\>\\\\*c4\\\\*\\\\</b\\\\>'
    """
    words = unbroken(" ".join(text.split()))
    return _MARKDOWN.sub(r"\\\1", _TYPOGRAPHY.sub("\u2060", words))


@contextmanager
def error_box() -> Iterator[None]:
    """What goes wrong on purpose inside becomes a red box; the game stays as it was."""
    try:
        yield
    except (OthelloError, LRPError) as error:
        st.error(plain(str(error)))
    except OSError as error:
        st.error(plain(f"{error.filename or ''} {error.strerror or error}"))


@contextmanager
def drawing() -> Iterator[None]:
    """What a run draws from its first message to its end, in an error box; a run cut short says its messages again."""
    with error_box():
        yield
    st.session_state.unsaid = {}


def messages(*names: str) -> None:
    """What callbacks left to be said, each once, in a place that is there even when it is empty.

    Without such a place an error would move everything below it, and menus that are open would close.
    """
    unsaid = st.session_state.get("unsaid", {})
    now = {name: st.session_state.get(name) or unsaid.get(name) for name in names}
    said = {name: text for name, text in now.items() if text}
    for name in said:
        st.session_state.pop(name, None)
    st.session_state.unsaid = said
    with st.container():
        for text in said.values():
            st.error(plain(text))


def rerun() -> None:
    """Draw again: the fragment where one is running, else the page; what was said there is said again."""
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:
        st.rerun()


@st.cache_resource(show_spinner=False)
def _model(path: str) -> Model:
    torch.set_num_threads(1)
    _collector()
    model = load_model(path)
    threading.Thread(target=_warm, args=(model,), daemon=True).start()
    return model


def _warm(model: Model) -> None:
    """Compile and capture what the first move and the first explanation need, while the person looks at the page."""
    board = Board.initial(model.size)
    explain(model, board)
    player = SearchPlayer(model.evaluator, 2)
    player.think(board)
    player.solve_empties = board.empties
    player.solve(board, seconds=0.01)
    _settle_memory()
    model.ready.set()
    game = Session(model)
    if (found := game.analyse(board, 2)) is not None:
        game.why(board, found.moves[0].square)


def _settle_memory() -> None:
    """Take what lives as long as the server out of every later collection, so that these cost milliseconds."""
    gc.collect()
    gc.freeze()
    gc.collect()


@st.cache_resource(show_spinner=False)
def _collector() -> threading.Thread:
    """Collect what ended sessions leave, twice a minute: not after each run, where a page would wait for it."""

    def collect() -> None:
        while True:
            time.sleep(30)
            gc.collect()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    return thread


@st.cache_resource(show_spinner=False)
def icon() -> Image:
    """The page's icon: the four discs of the start."""
    return board_png.picture(Board(0x0000000810000000, 0x0000001008000000), size=288).crop(
        (112, 112, 176, 176)
    )


@st.cache_data(ttl=10, show_spinner=False)
def checkpoint_paths(size: int) -> list[str]:
    """The checkpoints for N×N boards that a person may choose: the one the server was started with first."""
    paths = [str(path) for path in available_checkpoints(size)]
    given = os.environ.get("OTHELLO_CHECKPOINT")
    if given and board_size_of(given) == size:
        return [given, *(path for path in paths if path != given)]
    return paths


def sizes() -> list[int]:
    """The board sides that a checkpoint is there for, the usual one first."""
    given = os.environ.get("OTHELLO_CHECKPOINT")
    order = sorted((8, 6, 4), key=lambda size: size != (board_size_of(given) if given else None))
    return [size for size in order if checkpoint_paths(size)]


def model(size: int | None = None) -> Model:
    """The chosen network for N×N, the game's N if none is given; CheckpointError where there is none."""
    if size is None:
        known: Session | None = st.session_state.get("game")
        size = known.start.size if known is not None else next(iter(sizes()), 8)
    paths = checkpoint_paths(size)
    if not paths:
        raise CheckpointError(
            f"no checkpoint for {size}×{size} boards found; start the app with --checkpoint FOLDER, or train one"
        )
    return _model(widgets.chosen("checkpoint", paths, paths[0]))


def network(path: str) -> Model:
    """The network of one of `checkpoint_paths`."""
    return _model(path)


def checkpoint_argument(chosen: Model) -> str | None:
    """The checkpoint as commands and Python want to be told of it; None for the one that they take by themselves."""
    try:
        own = default_checkpoint(chosen.size).resolve() == chosen.path.resolve()
    except CheckpointError:
        own = False
    return None if own else str(chosen.path)


def parse_position(text: str, size: int = 8) -> Board:
    """A board string of any size there is a checkpoint for, or a transcript on N×N; ParseError, IllegalMove."""
    position = Board.parse(text, None if looks_like_board(text) else size)
    if position.size not in (offered := sizes()):
        names = " or ".join(f"{n}×{n}" for n in offered)
        raise ParseError(
            f"a {position.size}×{position.size} board; there are networks for {names} only"
        )
    return position


def checkpoint_label(path: str) -> str:
    """A checkpoint's folder, short."""
    parts = Path(path).parts
    return "/".join(parts[-3:]) if "generations" in parts else parts[-1]


def game() -> Session:
    """This browser session's game, made the first time."""
    if "game" not in st.session_state:
        st.session_state.game = Session(model(), strength=Strength())
    session: Session = st.session_state.game
    chosen = model(session.start.size)
    if session.model is not chosen:
        session.use_model(chosen)
    return session


def game_of_size(size: int) -> Session:
    """This browser session's game; a fresh one with the same settings where the old one has boards of another size."""
    if "game" not in st.session_state:
        st.session_state.game = Session(model(size), strength=Strength())
    old = game()
    if old.start.size == size:
        return old
    session = Session(model(size), seat=old.seat, strength=old.strength, opponent=old.opponent)
    session.serial = old.serial + 1  # the page's components see that everything is new
    old.close()
    st.session_state.game = session
    return session


def open_page(name: str) -> None:
    """Go to a page, where there are several."""
    if pages := st.session_state.get("pages"):
        st.switch_page(pages[name])


def open_in_play(board: Board) -> None:
    """Go to the Play page with a game of both sides from this position."""
    game_of_size(board.size).new_game(seat="both", start=board)
    open_page("play")
